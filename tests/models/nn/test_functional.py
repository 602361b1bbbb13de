"""The kernels against their NumPy references."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from actionbench.models import kernels
from actionbench.models.nn import functional, reference

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


@pytest.fixture(params=kernels.usable())
def instruction_set(request, monkeypatch):
    for kernel in ("convolution", "normalisation", "pooling"):
        monkeypatch.setattr(kernels, kernel, kernels.load(kernel, request.param))


@st.composite
def convolutions(draw):
    taps, stride, dilation = draw(triples), draw(triples), draw(triples)
    padding = draw(st.tuples(*[st.integers(0, 4)] * 3))
    size = draw(st.tuples(*[st.integers(1, 7)] * 3))
    reach = zip(size, padding, dilation, taps, strict=True)
    assume(all(n + 2 * p > d * (k - 1) for n, p, d, k in reach))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    dtype, strided = draw(st.sampled_from([np.float32, np.float64])), draw(st.booleans())
    batch, c, d = (
        draw(st.integers(0, 3)),
        draw(st.integers(1, 9)),
        draw(st.sampled_from([1, 3, 8, 16, 24, 37])),
    )
    x = volume(rng, (batch, *size, c), dtype, strided)
    weight = rng.standard_normal((*taps, c, d)).astype(dtype)
    return x, weight, rng.standard_normal(d).astype(dtype), (stride, padding, dilation), rng, strided


@given(convolutions())
@settings(max_examples=120, deadline=None)
def test_convolution_and_gradients_equal_reference(case):
    x, weight, bias, how, rng, strided = case
    wanted = reference.conv3d(x, weight, bias, *how)
    assert_close(functional.conv3d(x, weight, bias, *how), wanted)
    g = volume(rng, wanted.shape, x.dtype, strided)
    size = x.shape[1:4]
    got = functional.conv3d_input_gradient(g, weight, size, *how)
    assert_close(got, reference.conv3d_input_gradient(g, weight, size, *how))
    got = functional.conv3d_weight_gradient(x, g, weight.shape[:3], *how)
    assert_close(got, reference.conv3d_weight_gradient(x, g, weight.shape[:3], *how))


@pytest.mark.usefixtures("instruction_set")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_instruction_set(dtype):
    rng = np.random.default_rng(0)
    x, weight = (
        rng.standard_normal((2, 5, 9, 11, 7)).astype(dtype),
        rng.standard_normal((3, 3, 3, 7, 40)).astype(dtype),
    )
    how = ((1, 1, 1), (1, 1, 1))
    wanted = reference.conv3d(x, weight, None, *how)
    assert_close(functional.conv3d(x, weight, None, *how), wanted)
    got = functional.conv3d_weight_gradient(x, wanted, (3, 3, 3), *how)
    assert_close(got, reference.conv3d_weight_gradient(x, wanted, (3, 3, 3), *how))
    for got, of in zip(
        functional.max_pool3d(x, (2, 2, 2), (2, 2, 2)),
        reference.max_pool3d(x, (2, 2, 2), (2, 2, 2)),
        strict=True,
    ):
        np.testing.assert_array_equal(got, of)


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


@given(poolings(), triples)
@settings(max_examples=80, deadline=None)
def test_dilated_pooling_equals_reference(case, dilation):
    x, kernel, stride, padding, ceil_mode, _ = case
    span = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    assume(all(n + 2 * p >= k for n, p, k in zip(x.shape[1:4], padding, span, strict=True)))
    how = (kernel, stride, padding, ceil_mode, dilation)
    try:
        out, where = functional.max_pool3d(x, *how)
    except ValueError as error:
        assert "meets only padding" in str(error)  # noqa: PT017 (refused or right)
        return
    wanted, place = reference.max_pool3d(x, *how)
    np.testing.assert_array_equal(out, wanted)
    np.testing.assert_array_equal(where, place)


@given(poolings(), st.booleans())
@settings(max_examples=120, deadline=None)
def test_pooling_and_gradients_equal_reference(case, count_include_pad):
    x, kernel, stride, padding, ceil_mode, rng = case
    size, how = x.shape[1:4], (kernel, stride, padding, ceil_mode)
    out, where = functional.max_pool3d(x, *how)
    wanted, place = reference.max_pool3d(x, *how)
    np.testing.assert_array_equal(out, wanted)
    np.testing.assert_array_equal(where, place)
    g = rng.standard_normal(out.shape).astype(x.dtype)
    assert_close(
        functional.max_pool3d_gradient(g, where, size), reference.max_pool3d_gradient(g, where, size)
    )
    got = functional.avg_pool3d(x, *how, count_include_pad)
    assert_close(got, reference.avg_pool3d(x, *how, count_include_pad))
    how = (size, kernel, stride, padding, count_include_pad)
    assert_close(functional.avg_pool3d_gradient(g, *how), reference.avg_pool3d_gradient(g, *how))


@given(st.integers(0, 3), st.integers(0, 40), st.sampled_from([1, 3, 8, 64, 700]), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_channel_functions(batch, pixels, channels, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, batch, pixels, channels))
    p, q, r = rng.standard_normal((3, channels))
    np.testing.assert_allclose(functional.channel_sums(a), a.sum(axis=(0, 1)), atol=1e-10)
    np.testing.assert_allclose(functional.channel_sums(a, b), (a * b).sum(axis=(0, 1)), atol=1e-10)
    np.testing.assert_allclose(functional.channel_squares(a, p), ((a - p) ** 2).sum(axis=(0, 1)), atol=1e-10)
    np.testing.assert_allclose(functional.channel_affine(a, p, q), a * p + q, atol=1e-12)
    np.testing.assert_allclose(functional.channel_combine(a, b, p, q, r), a * p + b * q + r, atol=1e-12)
    np.testing.assert_array_equal(functional.rectifier_gradient(a, b), np.where(a > 0, b, 0))


def results(threads):
    rng = np.random.default_rng(1)
    x, weight = (rng.standard_normal(s).astype(np.float32) for s in ((3, 6, 13, 17, 8), (3, 3, 3, 8, 24)))
    pad = {"padding": (1, 1, 1), "threads": threads}
    y = functional.conv3d(x, weight, **pad)
    pooled, where = functional.max_pool3d(y, (2, 3, 3), (2, 2, 2), threads=threads)
    return [
        y,
        functional.conv3d_input_gradient(y, weight, x.shape[1:4], **pad),
        functional.conv3d_weight_gradient(x, y, (3, 3, 3), **pad),
        pooled,
        functional.max_pool3d_gradient(pooled, where, y.shape[1:4], threads=threads),
        functional.avg_pool3d(y, (2, 3, 3), (2, 2, 2), threads=threads),
        functional.channel_sums(y, y, threads=threads),
        functional.channel_affine(y, np.arange(24.0), np.ones(24), threads=threads),
        functional.rectifier_gradient(y, y, threads=threads),
    ]


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_threads_do_not_change_a_bit(threads):
    for one, many in zip(results(1), results(threads), strict=True):
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
        (lambda x: functional.triple((1, 2)), "one number or 3"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.zeros((1, 2, 2, 2, 2), np.float32))
