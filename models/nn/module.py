"""What a module is."""

from __future__ import annotations

import copy
import inspect
import os
import threading
import weakref
from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..memory import check_memory
from . import functional, words
from .arguments import plain

Array = NDArray[np.floating]

#: What flows between modules: an array, or a list of such (Torch's table).
Value = Any

#: The types that are computed with: single, double and longer precision.
_REAL = "fdg"

#: Random numbers drawn at a time: they are in double precision, and a parameter may be large.
_DRAWN = 2**16


# A new object with each change: of numbers two threads could make the same one twice.
_changes = object()
_holders: list[weakref.ref[Module]] = []


def changes() -> object:
    """Return what is another object once anything of any module or parameter is set anew.

    What was found of a net holds until then.
    """
    return _changes


class _Pass(threading.local):
    keeps = True


_passing = _Pass()


def keeps() -> bool:
    """Return whether the forward that this thread runs keeps what a backward needs."""
    return _passing.keeps


def _changed() -> None:
    global _changes, _holders
    _changes = object()
    holders, _holders = _holders, []
    for holder in holders:
        module = holder()
        if module is not None:
            # It may be all that keeps a module alive that is no longer part of the net.
            module._known = {}


if hasattr(os, "register_at_fork"):
    # What was written down to be played may wake threads that a child does not have.
    os.register_at_fork(after_in_child=_changed)


class _Watched:
    checks: ClassVar[Mapping[str, Callable[[str, Any], Any]]] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.checks:
            value = self.checks[name](name, value)
        before = vars(self).get(name, _NOTHING)
        is_new = before is not value
        if is_new and isinstance(before, (Parameter, np.ndarray)):
            self._check_replaced(name, before, value)
        super().__setattr__(name, value)
        if is_new and name != "_known":
            _changed()

    def _check_replaced(self, name: str, before: Any, value: Any) -> None:
        """Refuse what must not take the place of a parameter or an array."""

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        _changed()


class Parameter(_Watched):
    """An array that is learnt, with its gradient beside it.

    Two modules that hold the same object share it.

    Attributes
    ----------
    value, grad : ndarray
        Of one shape and type; views of the flat vectors after `Module.get_parameters`. A gradient that nobody asked
        for takes no memory.
    """

    def __init__(self, value: Array) -> None:
        self.value = np.require(value, requirements="A")
        self._grad: Array | None = None

    @property
    def grad(self) -> Array:
        """The gradient; zero at first."""
        if self._grad is None:
            self._grad = np.zeros(self.value.shape, self.value.dtype)
        return self._grad

    @grad.setter
    def grad(self, grad: Array) -> None:
        if grad is not None:
            _check_shape("grad of a Parameter", grad, self.value)
        self._grad = grad

    @property
    def requires_grad(self) -> bool:
        """Whether a backward adds to the gradient: always, unless it is told ``param_grad=False``."""
        return True

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        raise AttributeError(
            "a parameter cannot be frozen by requires_grad: give Training(trained=...) the part that learns, or "
            "backward(..., param_grad=False)"
        )

    def _check_replaced(self, name: str, before: Any, value: Any) -> None:
        if name == "value":
            _check_shape("value of a Parameter", value, before)

    def fill(self, value: Array | float) -> None:
        """Overwrite the value in place."""
        self.value[...] = value

    def draw(self, numbers: Callable[[int], Array]) -> None:
        """Overwrite the value in place with what ``numbers(n)`` gives, the next n of a stream, few at a time."""
        flat = self.value.reshape(-1) if self.value.flags.c_contiguous else self.value.flat
        for start in range(0, self.value.size, _DRAWN):
            stop = min(start + _DRAWN, self.value.size)
            flat[start:stop] = numbers(stop - start)

    def astype(self, dtype: DTypeLike) -> None:
        """Convert value and gradient."""
        self.value = self.value.astype(dtype)
        self._grad = None if self._grad is None else self._grad.astype(dtype)

    def accumulate(self, gradient: Array, scale: float = 1.0) -> None:
        """Add ``scale * gradient`` to the gradient."""
        grad = self.grad
        grad += gradient if scale == 1.0 else gradient * grad.dtype.type(scale)


