import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionbench.features.histograms import (
    frame_grid,
    hof,
    hog,
    mbh,
    normalise,
    orientation_histograms,
    time_cells,
)


def reference(dx, dy, grid, bins, threshold, zero_bin, weights):
    """Histogram by the arc tangent, one pixel at a time."""
    rows, columns = grid
    out = np.zeros((len(dx), rows.shape[1] - 1, columns.shape[1] - 1, bins + zero_bin))
    for t, y, x in np.ndindex(dx.shape):
        row = np.searchsorted(rows[t], y, side="right") - 1
        column = np.searchsorted(columns[t], x, side="right") - 1
        if not (0 <= row < out.shape[1] and 0 <= column < out.shape[2]):
            continue
        length = np.hypot(dx[t, y, x], dy[t, y, x])
        cell = out[t, row, column]
        if length <= threshold:
            if zero_bin:
                cell[bins] += weights[t, y, x]
            continue
        position = np.arctan2(dy[t, y, x], dx[t, y, x]) / (2 * np.pi) % 1 * bins
        low = int(position)
        cell[low % bins] += (1 - (position - low)) * length * weights[t, y, x]
        cell[(low + 1) % bins] += (position - low) * length * weights[t, y, x]
    return out


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 130)),
    cells=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    bins=st.sampled_from([1, 4, 8, 9]),
    zero_bin=st.booleans(),
    weighted=st.booleans(),
)
def test_kernel_agrees_with_the_reference(seed, shape, cells, bins, zero_bin, weighted):
    rng = np.random.default_rng(seed)
    dx, dy = rng.normal(size=(2, *shape)).astype(np.float32)
    weights = rng.random(shape).astype(np.float32) if weighted else None
    corners = np.sort(rng.uniform(-3, max(shape[1:]) + 3, (shape[0], 2, 2)), axis=1)
    grid = frame_grid(corners.reshape(shape[0], 4), shape[1:], cells)
    options = {"bins": bins, "threshold": 0.5, "zero_bin": zero_bin}
    found = orientation_histograms(dx, dy, grid, weights=weights, **options)
    ones = np.ones(shape) if weights is None else weights
    expected = reference(dx, dy, grid, bins, 0.5, zero_bin, ones)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@given(seed=st.integers(0, 2**32 - 1), shape=st.tuples(st.integers(1, 9), st.integers(1, 130)))
def test_gradients_are_central_differences_and_none_across_the_border(seed, shape):
    rng = np.random.default_rng(seed)
    flow = rng.normal(size=(2, *shape, 2)).astype(np.float32)
    frames = rng.integers(0, 256, (2, *shape), dtype=np.uint8)
    weights = rng.random((2, *shape)).astype(np.float32)
    corners = np.sort(rng.uniform(-3, max(shape) + 3, (2, 2, 2)), axis=1)
    grid = frame_grid(corners.reshape(2, 4), shape, (2, 3))

    def expected(values, weights=None):
        values, gradients = values.astype(np.float32), np.zeros((2, *values.shape), np.float32)
        gradients[0][:, :, 1:-1] = values[:, :, 2:] - values[:, :, :-2]
        gradients[1][:, 1:-1] = values[:, 2:] - values[:, :-2]
        return orientation_histograms(*gradients, grid, weights=weights)

    np.testing.assert_array_equal(hog(frames, grid, weights=weights), expected(frames, weights))
    np.testing.assert_array_equal(mbh(flow, grid), [expected(flow[..., part]) for part in (0, 1)])


@pytest.mark.parametrize("bin_", range(8))
def test_each_direction_has_its_bin(bin_):
    angle = 2 * np.pi * bin_ / 8
    dx, dy = np.full((1, 1, 1), 3 * np.cos(angle)), np.full((1, 1, 1), 3 * np.sin(angle))
    found = orientation_histograms(dx, dy, frame_grid([[0, 0, 1, 1]], (1, 1), (1, 1)))[0, 0, 0]
    np.testing.assert_allclose(found, 3 * np.eye(8)[bin_], atol=1e-4)


def test_nothing_is_lost_inside_the_grid():
    rng = np.random.default_rng(1)
    dx, dy = rng.normal(size=(2, 2, 31, 70)).astype(np.float32)
    grid = frame_grid(np.tile([0, 0, 31, 70], (2, 1)), (31, 70), (3, 5))
    found = orientation_histograms(dx, dy, grid)
    np.testing.assert_allclose(found.sum(axis=(1, 2, 3)), np.hypot(dx, dy).sum(axis=(1, 2)), rtol=1e-5)


