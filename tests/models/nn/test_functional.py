"""The kernels, of each instruction set that this machine has, against their NumPy references."""

import inspect
from functools import cache

import kernel_references as reference
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from actionbench.models import kernels
from actionbench.models.nn import functional


@pytest.fixture(scope="module", params=kernels.usable(), autouse=True)
def instruction_set(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "INSTRUCTION_SET", request.param)
        yield


def test_each_kernel_has_a_reference():
    """A function that takes a number of threads calls a kernel; the reference takes all else that it takes."""
    for name, function in inspect.getmembers(functional, inspect.isfunction):
        arguments = list(inspect.signature(function).parameters)
        if "threads" in arguments and name[0] != "_":
            other = list(inspect.signature(getattr(reference, name)).parameters)
            assert other == [argument for argument in arguments if argument in other]
            assert set(arguments) - set(other) <= {"threads", "out", "scale", "track"}, name


triples = st.tuples(*[st.integers(1, 3)] * 3)


def assert_close(got, wanted):
    single = wanted.dtype == np.float32
    scale = max(np.abs(wanted).max(initial=0), 1)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=(2e-5 if single else 1e-12) * scale)
    assert got.dtype == wanted.dtype
    assert got.shape == wanted.shape


def volume(rng, shape, dtype, strided):
    """Return random numbers, as a view with gaps if ``strided``."""
    if not strided:
        return rng.standard_normal(shape).astype(dtype)
    return rng.standard_normal((*shape[:4], 2 * shape[4])).astype(dtype)[::1, ..., ::2]


@st.composite
def convolutions(draw):
    taps, stride, dilation = draw(triples), draw(triples), draw(triples)
    padding = draw(st.tuples(*[st.integers(0, 4)] * 3))
    size = draw(st.tuples(*[st.integers(1, 7)] * 3))
    reach = zip(size, padding, dilation, taps, strict=True)
    assume(all(n + 2 * p > d * (k - 1) for n, p, d, k in reach))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    dtype, strided = draw(st.sampled_from([np.float32, np.float64])), draw(st.booleans())
    groups, batch, c = draw(st.integers(1, 3)), draw(st.integers(0, 3)), draw(st.integers(1, 9))
    d = draw(st.sampled_from([1, 3, 8, 16, 24, 37]))
    x = volume(rng, (batch, *size, c * groups), dtype, strided)
    weight = rng.standard_normal((*taps, c, d * groups)).astype(dtype)
    bias = rng.standard_normal(d * groups).astype(dtype) if draw(st.booleans()) else None
    return x, weight, bias, (stride, padding, dilation, groups), rng, strided


@given(convolutions(), st.booleans(), st.booleans(), triples)
def test_convolution_and_gradients(case, scaled, rectify, pool):
    x, weight, bias, how, rng, strided = case
    scale = rng.standard_normal(weight.shape[-1]).astype(x.dtype) if scaled else None
    wanted = reference.conv3d(x, weight, bias, *how, scale, rectify)
    assert_close(functional.conv3d(x, weight, bias, *how, scale, rectify), wanted)
    if all(n >= k for n, k in zip(wanted.shape[1:4], pool, strict=True)):
        largest = reference.conv3d(x, weight, bias, *how, scale, rectify, pool)
        assert_close(functional.conv3d(x, weight, bias, *how, scale, rectify, pool), largest)
    else:
        with pytest.raises(ValueError, match="does not fit"):
            functional.conv3d(x, weight, bias, *how, scale, rectify, pool)
    g = volume(rng, wanted.shape, x.dtype, strided)
    size, taps = x.shape[1:4], weight.shape[:3]
    got = functional.conv3d_input_gradient(g, weight, size, *how)
    assert_close(got, reference.conv3d_input_gradient(g, weight, size, *how))
    wanted = reference.conv3d_weight_gradient(x, g, taps, *how)
    assert_close(functional.conv3d_weight_gradient(x, g, taps, *how), wanted)
    total = rng.standard_normal(wanted.shape).astype(x.dtype)
    wanted = total + 2 * wanted
    functional.conv3d_weight_gradient(x, g, taps, *how, out=total, scale=2.0)
    assert_close(total, wanted)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("shape", "taps", "how"),
    [
        ((2, 1, 40, 46, 3), (1, 11, 11), ((1, 4, 4), (0, 2, 2))),  # a large filter with a stride
        ((2, 3, 33, 40, 16), (3, 3, 3), ((1, 1, 1), (1, 1, 1))),  # several units of work
        ((1, 1, 1, 1300, 5), (1, 1, 3), ((1, 1, 1), (0, 0, 1))),  # a row longer than a unit
        ((1, 2, 7, 8, 130), (2, 2, 2), ((1, 2, 2), (0, 0, 0))),  # deeper than a block
        ((2, 1, 14, 14, 70), (1, 1, 1), ((1, 1, 1), (0, 0, 0))),  # a product of matrices
    ],
    ids=str,
)
def test_larger_convolutions(dtype, shape, taps, how):
    rng = np.random.default_rng(0)
    x, weight = (rng.standard_normal(s).astype(dtype) for s in (shape, (*taps, shape[4], 40)))
    wanted = reference.conv3d(x, weight, None, *how)
    assert_close(functional.conv3d(x, weight, None, *how), wanted)
    got = functional.conv3d_input_gradient(wanted, weight, shape[1:4], *how)
    assert_close(got, reference.conv3d_input_gradient(wanted, weight, shape[1:4], *how))
    got = functional.conv3d_weight_gradient(x, wanted, taps, *how)
    assert_close(got, reference.conv3d_weight_gradient(x, wanted, taps, *how))


