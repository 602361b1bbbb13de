"""Random nets against PyTorch: outputs, gradients, running moments and the steps of the optimisers.

``python tests/models/fuzz.py --minutes 30 --seed 7`` runs case after case and tells each that differs;
``python tests/models/fuzz.py --case 7123`` runs one again.
"""

import argparse
import copy
import os
import re
import sys
import time
import warnings
from contextlib import contextmanager
from itertools import takewhile

import numpy as np
import torch
from torch.nn import functional as tf

from actionbench.models import kernels, nn, optim

TOLERANCES = {np.float32: 1e-4, np.float64: 1e-9}
#: What rounding may change, and which part of it by how much: to tell a difference from a net that magnifies rounding.
NOISE = {np.float32: 3e-6, np.float64: 1e-13}


# ---- The oracle: every module from what it says of itself, by PyTorch.


def first(x):
    """See channels last as channels first."""
    return x.movedim(-1, 1)


def last(x):
    return x.movedim(1, -1)


def pooled(function, x, *args, **options):
    return last(function(first(x), *args, **options))


class Oracle:
    """A net computed by PyTorch, with parameters and buffers of its own.

    Parameters
    ----------
    net : nn.Module
        Left as it is; also its sources of chance are copied.
    disturb : callable
        What is made of the output of each module.
    """

    def __init__(self, net, disturb=lambda t: t):
        self.net, self.disturb = net.clone(), disturb
        self.leaves = {
            name: torch.tensor(parameter.value, requires_grad=True)
            for name, parameter in self.net.parameters().items()
        }
        names = {id(parameter): name for name, parameter in self.net.parameters().items()}
        self.names = names
        self.buffers = {id(buffer): torch.tensor(buffer) for buffer in self.net.buffers().values()}

    def of(self, parameter):
        return None if parameter is None else self.leaves[self.names[id(parameter)]]

    def __call__(self, x):
        return self.run(self.net, x)

    def run(self, module, x):
        for kind in type(module).__mro__:
            if rule := getattr(self, kind.__name__.lstrip("_"), None):
                return self.disturbed(rule(module, x))
        raise TypeError(f"the oracle has no rule for {type(module).__name__}")

    def disturbed(self, y):
        return [self.disturbed(part) for part in y] if isinstance(y, list) else self.disturb(y)

    # Containers and tables.

    def Sequential(self, m, x):
        for module in m.modules:
            x = self.run(module, x)
        return x

    def ConcatTable(self, m, x):
        return [self.run(module, x) for module in m.modules]

    def Concat(self, m, x):
        return torch.cat([self.run(module, x) for module in m.modules], m.dim)

    def ParallelTable(self, m, x):
        return [self.run(module, part) for module, part in zip(m.modules, x, strict=True)]

    def Parallel(self, m, x):
        parts = x.unbind(m.input_dim)
        ys = [self.run(module, part) for module, part in zip(m.modules, parts, strict=True)]
        return torch.cat(ys, m.output_dim)

    def Graph(self, m, x):
        ys = []
        for node, module in enumerate(m.modules):
            sources = {source for source, target in m.edges if target == node}
            ys.append(self.run(module, sum(ys[s] for s in sources) if sources else x))
        ends = set(range(len(ys))) - {source for source, _ in m.edges}
        return sum(ys[end] for end in ends) / len(ends)

    def Bottle(self, m, x):
        surplus = x.dim() - m.n_dims + 1
        return self.run(m.modules[0], x.flatten(0, surplus - 1)).unflatten(0, x.shape[:surplus])

    def JoinTable(self, m, x):
        return torch.cat(x, m.dim)

    def SplitTable(self, m, x):
        return list(x.unbind(m.dim))

    def SelectTable(self, m, x):
        return x[m.index]

    def NarrowTable(self, m, x):
        return x[m.offset : m.offset + m.length]

    def FlattenTable(self, m, x):
        return [
            leaf
            for entry in x
            for leaf in (self.FlattenTable(m, entry) if isinstance(entry, list) else [entry])
        ]

    def CAddTable(self, m, x):
        return sum(x)

    def CMulTable(self, m, x):
        y = x[0]
        for other in x[1:]:
            y = y * other
        return y

    # Layers with parameters.

    def Linear(self, m, x):
        weight = self.of(m.weight)
        return tf.linear(x.to(weight.dtype), weight, self.of(m.bias))

    def CMul(self, m, x):
        weight = self.of(m.weight)
        return x.to(weight.dtype) * weight

    def Embedding(self, m, x):
        return tf.embedding(x, self.of(m.weight), m.padding_idx)

    def PReLU(self, m, x):
        weight = self.of(m.weight)
        x = x.to(weight.dtype)
        return torch.where(x > 0, x, weight * x)

    def _filters(self, m):
        return self.of(m.weight).movedim((-1, -2), (0, 1)).contiguous()

    def Convolution(self, m, x):
        weight, how = (
            self._filters(m),
            {key: value[-m.axes :] for key, value in m.how.items() if key != "groups"},
        )
        convolve = getattr(tf, f"conv{m.axes}d")
        return pooled(convolve, x.to(weight.dtype), weight, self.of(m.bias), groups=m.how["groups"], **how)

    def ConvMap2d(self, m, x):
        weight = self.of(m.weight)
        dense = torch.zeros(
            m.table[:, 1].max() + 1, m.table[:, 0].max() + 1, *weight.shape[:2], dtype=weight.dtype
        )
        dense = dense.index_put(
            (torch.tensor(m.table[:, 1]), torch.tensor(m.table[:, 0])), weight.movedim(-1, 0)
        )
        how = {key: value[-2:] for key, value in m.how.items() if key != "groups"}
        return pooled(tf.conv2d, x.to(weight.dtype), dense, self.of(m.bias), **how)

    def LocallyConnected2d(self, m, x):
        weight = self.of(m.weight)
        rows, columns, *taps, channels, _ = weight.shape
        patches = tf.unfold(first(x.to(weight.dtype)), tuple(taps), padding=m.padding, stride=m.stride)
        patches = patches.unflatten(1, (channels, *taps)).unflatten(-1, (rows, columns))
        y = torch.einsum("ncijhw,hwijcd->nhwd", patches, weight)
        return y if m.bias is None else y + self.of(m.bias)

    def BatchNorm(self, m, x):
        mean, var = self.buffers[id(m.running_mean)], self.buffers[id(m.running_var)]
        how = (mean, var, self.of(m.weight), self.of(m.bias), m.is_training, m.momentum, m.eps)
        # As rows: of volumes with axes out of order and partly of length 1 PyTorch 2.13 gives a wrong gradient.
        return tf.batch_norm(x.to(mean.dtype).reshape(-1, len(mean)), *how).reshape(x.shape)

    def _between(self, m, layer, x):
        return self.run(m.between, x) if layer and m.between else x

    def Recurrent(self, m, x):
        weight = self.of(m.weight_ih_l0)
        timed, finals = x.to(weight.dtype).movedim(0, 1), []
        for layer in range(m.num_layers):
            timed, ways = self._between(m, layer, timed), []
            for suffix in m.suffixes:
                own = {name: self.of(getattr(m, f"{name}_l{layer}{suffix}", None)) for name in GATES}
                states = self._states(m, own, timed.flip(0) if suffix else timed)
                ways.append(states.flip(0) if suffix else states)
                finals = [*finals, states[-1]]
            timed = torch.cat(ways, -1)
        return torch.cat(finals[-len(m.suffixes) :], -1) if m.last else timed.movedim(0, 1)

    def _states(self, m, own, timed):
        h = torch.zeros(timed.shape[1], m.hidden_size, dtype=timed.dtype)
        c, states = torch.zeros_like(h), []
        step = self._lstm if isinstance(m, nn.LSTM) else self._gru
        for x in timed:
            h, c = step(m, own, x, h, c)
            states.append(h)
        return torch.stack(states)

    def _lstm(self, m, own, x, h, c):
        gates = tf.linear(x, own["weight_ih"], own["bias_ih"]) + tf.linear(
            h, own["weight_hh"], own["bias_hh"]
        )
        i, f, g, o = gates.chunk(4, -1)
        peep = own["peephole"]
        i, f = (i, f) if peep is None else (i + peep[0] * c, f + peep[1] * c)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        o = o if peep is None else o + peep[2] * c
        return o.sigmoid() * c.tanh(), c

    def _gru(self, m, own, x, h, c):
        size, weight, bias = m.hidden_size, own["weight_hh"], own["bias_hh"]
        bias = torch.zeros(3 * size, dtype=x.dtype) if bias is None else bias
        driven = tf.linear(x, own["weight_ih"], own["bias_ih"])
        rz = (driven[:, : 2 * size] + tf.linear(h, weight[: 2 * size], bias[: 2 * size])).sigmoid()
        r, z = rz.chunk(2, -1)
        if m.reset_after:
            inner = r * tf.linear(h, weight[2 * size :], bias[2 * size :])
        else:
            inner = tf.linear(r * h, weight[2 * size :], bias[2 * size :])
        n = (driven[:, 2 * size :] + inner).tanh()
        return (1 - z) * n + z * h, c

    # Pooling, padding, normalisation.

    def _pool(self, m, x, name, **how):
        function = getattr(tf, f"{name}{m.axes}d")
        sizes = (value[-m.axes :] for value in (m.kernel_size, m.stride or m.kernel_size, m.padding))
        return pooled(function, x, *sizes, ceil_mode=m.ceil_mode, **how)

    def MaxPool(self, m, x):
        return self._pool(m, x, "max_pool", dilation=m.dilation[-m.axes :])

    def AvgPool(self, m, x):
        return self._pool(m, x, "avg_pool", count_include_pad=m.count_include_pad)

    def _sizes(self, m, x):
        return [
            own if n is None else n for n, own in zip(m.output_size[-m.axes :], x.shape[1:-1], strict=True)
        ]

    def AdaptiveAvgPool(self, m, x):
        return pooled(getattr(tf, f"adaptive_avg_pool{m.axes}d"), x, self._sizes(m, x))

    def AdaptiveMaxPool(self, m, x):
        return pooled(getattr(tf, f"adaptive_max_pool{m.axes}d"), x, self._sizes(m, x))

    def _padded(self, m, x, mode, **how):
        ends = [end for pair in reversed(m.pairs) for end in pair]
        return pooled(tf.pad, x, ends, mode, **how)

    def ConstantPad(self, m, x):
        return self._padded(m, x, "constant", value=m.value)

    def ReflectionPad(self, m, x):
        return self._padded(m, x, "reflect")

    def ReplicationPad(self, m, x):
        return self._padded(m, x, "replicate")

    def LocalResponseNorm(self, m, x):
        flat = x.reshape(len(x), -1, x.shape[-1])
        return pooled(tf.local_response_norm, flat, m.size, m.alpha, m.beta, m.k).reshape(x.shape)

    # Chance: the same numbers.

    def Dropout(self, m, x):
        if not m.is_training:
            return x
        drawn = torch.tensor(m.rng.random(m._mask_shape(x)) >= m.p)
        return x * drawn.to(x.dtype) / (1 - m.p)

    def RReLU(self, m, x):
        slope = (m.lower + m.upper) / 2
        if m.is_training:
            slope = torch.tensor(m.rng.uniform(m.lower, m.upper, tuple(x.shape))).to(x.dtype)
        return torch.where(x > 0, x, x * slope)

    # Functions of each number, and along an axis.

    def ReLU(self, m, x):
        return tf.relu(x)

    def Tanh(self, m, x):
        return x.tanh()

    def Sigmoid(self, m, x):
        return x.sigmoid()

    def Softmax(self, m, x):
        return x.softmax(m.dim)

    def Softmin(self, m, x):
        return (-x).softmax(m.dim)

    def LogSoftmax(self, m, x):
        return x.log_softmax(m.dim)

    def Threshold(self, m, x):
        return tf.threshold(x, m.threshold, m.value)

    def Hardtanh(self, m, x):
        return tf.hardtanh(x, m.min_val, m.max_val)

    def LeakyReLU(self, m, x):
        return tf.leaky_relu(x, m.negative_slope)

    def ELU(self, m, x):
        return tf.elu(x, m.alpha)

    def SELU(self, m, x):
        return tf.selu(x)

    def Softplus(self, m, x):
        return tf.softplus(x, m.beta, threshold=1e6)

    def LogSigmoid(self, m, x):
        return tf.logsigmoid(x)

    def Softsign(self, m, x):
        return tf.softsign(x)

    def Tanhshrink(self, m, x):
        # In single precision PyTorch's slope would be all rounding near 0.
        return (x.double() - x.double().tanh()).to(x.dtype)

    def Softshrink(self, m, x):
        return tf.softshrink(x, m.lambd)

    def Hardshrink(self, m, x):
        return tf.hardshrink(x, m.lambd)

    # Shapes.

    def Identity(self, m, x):
        return x

    def View(self, m, x):
        return x.reshape(len(x), *m.sizes)

    def Flatten(self, m, x):
        return x.flatten(m.start_dim)

    def Squeeze(self, m, x):
        return x.squeeze(m.dim)

    def Unsqueeze(self, m, x):
        return x.unsqueeze(m.dim)

    def Transpose(self, m, x):
        for pair in m.pairs:
            x = x.transpose(*pair)
        return x

    def Select(self, m, x):
        return x.select(m.dim, m.index)

    def Narrow(self, m, x):
        return x.narrow(m.dim, m.start, m.length)

    def Sum(self, m, x):
        return x.sum(m.dim, m.keepdim)

    def Mean(self, m, x):
        return x.mean(m.dim, m.keepdim)

    def Max(self, m, x):
        return x.max(m.dim, m.keepdim).values