def blank(shape: tuple[int, ...], dtype: DTypeLike) -> Parameter:
    """Return a parameter of zeros.

    Raises
    ------
    TypeError
        If the type is not that of floating-point numbers.
    ValueError
        If it would take more memory than the machine has.
    """
    if not np.issubdtype(dtype, np.floating):
        raise TypeError(
            f"dtype must be one of floating-point numbers, such as float32, got {np.dtype(dtype)}"
        )
    check_memory(shape, dtype)
    return Parameter(np.zeros(shape, dtype))


def value_of(parameter: Parameter | None) -> Array | None:
    """Return the array of a parameter, if there is one."""
    return None if parameter is None else parameter.value


def _check_shape(what: str, array: Any, like: Array) -> None:
    if not isinstance(array, np.ndarray) or array.shape != like.shape:
        got = array.shape if isinstance(array, np.ndarray) else type(array).__name__
        raise ValueError(f"the {what} must be an array of shape {like.shape}, got {got}")
    if not array.flags.aligned:
        raise ValueError(f"the {what} must lie at an address that fits its type, as a copy of it does")


class Step(NamedTuple):
    """One module's part in a forward: what it was given and what it returned."""

    module: Module
    input: Value
    output: Value


class _Call(NamedTuple):
    input: Value
    context: Any
    form: Any
    used: list[bool]


def floating(value: Value) -> Value:
    """Return an array of integers, truth values or half precision in the type that holds them and single precision.

    Others stay as they are, but for the order of their bytes, which becomes the machine's, and their addresses, which
    become multiples of their size; of a list, each entry is converted.
    """
    if (
        type(value) is np.ndarray
        and value.dtype.char in _REAL
        and value.dtype.isnative
        and value.flags.aligned
    ):
        return value
    if isinstance(value, list | tuple):
        return [floating(entry) for entry in value]
    array = np.asarray(value)
    return array.astype(np.result_type(array.dtype, np.float32)) if array.dtype.kind in "biuf" else array


def form_of(value: Value) -> Any:
    """Return shape and type of an array, or a list of those of a list."""
    if isinstance(value, list | tuple):
        return [form_of(entry) for entry in value]
    value = value if hasattr(value, "shape") else np.asarray(value)
    return value.shape, value.dtype


def fitting(module: Module, form: Any, gradient: Value) -> Value:
    """Return the gradient of an output as an array of its shape and type, or a list of such.

    Parameters
    ----------
    module : Module
        Whose output it is, for errors.
    form : tuple or list
        What `form_of` returned of the output. Of integers and half precision the gradient is what `floating` makes
        of it.
    gradient : array_like or list
        What `backward` was given.

    Raises
    ------
    TypeError
        If it is not made of real numbers.
    ValueError
        If it has another shape or length.
    """
    if isinstance(form, list):
        if not isinstance(gradient, list | tuple) or len(gradient) != len(form):
            got = f"{len(gradient)}" if isinstance(gradient, list | tuple) else type(gradient).__name__
            raise ValueError(
                f"{type(module).__name__}.backward needs a list of {len(form)} gradients, one for each entry of the "
                f"output, got {got}"
            )
        return [fitting(module, *pair) for pair in zip(form, gradient, strict=True)]
    shape, dtype = form
    if (
        type(gradient) is np.ndarray
        and gradient.shape == shape
        and gradient.dtype == dtype
        and dtype.char in _REAL
        and gradient.flags.aligned
    ):
        return gradient
    array = np.asarray(gradient)
    if array.shape != shape:
        raise ValueError(
            f"{type(module).__name__}.backward needs a gradient of the shape of its output, {shape}, got {array.shape}"
        )
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{type(module).__name__}.backward needs a gradient of real numbers, got {array.dtype}"
        )
    return np.require(array, dtype, "A") if dtype.char in _REAL else floating(array)