@cache
def largest_of(dtype, shape, taps, width, pool):
    """Return an input, filters and what the reference makes of them, once for all builds and threads."""
    rng = np.random.default_rng(0)
    x, weight = (rng.standard_normal(s).astype(dtype) for s in (shape, (*taps, shape[4], width)))
    return x, weight, reference.conv3d(x, weight, padding=(1, 1, 1), pool=pool)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("shape", "taps", "width", "pool", "fused"),
    [
        (
            (2, 9, 37, 40, 3),
            (3, 3, 3),
            4,
            (2, 2, 2),
            True,
        ),  # sliding, several units, some of the last places unused
        ((1, 17, 31, 20, 1), (3, 3, 3), 8, (4, 3, 2), True),
        ((2, 1, 6, 1300, 2), (1, 3, 3), 3, (1, 2, 7), True),  # a row longer than a unit
        ((2, 1, 64, 20, 5), (1, 5, 5), 40, (1, 3, 3), True),  # direct
        ((1, 2, 5, 1300, 3), (1, 1, 2), 40, (1, 2, 5), True),
        ((2, 8, 20, 20, 5), (1, 5, 5), 40, (3, 2, 2), True),  # over frames, the last of them unused
        ((2, 4, 20, 20, 16), (3, 3, 3), 32, (2, 2, 2), False),  # Winograd's
    ],
    ids=str,
)
def test_the_largest_of_larger_convolutions(dtype, shape, taps, width, pool, fused, threads, monkeypatch):
    x, weight, wanted = largest_of(dtype, shape, taps, width, pool)
    poolings, plain = [], functional.max_pool3d
    monkeypatch.setattr(
        functional, "max_pool3d", lambda *args, **how: poolings.append(1) or plain(*args, **how)
    )
    assert_close(functional.conv3d(x, weight, padding=(1, 1, 1), pool=pool, threads=threads), wanted)
    if fused and dtype is np.float32 and kernels.INSTRUCTION_SET == "avx512":
        assert not poolings


def test_the_gradient_of_a_large_filter_bank():
    """So many numbers that they are divided among threads, not summed chunk by chunk."""
    rng = np.random.default_rng(0)
    x, g = (rng.standard_normal(s).astype(np.float32) for s in ((2, 1, 3, 4, 700), (2, 1, 3, 4, 500)))
    how = ((1, 3, 3), (1, 1, 1), (0, 1, 1))
    got = functional.conv3d_weight_gradient(x, g, *how, threads=2)
    assert_close(got, reference.conv3d_weight_gradient(x, g, *how))


