"""Recurrent layers: one module loops over time, with two matrix products per step."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from scipy.special import expit

from .. import functional
from ..arguments import integer, real
from ..constructor import Fixed
from ..module import Module
from ..parameter import Parameter, blank, uniform, value_of
from ..values import Array, Value, add_values
from .dropout import Dropout


class _Weights(NamedTuple):
    """What one direction of one layer learns."""

    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None
    peephole: Parameter | None


class _Ends:
    """Where sequences (L, N, C) end."""

    def __init__(self, lengths: ArrayLike | None, n: int, size: int) -> None:
        self.n, self.size, self.full = n, size, lengths is None
        if lengths is None:
            return
        self.lengths = np.asarray(lengths)
        if self.lengths.shape != (n,) or not np.issubdtype(self.lengths.dtype, np.integer):
            raise ValueError(
                f"lengths must be {n} integers, got {self.lengths.shape} of {self.lengths.dtype}"
            )
        wrong = self.lengths[(self.lengths < 1) | (self.lengths > size)]
        if wrong.size:
            raise ValueError(f"each length must be 1 to {size}, got {wrong[0]}")
        steps = np.arange(size)[:, np.newaxis]
        self.inside = (steps < self.lengths)[:, :, np.newaxis]
        self.turned = np.where(self.inside[:, :, 0], self.lengths - 1 - steps, steps)[:, :, np.newaxis]

    def cut(self, a: Array) -> Array:
        """Put zeros behind the ends."""
        return a if self.full else np.where(self.inside, a, a.dtype.type(0))

    def turn(self, a: Array) -> Array:
        """Reverse each sequence in time; what lies behind its end stays."""
        return functional.contiguous(a[::-1]) if self.full else np.take_along_axis(a, self.turned, 0)

    def final(self) -> Any:
        """Return the index of the last steps."""
        return -1 if self.full else (self.lengths - 1, np.arange(self.n))


def _flat(a: Array) -> Array:
    """See (L, N, C) as (L * N, C)."""
    return a.reshape(a.shape[0] * a.shape[1], a.shape[2])


def _joined(ways: list[Array]) -> Array:
    """Put the channels of both ways side by side."""
    return ways[0] if len(ways) == 1 else functional.concatenate(ways, 2)


def _previous(states: Array) -> Array:
    """Return the state before each step; before the first it is zero."""
    return np.concatenate([np.zeros_like(states[:1]), states[:-1]])


def _sums(a: Array) -> Array:
    return functional.channel_sums(a)[0].astype(a.dtype)


def _add_product(parameter: Parameter, grads: Array, seen: Array, scale: float) -> None:
    """Add the gradient of a matrix (D, C) that leads from rows ``seen`` (N, C) to rows of ``grads`` (N, D)."""
    scaled = grads if scale == 1.0 else grads * grads.dtype.type(scale)
    functional.add_product(parameter.grad, scaled.T, seen)


class _Recurrent(Module):
    takes_integers = True
    gates: ClassVar[int]
    between: Dropout | None
    input_size = Fixed(lambda layer: layer._sizes[0])
    hidden_size = Fixed(lambda layer: layer._sizes[1])
    num_layers = Fixed(lambda layer: layer._sizes[2])
    bias = Fixed(lambda layer: layer._weights(0, "").bias_ih is not None)
    bidirectional = Fixed(lambda layer: len(layer.suffixes) == 2)

    @property
    def dropout(self) -> float:
        """Probability between layers."""
        return self.between.p if self.between else 0.0

    @dropout.setter
    def dropout(self, p: float) -> None:
        before, self.between = self.between, None
        if real("dropout", p):
            self.between = Dropout(p, rng=before.rng if before else None)
            self.between.is_training = self.is_training

    def _build(self, sizes: tuple[int, int, int], dropout: float, two_ways: bool, last: bool) -> None:
        names = ("input_size", "hidden_size", "num_layers")
        self._sizes: tuple[int, ...] = tuple(map(integer, names, sizes))
        self.suffixes = ("", "_reverse") if two_ways else ("",)
        self.between = None
        self.dropout, self.last = dropout, last

    def _add(self, bias_names: tuple[str, ...], dtype: DTypeLike, peepholes: bool = False) -> None:
        """Make the parameters, named as in PyTorch."""
        rows, hidden = self.gates * self.hidden_size, self.hidden_size
        for layer in range(self.num_layers):
            size = hidden * len(self.suffixes) if layer else self.input_size
            shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, size), "weight_hh": (rows, hidden)}
            shapes |= dict.fromkeys(bias_names, (rows,)) | ({"peephole": (3, hidden)} if peepholes else {})
            for suffix in self.suffixes:
                for name, shape in shapes.items():
                    setattr(self, f"{name}_l{layer}{suffix}", blank(shape, dtype))

    def _reset(self, rng: np.random.Generator) -> None:
        for value in self.own_state().values():
            if isinstance(value, Parameter):
                uniform(rng, value, self.hidden_size)

    def _weights(self, layer: int, suffix: str) -> _Weights:
        return _Weights(*(vars(self).get(f"{name}_l{layer}{suffix}") for name in _Weights._fields))  # type: ignore[arg-type]

    def _operations(self, x: Value, y: Value) -> int:
        n, length = (x[0] if isinstance(x, list | tuple) else x).shape[:2]
        return 2 * n * length * sum(p.value.size for name, p in self.parameters().items() if "weight" in name)

    def _bias(self, weights: _Weights) -> Array | None:
        """Return what each gate begins with."""
        return value_of(weights.bias_ih)

    @abstractmethod
    def _scan(self, weights: _Weights, driven: Array) -> tuple[Array, Any]:
        """Go through time.

        Parameters
        ----------
        weights : _Weights
        driven : ndarray, shape (L, N, gates * H)
            What the input adds to each gate; may be overwritten.

        Returns
        -------
        states : ndarray, shape (L, N, H)
        context
            What `_scan_back` needs besides.
        """

    @abstractmethod
    def _scan_back(
        self, weights: _Weights, context: Any, states: Array, grads: Array, scale: float | None
    ) -> Array:
        """Go back through time; with a ``scale`` add the gradients of all but what `_way_back` learns.

        Returns
        -------
        ndarray, shape (L, N, gates * H)
            Gradients of what the input adds to the gates.
        """

    def _forward(self, x: Value) -> tuple[Array, Any]:
        table = isinstance(x, list | tuple)
        sequences, lengths = x if table else (x, None)
        sequences = np.asarray(sequences, self._weights(0, "").weight_ih.value.dtype)
        if sequences.ndim != 3 or sequences.shape[2] != self.input_size or not sequences.shape[1]:
            raise ValueError(
                f"{type(self).__name__} expects (N, L, {self.input_size}), L of 1 or more, got {sequences.shape}"
            )
        ends = _Ends(lengths, *sequences.shape[:2])
        timed, layers, finals = ends.cut(functional.contiguous(sequences.transpose(1, 0, 2))), [], []
        for layer in range(self.num_layers):
            timed, mask = self.between._run(timed) if layer and self.between else (timed, None)
            results = [self._way(layer, suffix, timed, ends) for suffix in self.suffixes]
            layers.append((mask, [context for _, _, context in results]))
            timed, finals = _joined([y for y, _, _ in results]), [end for _, end, _ in results]
        if self.last:
            y = functional.concatenate(finals, 1)
        else:
            y = functional.contiguous(timed.transpose(1, 0, 2))
        return y, (layers, ends, table)

    def _way(self, layer: int, suffix: str, timed: Array, ends: _Ends) -> tuple[Array, Array, Any]:
        """Go through one layer in one direction; return outputs, last states and context."""
        weights = self._weights(layer, suffix)
        source = ends.turn(timed) if suffix else timed
        driven = functional.linear(_flat(source), weights.weight_ih.value, self._bias(weights))
        states, context = self._scan(weights, driven.reshape(*source.shape[:2], driven.shape[1]))
        outputs = ends.cut(ends.turn(states) if suffix else states)
        return outputs, states[ends.final()], (source, states, context)

    def _backward(
        self, context: Any, grad_output: Array, scale: float, input_grad: bool, param_grad: bool
    ) -> Value | None:
        layers, ends, table = context
        wanted = scale if param_grad else None
        grads = self._grads_of_last_layer(np.asarray(grad_output, layers[0][1][0][1].dtype), ends)
        for layer in range(self.num_layers - 1, -1, -1):
            mask, ways = layers[layer]
            parts = zip(self.suffixes, ways, grads, strict=True)
            further = bool(layer) or input_grad
            sums = [self._way_back(layer, *part, ends, wanted, further) for part in parts]
            if further:
                timed = add_values(sums)
            if layer:
                timed = self.between._input_gradient(mask, timed) if self.between else timed
                grads = [
                    ends.turn(part) if suffix else part
                    for suffix, part in zip(
                        self.suffixes, np.split(timed, len(self.suffixes), 2), strict=True
                    )
                ]
        if not input_grad:
            return None
        gradient = np.ascontiguousarray(ends.cut(timed).transpose(1, 0, 2))
        return [gradient, np.zeros(ends.n, gradient.dtype)] if table else gradient

    def _grads_of_last_layer(self, grad_output: Array, ends: _Ends) -> list[Array]:
        """Return the gradients of the states of the last layer, in the order in which each way was gone."""
        parts = np.split(grad_output, len(self.suffixes), axis=-1)
        if not self.last:
            timed = [ends.cut(part.transpose(1, 0, 2)) for part in parts]
            return [ends.turn(part) if way else part for way, part in zip(self.suffixes, timed, strict=True)]
        grads = [np.zeros((ends.size, *part.shape), part.dtype) for part in parts]
        for grad, part in zip(grads, parts, strict=True):
            grad[ends.final()] = part
        return grads

    def _way_back(
        self,
        layer: int,
        suffix: str,
        context: Any,
        grads: Array,
        ends: _Ends,
        scale: float | None,
        further: bool,
    ) -> Array | None:
        """Return the gradient of one way's input, if it is to go further."""
        source, states, inner = context
        weights = self._weights(layer, suffix)
        driven = self._scan_back(weights, inner, states, grads, scale)
        if scale is not None:
            _add_product(weights.weight_ih, _flat(driven), _flat(source), scale)
            self._learn_bias(weights, driven, scale)
        if not further:
            return None
        gradient = functional.matmul(_flat(driven), weights.weight_ih.value).reshape(source.shape)
        return ends.turn(gradient) if suffix else gradient

    def _learn_bias(self, weights: _Weights, driven: Array, scale: float) -> None:
        """Add the gradients of what `_bias` is made of."""
        if weights.bias_ih is not None:
            weights.bias_ih.accumulate(_sums(driven), scale)