GATES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "peephole")


# ---- Random nets.

POINTWISE = {
    "ReLU": lambda r: (),
    "Tanh": lambda r: (),
    "Sigmoid": lambda r: (),
    "Threshold": lambda r: (r.normal(0, 0.5), r.normal()),
    "Hardtanh": lambda r: (-r.uniform(0.2, 2), r.uniform(0.2, 2)),
    "ReLU6": lambda r: (),
    "LeakyReLU": lambda r: (r.uniform(0, 0.5),),
    "RReLU": lambda r: (0.1, 0.4),
    "ELU": lambda r: (r.uniform(0.2, 2),),
    "SELU": lambda r: (),
    "Softplus": lambda r: (r.uniform(0.5, 2),),
    "LogSigmoid": lambda r: (),
    "Softsign": lambda r: (),
    "Tanhshrink": lambda r: (),
    "Softshrink": lambda r: (r.uniform(0, 1),),
    "Hardshrink": lambda r: (r.uniform(0, 1),),
    "Identity": lambda r: (),
    "Dropout": lambda r: (r.uniform(0, 0.7),),
}


def each(value, axes):
    return (value,) * axes if isinstance(value, int) else value


class Draw:
    """Draws modules that take an input of a shape, all with one generator."""

    def __init__(self, rng):
        self.rng = rng

    def int(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def choice(self, of):
        return of[self.int(0, len(of) - 1)]

    def is_true(self, p=0.5):
        return bool(self.rng.random() < p)

    def seeded(self, kind, *args, **options):
        return kind(*args, **options, rng=self.int(0, 2**31))

    def size(self, high):
        """One of the sizes that the kernels treat apart more often than it would come."""
        return min(self.choice((1, 2, 3, 4, 5, 7, 8, 9, 16, 17)), high)

    def net(self, shape, length, depth=2):
        """Return a Sequential, and the shape of its output."""
        net, x = nn.Sequential().evaluate(), np.zeros(shape)
        for _ in range(length):
            module = self.module(x.shape, depth)
            net.add(module)
            if self.is_true(0.05) and module.evaluate().forward(x).shape == x.shape:
                net.add(module)
            x = module.evaluate().forward(x)
            if x.size > 20_000:
                break
        return net, x.shape

    def module(self, shape, depth):
        makers = [self.pointwise, self.pointwise, self.along, self.matrix, self.matrix, self.shaped]
        if 3 <= len(shape) <= 5:
            makers += [
                self.conv,
                self.conv,
                self.conv,
                self.pool,
                self.pool,
                self.norm,
                self.adaptive,
                self.pad,
            ]
        if 3 <= len(shape) <= 5:
            makers += [self.channels]
        if len(shape) == 2:
            makers += [self.norm]
        if len(shape) == 3:
            makers += [self.recurrent]
        if len(shape) == 4:
            makers += [self.special]
        if len(shape) == 4:
            makers += [self.block]
        if depth:
            makers += [self.branches, self.branches, self.nested]
        while True:
            if module := self.choice(makers)(shape, depth):
                return module

    def pointwise(self, shape, depth):
        name = self.choice(list(POINTWISE))
        args = POINTWISE[name](self.rng)
        return (
            self.seeded(getattr(nn, name), *args)
            if name in ("RReLU", "Dropout")
            else getattr(nn, name)(*args)
        )

    def axis(self, shape):
        axis = self.int(1, len(shape) - 1)
        return axis - len(shape) if self.is_true() else axis

    def along(self, shape, depth):
        kind = self.choice((nn.Softmax, nn.Softmin, nn.LogSoftmax, nn.LocalResponseNorm))
        if kind is nn.LocalResponseNorm:
            return kind(
                self.int(1, 5), self.rng.uniform(1e-3, 0.5), self.rng.uniform(0.3, 1), self.rng.uniform(1, 2)
            )
        return kind(self.axis(shape))

    def matrix(self, shape, depth):
        kind = self.choice(("Linear", "Linear", "CMul", "PReLU"))
        if kind == "Linear":
            return self.seeded(nn.Linear, shape[-1], self.size(17), self.is_true(0.7))
        if kind == "PReLU":
            return nn.PReLU(self.choice((1, shape[-1])), self.rng.uniform(-0.3, 0.5))
        own = shape[-self.int(1, len(shape) - 1) :]
        return self.seeded(nn.CMul, *(self.choice((1, n, n)) for n in own))

    def shaped(self, shape, depth):
        kind = self.choice(
            ("View", "Flatten", "Unsqueeze", "Squeeze", "Transpose", "Select", "Narrow", "Sum", "Mean", "Max")
        )
        axis, n = self.axis(shape), len(shape)
        if kind == "View" and n > 2:
            return nn.View(-1, shape[-1]) if self.is_true() else nn.View(*shape[1:][::-1])
        if kind == "Flatten" and n > 2:
            return nn.Flatten(self.int(1, n - 2))
        if kind == "Unsqueeze" and n < 5:
            return nn.Unsqueeze(self.int(1, n))
        if kind == "Squeeze" and n > 2 and (alone := [axis for axis in range(1, n) if shape[axis] == 1]):
            return nn.Squeeze(self.choice(alone))
        if kind == "Transpose" and n > 2:
            return nn.Transpose(*((self.int(1, n - 1), self.int(1, n - 1)) for _ in range(self.int(1, 2))))
        if kind == "Narrow":
            start = self.int(0, shape[axis] - 1)
            return nn.Narrow(axis, start, self.int(1, shape[axis] - start))
        if kind == "Select" and n > 2:
            return nn.Select(axis, self.int(-shape[axis], shape[axis] - 1))
        if kind == "Max" and n > 2:
            return nn.Max(axis, self.is_true())
        if kind in ("Sum", "Mean") and n > 2:
            every = tuple(range(1, n - 1))
            return getattr(nn, kind)(every if self.is_true() else axis, self.is_true())
        return None

    def sizes(self, axes, low, high):
        """One number or one for each axis."""
        return self.int(low, high) if self.is_true() else tuple(self.int(low, high) for _ in range(axes))

    def conv(self, shape, depth):
        axes, channels = len(shape) - 2, shape[-1]
        groups = self.choice([n for n in (1, 1, 2, 3, 4, channels) if channels % n == 0])
        out = groups * max(self.size(17) // groups, 1)
        how = (self.sizes(axes, 1, 4), self.sizes(axes, 1, 3), self.sizes(axes, 0, 2), self.sizes(axes, 1, 2))
        if self.is_true(0.5):
            how = (3, 1, 1, 1)
        module = self.seeded(getattr(nn, f"Conv{axes}d"), channels, out, *how, groups, self.is_true(0.7))
        return self.fitting(module, shape)

    def fitting(self, module, shape):
        """Return the module if there is something left of the input."""
        try:
            return module if module.evaluate().forward(np.zeros(shape)).size else None
        except ValueError:
            return None

    def pool(self, shape, depth):
        axes, kind = len(shape) - 2, self.choice(("MaxPool", "AvgPool"))
        kernel = self.sizes(axes, 1, 4)
        stride = self.sizes(axes, 1, 4) if self.is_true() else None
        least = kernel if isinstance(kernel, int) else min(kernel)
        padding = self.sizes(axes, 0, least // 2)
        ends = zip(shape[1:-1], each(padding, axes), each(kernel, axes), strict=True)
        if any(n + (0 if axes == 3 else 2 * p) < k for n, p, k in ends):
            return None  # PyTorch refuses some of these windows.
        more = {"ceil_mode": self.is_true()}
        if kind == "MaxPool":
            more["dilation"] = self.sizes(axes, 1, 3)
        else:
            more["count_include_pad"] = self.is_true()
        return self.fitting(getattr(nn, f"{kind}{axes}d")(kernel, stride, padding, **more), shape)

    def adaptive(self, shape, depth):
        axes, kind = len(shape) - 2, self.choice(("AdaptiveMaxPool", "AdaptiveAvgPool"))
        size = (
            self.int(1, 4) if self.is_true() else tuple(self.choice((None, 1, 2, 3, 5)) for _ in range(axes))
        )
        return getattr(nn, f"{kind}{axes}d")(size)

    def pad(self, shape, depth):
        axes, kind = (
            len(shape) - 2,
            self.choice(("ConstantPad", "ZeroPad", "ReflectionPad", "ReplicationPad")),
        )
        low = 0 if kind in ("ReflectionPad", "ReplicationPad") else -1
        ends = tuple(self.int(low, 2) for _ in range(2 * axes))
        args = (ends, self.rng.normal()) if kind == "ConstantPad" else (ends,)
        return self.fitting(getattr(nn, f"{kind}{axes}d")(*args), shape)

    def norm(self, shape, depth):
        if int(np.prod(shape[:-1])) < 6:
            return None
        axes = max(len(shape) - 2, 1)
        eps = self.choice((1e-5, 1e-2))
        norm = getattr(nn, f"BatchNorm{axes}d")(shape[-1], eps, self.rng.uniform(0.05, 1), self.is_true(0.8))
        norm.running_mean[...] = self.rng.normal(0, 0.3, shape[-1])
        norm.running_var[...] = self.rng.uniform(0.5, 2, shape[-1])
        return norm

    def channels(self, shape, depth):
        return self.seeded(getattr(nn, f"Dropout{len(shape) - 2}d"), self.rng.uniform(0, 0.6))

    def recurrent(self, shape, depth):
        kind = self.choice((nn.LSTM, nn.GRU))
        more = {
            "bidirectional": self.is_true(),
            "last": self.is_true(0.3),
            "dropout": self.choice((0.0, 0.3)),
        }
        if kind is nn.LSTM:
            more["peepholes"] = self.is_true(0.3)
        else:
            more["reset_after"] = self.is_true()
        return self.seeded(kind, shape[-1], self.size(9), self.int(1, 2), self.is_true(0.8), **more)

    def special(self, shape, depth):
        _, height, width, channels = shape
        if self.is_true():
            table = nn.connections.random(channels, self.int(1, 5), self.int(1, channels), self.int(0, 99))
            if table[:, 0].max() + 1 < channels:
                return None
            how = (self.sizes(2, 1, 3), self.sizes(2, 1, 2), self.sizes(2, 0, 1), self.sizes(2, 1, 2))
            return self.fitting(self.seeded(nn.ConvMap2d, table.tolist(), *how, self.is_true()), shape)
        taps = (self.int(1, min(3, height)), self.int(1, min(3, width)))
        how = (taps, self.sizes(2, 1, 2), self.sizes(2, 0, 1), self.is_true())
        return self.seeded(nn.LocallyConnected2d, channels, self.int(1, 4), (height, width), *how)

    def block(self, shape, depth):
        """What runs as one: a convolution, with what may stand behind it in any order."""
        conv = self.conv(shape, depth)
        if conv is None:
            return None
        net = nn.Sequential(conv).evaluate()
        for make in self.rng.permutation([self.norm, self.pool, lambda *_: nn.ReLU()])[: self.int(1, 3)]:
            module = make(net.forward(np.zeros(shape)).shape, 0)
            if module is not None:
                net.add(module)
        return net

    def nested(self, shape, depth):
        if len(shape) > 2 and self.is_true(0.3):
            inside, _ = self.net((int(np.prod(shape[:2])), *shape[2:]), self.int(1, 3), 0)
            return nn.Bottle(inside, len(shape) - 1)
        if len(shape) > 2 and shape[1] <= 4 and self.is_true(0.3):
            parts = [self.keeping((shape[0], *shape[2:]), depth - 1) for _ in range(shape[1])]
            return nn.Parallel(1, 1, *parts)
        return self.net(shape, self.int(1, 3), depth - 1)[0]

    def keeping(self, shape, depth):
        """Return a net whose output has the shape of the input."""
        kind = self.int(0, 2)
        if kind == 0:
            return self.pointwise(shape, depth)
        if kind == 1 and 3 <= len(shape) <= 5:
            return self.seeded(getattr(nn, f"Conv{len(shape) - 2}d"), shape[-1], shape[-1], 3, 1, 1)
        return nn.Sequential(self.seeded(nn.Linear, shape[-1], shape[-1]), self.pointwise(shape, depth))

    def branches(self, shape, depth):
        kind = self.choice(("Concat", "add", "multiply", "join", "Graph", "tables"))
        parts = [self.keeping(shape, depth - 1) for _ in range(self.int(1, 3))]
        if kind == "Concat":
            return nn.Concat(self.axis(shape), *parts)
        if kind == "Graph":
            pairs = [(a, b) for b in range(len(parts)) for a in range(b) if self.is_true()]
            return nn.Graph(pairs, *parts)
        if kind == "tables":
            split = nn.Sequential(
                nn.SplitTable(1), nn.NarrowTable(0, self.int(1, shape[1])), nn.SelectTable(-1)
            )
            whole = nn.Sequential(nn.ConcatTable(*parts), nn.SelectTable(self.int(0, len(parts) - 1)))
            deep = nn.Sequential(
                nn.ConcatTable(nn.ConcatTable(*parts), whole),
                nn.FlattenTable(),
                nn.ParallelTable(*(self.pointwise(shape, 0) for _ in range(len(parts) + 1))),
                nn.CAddTable(),
            )
            return split if len(shape) > 2 and self.is_true() else deep
        ends = {"add": nn.CAddTable(), "multiply": nn.CMulTable(), "join": nn.JoinTable(self.axis(shape))}
        return nn.Sequential(nn.ConcatTable(*parts), ends[kind])


# ---- A case: a net, what flows through it, and an optimiser.

EPS = 1e-2


class Adam:
    """Kingma and Ba 2015 as Torch has it, with epsilon added before the bias is corrected; PyTorch adds it behind.

    Were it so small that its place did not show, gradients that are only rounding would become whole steps.
    """

    def __init__(self, leaves, coupled=0.0, decoupled=0.0, rate=1e-2, betas=(0.9, 0.999)):
        self.leaves, self.coupled, self.decoupled, self.rate, self.betas = (
            leaves,
            coupled,
            decoupled,
            rate,
            betas,
        )
        self.time, self.moments = 0, [(torch.zeros_like(leaf), torch.zeros_like(leaf)) for leaf in leaves]

    def step(self, closure):
        closure()
        self.time += 1
        b1, b2 = self.betas
        size = self.rate * (1 - b2**self.time) ** 0.5 / (1 - b1**self.time)
        with torch.no_grad():
            for leaf, (m, v) in zip(self.leaves, self.moments, strict=True):
                gradient = leaf.grad + self.coupled * leaf
                m.lerp_(gradient, 1 - b1)
                v.mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
                leaf.mul_(1 - self.rate * self.decoupled).sub_(size * m / (v.sqrt() + EPS))


OPTIMISERS = [
    ("sgd", {"learning_rate": 1e-2}, "SGD", {"lr": 1e-2}),
    (
        "sgd",
        {"learning_rate": 1e-2, "momentum": 0.9, "dampening": 0.0, "weight_decay": 0.1, "nesterov": True},
        "SGD",
        {"lr": 1e-2, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True},
    ),
    ("sgd", {"learning_rate": 1e-2, "momentum": 0.8}, "SGD", {"lr": 1e-2, "momentum": 0.8, "dampening": 0.8}),
    ("adam", {"learning_rate": 1e-2, "epsilon": EPS, "weight_decay": 0.1}, Adam, {"coupled": 0.1}),
    ("adamw", {"learning_rate": 1e-2, "epsilon": EPS, "weight_decay": 0.1}, Adam, {"decoupled": 0.1}),
    ("adamax", {"learning_rate": 1e-2, "epsilon": EPS}, "Adamax", {"lr": 1e-2, "eps": EPS}),
    ("adagrad", {"learning_rate": 1e-2, "epsilon": EPS}, "Adagrad", {"lr": 1e-2, "eps": EPS}),
    ("adadelta", {"learning_rate": 1.0, "epsilon": EPS}, "Adadelta", {"lr": 1.0, "eps": EPS}),
    ("rmsprop", {"learning_rate": 1e-2, "epsilon": EPS}, "RMSprop", {"lr": 1e-2, "eps": EPS}),
    ("rprop", {"step_size": 1e-2}, "Rprop", {"lr": 1e-2}),
    ("asgd", {"eta0": 1e-2, "t0": 2}, "ASGD", {"lr": 1e-2, "t0": 2}),
    (
        "lbfgs",
        {"learning_rate": 1.0, "line_search": "strong_wolfe", "max_iter": 2, "max_eval": 100},
        "LBFGS",
        {"lr": 1.0, "line_search_fn": "strong_wolfe", "max_iter": 2, "max_eval": 100},
    ),
]
LAYOUTS = {
    "plain": lambda a: a,
    "Fortran": np.asfortranarray,
    "turned": lambda a: np.ascontiguousarray(np.moveaxis(a, -1, 0)).transpose(*range(1, a.ndim), 0),
    "every second": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "reversed": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "unaligned": lambda a: np.frombuffer(b"." + a.tobytes(), a.dtype, offset=1).reshape(a.shape),
}


#: What else nets are given, which PyTorch is given as floating-point numbers.
INTEGERS = [bool, np.uint8, np.int8, np.int16, np.int32, np.int64, np.float16]


class Case:
    """One net and what is done to it, all from one seed."""

    def __init__(self, seed, dtype):
        self.draw = draw = Draw(np.random.default_rng(seed))
        self.seed, self.dtype = seed, dtype
        self.other = draw.is_true(0.2)
        self.integers = draw.choice(INTEGERS) if draw.is_true(0.1) else None
        middle = tuple(draw.int(3, 9 - axes) for axes in [draw.int(0, 3)] for _ in range(axes))
        shape = (draw.int(1, 5), *middle, draw.size(9))
        self.numbers = draw.is_true(0.05)
        if self.numbers:
            shape = (draw.int(2, 4), draw.int(2, 6))
            table = draw.seeded(nn.Embedding, 7, draw.int(1, 5), draw.choice((None, 2)))
            rest, out = draw.net((*shape, table.weight.value.shape[1]), draw.int(0, 4))
            self.net = nn.Sequential(table, *rest.modules)
        else:
            self.net, out = draw.net(shape, draw.int(1, 6))
        self.net.astype(dtype).training()
        self.modes()
        self.steps = draw.int(1, 3)
        self.inputs = [self.input(shape) for _ in range(self.steps + 4)]
        self.grads = [self.flow(out) for _ in range(self.steps)]
        self.scale = draw.choice((1.0, 1.0, 0.5))
        # Of a gradient near 0, rprop follows the sign, which rounding may turn.
        signs = self.dtype == np.float64 and not self.mixes
        left_out = {name for name, fits in (("lbfgs", self.is_smooth()), ("rprop", signs)) if not fits}
        self.optimiser = draw.choice([method for method in OPTIMISERS if method[0] not in left_out])
        self.frozen = {name for name in self.net.parameters() if draw.is_true(0.15)}

    def is_smooth(self):
        """Return whether a line search goes one way: neither rounding nor looking changes it."""
        inside = [module for _, module in self.net.named_modules()]
        # A minimum may lie in the kink of the last.
        jumps = any(isinstance(module, nn.Threshold | nn.Hardshrink | nn.PReLU) for module in inside)
        changes = any(
            module.is_training
            and (module.buffer_names or hasattr(module, "rng") or hasattr(module, "between"))
            for module in inside
        )
        return self.dtype == np.float64 and not (self.mixes or jumps or changes)

    def modes(self):
        """Put parts into evaluation, as who freezes them does."""
        kind = self.draw.choice(("training", "training", "parts", "evaluation", "root"))
        inside = [module for _, module in self.net.named_modules()]
        if kind == "evaluation":
            self.net.evaluate()
        elif kind == "root":
            self.net.is_training = False
        elif kind == "parts":
            for module in inside[1:]:
                if self.draw.is_true(0.3):
                    module.evaluate()

    def flow(self, shape):
        a = self.draw.rng.standard_normal(shape).astype(np.float32).astype(self.dtype)
        other = np.float64 if self.dtype == np.float32 else np.float32
        return LAYOUTS[self.draw.choice(list(LAYOUTS))](a.astype(other) if self.other else a)

    def input(self, shape):
        if self.numbers:
            return self.draw.rng.integers(0, 7, shape)
        if self.integers is None:
            return self.flow(shape)
        least = 0 if np.dtype(self.integers).kind in "bu" else -4
        return LAYOUTS[self.draw.choice(list(LAYOUTS))](
            self.draw.rng.integers(least, 5, shape).astype(self.integers)
        )

    def tensor(self, place):
        """Return an input as PyTorch computes with it."""
        data = self.inputs[place]
        wide = np.result_type(data.dtype, np.float32)
        return torch.tensor(data.copy() if self.numbers else data.astype(wide))

    def ours(self):
        """Return what we make of it, by name."""
        net, found, self.our_losses = self.net.clone(), {}, []
        x, gradient = net.get_parameters()
        kept = np.concatenate(
            [np.full(p.value.size, n not in self.frozen) for n, p in net.parameters().items()] or [[]]
        )
        state = dict(self.optimiser[1])
        if state.get("weight_decay"):
            state["weight_decay"] = state["weight_decay"] * kept.astype(self.dtype)
        for step in range(self.steps):
            data, flow = self.inputs[step], self.grads[step]

            def evaluate(_, found=found, data=data, flow=flow, step=step):
                net.zero_grad_parameters()
                y = net.forward(data)
                if self.is_curved:
                    flow = flow + y
                found[f"output {step}"] = y
                found[f"gradient of input {step}"] = net.backward(data, flow, self.scale)
                for name, parameter in net.parameters().items():
                    found[f"gradient of {name} {step}"] = parameter.grad.copy()
                gradient[:] *= kept.astype(gradient.dtype)
                self.our_losses.append(self.loss(y, flow))
                return self.our_losses[-1], gradient

            if self.moves():
                getattr(optim, self.optimiser[0])(evaluate, x, state)
            else:
                evaluate(x)
            for name, parameter in net.parameters().items():
                found[f"{name} {step}"] = parameter.value.copy()
            found |= {f"{name} {step}": buffer.copy() for name, buffer in net.buffers().items()}
        net.evaluate()
        for place, data in enumerate(self.inputs[self.steps :]):
            found[f"prediction {place}"] = net.forward(data)
        return found

    @property
    def is_curved(self):
        """Whether the loss is bounded below, which a line search needs."""
        return self.optimiser[0] == "lbfgs"

    def loss(self, y, flow):
        """Return the loss whose gradient is ``flow`` times the scale."""
        y = np.asarray(y, np.float64)
        return float((y * (flow - y / 2 if self.is_curved else flow)).sum()) * self.scale

    def moves(self):
        """Return whether the optimiser has anything to do."""
        return len(self.net.parameters()) > len(self.frozen)

    def theirs(self, noise=None):
        """Return the same of PyTorch, with everything disturbed by ``noise`` of a generator if there is one."""
        disturb = (
            (lambda t: t)
            if noise is None
            else (
                lambda t: (
                    t * (1 + self.noise * torch.tensor(noise.standard_normal(tuple(t.shape)), dtype=t.dtype))
                )
            )
        )
        oracle, found, self.their_losses = Oracle(self.net, disturb), {}, []
        with torch.no_grad():
            for leaf in oracle.leaves.values():
                leaf.copy_(disturb(leaf))
        moved = [leaf for name, leaf in oracle.leaves.items() if name not in self.frozen]
        _, _, kind, options = self.optimiser
        kind = getattr(torch.optim, kind) if isinstance(kind, str) else kind
        optimiser = kind(moved, **options) if self.moves() else None
        for step in range(self.steps):
            data, flow = self.tensor(step), torch.tensor(self.grads[step].copy())
            if not self.numbers:
                data = disturb(data).requires_grad_()

            def evaluate(found=found, data=data, flow=flow, step=step):
                for leaf in (*oracle.leaves.values(), data):
                    leaf.grad = None
                y = oracle(data)
                wide = y.to(torch.float64)
                loss = (wide * flow + (wide**2 / 2 if self.is_curved else 0)).sum() * self.scale
                if loss.requires_grad:
                    loss.backward()
                found[f"output {step}"] = array(y)
                found[f"gradient of input {step}"] = None if self.numbers else grad_of(data) / self.scale
                for name, leaf in oracle.leaves.items():
                    found[f"gradient of {name} {step}"] = grad_of(leaf)
                    leaf.grad = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
                self.their_losses.append(loss.item())
                return loss

            if optimiser is None:
                evaluate()
            else:
                optimiser.step(evaluate)
            found |= {f"{name} {step}": array(leaf) for name, leaf in oracle.leaves.items()}
            for name, buffer in oracle.net.buffers().items():
                found[f"{name} {step}"] = array(oracle.buffers[id(buffer)])
        oracle.net.evaluate()
        for place in range(len(self.inputs) - self.steps):
            data = self.tensor(self.steps + place)
            found[f"prediction {place}"] = array(oracle(data if self.numbers else disturb(data)))
        return found

    def searches_further(self):
        """Return whether PyTorch's line search took a second point although the first was lower, and ours went on.

        Nocedal and Wright 2006, algorithm 3.5, compare from the second point on; Torch and PyTorch from the third.
        """
        pairs = zip(self.our_losses, self.their_losses, strict=False)
        same = sum(1 for _ in takewhile(lambda pair: np.isclose(*pair, rtol=1e-9, atol=1e-9), pairs))
        ended = same < len(self.our_losses)
        return ended and same > 2 and self.our_losses[same - 1] >= self.our_losses[same - 2]

    def in_double(self):
        """Return the same case in double precision."""
        twin = copy.copy(self)
        twin.net = self.net.clone().astype(np.float64)
        twin.inputs = self.inputs if self.numbers else [x.astype(np.float64) for x in self.inputs]
        twin.grads = [gradient.astype(np.float64) for gradient in self.grads]
        return twin

    def differences(self):
        """Return what differs, by name: by how much."""
        # oneDNN crashes in some convolutions of one tap with stride, dilation and groups.
        with warnings.catch_warnings(action="ignore"), torch.backends.mkldnn.flags(enabled=False):
            return self._differences()

    def _differences(self):
        theirs, ours = self.theirs(), self.ours()
        assert theirs.keys() == ours.keys()
        far = {name: gap for name in ours if (gap := distance(ours[name], theirs[name])) > self.tolerance}
        if self.optimiser[0] == "lbfgs" and self.searches_further():
            return {}
        if far:
            exact = self.in_double().theirs()
            # Where PyTorch in double precision says the same, it is the other one that was rounded.
            far = {
                name: gap for name, gap in far.items() if distance(ours[name], exact[name]) > self.tolerance
            }
            if self.optimiser[0] == "rprop" and any(map(is_rounded, (*theirs.items(), *ours.items()))):
                # It follows the sign of what is left of gradients that cancel.
                far = {name: gap for name, gap in far.items() if re.match("(output|gradient of .*) 0$", name)}
            for seed in range(8):
                disturbed = self.theirs(np.random.default_rng(seed))
                for name in list(far):
                    # A net that magnifies what rounding does shows nothing.
                    if 10 * distance(disturbed[name], theirs[name]) > self.tolerance:
                        del far[name]
        return far

    @property
    def tolerance(self):
        if self.optimiser[0] == "asgd":
            # PyTorch keeps its rate in single precision.
            return TOLERANCES[np.float32]
        return TOLERANCES[np.float32 if self.mixes else self.dtype]

    @property
    def mixes(self):
        """Whether anything is in single precision that need not be."""
        return self.other or self.integers is not None

    @property
    def noise(self):
        return NOISE[np.float32 if self.mixes else self.dtype]

    def __str__(self):
        modes = [path or "net" for path, module in self.net.named_modules() if not module.is_training]
        return (
            f"case {self.seed} in {self.dtype.__name__}{', inputs of the other type' if self.other else ''}"
            f"{f', of {np.dtype(self.integers)}' if self.integers else ''}, "
            f"{self.optimiser[0]}, {kernels.INSTRUCTION_SET}, inputs {self.inputs[0].shape}, "
            f"in evaluation: {', '.join(modes) or 'none'}\n{self.net}"
        )


def array(tensor):
    return tensor.detach().numpy().copy()


def grad_of(leaf):
    return np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.numpy().copy()


def is_rounded(named):
    """Return whether a gradient has numbers that are nothing but rounding."""
    name, values = named
    if not name.startswith("gradient of") or values is None:
        return False
    sizes = np.abs(values[values != 0])
    return bool(sizes.size) and sizes.min() < 1e-12 * max(sizes.max(), 1)


def distance(ours, theirs):
    """Return the largest difference as a share of the largest number, or of 1; infinite where one has another shape."""
    if theirs is None:
        return 0.0
    if np.shape(ours) != theirs.shape:
        return np.inf
    if not theirs.size:
        return 0.0
    gap = np.abs(np.asarray(ours, np.float64) - theirs).max() / max(np.abs(theirs).max(), 1.0)
    return np.inf if np.isnan(gap) else float(gap)


@contextmanager
def instruction_set(name):
    """Compute with other kernels inside a ``with`` block."""
    before, kernels.INSTRUCTION_SET = kernels.INSTRUCTION_SET, name
    try:
        yield
    finally:
        kernels.INSTRUCTION_SET = before


def report(seed, kernels_of=None):
    """Return what is to be said of a case, or nothing if all is well; of any instruction set unless it is given."""
    rng = np.random.default_rng([seed, 1])
    dtype = (np.float32, np.float64)[rng.integers(2)]
    os.environ["OMP_NUM_THREADS"] = str(rng.integers(1, 4))
    with instruction_set(kernels_of or kernels.usable()[rng.integers(len(kernels.usable()))]):
        case = Case(seed, dtype)
        try:
            far = case.differences()
        except Exception as error:
            return f"{case}\n  {type(error).__name__}: {error} {getattr(error, '__notes__', '')}"
        if not far:
            return ""
        lines = [f"  {name} differs by {gap:.3g}" for name, gap in list(far.items())[:6]]
        return "\n".join([str(case), *lines])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long")
    parser.add_argument("--seed", type=int, default=0, help="of the first case; the others follow")
    parser.add_argument("--case", type=int, help="only this one")
    given = parser.parse_args()
    torch.set_num_threads(1)
    np.seterr(all="ignore")
    if given.case is not None:
        print(report(given.case) or "no difference")
        return 0
    end, seed, bad = time.monotonic() + 60 * given.minutes, given.seed, 0
    while time.monotonic() < end:
        if text := report(seed):
            bad += 1
            print(text, flush=True)
        seed += 1
        if seed % 500 == 0:
            print(f"{seed - given.seed} nets, {bad} differ", flush=True)
    print(f"{seed - given.seed} nets from seed {given.seed}, {bad} differ", flush=True)
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
