"""Every kernel alone, on shapes of small video nets.

Run with ``OMP_NUM_THREADS=1 python -m pytest tests/benchmarks/test_kernels.py --benchmark-only``; ``-k winograd`` takes
one kernel, ``--benchmark-json`` writes GFLOP/s as well. Those of ``keep_busy`` are the most that the processor reaches;
Winograd's method seems to exceed them, because it counts as the plain sum of which it saves a part.

A kernel comes in by a function under ``@times`` that gets a shape, makes the arrays and returns the call. Its name
begins with that of the kernel.
"""

from collections.abc import Callable
from math import prod
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import pytest

import actionbench.features.histograms as features
import actionbench.features.trajectories as trajectories
from actionbench._ext import histograms, tracks
from actionbench.models import kernels
from actionbench.models.kernels import default_threads
from actionbench.models.nn import functional

HOT = kernels.of(np.dtype(np.float32))
NOTHING = np.empty(0, np.float32)
# Says how wide a vector is.
NO_KERNELS = {"lanes"}


class Case(NamedTuple):
    kernel: str
    make: Callable
    shape: tuple
    operations: Callable | None


CASES: dict[str, Case] = {}


def times(kernel, *shapes, operations=None):
    """Time a kernel on shapes, the smallest last; ``operations`` counts those in floating point of one shape."""

    def add(make):
        for shape in shapes:
            CASES[f"{make.__name__}-{label(shape)}"] = Case(kernel, make, shape, operations)
        return make

    return add


def label(shape):
    return "x".join(map(str, shape)) if type(shape) is tuple else str(shape)


def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape, np.float32)


# Convolution