@given(
    st.integers(0, 40), st.integers(0, 300), st.integers(0, 70), st.sampled_from([np.float32, np.float64]),
    st.booleans(), st.integers(0, 9),
)  # fmt: skip
def test_products_of_matrices(n, c, d, dtype, strided, seed):
    rng = np.random.default_rng(seed)
    x, weight, bias, right, total = (
        rng.standard_normal(s).astype(dtype) for s in ((n, c), (d, c), (d,), (c, d), (n, d))
    )
    if strided:
        x, weight, right = (np.repeat(a, 2, axis=0)[::2, ::-1] for a in (x, weight, right))
    assert_close(functional.linear(x, weight, bias), reference.linear(x, weight, bias))
    assert_close(functional.matmul(x, right), reference.matmul(x, right))
    for left, other in ((x, right), (np.asfortranarray(x), np.asfortranarray(right))):
        got, wanted = total.copy(), total.copy()
        functional.add_product(got, left, other)
        reference.add_product(wanted, left, other)
        assert_close(got, wanted)


@pytest.mark.parametrize(
    ("n", "c", "d"), [(1, 5000, 37), (9, 3000, 130), (32, 4100, 256), (150, 64, 200), (40, 300, 4096)]
)
def test_larger_products(n, c, d):
    rng = np.random.default_rng(0)
    x, weight, g = (rng.standard_normal(s).astype(np.float32) for s in ((n, c), (d, c), (n, d)))
    assert_close(functional.linear(x, weight), reference.linear(x, weight))
    assert_close(functional.matmul(g, weight), reference.matmul(g, weight))
    assert_close(functional.matmul(g.T, x), reference.matmul(g.T, x))


@st.composite
def poolings(draw):
    kernel, stride = draw(triples), draw(triples)
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    size = draw(st.tuples(*[st.integers(1, 7)] * 3))
    assume(all(n + 2 * p >= k for n, p, k in zip(size, padding, kernel, strict=True)))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    shape = (draw(st.integers(0, 3)), *size, draw(st.integers(1, 9)))
    x = volume(rng, shape, draw(st.sampled_from([np.float32, np.float64])), draw(st.booleans()))
    if draw(st.booleans()):
        x = np.round(x)  # ties
    return x, kernel, stride, padding, draw(st.booleans()), rng


def largest(x, *how):
    """Return what both make of a pooling, or None if it is refused."""
    try:
        return functional.max_pool3d(x, *how), reference.max_pool3d(x, *how)
    except ValueError as error:
        assert "meets only padding" in str(error)  # noqa: PT017 (refused or right)
        return None


@given(poolings(), triples, st.booleans())
def test_max_pooling_and_its_gradient(case, dilation, rectify):
    x, kernel, stride, padding, ceil_mode, rng = case
    span = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    assume(all(n + 2 * p >= k for n, p, k in zip(x.shape[1:4], padding, span, strict=True)))
    both = largest(x, kernel, stride, padding, ceil_mode, dilation, None, rectify)
    assume(both)
    pooled, wanted = both
    np.testing.assert_array_equal(pooled.output, wanted[0])
    np.testing.assert_array_equal(pooled.where, wanted[1])
    untracked = functional.max_pool3d(
        x, kernel, stride, padding, ceil_mode, dilation, rectify=rectify, track=False
    )
    np.testing.assert_array_equal(untracked.output, wanted[0])
    assert not untracked.where.size
    g = rng.standard_normal(pooled.output.shape).astype(x.dtype)
    got = functional.max_pool3d_gradient(g, pooled, rectify)
    assert_close(got, reference.max_pool3d_gradient(g, pooled, rectify))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 3, 16, 37])