def test_zero_bin_counts_what_rests():
    flow = np.zeros((1, 8, 8, 2), np.float32)
    flow[0, :4, :, 0] = 2
    found = hof(flow, frame_grid([[0, 0, 8, 8]], (8, 8), (2, 1)))
    np.testing.assert_allclose(found[0, 0, 0], [64, 0, 0, 0, 0, 0, 0, 0, 0], atol=1e-3)
    np.testing.assert_allclose(found[0, 1, 0], [0, 0, 0, 0, 0, 0, 0, 0, 32], atol=1e-3)


def test_gradients_are_signed():
    ramp = np.tile(np.arange(0, 100, 10, dtype=np.uint8), (1, 6, 1))
    grid = frame_grid([[1, 1, 5, 9]], (6, 10), (1, 1))
    assert np.argmax(hog(ramp, grid)) == 0
    assert np.argmax(hog(ramp[:, :, ::-1], grid)) == 4
    assert np.argmax(hog(np.swapaxes(ramp, 1, 2), frame_grid([[1, 1, 9, 5]], (10, 6), (1, 1)))) == 2


def test_boundaries_do_not_see_a_motion_that_is_the_same_everywhere():
    grid = frame_grid([[0, 0, 9, 9]], (9, 9), (1, 1))
    assert mbh(np.full((1, 9, 9, 2), 5, np.float32), grid).max() == 0
    shear = np.zeros((1, 9, 9, 2), np.float32)
    shear[..., 0] = np.arange(9)[:, None]
    right, down = mbh(shear, grid)
    assert np.argmax(right) == 2
    assert down.max() == 0


def test_blocks_have_norm_one():
    histograms = np.random.default_rng(2).random((3, 4, 4, 8)) * 100
    blocks = normalise(histograms)
    np.testing.assert_allclose(np.linalg.norm(blocks.reshape(3, -1), axis=1), 1)
    np.testing.assert_allclose(normalise(np.zeros((1, 2, 2, 8))), np.sqrt(1 / 32))


@pytest.mark.parametrize(("n_frames", "expected"), [(6, [0.5, 2.5, 4.5]), (1, [0, 0, 0]), (0, [0, 0, 0])])
def test_time_is_divided_evenly(n_frames, expected):
    np.testing.assert_allclose(time_cells(np.arange(n_frames, dtype=float), 3), expected)


def test_boxes_are_cut_at_the_border():
    rows, columns = frame_grid([[-5, 2, 15, 12]], (10, 10), (4, 2))
    np.testing.assert_array_equal(rows, [[0, 0, 5, 10, 10]])
    np.testing.assert_array_equal(columns, [[2, 7, 10]])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dy": np.zeros((1, 4, 5))}, "one shape"),
        ({"weights": np.zeros((1, 3, 3), np.float32)}, "weights"),
        ({"bins": 0}, "at least 1 bin"),
        ({"grid": (np.array([[0, 4]]), np.array([[0, 9]]))}, "within the frame"),
        ({"grid": (np.array([[0, 4], [0, 4]]), np.array([[0, 4]]))}, "edges for 1 frames"),
        ({"grid": (np.array([[3, 1]]), np.array([[0, 4]]))}, "ascend"),
        ({"dx": np.full((1, 4, 4), np.nan)}, "must be finite"),
        ({"dy": np.full((1, 4, 4), -np.inf)}, "must be finite"),
    ],
)
def test_wrong_use_is_refused(changes, message):
    good = {"dx": np.zeros((1, 4, 4)), "dy": np.zeros((1, 4, 4))}
    good["grid"] = frame_grid([[0, 0, 4, 4]], (4, 4), (1, 1))
    with pytest.raises(ValueError, match=message):
        orientation_histograms(**{**good, **changes})


@pytest.mark.parametrize("values", [(3e38, -3e38), (np.nan, 0), (0, np.inf)])
def test_gradients_that_are_not_finite_are_refused(values):
    flow = np.zeros((1, 4, 4, 2), np.float32)
    flow[0, 1, :2, 0] = values
    with pytest.raises(ValueError, match="must be finite"):
        mbh(flow, frame_grid([[0, 0, 4, 4]], (4, 4), (1, 1)))