class Filters(NamedTuple):
    """Filters over volumes (N, T, H, W, C) with zeros around them."""

    volume: tuple[int, ...]
    width: int
    taps: tuple[int, int, int] = (3, 3, 3)
    stride: tuple[int, int, int] = (1, 1, 1)

    def __str__(self):
        steps = "" if self.stride == (1, 1, 1) else f"/{label(self.stride)}"
        return f"{label(self.volume)},{label(self.taps)}{steps}->{self.width}"

    @property
    def padding(self):
        return tuple(k // 2 for k in self.taps)

    @property
    def output(self):
        axes = zip(self.volume[1:4], self.taps, self.stride, self.padding, strict=True)
        return (self.volume[0], *(functional.conv_size(*axis) for axis in axes), self.width)

    def arrays(self):
        """Return volumes, filters, and what has the shape of the output."""
        return normal(*self.volume), normal(*self.taps, self.volume[4], self.width), normal(*self.output)

    def operations(self):
        """Count those of the plain sum over all taps, whatever the method."""
        return 2 * prod(self.output) * prod(self.taps) * self.volume[4]


# Those of tiny3d.
STAGES = [
    Filters((16, 16, 64, 64, 1), 8),
    Filters((16, 8, 32, 32, 8), 16),
    Filters((16, 4, 16, 16, 16), 32),
    Filters((16, 2, 8, 8, 32), 64),
]
FRAMES = Filters((64, 1, 32, 32, 16), 32, (1, 3, 3))
STRIDED = Filters((8, 1, 112, 112, 3), 32, (1, 7, 7), (1, 2, 2))
POINTS = Filters((16, 4, 16, 16, 64), 32, (1, 1, 1))
# Sliding knows no more channels out than one vector holds.
FEW = min(8, HOT.lanes())
SLID = [Filters((16, 16, 64, 64, 1), FEW), Filters((16, 8, 32, 32, 16), FEW)]


@times("convolve", STRIDED, POINTS, *STAGES, operations=Filters.operations)
def convolve(filters):
    x, weight, out = filters.arrays()
    how = (filters.stride, filters.padding, (1, 1, 1), (1, 1, 1), False, default_threads())
    return lambda: HOT.convolve(x, weight, NOTHING, NOTHING, out, *how)


@times("weight_gradient", STRIDED, POINTS, *STAGES, operations=Filters.operations)
def weight_gradient(filters):
    x, weight, g = filters.arrays()
    how = (filters.stride, filters.padding, (1, 1, 1), 1.0, default_threads())
    return lambda: HOT.weight_gradient(x, g, weight, *how)


@times("slide", *SLID, operations=Filters.operations)
def slide(filters):
    x, weight, out = filters.arrays()
    how = (filters.padding, (1, 1, 1), False, default_threads())
    return lambda: HOT.slide(x, weight, NOTHING, NOTHING, out, *how)


@times("convolve", FRAMES, operations=Filters.operations)
def convolve_pooled(filters):
    x, weight, out = filters.arrays()
    pooled = out[:, :, ::2, ::2].copy()
    how = (filters.stride, filters.padding, (1, 1, 1), (1, 2, 2), False, default_threads())
    return lambda: HOT.convolve(x, weight, NOTHING, NOTHING, pooled, *how)


@times("slide", *SLID, operations=Filters.operations)
def slide_pooled(filters):
    x, weight, out = filters.arrays()
    pooled = out[:, ::2, ::2, ::2].copy()
    how = (filters.padding, (2, 2, 2), False, default_threads())
    return lambda: HOT.slide(x, weight, NOTHING, NOTHING, pooled, *how)


@times("slide_gradient", *SLID, operations=Filters.operations)
def slide_gradient(filters):
    x, weight, g = filters.arrays()
    how = (filters.padding, 1.0, default_threads())
    return lambda: HOT.slide_gradient(x, g, weight, *how)


@times("winograd", FRAMES, *STAGES, operations=Filters.operations)
def winograd(filters):
    x, weight, out = filters.arrays()
    how = (filters.padding, False, default_threads())
    return lambda: HOT.winograd(x, weight, NOTHING, NOTHING, out, *how)


@times("winograd_gradient", FRAMES, *STAGES, operations=Filters.operations)
def winograd_gradient(filters):
    x, weight, g = filters.arrays()
    how = (filters.padding, 1.0, default_threads())
    return lambda: HOT.winograd_gradient(x, g, weight, *how)


# Matrices: rows of the left one, depth, columns of the right one


def products(shape):
    return 2 * prod(shape)


@times("product", (256, 16384, 32), (2048, 64, 512), operations=products)
def product(shape):
    rows, depth, columns = shape
    left, right, out = normal(rows, depth), normal(columns, depth).T, normal(rows, columns)
    return lambda: HOT.product(left, right, NOTHING, out, False, default_threads())


@times("product", (256, 32, 16384), (512, 2048, 64), operations=products)
def product_gradient(shape):
    rows, depth, columns = shape
    left, right, out = normal(depth, rows).T, normal(depth, columns), normal(rows, columns)
    return lambda: HOT.product(left, right, NOTHING, out, True, default_threads())


@times("inner_products", (8, 16384, 256), (1, 16384, 256), operations=products)
def inner_products(shape):
    samples, depth, width = shape
    x, weight, out = normal(samples, depth), normal(width, depth), normal(samples, width)
    return lambda: HOT.inner_products(x, weight, out, default_threads())


@times("turn_and_add", (256, 256), (512, 32))
def turn_and_add(shape):
    matrix, bias, out = normal(*shape), normal(shape[0]), normal(*shape[::-1])
    return lambda: HOT.turn_and_add(matrix, bias, out)


@times("keep_busy", (100_000,), operations=lambda rounds: HOT.keep_busy(*rounds, default_threads()))
def keep_busy(rounds):
    return lambda: HOT.keep_busy(*rounds, default_threads())


# Normalisation and rectifiers, on what the stages give

VOLUMES = [(16, 16, 64, 64, 8), (16, 8, 32, 32, 16), (16, 2, 8, 8, 64)]


@times("sums", *VOLUMES)
def sums(shape):
    a, b = normal(*shape), normal(*shape)
    return lambda: functional.channel_sums(a, b)


@times("sums", *VOLUMES)
def sums_masked(shape):
    a, b, mask = (normal(*shape) for _ in range(3))
    return lambda: functional.channel_sums(a, b, mask)


@times("moments", *VOLUMES)
def moments(shape):
    a = normal(*shape)
    return lambda: functional.channel_moments(a)


@times("normalise", (16,), (512,))
def normalise(shape):
    moments, (mean, variance, weight, bias) = tuple(np.ones((2, *shape))), np.ones((4, *shape), np.float32)
    return lambda: functional.channel_normal(moments, 9, mean, variance, 0.1, weight, bias, None, 1e-5)


@times("normalise_gradient", (16,), (512,))
def normalise_gradient(shape):
    mean, inverse, total, along = np.ones((4, *shape))
    weight, grad_weight, grad_bias, scale, shift = np.ones((5, *shape), np.float32)
    normal = functional.Normal(mean, inverse, scale, shift, 9)
    return lambda: functional.channel_normal_gradient(
        normal, weight, total, along, 1.0, grad_weight, grad_bias
    )


@times("affine", *VOLUMES)
def affine(shape):
    a, (scale, shift) = normal(*shape), normal(2, shape[-1])
    return lambda: functional.channel_affine(a, scale, shift, rectify=True)


@times("affine", *VOLUMES)
def affine_gradient(shape):
    g, x, mask = (normal(*shape) for _ in range(3))
    factor, shift, slope = normal(3, shape[-1])
    return lambda: functional.channel_affine(g, factor, shift, x, slope, mask)


@times("affine", *VOLUMES)
def affine_rectifier(shape):
    a = normal(*shape)
    return lambda: functional.rectifier(a)


# Pooling


class Windows(NamedTuple):
    """Windows over volumes (N, T, H, W, C)."""

    volume: tuple[int, ...]
    size: tuple[int, int, int] = (2, 2, 2)
    stride: tuple[int, int, int] = (2, 2, 2)
    padding: tuple[int, int, int] = (0, 0, 0)

    def __str__(self):
        return f"{label(self.volume)},{label(self.size)}/{label(self.stride)}"

    @property
    def how(self):
        return self.size, self.stride, self.padding

    def arrays(self):
        """Return volumes, and three numbers for each channel."""
        return normal(*self.volume), normal(3, self.volume[4])


POOLED = [
    Windows((16, 16, 64, 64, 8)),
    Windows((16, 1, 56, 56, 32), (1, 3, 3), (1, 2, 2), (0, 1, 1)),
    Windows((16, 8, 32, 32, 16)),
    Windows((16, 4, 16, 16, 32)),
]


@times("max_pool", *POOLED)
def max_pool(windows):
    x, _ = windows.arrays()
    return lambda: functional.max_pool3d(x, *windows.how)


@times("max_pool", *POOLED)
def max_pool_fused(windows):
    x, (scale, shift, _) = windows.arrays()
    return lambda: functional.max_pool3d(x, *windows.how, affine=(scale, shift), rectify=True)


@times("max_pool_gradient", *POOLED)
def max_pool_gradient(windows):
    x, _ = windows.arrays()
    pooled = functional.max_pool3d(x, *windows.how)
    return lambda: functional.max_pool3d_gradient(pooled.output, pooled)


@times("max_pool_gradient", *POOLED)
def max_pool_gradient_fused(windows):
    x, rows = windows.arrays()
    pooled = functional.max_pool3d(x, *windows.how, affine=(rows[0], rows[1]), rectify=True)
    return lambda: functional.max_pool3d_gradient(pooled.output, pooled, True, (x, *rows))


@times("window_sums", *POOLED)
def window_sums(windows):
    x, _ = windows.arrays()
    return lambda: functional.avg_pool3d(x, *windows.how)


@times("window_sums", *POOLED)
def window_sums_gradient(windows):
    x, _ = windows.arrays()
    g = functional.avg_pool3d(x, *windows.how)
    return lambda: functional.avg_pool3d_gradient(g, x.shape[1:4], *windows.how)


@times("window_sums", *VOLUMES)
def window_sums_whole(shape):
    x = normal(*shape)
    return lambda: functional.adaptive_avg_pool3d(x, (1, 1, 1))


# Recurrent: steps, samples, hidden values

SEQUENCES = [(32, 64, 128), (32, 16, 128), (32, 1, 128)]


def recurrent_products(shape):
    steps, samples, hidden = shape
    return 2 * steps * samples * hidden * 4 * hidden


def sequences(shape):
    """Return what drives the gates, the weight, and gradients of the states."""
    steps, samples, hidden = shape
    return normal(steps, samples, 4 * hidden), normal(4 * hidden, hidden) / hidden**0.5, normal(*shape)


@times("lstm", *SEQUENCES, operations=recurrent_products)
def lstm(shape):
    # A call writes its gates over what drove them, so the next is driven by gates; that takes as long.
    driven, weight, _ = sequences(shape)
    return lambda: functional.lstm(driven, weight)


@times("lstm_gradient", *SEQUENCES, operations=recurrent_products)
def lstm_gradient(shape):
    driven, weight, grads = sequences(shape)
    scan = functional.lstm(driven, weight)
    return lambda: functional.lstm_gradient(scan, weight, grads)


# Steps: the parameters of a net, among them those of tiny3d

PARAMETERS = [(10**6,), (73_682,)]


@times("clear", *PARAMETERS)
def clear(shape):
    a = normal(*shape)
    return lambda: functional.clear(a)


@times("descend", *PARAMETERS)
def descend(shape):
    x, gradient = normal(*shape), normal(*shape)
    return lambda: functional.descend(x, gradient, 1e-3)


@times("adam", *PARAMETERS)
def adam(shape):
    x, gradient, first = (normal(*shape) for _ in range(3))
    second = first**2
    return lambda: functional.adam(x, gradient, first, second, 1e-3, 0.9, 0.999, 1e-8)


# Histograms of fields (T, H, W)

FIELDS = [(50, 144, 180), (16, 64, 64)]


def grid(shape):
    n_frames, height, width = shape
    return features.frame_grid(np.tile([0, 0, height, width], (n_frames, 1)), (height, width), (4, 4))


@times("cell_histograms", *FIELDS)
def cell_histograms(shape):
    dx, dy, cells = normal(*shape), normal(*shape), grid(shape)
    weights = (dx > dy).astype(np.float32)
    return lambda: features.orientation_histograms(dx, dy, cells, weights=weights)


@times("cell_histograms", *FIELDS)
def cell_histograms_of_flow(shape):
    dx, dy, cells = normal(*shape), normal(*shape), grid(shape)
    return lambda: features.orientation_histograms(dx, dy, cells, threshold=0.4, zero_bin=True)


BLOCKS = 500


TILE = 4


def tiles(shape):
    image, flow = normal(*shape), normal(*shape, 2)
    out = np.empty((shape[0] // TILE + 1, shape[1] // TILE + 1, 33))
    return image, flow, 0.4, TILE, out


@times("integral_tiles", (120, 160), (240, 320))
def integral_tiles(shape):
    arrays = tiles(shape)
    return lambda: trajectories.integral_tiles(*arrays)


@times("add_blocks", (120, 160), (240, 320))
def add_blocks(shape):
    *_, integral = arrays = tiles(shape)
    trajectories.integral_tiles(*arrays)
    corners = np.random.default_rng(0).integers(0, np.array(integral.shape[:2]) - 8, (BLOCKS, 2))
    rows, times, out = np.arange(BLOCKS), np.zeros(BLOCKS, np.intp), np.zeros((BLOCKS, 1, 4, 33))
    return lambda: trajectories.add_blocks(integral, corners, 8, 8, 2, rows, times, out)


@times("track_points", (120, 160), (240, 320))
def track_points(shape):
    """Fifteen fields, points all over them."""
    length, grid = 15, (15, shape[0] // 5, shape[1] // 5)
    flow, room = normal(length, *shape, 2), grid[0] * grid[1] * grid[2]
    active, done = (
        (
            np.empty((room, length + 1, 2), np.float32),
            np.empty((room, length, 2), np.float32),
            np.empty(room, np.intp),
        )
        for _ in range(2)
    )
    cameras, textured = np.tile(np.eye(3), (length, 1, 1)), np.ones(grid, np.uint8)
    taken = np.empty(grid[1:], np.uint8)
    return lambda: trajectories.track_points(
        flow, cameras, textured, 5, length, 0, 1, *active, 0, *done, taken
    )


@pytest.mark.benchmark(max_time=0.5)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_speed(benchmark, case):
    benchmark.group = case.kernel
    benchmark(case.make(case.shape))
    if benchmark.stats and case.operations:
        rate = case.operations(case.shape) / benchmark.stats.stats.median / 1e9
        benchmark.extra_info["GFLOP/s"] = round(rate, 1)


def test_no_kernel_is_forgotten():
    others = vars(histograms) | vars(tracks)
    public = vars(HOT) | {name: value for name, value in others.items() if name[0] != "_"}
    built = {name for name, value in public.items() if callable(value)}
    assert {case.kernel for case in CASES.values()} == built - NO_KERNELS


@pytest.mark.parametrize(
    "case", {case.make: case for case in CASES.values()}.values(), ids=lambda c: c.make.__name__
)
def test_what_is_timed_is_the_kernel(case):
    call = case.make(case.shape)
    place = next(place for place in (HOT, features, trajectories) if hasattr(place, case.kernel))
    with patch.object(place, case.kernel, wraps=getattr(place, case.kernel)) as kernel:
        call()
    kernel.assert_called_once()
