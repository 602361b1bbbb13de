"""Winograd's filtering: right for every shape, and how far from it rounding may lead."""

import kernel_references as reference
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from actionbench.models import kernels
from actionbench.models.nn import functional

ONE = (1, 1, 1)
#: What the rounding of one convolution may be, in units of ε times the same sums of absolute values over a tile.
BOUND = 2


@pytest.fixture(scope="module", params=kernels.usable(), autouse=True)
def instruction_set(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "INSTRUCTION_SET", request.param)
        yield


def filtered(x, weight, scale, bias, padding, rectify=False, threads=2):
    size = (conv for conv in zip(x.shape[1:4], weight.shape[:3], ONE, padding, strict=True))
    out = np.full((len(x), *(functional.conv_size(*of) for of in size), weight.shape[4]), np.nan, x.dtype)
    kernels.of(x.dtype).winograd(x, weight, scale, bias, out, padding, rectify, threads)
    return out


@st.composite
def cases(draw):
    size, padding = draw(st.tuples(*[st.integers(1, 11)] * 3)), draw(st.tuples(*[st.integers(0, 3)] * 3))
    frames = draw(st.integers(1, 3))
    reach = zip(size, padding, (frames, 3, 3), strict=True)
    assume(all(n + 2 * p >= k for n, p, k in reach))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    batch, c, d = draw(st.integers(1, 3)), draw(st.integers(1, 20)), draw(st.sampled_from([1, 3, 8, 24, 37]))
    x = rng.standard_normal((batch, *size, 2 * c)).astype(dtype)[..., ::2]
    return np.ascontiguousarray(x), rng.standard_normal((frames, 3, 3, c, d)).astype(dtype), padding, rng


@given(cases(), st.booleans(), st.booleans())
def test_it_is_a_convolution(case, scaled, rectify):
    x, weight, padding, rng = case
    rows = rng.standard_normal((2, weight.shape[4])).astype(x.dtype)
    scale, bias = rows if scaled else np.empty((2, 0), x.dtype)
    wanted = reference.conv3d(
        x, weight, bias if scaled else None, ONE, padding, ONE, 1, scale if scaled else None
    )
    got = filtered(x, weight, scale, bias, padding, rectify)
    tolerance = {"rtol": 0, "atol": np.abs(wanted).max() * (3e-6 if x.dtype == np.float32 else 1e-14)}
    np.testing.assert_allclose(got, np.maximum(wanted, 0) if rectify else wanted, **tolerance)


@given(cases())
def test_its_gradient(case):
    x, weight, padding, rng = case
    g = rng.standard_normal(reference.conv3d(x, weight, None, ONE, padding).shape).astype(x.dtype)
    wanted = reference.conv3d_weight_gradient(x, g, weight.shape[:3], ONE, padding)
    got = weight.copy()
    kernels.of(x.dtype).winograd_gradient(x, g, got, padding, 2.0, 2)
    scale = max(np.abs(wanted).max(), 1)
    atol = scale * (1e-5 if x.dtype == np.float32 else 1e-13)
    np.testing.assert_allclose(got, weight + 2 * wanted, rtol=0, atol=atol)


@pytest.mark.parametrize("threads", [2, 5])
@pytest.mark.parametrize("shape", [(1, 9, 20, 22, 24), (5, 1, 33, 31, 16), (2, 4, 6, 7, 40)])
def test_threads_do_not_change_a_bit(shape, threads):
    rng = np.random.default_rng(0)
    x, weight = (
        rng.standard_normal(s).astype(np.float32) for s in (shape, (min(shape[1], 3), 3, 3, shape[4], 20))
    )
    nothing, padding, outs = np.empty(0, np.float32), (0, 1, 1), []
    for team in (1, threads):
        y, gradient = filtered(x, weight, nothing, nothing, padding, threads=team), np.zeros_like(weight)
        kernels.of(x.dtype).winograd_gradient(x, y, gradient, padding, 1.0, team)
        outs.append((y, gradient))
    for one, many in zip(*outs, strict=True):
        np.testing.assert_array_equal(one, many)