class Fixed:
    """An argument of a constructor that cannot change afterwards, as parameters have their shape by it.

    Parameters
    ----------
    of : callable
        Returns it from a module.
    """

    def __init__(self, of: Callable[[Any], Any]) -> None:
        self._of = of

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, module: Any, kind: type | None = None) -> Any:
        return self if module is None else self._of(module)

    def __set__(self, module: Any, value: Any) -> None:
        raise AttributeError(f"{self._name} of a {type(module).__name__} cannot be changed; make a new one")


class _Kept(NamedTuple):
    """What a constructor was given, where the attribute of that name is another object, and what that was then."""

    given: Any
    attribute: Any


_NOTHING = object()


class _Kind(ABCMeta):
    """Makes modules, and keeps of what the constructor is given what is not found in the module."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        # A NumPy scalar is Python's number from here on, as files and the printed tree hold no other.
        args, kwargs = plain(args), {name: plain(value) for name, value in kwargs.items()}
        module = super().__call__(*args, **kwargs)
        given = inspect.signature(cls.__init__).bind(module, *args, **kwargs)  # type: ignore[misc]
        given.apply_defaults()
        module._given = {}
        for name, value in list(given.arguments.items())[1:]:
            if name not in _INITIAL and isinstance(value, Module):
                module._given[name] = _place_of(module, value)
            elif name not in _INITIAL and not _is_same(getattr(module, name, _NOTHING), value):
                module._given[name] = _Kept(value, getattr(module, name, _NOTHING))
        return module


# What makes initial values only.
_INITIAL = ("rng", "dtype")


def _place_of(module: Module, child: Module) -> str:
    """Return the path of what a constructor was given: who replaces it there must not be shown the old one."""
    return next((path for path, inside in module._paths() if inside is child), "")


class Module(_Watched, metaclass=_Kind):
    """A function with parameters and a gradient, after Torch's ``nn.Module``.

    A layer writes two methods: ``_forward(input)`` returns the output and a *context*, which is all that
    ``_backward(context, grad_output, scale, input_grad, param_grad)`` needs. As the context travels with
    the call, one module may stand at several places of a graph. Parameters, buffers and children are attributes.
    Axes are counted with that of the batch, which is axis 0 and always there.

    Attributes
    ----------
    is_training : bool
        Set by `training` and `evaluate`.
    buffer_names : tuple of str
        The attributes that belong to the state without being learnt, such as running means.
    checks : dict
        For attributes, what is called with name and value, and returns the value to keep or says what is wrong.
    takes_integers : bool
        Whether ``_forward`` is given integers and half precision as they are; else as what `floating` makes of them,
        so that no product or sum can overflow.
    playable : bool
        Whether what a forward in evaluation does follows from attributes and shapes alone, never from the numbers in
        its input, so that it can be played (`playback.Playback`); a class says so itself, for no other.
    """

    buffer_names: ClassVar[tuple[str, ...]] = ()
    takes_integers: ClassVar[bool] = False
    playable: ClassVar[bool] = False
    _given: dict[str, _Kept | str]

    def _check_replaced(self, name: str, before: Any, value: Any) -> None:
        if isinstance(before, Parameter) and value is not None:
            if not isinstance(value, Parameter):
                raise TypeError(
                    f"{name} of a {type(self).__name__} must be a Parameter, got {type(value).__name__}; "
                    f"set {name}.value to change its numbers"
                )
            _check_shape(f"{name} of a {type(self).__name__}", value.value, before.value)
        elif name in self.buffer_names:
            _check_shape(f"{name} of a {type(self).__name__}", value, before)

    def __init__(self) -> None:
        self.is_training = True
        self._calls: list[_Call] = []
        self._steps: list[Step] | None = None
        self._known: dict[str, tuple[object, Any]] = {}
        self._is_loaded = False

    @abstractmethod
    def _forward(self, x: Value) -> tuple[Value, Any]:
        """Return the output and what `_backward` needs."""

    @abstractmethod
    def _backward(
        self, context: Any, grad_output: Value, scale: float, input_grad: bool, param_grad: bool
    ) -> Value | None:
        """Return the gradient of the input, and add those of the parameters."""

    def _run(self, x: Value) -> tuple[Value, Any]:
        y, context = self._forward(x if self.takes_integers else floating(x))
        if self._steps is not None:
            self._steps.append(Step(self, x, y))
        return y, context

    def forward(self, input: Value) -> Value:
        """Return the output.

        Where this module or any inside is in training mode the call is remembered, so that `backward` finds what it
        needs, until a forward that follows a backward, or `clear_state`.
        """
        if not self._remembers():
            return self._predict(input)
        # Before the new call, which would else need its memory beside that of the old one.
        self._calls[:] = [call for call in self._calls if not call.used[0] and call.input is not input]
        y, context = self._pass(input, True)
        self._calls.append(_Call(input, context, form_of(y), [False]))
        return y

    def _remembers(self) -> bool:
        """Return whether anything here is in training mode, and so may do otherwise in a second forward."""
        return self.is_training or self._found("remembers", self._any_training)

    def _any_training(self) -> bool:
        return any(module.is_training for _, module in self.named_modules())

    def _predict(self, x: Value) -> Value:
        """Return the output of a forward of which nothing is kept."""
        if self._calls:
            self._calls[:] = [call for call in self._calls if call.input is not x]
        return self._pass(x, False)[0]

    def _pass(self, x: Value, keeping: bool) -> tuple[Value, Any]:
        before, _passing.keeps = _passing.keeps, keeping
        try:
            return self._run(x)
        finally:
            _passing.keeps = before

    def backward(
        self,
        input: Value,
        grad_output: Value,
        scale: float = 1.0,
        input_grad: bool = True,
        param_grad: bool = True,
    ) -> Value | None:
        """Return the gradient of the input, and add those of the parameters to their ``grad``.

        Where all is in evaluation mode nothing is remembered: what is needed is computed anew, of ``input`` as it is
        now.

        Parameters
        ----------
        input : ndarray or list of ndarray
            The very object that `forward` was given; in evaluation mode any.
        grad_output : ndarray or list of ndarray
            Gradient of the loss with respect to the output.
        scale : float
            Factor of what is added to the gradients of the parameters.
        input_grad, param_grad : bool
            Which gradients are wanted.

        Returns
        -------
        ndarray, list of ndarray, or None
            None without ``input_grad``.

        Raises
        ------
        RuntimeError
            If anything is in training mode, and no forward of this input is remembered.
        TypeError
            If the gradient is not made of real numbers.
        ValueError
            If it has another shape than the output.
        """
        for call in self._calls:
            if call.input is input:
                grad_output = fitting(self, call.form, grad_output)
                call.used[0] = True
                return self._backward(call.context, grad_output, scale, input_grad, param_grad)
        if self._remembers():
            raise RuntimeError(
                f"{type(self).__name__}.backward needs a forward of the same input object in training mode"
            )
        y, context = self._pass(input, True)
        grad_output = fitting(self, form_of(y), grad_output)
        return self._backward(context, grad_output, scale, input_grad, param_grad)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(
                words.answer(type(self).__name__, name, words.OF_MODULES), name=name, obj=self
            )

    def children(self) -> list[tuple[str, Module]]:
        """Return the modules inside, by name."""
        return [(name, value) for name, value in vars(self).items() if isinstance(value, Module)]

    def _paths(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield this module and all inside under each of their paths, parents first."""
        yield prefix, self
        for name, child in self.children():
            yield from child._paths(f"{prefix}.{name}" if prefix else name)

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """Yield this module and all inside, parents first; each once, with its first path."""
        seen: set[int] = set()
        for path, module in self._paths():
            if id(module) not in seen:
                seen.add(id(module))
                yield path, module

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call ``function`` with this module and each inside, parents first."""
        for _, module in self._found("modules", lambda: list(self.named_modules())):
            function(module)
        return self

    def find_modules(self, kind: type[Module]) -> list[Module]:
        """Return all modules of a class or of one derived from it."""
        return [module for _, module in self.named_modules() if isinstance(module, kind)]

    def own_state(self) -> dict[str, Parameter | Array]:
        """Return the parameters and buffers of this module itself, by name."""
        own: dict[str, Parameter | Array] = {
            name: value for name, value in vars(self).items() if isinstance(value, Parameter)
        }
        return own | {name: getattr(self, name) for name in self.buffer_names}

    def is_learnt(self) -> bool:
        """Return whether there is any parameter here or inside."""
        return bool(self.parameters())

    def parameters(self) -> dict[str, Parameter]:
        """Return the parameters by path; one that is shared stands under its first path."""
        return self._found("parameters", self._find_parameters).copy()

    def _find_parameters(self) -> dict[str, Parameter]:
        found: dict[int, tuple[str, Parameter]] = {}
        for path, module in self.named_modules():
            for name, value in module.own_state().items():
                if isinstance(value, Parameter):
                    found.setdefault(id(value), (_join(path, name), value))
        return dict(found.values())

    def buffers(self) -> dict[str, Array]:
        """Return the arrays of the state that are not learnt, by path."""
        found: dict[int, tuple[str, Array]] = {}
        for path, module in self.named_modules():
            for name in module.buffer_names:
                buffer = getattr(module, name)
                found.setdefault(id(buffer), (_join(path, name), buffer))
        return dict(found.values())

    def state_dict(self) -> dict[str, Array]:
        """Return copies of all parameters and buffers, by path."""
        state = {name: parameter.value.copy() for name, parameter in self.parameters().items()}
        return state | {name: buffer.copy() for name, buffer in self.buffers().items()}

    def load_state_dict(self, state: Mapping[str, Array]) -> Self:
        """Write a state into the parameters and buffers in place, so that flat vectors stay valid.

        Raises
        ------
        ValueError
            If a name is missing, unknown, or its array has another shape.
        """
        own = {name: parameter.value for name, parameter in self.parameters().items()} | self.buffers()
        if set(own) != set(state):
            raise ValueError(
                f"the state does not fit: {', '.join(sorted(set(own) ^ set(state)))} on one side only"
            )
        for name, value in own.items():
            if value.shape != np.shape(state[name]):
                raise ValueError(f"{name} must have the shape {value.shape}, got {np.shape(state[name])}")
        for name, value in own.items():
            value[...] = state[name]
        self._is_loaded = True
        return self

    def is_loaded(self) -> bool:
        """Return whether anything here has values that `load_state_dict` wrote and `reset` has not drawn anew since."""
        return any(module._is_loaded for _, module in self.named_modules())

    def get_parameters(self) -> tuple[Array, Array]:
        """Return one flat vector of all parameters and one of their gradients.

        Every parameter is a view of them from then on. Calling again, also on a part of the net, returns the
        same memory; the vectors of a part taken earlier are no longer those of the net.
        """
        parameters = list(self.parameters().values())
        return _flatten(parameters, "value"), _flatten(parameters, "_grad")

    def zero_grad_parameters(self) -> None:
        """Set all gradients to zero."""
        for _, grad in self._found("vectors", self._vectors):
            functional.clear(grad)

    def update_parameters(self, lr: float) -> None:
        """Go one step of ``lr`` down the gradient."""
        for value, grad in self._found("vectors", self._vectors):
            functional.descend(value, grad, lr)

    def _vectors(self) -> list[tuple[Array, Array]]:
        """Return the values and gradients of all parameters; where they are flat, in one vector each."""
        pairs = [(parameter.value, parameter.grad) for parameter in self.parameters().values()]
        values, grads = _common([value for value, _ in pairs]), _common([grad for _, grad in pairs])
        return pairs if values is None or grads is None else [(values, grads)]

    def share(self, other: Module, *names: str) -> Self:
        """Hold the very parameters and buffers of another net of the same structure.

        Parameters
        ----------
        other : Module
            Whose parameters and buffers are taken, each by the module at the same path.
        *names : str
            Which of them, such as ``"weight"``; all by default.

        Raises
        ------
        ValueError
            If the structures or shapes differ, or nothing has one of the names.

        Examples
        --------
        >>> from actionbench.models import nn
        >>> left, right = nn.Linear(3, 2), nn.Linear(3, 2)
        >>> left.share(right, "weight").weight is right.weight
        True
        """
        mine, theirs = list(self._paths()), list(other._paths())
        if [(path, type(module)) for path, module in mine] != [
            (path, type(module)) for path, module in theirs
        ]:
            raise ValueError("only nets of one structure can share parameters")
        taken = []
        for (path, module), (_, source) in zip(mine, theirs, strict=True):
            own = module.own_state()
            for name, value in source.own_state().items():
                if not names or name in names:
                    if _shape(own.get(name)) != _shape(value):
                        raise ValueError(f"{_join(path, name)} has another shape in the other net")
                    taken.append((module, name, value))
        if unknown := set(names) - {name for _, name, _ in taken}:
            raise ValueError(f"nothing in {type(self).__name__} is named {', '.join(sorted(unknown))}")
        for module, name, value in taken:
            setattr(module, name, value)
        return self

    def training(self) -> Self:
        """Switch this module and all inside to training."""
        return self.apply(lambda module: setattr(module, "is_training", True))

    def evaluate(self) -> Self:
        """Switch this module and all inside to prediction; forgets remembered calls."""
        self.clear_state()
        return self.apply(lambda module: setattr(module, "is_training", False))

    @contextmanager
    def evaluating(self) -> Iterator[Self]:
        """Predict inside a ``with`` block; each module returns to its mode behind it."""
        modes = [(module, module.is_training) for _, module in self.named_modules()]
        for module, _ in modes:
            module.is_training = False
        try:
            yield self
        finally:
            for module, mode in modes:
                module.is_training = mode

    def clear_state(self) -> Self:
        """Forget remembered calls."""
        return self.apply(lambda module: module._calls.clear())

    def _reset(self, rng: np.random.Generator) -> None:
        """Draw this module's own initial values."""

    def _draw(self, rng: np.random.Generator) -> None:
        self._reset(rng)
        self._is_loaded = False

    def reset(self, rng: np.random.Generator | int | None = None) -> Self:
        """Draw all initial values anew, in place."""
        generator = np.random.default_rng(rng)
        return self.apply(lambda module: module._draw(generator))

    def astype(self, dtype: DTypeLike) -> Self:
        """Convert parameters and buffers; flat vectors taken before are stale after it."""
        for parameter in self.parameters().values():
            parameter.astype(dtype)
        converted = {id(buffer): buffer.astype(dtype) for buffer in self.buffers().values()}
        for _, module in self.named_modules():
            for name in module.buffer_names:
                setattr(module, name, converted[id(getattr(module, name))])
        return self

    def clone(self, *names: str) -> Self:
        """Return a deep copy without remembered calls; what is shared inside stays shared.

        With ``names`` the copy shares those parameters and buffers with the original, see `share`.
        """
        twin = copy.deepcopy(self)
        return twin.share(self, *names) if names else twin

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_calls": [], "_steps": None, "_known": {}}

    def _found(self, what: str, find: Callable[[], Any]) -> Any:
        """Return what ``find`` found, until anything of any net is set anew."""
        now, (then, found) = _changes, self._known.get(what, (None, None))
        if now is not then:
            found = find()
            self._known[what] = now, found
            _holders.append(weakref.ref(self))
        return found

    def count_parameters(self) -> int:
        """Return how many numbers are learnt."""
        return sum(parameter.value.size for parameter in self.parameters().values())

    def trace(self, input: Value) -> list[Step]:
        """Return what each module did in a forward of ``input`` in evaluation mode, in the order they ended."""
        steps: list[Step] = []
        try:
            self.apply(lambda module: setattr(module, "_steps", steps))
            with self.evaluating():
                self._pass(input, False)
        finally:
            self.apply(lambda module: setattr(module, "_steps", None))
        return steps

    def _operations(self, x: Value, y: Value) -> int:
        """Return the floating-point operations of one forward, those inside excepted."""
        return 0

    def count_operations(self, input: Value) -> int:
        """Return the floating-point operations of a forward of ``input``.

        A multiplication and an addition are two. Counted are the products of linear and convolutional layers, and
        one operation per number elsewhere.
        """
        return sum(step.module._operations(step.input, step.output) for step in self.trace(input))

    def arguments(self) -> dict[str, Any]:
        """Return what a constructor must be given to make this module as it is now.

        Defaults and what only makes initial values are left out. An argument is the attribute of its name; where the
        constructor made something else of it, what it was given, until that attribute is set anew.
        """
        parameters = list(inspect.signature(type(self).__init__).parameters.values())[1:]
        found = {each.name: self._argument(each) for each in parameters if each.name not in _INITIAL}
        defaults = {each.name: each.default for each in parameters}
        return {name: value for name, value in found.items() if not _is_same(value, defaults[name])}

    def _argument(self, parameter: inspect.Parameter) -> Any:
        kept, value = self._given.get(parameter.name), getattr(self, parameter.name, _NOTHING)
        if isinstance(kept, str):
            return dict(self._paths()).get(kept, _NOTHING)
        if isinstance(parameter.default, bool) and not isinstance(value, bool) and value is not _NOTHING:
            return value is not None
        if kept is not None and (value is _NOTHING or _is_same(value, kept.attribute)):
            return kept.given
        return parameter.default if value is _NOTHING else value

    @classmethod
    def make(cls, arguments: Mapping[str, Any]) -> Self:
        """Call the constructor with what `arguments` returned."""
        positional: list[Any] = []
        named = dict(arguments)
        for name, parameter in list(inspect.signature(cls.__init__).parameters.items())[1:]:
            if parameter.kind is parameter.VAR_POSITIONAL:
                positional += named.pop(name, ())
            elif parameter.default is parameter.empty and name in named:
                positional.append(named.pop(name))
        return cls(*positional, **named)

    def tree(self, input: Value | None = None) -> str:
        """Return the modules, one per line, with the shapes and the number of their parameters.

        Given an input, each line also tells the shape of what the module makes of it.
        """
        shapes: dict[int, list[str]] = {}
        for module, _, output in [] if input is None else self.trace(input):
            shapes.setdefault(id(module), []).append(_shape_text(output))
        return "\n".join(self._lines("", "", shapes))

    def _lines(self, name: str, indent: str, shapes: dict[int, list[str]]) -> list[str]:
        own = [(key, value) for key, value in vars(self).items() if isinstance(value, Parameter)]
        count = self.count_parameters()
        details = [
            "-> " + ", ".join(shapes[id(self)]) if id(self) in shapes else "",
            ", ".join(f"{key} {tuple(value.value.shape)}" for key, value in own),
            f"{count:,} parameters" if count else "",
        ]
        line = f"{indent}{name and name + ': '}{self.call()}"
        lines = ["  ".join([line, *(detail for detail in details if detail)])]
        for key, child in self.children():
            lines += child._lines(key, indent + "  ", shapes)
        return lines

    def call(self) -> str:
        """Return the call that makes this module, the modules inside excepted."""
        parameters = inspect.signature(type(self).__init__).parameters
        words = [
            _argument_text(name, value, parameters[name])
            for name, value in self.arguments().items()
            if not isinstance(value, Module) and name != "modules"
        ]
        return f"{type(self).__name__}({', '.join(words)})"

    def __repr__(self) -> str:
        return self.tree()