def test_nan_anywhere_in_a_window_is_its_largest_value(channels, dtype):
    rng = np.random.default_rng(channels)
    x = rng.standard_normal((2, 4, 6, 6, channels)).astype(dtype)
    x.reshape(-1)[rng.choice(x.size, x.size // 12, replace=False)] = np.nan
    wanted = _pooled(x)
    assert 0.2 < np.isnan(wanted).mean() < 0.8
    window = (2, 2, 2)
    for rectify in (False, True):
        rectified = np.maximum(wanted, 0) if rectify else wanted
        for track in (False, True):
            pooled = functional.max_pool3d(x, window, window, rectify=rectify, track=track)
            np.testing.assert_array_equal(pooled.output, rectified)
        same = np.ones(channels, dtype), np.zeros(channels, dtype)
        scaled = functional.max_pool3d(x, window, window, affine=same, rectify=rectify)
        np.testing.assert_array_equal(scaled.output, rectified)
        # A convolution that gives the input back, pooled as it is made.
        weight = np.eye(channels, dtype=dtype).reshape(1, 1, 1, channels, channels)
        alone = np.where(np.isnan(x).any(axis=4, keepdims=True), dtype(np.nan), x)
        convolved = functional.conv3d(alone, weight, rectify=rectify, pool=window)
        np.testing.assert_array_equal(np.isnan(convolved), np.isnan(_pooled(alone)))
    np.testing.assert_array_equal(functional.adaptive_max_pool3d(x, (2, 3, 3)).output, wanted)


def _pooled(x):
    n, t, h, w, c = x.shape
    return x.reshape(n, t // 2, 2, h // 2, 2, w // 2, 2, c).max(axis=(2, 4, 6))


@given(poolings())
def test_scaled_max_pooling_and_its_gradient(case):
    x, kernel, stride, padding, ceil_mode, rng = case
    rows = rng.standard_normal((6, x.shape[4])).astype(x.dtype)
    rows[0, 0] = 0  # all are equal there: the first is taken
    pooled, wanted = largest(x, kernel, stride, padding, ceil_mode, (1, 1, 1), tuple(rows[:2]), True)
    assert_close(pooled.output, wanted[0])
    pixels = x.reshape(len(x), int(np.prod(x.shape[1:4])), x.shape[4])
    where = pooled.where.reshape(len(x), int(np.prod(wanted[0].shape[1:4])), x.shape[4])
    taken = np.take_along_axis(pixels, where.astype(np.intp), axis=1)
    np.testing.assert_array_equal(pooled.raw, taken.reshape(pooled.raw.shape))
    g = rng.standard_normal(pooled.output.shape).astype(x.dtype)
    affine = (np.ascontiguousarray(x), *rows[2:5])
    got = functional.max_pool3d_gradient(g, pooled, True, affine)
    assert_close(got, reference.max_pool3d_gradient(g, pooled, True, affine))


@given(poolings(), st.booleans())
def test_average_pooling_and_its_gradient(case, count_include_pad):
    x, kernel, stride, padding, ceil_mode, rng = case
    how = (kernel, stride, padding, ceil_mode, count_include_pad)
    wanted = reference.avg_pool3d(x, *how)
    assert_close(functional.avg_pool3d(x, *how), wanted)
    g = volume(rng, wanted.shape, x.dtype, strided=True)
    how = (x.shape[1:4], kernel, stride, padding, count_include_pad)
    assert_close(functional.avg_pool3d_gradient(g, *how), reference.avg_pool3d_gradient(g, *how))


@given(poolings(), triples)
def test_adaptive_pooling_and_its_gradient(case, places):
    x, *_, rng = case
    wanted = reference.adaptive_avg_pool3d(x, places)
    assert_close(functional.adaptive_avg_pool3d(x, places), wanted)
    size = x.shape[1:4]
    got = functional.adaptive_avg_pool3d_gradient(wanted, size)
    assert_close(got, reference.adaptive_avg_pool3d_gradient(wanted, size))
    pooled, wanted = functional.adaptive_max_pool3d(x, places), reference.adaptive_max_pool3d(x, places)
    np.testing.assert_array_equal(pooled.output, wanted[0])
    np.testing.assert_array_equal(pooled.where, wanted[1])
    g = rng.standard_normal(pooled.output.shape).astype(x.dtype)
    got = functional.max_pool3d_gradient(g, pooled)
    assert_close(got, reference.max_pool3d_gradient(g, pooled))


@given(
    st.integers(0, 3), st.integers(0, 400), st.sampled_from([1, 3, 8, 24, 64, 700]),
    st.sampled_from([np.float32, np.float64]), st.booleans(), st.integers(0, 9),
)  # fmt: skip
def test_channel_functions(batch, pixels, channels, dtype, masked, seed):
    rng = np.random.default_rng(seed)
    a, b, mask = rng.standard_normal((3, batch, pixels, channels)).astype(dtype)
    rows = rng.standard_normal((3, channels)).astype(dtype)
    exact = {"rtol": 1e-5, "atol": 1e-3} if dtype is np.float32 else {"rtol": 1e-12, "atol": 1e-10}
    mask = mask if masked else None
    for other, around in ((None, None), (b, None), (b, rows[0].astype(float))):
        arguments = (a, other, mask, around)
        for got, wanted in zip(
            functional.channel_sums(*arguments), reference.channel_sums(*arguments), strict=True
        ):
            np.testing.assert_allclose(got, wanted, **exact)
    # Far from zero the squares would drown what matters; around the first number they do not.
    far = a + dtype(100) * rows[0]
    for got, wanted in zip(functional.channel_moments(far), reference.channel_moments(far), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4 if dtype is np.float32 else 1e-11, atol=1e-5)
    for arguments in (rows[:2], (rows[0], rows[1], b, rows[2], mask, masked)):
        got = functional.channel_affine(a, *arguments)
        assert_close(got, reference.channel_affine(a, *arguments))
    np.testing.assert_array_equal(functional.rectifier(a), reference.rectifier(a))
    np.testing.assert_array_equal(functional.rectifier_gradient(a, b), reference.rectifier_gradient(a, b))


@given(
    st.integers(0, 40), st.integers(1, 20), st.booleans(), st.booleans(), st.booleans(),
    st.sampled_from([np.float32, np.float64]), st.integers(0, 9),
)  # fmt: skip
def test_normalisation_per_channel_and_its_gradient(channels, n, batch, learnt, shifted, dtype, seed):
    rng = np.random.default_rng(seed)
    means, squares, total, along = rng.standard_normal((4, channels))
    moments, n = ((means, squares**2), n + 1) if batch else (None, 0)
    rows = rng.uniform(0.5, 2, (7, channels)).astype(dtype)
    weight, bias = (rows[2], rows[3]) if learnt else (None, None)
    before = rows[4] if shifted else None
    results = []
    for module in (functional, reference):
        running, grads = rows[:2].copy(), rows[5:].copy()
        copied = moments and tuple(moment.copy() for moment in moments)
        normal = module.channel_normal(copied, n, *running, 0.1, weight, bias, before, 1e-5)
        gradients = module.channel_normal_gradient(
            normal, weight, total, along, 1.5, *(grads if learnt else (None, None))
        )
        results.append([*normal[:4], running, *gradients, grads])
    for got, wanted in zip(*results, strict=True):
        assert_close(got, wanted)


@pytest.mark.parametrize("learnt", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_channels_get_the_mean_and_deviation_that_is_wanted(dtype, learnt):
    rng = np.random.default_rng(0)
    x = (3 + 2 * rng.standard_normal((50, 5))).astype(dtype)
    weight, bias, before = (rng.uniform(0.5, 2, 5).astype(dtype) for _ in range(3))
    affine = (weight, bias) if learnt else (None, None)
    running = np.zeros(5, dtype), np.ones(5, dtype)
    batch = functional.channel_normal(functional.channel_moments(x), 50, *running, 0.1, *affine, None, 0.0)
    y = x * batch.scale + batch.shift
    np.testing.assert_allclose(y.mean(axis=0), bias if learnt else 0, atol=1e-6)
    np.testing.assert_allclose(y.std(axis=0), weight if learnt else 1, rtol=1e-5)
    np.testing.assert_allclose(running[0], 0.1 * x.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(running[1], 0.9 + 0.1 * x.var(axis=0, ddof=1), rtol=1e-6)

    # With the running moments, those of the data for once, and what comes before is as if it were in them.
    moments = (x.mean(axis=0) + before, x.var(axis=0))
    other = functional.channel_normal(None, 0, *moments, 0.1, *affine, before, 0.0)
    np.testing.assert_allclose(x * other.scale + other.shift, y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("batch", [True, False])
def test_gradient_of_normalised_channels_is_that_of_differences(batch):
    rng = np.random.default_rng(1)
    x, g = rng.standard_normal((2, 7, 3))
    weight, bias = rng.uniform(0.5, 2, (2, 3))

    def loss(x, weight, bias):
        moments, n = (functional.channel_moments(x), len(x)) if batch else (None, 0)
        normal = functional.channel_normal(
            moments, n, np.full(3, 0.2), np.full(3, 1.5), 0.1, weight, bias, None, 1e-5
        )
        return (g * (x * normal.scale + normal.shift)).sum(), normal

    def differences(of):
        step, slopes = 1e-6, np.zeros(of.shape)
        for at in np.ndindex(of.shape):
            pair = []
            for sign in (1, -1):
                of[at] += sign * step
                pair.append(loss(x, weight, bias)[0])
                of[at] -= sign * step
            slopes[at] = (pair[0] - pair[1]) / (2 * step)
        return slopes

    grad_weight, grad_bias = np.ones((2, 3))
    normal = loss(x, weight, bias)[1]
    sums = functional.channel_sums(g, x, around=normal.mean)
    factor, slope, shift = functional.channel_normal_gradient(
        normal, weight, *sums, 2.0, grad_weight, grad_bias
    )
    np.testing.assert_allclose(g * factor + x * slope + shift, differences(x), atol=1e-7)
    np.testing.assert_allclose(grad_weight, 1 + 2 * differences(weight), atol=1e-7)
    np.testing.assert_allclose(grad_bias, 1 + 2 * differences(bias), atol=1e-7)


@given(
    st.integers(0, 6), st.integers(1, 19), st.integers(1, 40), st.booleans(),
    st.sampled_from([np.float32, np.float64]), st.integers(0, 9),
)  # fmt: skip
def test_lstm_and_its_gradient(steps, samples, hidden, peepholes, dtype, seed):
    rng = np.random.default_rng(seed)
    shapes = ((steps, samples, 4 * hidden), (steps, samples, hidden), (4 * hidden, hidden), (3, hidden))
    driven, grads, weight, holes = ((2 * rng.standard_normal(shape)).astype(dtype) for shape in shapes)
    weight /= dtype(hidden**0.5)  # larger ones make of a rounding something else within some steps
    peephole = holes if peepholes else None
    wanted = reference.lstm(driven, weight, peephole)
    got = functional.lstm(driven.copy(), weight, peephole)
    for one, other in zip(got, wanted, strict=True):
        assert_close(one, other)
    back = reference.lstm_gradient(wanted, weight, grads, peephole)
    assert_close(functional.lstm_gradient(wanted, weight, grads, peephole), back)


@pytest.mark.parametrize("samples", [1, 2, 3])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_an_lstm_whose_threads_share_the_units(samples, threads):
    rng = np.random.default_rng(0)
    driven, weight = (rng.standard_normal(s).astype(np.float32) for s in ((9, samples, 596), (596, 149)))
    weight /= 12
    wanted = reference.lstm(driven, weight)
    for one, other in zip(functional.lstm(driven, weight, threads=threads), wanted, strict=True):
        assert_close(one, other)


def test_curves_of_single_precision():
    """Gates that saturate, are near zero, or between: against double precision."""
    x = np.concatenate([np.linspace(-100, 100, 4001), np.geomspace(1e-30, 1, 500), [0.0, 1e30, -1e30]])
    x = x.astype(np.float32).reshape(-1, 8)
    scan = functional.lstm(np.tile(x, 4)[np.newaxis], np.zeros((32, 8), np.float32))
    i, _, g, _ = np.split(scan.gates[0].astype(np.float64), 4, axis=1)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(i, 1 / (1 + np.exp(-np.clip(exact, -87, None))), rtol=3e-7)
    np.testing.assert_allclose(g, np.tanh(exact), rtol=3e-7)


@given(st.integers(0, 70000), st.sampled_from([np.float32, np.float64]), st.booleans())
def test_steps_of_optimisers(n, dtype, decays):
    rng = np.random.default_rng(0)
    x, gradient, first, second, decay = rng.random((5, n)).astype(dtype)
    for name, arrays, numbers in (
        ("descend", (x, gradient), (0.3,)),
        ("adam", (x, gradient, first, second), (0.1, 0.9, 0.99, 1e-3, decay if decays else None, 0.2)),
    ):
        got, wanted = [a.copy() for a in arrays], [a.copy() for a in arrays]
        getattr(functional, name)(*got, *numbers)
        getattr(reference, name)(*wanted, *numbers)
        for one, other in zip(got, wanted, strict=True):
            assert_close(one, other)
    functional.clear(x)
    assert not x.any()


def test_what_is_no_number_stays_none():
    x = np.array([np.nan, -1.0, 1.0]).reshape(1, 1, 1, 3, 1)
    np.testing.assert_array_equal(functional.rectifier(x).ravel(), [np.nan, 0, 1])
    got = functional.conv3d(x, np.ones((1, 1, 1, 1, 1)), rectify=True)
    np.testing.assert_array_equal(got.ravel(), [np.nan, 0, 1])


def results(threads):
    rng = np.random.default_rng(1)
    x, weight = (rng.standard_normal(s).astype(np.float32) for s in ((3, 6, 13, 17, 8), (3, 3, 3, 8, 24)))
    pad = {"padding": (1, 1, 1), "threads": threads}
    y = functional.conv3d(x, weight, **pad)
    pooled = functional.max_pool3d(y, (2, 3, 3), (2, 2, 2), threads=threads)
    scaled = functional.max_pool3d(y, (2, 2, 2), (2, 2, 2), affine=tuple(y[0, 0, 0, :2]), threads=threads)
    affine = (y, *y[0, 0, 0, 2:5])
    rows = y.reshape(-1, 24)
    return [
        y,
        functional.conv3d_input_gradient(y, weight, x.shape[1:4], **pad),
        functional.conv3d_weight_gradient(x, y, (3, 3, 3), **pad),
        pooled.output,
        scaled.output,
        functional.max_pool3d_gradient(pooled.output, pooled, threads=threads),
        functional.max_pool3d_gradient(scaled.output, scaled, True, affine, threads=threads),
        functional.avg_pool3d(y, (2, 3, 3), (2, 2, 2), threads=threads),
        functional.avg_pool3d_gradient(y, (6, 13, 17), (1, 3, 3), (1, 1, 1), (0, 1, 1), threads=threads),
        functional.linear(rows, rows[:90], threads=threads),
        functional.linear(rows[:3], rows[:90], threads=threads),
        functional.matmul(rows.T, rows, threads=threads),
        *functional.channel_sums(y, y, threads=threads),
        *functional.channel_moments(y, threads=threads),
        functional.channel_affine(y, np.arange(24.0), np.ones(24), threads=threads),
        functional.rectifier_gradient(y, y, threads=threads),
        *(scan := functional.lstm(np.tile(y[0], (1, 5, 1, 2))[0], rows[:48, :12].copy(), threads=threads)),
        *functional.lstm(
            rows[:66].reshape(3, 1, 528).copy(), rows[:2904].reshape(528, 132) / 100, threads=threads
        ),
        functional.lstm_gradient(scan, rows[:48, :12].copy(), scan.states, threads=threads),
        *steps(y.reshape(-1), threads),
    ]


def steps(a, threads):
    x, first, second = a.copy(), a.copy(), a * a
    functional.descend(x, a, 0.1, threads=threads)
    functional.adam(x, a, first, second, 0.1, 0.9, 0.99, 1e-8, a * a, 0.1, threads=threads)
    return x, first, second


@cache
def results_of_one(instruction_set):
    return results(1)


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_threads_do_not_change_a_bit(threads):
    for one, many in zip(results_of_one(kernels.INSTRUCTION_SET), results(threads), strict=True):
        np.testing.assert_array_equal(one, many)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: functional.conv3d(x, np.zeros((3, 3, 3, 2, 4), np.float32)), "does not fit"),
        (lambda x: functional.conv3d(x, np.zeros((1, 1, 1, 3, 4), np.float32)), "weight must be"),
        (lambda x: functional.conv3d(x[0], np.zeros((1, 1, 1, 2, 4), np.float32)), "input must be"),
        (lambda x: functional.max_pool3d(x.astype(int), (1, 1, 1), (1, 1, 1)), "float32 or float64"),
        (lambda x: functional.max_pool3d(x, (3, 3, 3), (1, 1, 1)), "does not fit"),
        (lambda x: functional.avg_pool3d(x, (2, 2, 2), (1, 1, 1), (2, 0, 0)), "half of the window"),
        (
            lambda x: functional.max_pool3d(x, (2, 1, 1), (1, 1, 1), (1, 0, 0), dilation=(3, 1, 1)),
            "meets only padding",
        ),
        (lambda x: functional.adaptive_avg_pool3d(x, (0, 1, 1)), "1 or more"),
        (lambda x: functional.conv3d(x, np.zeros((1, 1, 1, 1, 3), np.float32), groups=2), "a multiple of 2"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.zeros((1, 2, 2, 2, 2), np.float32))