class LSTM(_Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber 1997, Gers et al. 2000) over sequences (N, L, C).

    ``i, f, o = σ(W x + U h + b)``, ``g = tanh(W x + U h + b)``, ``c = f · c + i · g``, ``h = o · tanh(c)``; with
    peepholes (Gers et al. 2002, Graves 2013) i and f also see ``p · c`` of the step before, o that of its own step.
    The states begin with zero. The input is an array, or a list of it and the length of each sequence (N,), whose
    output is zero behind its end.

    Parameters
    ----------
    input_size, hidden_size : int
        Channels of the input and of the state.
    num_layers : int
        Layers on top of each other.
    bias : bool
        Whether there is a ``b``.
    dropout : float
        Probability between layers.
    bidirectional : bool
        Whether a second state goes from the end to the start; the output then has ``2 * hidden_size`` channels.
    peepholes : bool
        Whether the gates see the cell.
    recurrent_bias : bool, optional
        Whether ``b`` is a sum of two that are learnt, as in PyTorch; by default where there are no peepholes.
    last : bool
        Whether only the state after the last step of each sequence is returned, (N, channels).
    dtype : dtype
        Of the parameters; the input is converted to it.
    rng : numpy.random.Generator or int, optional
        Source of the initial values, uniform in ±1/√hidden_size.

    Attributes
    ----------
    weight_ih_l0 : Parameter, shape (4 * hidden_size, input_size)
        In the order i, f, g, o, as all; one of each kind per layer, and per direction with ``_reverse`` behind.
    weight_hh_l0 : Parameter, shape (4 * hidden_size, hidden_size)
    bias_ih_l0, bias_hh_l0 : Parameter, shape (4 * hidden_size,)
    peephole_l0 : Parameter, shape (3, hidden_size)
        In the order i, f, o.

    Raises
    ------
    ValueError
        If a size is below 1, an input has other axes or no step, or a length is not that of a sequence.

    Examples
    --------
    >>> [LSTM(512, 256, **how).count_parameters() for how in ({}, {"recurrent_bias": False}, {"peepholes": True})]
    [788480, 787456, 788224]
    """

    gates = 4
    replayable = True
    peepholes = Fixed(lambda layer: layer._weights(0, "").peephole is not None)
    recurrent_bias = Fixed(lambda layer: layer._weights(0, "").bias_hh is not None)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        *,
        dropout: float = 0.0,
        bidirectional: bool = False,
        peepholes: bool = False,
        recurrent_bias: bool | None = None,
        last: bool = False,
        dtype: DTypeLike = np.float32,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        super().__init__()
        self._build((input_size, hidden_size, num_layers), dropout, bidirectional, last)
        both = not peepholes if recurrent_bias is None else recurrent_bias
        self._add((("bias_ih", "bias_hh") if both else ("bias_ih",)) if bias else (), dtype, peepholes)
        self.reset(rng)

    def _bias(self, weights: _Weights) -> Array | None:
        one, other = value_of(weights.bias_ih), value_of(weights.bias_hh)
        return one if one is None or other is None else functional.apply(np.add, one, other)

    def _scan(self, weights: _Weights, driven: Array) -> tuple[Array, Any]:
        scan = functional.lstm(driven, weights.weight_hh.value, value_of(weights.peephole))
        return scan.states, scan

    def _scan_back(
        self, weights: _Weights, context: Any, states: Array, grads: Array, scale: float | None
    ) -> Array:
        weight, peephole = weights.weight_hh.value, value_of(weights.peephole)
        driven = functional.lstm_gradient(context, weight, grads, peephole)
        if scale is not None:
            self._learn(weights, context, driven, scale)
        return driven

    def _learn(self, weights: _Weights, scan: functional.Scan, driven: Array, scale: float) -> None:
        # The first step has no state before it.
        _add_product(weights.weight_hh, _flat(driven[1:]), _flat(scan.states[:-1]), scale)
        if weights.peephole is not None:
            di, df, _, do = np.split(driven, 4, axis=2)
            before = _previous(scan.cells)
            seen = ((di, before), (df, before), (do, scan.cells))
            weights.peephole.accumulate(np.stack([_sums(grad * cell) for grad, cell in seen]), scale)

    def _learn_bias(self, weights: _Weights, driven: Array, scale: float) -> None:
        if weights.bias_ih is not None:
            sums = _sums(driven)
            for bias in (weights.bias_ih, weights.bias_hh):
                if bias is not None:
                    bias.accumulate(sums, scale)


class GRU(_Recurrent):
    """Gated recurrent unit (Cho et al. 2014) over sequences (N, L, C).

    ``r, z = σ(W x + b + U h + d)``, ``n = tanh(W x + b + r · (U h + d))``, ``h = (1 - z) · n + z · h``. The states
    begin with zero. The input is an array, or a list of it and the length of each sequence (N,), whose output is
    zero behind its end.

    Parameters
    ----------
    input_size, hidden_size : int
        Channels of the input and of the state.
    num_layers : int
        Layers on top of each other.
    bias : bool
        Whether there are ``b`` and ``d``.
    dropout : float
        Probability between layers.
    bidirectional : bool
        Whether a second state goes from the end to the start; the output then has ``2 * hidden_size`` channels.
    reset_after : bool
        Whether r scales the product with the state, as in PyTorch, or the state itself,
        ``n = tanh(W x + b + U (r · h) + d)``, as in the paper and in Torch.
    last : bool
        Whether only the state after the last step of each sequence is returned, (N, channels).
    dtype : dtype
        Of the parameters; the input is converted to it.
    rng : numpy.random.Generator or int, optional
        Source of the initial values, uniform in ±1/√hidden_size.

    Attributes
    ----------
    weight_ih_l0 : Parameter, shape (3 * hidden_size, input_size)
        In the order r, z, n, as all; one of each kind per layer, and per direction with ``_reverse`` behind.
    weight_hh_l0 : Parameter, shape (3 * hidden_size, hidden_size)
    bias_ih_l0, bias_hh_l0 : Parameter, shape (3 * hidden_size,)

    Raises
    ------
    ValueError
        If a size is below 1, an input has other axes or no step, or a length is not that of a sequence.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.GRU(3, 5).forward(np.zeros((2, 7, 3), np.float32)).shape
    (2, 7, 5)
    >>> nn.GRU(3, 5, last=True).forward(np.zeros((2, 7, 3), np.float32)).shape
    (2, 5)
    """

    gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        *,
        dropout: float = 0.0,
        bidirectional: bool = False,
        reset_after: bool = True,
        last: bool = False,
        dtype: DTypeLike = np.float32,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        super().__init__()
        self._build((input_size, hidden_size, num_layers), dropout, bidirectional, last)
        self.reset_after = reset_after
        self._add(("bias_ih", "bias_hh") if bias else (), dtype)
        self.reset(rng)

    def _scan(self, weights: _Weights, driven: Array) -> tuple[Array, Any]:
        size, gates = self.hidden_size, driven
        recurrent = np.ascontiguousarray(weights.weight_hh.value.T)
        bias = np.zeros(3 * size, gates.dtype) if weights.bias_hh is None else weights.bias_hh.value
        states = np.empty((*gates.shape[:2], size), gates.dtype)
        # What the state adds to the gate n, before r scales it.
        added = np.empty_like(states)
        state = np.zeros_like(states[0])
        for t, gate in enumerate(gates):
            rz, n = gate[:, : 2 * size], gate[:, 2 * size :]
            if self.reset_after:
                product = state @ recurrent + bias
                rz += product[:, : 2 * size]
                added[t] = product[:, 2 * size :]
            else:
                rz += state @ recurrent[:, : 2 * size] + bias[: 2 * size]
            expit(rz, out=rz)
            r, z = rz[:, :size], rz[:, size:]
            if self.reset_after:
                n += r * added[t]
            else:
                n += (r * state) @ recurrent[:, 2 * size :] + bias[2 * size :]
            np.tanh(n, out=n)
            state = states[t] = (1 - z) * n + z * state
        return states, (gates, added)

    def _scan_back(
        self, weights: _Weights, context: Any, states: Array, grads: Array, scale: float | None
    ) -> Array:
        gates, added = context
        size, recurrent = self.hidden_size, weights.weight_hh.value
        driven, before = np.empty_like(gates), _previous(states)
        state = np.zeros_like(states[0])
        for t in range(len(gates) - 1, -1, -1):
            (r, z, n), (dr, dz, dn) = np.split(gates[t], 3, axis=1), np.split(driven[t], 3, axis=1)
            state = state + grads[t]
            dz[...] = state * (before[t] - n) * z * (1 - z)
            dn[...] = state * (1 - z) * (1 - n**2)
            if self.reset_after:
                dr[...] = dn * added[t] * r * (1 - r)
                back = (dn * r) @ recurrent[2 * size :]
            else:
                scaled = dn @ recurrent[2 * size :]
                dr[...] = scaled * before[t] * r * (1 - r)
                back = scaled * r
            state = state * z + back + driven[t][:, : 2 * size] @ recurrent[: 2 * size]
        if scale is not None:
            self._learn(weights, gates, driven, before, scale)
        return driven

    def _learn(self, weights: _Weights, gates: Array, driven: Array, before: Array, scale: float) -> None:
        size = self.hidden_size
        r, rz, dn = gates[:, :, :size], driven[:, :, : 2 * size], driven[:, :, 2 * size :]
        dn, seen = (dn * r, before) if self.reset_after else (dn, before * r)
        products = [_flat(rz).T @ _flat(before), _flat(dn).T @ _flat(seen)]
        weights.weight_hh.accumulate(np.concatenate(products), scale)
        if weights.bias_hh is not None:
            weights.bias_hh.accumulate(np.concatenate([_sums(rz), _sums(dn)]), scale)