def has_own_methods(module: Module) -> bool:
    """Return whether a method was set on a module itself, which its class then says nothing of."""
    return any(callable(getattr(type(module), name, None)) for name in vars(module))


class Function(Module):
    """A module without parameters: it writes ``_forward`` and ``_pull(context, grad_output)``.

    Examples
    --------
    >>> import numpy as np
    >>> class Square(Function):
    ...     def _forward(self, x):
    ...         return x * x, x
    ...
    ...     def _pull(self, x, grad_output):
    ...         return 2 * x * grad_output
    >>> x = np.array([[1.0, 3.0]])
    >>> square = Square()
    >>> square.forward(x), square.backward(x, np.ones_like(x))
    (array([[1., 9.]]), array([[2., 6.]]))
    """

    @abstractmethod
    def _pull(self, context: Any, grad_output: Value) -> Value:
        """Return the gradient of the input."""

    def _backward(
        self, context: Any, grad_output: Value, scale: float, input_grad: bool, param_grad: bool
    ) -> Value | None:
        return self._pull(context, grad_output) if input_grad else None


def _is_same(value: Any, other: Any) -> bool:
    if value is other:
        return True
    if type(value) is not type(other):
        return False
    if isinstance(value, list | tuple):
        return len(value) == len(other) and all(map(_is_same, value, other))
    return np.array_equal(value, other) if isinstance(value, np.ndarray) else bool(value == other)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _shape(value: Parameter | Array | None) -> tuple[int, ...] | None:
    return value.value.shape if isinstance(value, Parameter) else getattr(value, "shape", None)