@pytest.mark.parametrize(("frames", "channels", "columns"), [(1, 700, 400), (3, 2800, 64)])
def test_filters_that_are_transformed_in_parts(frames, channels, columns):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 2, 3, 4, channels)).astype(np.float32)
    weight = rng.random((frames, 3, 3, channels, columns), np.float32)
    nothing, padding, bias = np.empty(0, np.float32), (frames // 2, 1, 1), rng.random(columns, np.float32)
    whole = filtered(x, weight, nothing, bias, padding, threads=3)
    for part in (slice(20), slice(20, columns)):
        alone = filtered(x, weight[..., part], nothing, bias[part], padding, threads=1)
        np.testing.assert_array_equal(whole[..., part], alone)
    gradient = np.zeros_like(weight)
    kernels.of(x.dtype).winograd_gradient(x, whole, gradient, padding, 1.0, 3)
    wanted = reference.conv3d_weight_gradient(x, whole, weight.shape[:3], ONE, padding)
    np.testing.assert_allclose(gradient, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def largest_near(x):
    """Return for each place the sum over channels of the largest absolute values of the tiles that it may lie in."""
    padded = np.pad(np.abs(x), [(0, 0), (0, 0), (3, 3), (3, 3), (0, 0)])
    height, width = x.shape[2:4]
    shifted = [padded[:, :, i : i + height, j : j + width] for i in range(7) for j in range(7)]
    return np.max(shifted, axis=0)


@pytest.mark.parametrize("channels", [16, 64, 300])
@pytest.mark.parametrize(
    "make",
    [
        lambda rng, shape: rng.standard_normal(shape),
        lambda rng, shape: rng.random(shape),  # all of one sign, as behind a rectifier
        lambda rng, shape: rng.choice([-1.0, 1.0], shape) * 10.0 ** rng.uniform(-4, 4, shape),
        lambda rng, shape: 1e3 + rng.standard_normal(shape),  # far from zero
    ],
    ids=["normal", "positive", "wide", "offset"],
)
def test_rounding_stays_below_a_bound(make, channels):
    """The error of a place is at most ``BOUND * ε`` times what its tile's absolute values sum up to.

    Not to its own sum alone: the transform mixes the pixels of a tile, so that a small number beside a large one loses
    digits. The direct sum of n products has an error of up to n ε, in practice √n ε.
    """
    rng = np.random.default_rng(0)
    x = make(rng, (2, 1, 21, 18, channels)).astype(np.float32)
    weight = rng.standard_normal((1, 3, 3, channels, 20)).astype(np.float32)
    nothing = np.empty(0, np.float32)
    exact = reference.conv3d(x.astype(np.float64), weight.astype(np.float64), None, ONE, (0, 1, 1))
    error = np.abs(filtered(x, weight, nothing, nothing, (0, 1, 1)) - exact)
    sums = np.einsum(
        "nthwc,cd->nthwd", largest_near(x.astype(np.float64)), np.abs(weight).sum(axis=(0, 1, 2))
    )
    assert (error <= BOUND * np.finfo(np.float32).eps * sums).all()
    assert error.max() > 0


def test_layers_of_video_nets_use_it(monkeypatch):
    """And others do not: few channels, larger taps, strides, dilation."""
    calls, own = [], kernels.of(np.dtype(np.float32))
    for name in ("winograd", "convolve", "winograd_gradient", "weight_gradient"):
        monkeypatch.setattr(own, name, lambda *_, name=name: calls.append(name))
    x = np.zeros((4, 8, 16, 16, 16), np.float32)
    g, weight = np.zeros((4, 8, 16, 16, 32), np.float32), np.zeros((3, 3, 3, 16, 32), np.float32)
    functional.conv3d(x, weight, padding=ONE)
    functional.conv3d_input_gradient(g, weight, (8, 16, 16), padding=ONE)
    functional.conv3d_weight_gradient(x, g, (3, 3, 3), padding=ONE)
    assert calls == ["winograd", "winograd", "winograd_gradient"]
    calls.clear()
    functional.conv3d(x[..., :1], weight[..., :1, :], padding=ONE)
    functional.conv3d(x, weight[:, :2], padding=ONE)
    functional.conv3d(x, weight, stride=(1, 2, 2), padding=ONE)
    functional.conv3d(x, weight, dilation=(2, 1, 1), padding=(2, 1, 1))
    assert calls == ["convolve"] * 4