def _shape_text(value: Value) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_shape_text, value))}]"
    return str(np.shape(value))


def _argument_text(name: str, value: Any, parameter: inspect.Parameter) -> str:
    """Return an argument as it stands in a call."""
    if parameter.kind is parameter.VAR_POSITIONAL:
        return ", ".join(map(repr, value))
    text = repr(value.tolist() if isinstance(value, np.ndarray) else value)
    return text if parameter.default is parameter.empty else f"{name}={text}"


def _flatten(parameters: list[Parameter], name: str) -> Array:
    """Make the arrays of that name views of one vector, and return it.

    That is the memory that already holds them one behind the other, or new memory; then each array is let go before
    the next is copied, and what is not there yet is left as the system gives it, which takes none.
    """
    flat = _common([getattr(parameter, name) for parameter in parameters])
    if flat is not None:
        return flat
    dtypes = [parameter.value.dtype for parameter in parameters] or [np.dtype(np.float32)]
    flat, start = np.zeros(sum(parameter.value.size for parameter in parameters), np.result_type(*dtypes)), 0
    for parameter in parameters:
        array, shape, stop = getattr(parameter, name), parameter.value.shape, start + parameter.value.size
        if array is not None:
            flat[start:stop] = array.ravel()
        setattr(parameter, name, flat[start:stop].reshape(shape))
        start = stop
    return flat


def _common(arrays: list[Any]) -> Array | None:
    """Return the memory that holds arrays one behind the other, if there is such."""
    base = getattr(arrays[0], "base", None) if arrays else None
    if not isinstance(base, np.ndarray) or base.ndim != 1:
        return None
    first = end = (_address(arrays[0]) - _address(base)) // base.itemsize
    for array in arrays:
        if array is None or array.base is not base or _address(array) != _address(base) + end * base.itemsize:
            return None
        end += array.size
    return base[first:end]


def _address(array: Array) -> int:
    return array.__array_interface__["data"][0]


def uniform(rng: np.random.Generator, parameter: Parameter | None, fan_in: int) -> None:
    """Draw from the interval ±1/√fan_in, as Torch and PyTorch do."""
    if parameter is not None:
        bound = 1 / np.sqrt(max(fan_in, 1))
        parameter.draw(lambda n: rng.uniform(-bound, bound, n))
