import numpy as np
import pytest
from drawn_pairs import Role, draw_pair
from scipy import ndimage

from actionbench.features.clip import Clip
from actionbench.features.interest_points import InterestPoints, corners, cuboid_histograms


def swing(n_frames=40, every=1, pan=0, direction=1):
    """Draw somebody whose arm goes out and back once in 20 frames, before ground with texture."""
    rng = np.random.default_rng(0)
    ground = np.kron(rng.integers(40, 90, (15, 40)), np.ones((8, 8)))
    body = np.kron(rng.integers(120, 250, (12, 4)), np.ones((5, 5)))
    frames = []
    for index in range(0, n_frames, every):
        view = ground.copy()
        reach = int(15 + 15 * np.sin(2 * np.pi * index / 20))
        view[45:105, 100:120] = body
        view[55:63, 120 : 120 + reach] = 230
        frames.append(view[:, 40 + pan * index :][:, :160])
    return Clip(np.array(frames, np.uint8)[:, :, ::direction], 25.0 / every)


def test_corners_agree_with_a_slow_reference():
    frames = np.random.default_rng(1).random((20, 24, 22)) * 100
    sigma, tau = 1.5, 1.2

    def smooth(volume, wider=1.0):
        spread = np.array([tau, sigma, sigma]) * wider
        return ndimage.gaussian_filter(
            volume, spread, mode="nearest", radius=np.ceil(3 * spread).astype(int).tolist()
        )

    gradients = np.gradient(smooth(frames))
    gradients = np.stack([gradients[2] * sigma, gradients[1] * sigma, gradients[0] * tau])
    moments = np.empty((*frames.shape, 3, 3))
    for i, j in np.ndindex(3, 3):
        moments[..., i, j] = smooth(gradients[i] * gradients[j], np.sqrt(2))
    expected = np.linalg.det(moments) - 0.005 * np.trace(moments, axis1=-2, axis2=-1) ** 3
    found = corners(frames, sigma, tau)
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-4 * np.abs(expected).max())


def test_frames_that_are_kept_are_those_of_all():
    frames = np.random.default_rng(6).random((20, 16, 18)) * 50
    whole = corners(frames, 1.5, 1.2)
    np.testing.assert_allclose(corners(frames, 1.5, 1.2, slice(4, 9)), whole[4:9], rtol=1e-3, atol=1e-3)


def test_strongest_where_a_corner_turns_back():
    """A square that goes right until frame 15 and then left: its right corners turn at one time and place."""
    frames = np.zeros((31, 50, 60))
    for index, frame in enumerate(frames):
        right = 40 - abs(index - 15)
        frame[20:32, right - 12 : right] = 200
    strength = corners(frames, 2.0, 2.0)
    strength[:, :, :33] = 0
    time, row, column = np.unravel_index(np.argmax(strength), strength.shape)
    assert abs(time - 15) <= 1
    assert min(abs(row - 20), abs(row - 31)) <= 3
    assert abs(column - 38) <= 4


def test_what_rests_has_no_corners():
    still = np.tile(np.random.default_rng(2).random((1, 30, 30)) * 200, (15, 1, 1))
    assert corners(still, 2.0, 2.0).max() <= 0


def test_strength_grows_with_the_sixth_power_of_contrast():
    frames = np.random.default_rng(3).random((12, 20, 20)) * 20
    np.testing.assert_allclose(
        corners(2 * frames, 1.5, 1.0), 64 * corners(frames, 1.5, 1.0), rtol=1e-3, atol=1
    )


def test_cuboids_hold_the_sums_of_their_cells():
    lattice = np.random.default_rng(4).random((10, 15, 14, 4))
    low, high = np.array([[2.0, 3.0, 1.0]]), np.array([[8.0, 12.0, 10.0]])
    found = cuboid_histograms(lattice, low, high)
    inside = lattice[2:8, 3:12, 1:10].reshape(2, 3, 3, 3, 3, 3, 4).sum(axis=(1, 3, 5)).ravel()
    np.testing.assert_allclose(found[0], inside / inside.sum())


def test_edges_between_cells_share_them():
    """Of an even lattice, a cuboid between cells takes as much in each of its cells."""
    found = cuboid_histograms(
        np.ones((5, 8, 8, 1)), np.array([[0.3, 1.1, 2.25]]), np.array([[4.6, 6.3, 7.0]])
    )
    np.testing.assert_allclose(found, 1 / 18)


def test_outside_of_the_lattice_is_nothing():
    lattice = np.ones((4, 6, 6, 2))
    low, high = np.array([[0.0, -6.0, 0.0], [20, 20, 20]]), np.array([[4.0, 6.0, 6.0], [25, 30, 30]])
    found = cuboid_histograms(lattice, low, high).reshape(2, 2, 3, 3, 2)
    assert not found[0, :, 0].any()
    np.testing.assert_allclose(found[0].sum(), 1)
    assert not found[1].any()


def test_rows_are_histograms_with_a_place():
    found = InterestPoints().extract(swing())
    n_points = len(found["place"])
    assert n_points > 10
    assert {name: array.shape for name, array in found.items()} == {
        "hog": (n_points, 72),
        "hof": (n_points, 90),
        "place": (n_points, 4),
    }
    assert all(array.dtype == np.float32 for array in found.values())
    np.testing.assert_allclose((found["hog"] ** 2).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose((found["hof"] ** 2).sum(axis=1), 1, rtol=1e-5)
    assert found["place"][:, :3].min() >= 0
    assert found["place"][:, :3].max() <= 1
    assert found["place"][:, 3].min() >= np.float32(min(InterestPoints().scales))


def test_rate_bounds_the_number_of_points():
    few = InterestPoints(rate=10).extract(swing())["place"]
    many = InterestPoints().extract(swing())["place"]
    assert len(few) <= 17 < len(many)
    assert {tuple(row) for row in few.tolist()} <= {tuple(row) for row in many.tolist()}


def test_points_lie_where_the_arm_turns_back():
    """It is out at frames 5 and 25, and in at frames 15 and 35."""
    place = InterestPoints(rate=20).extract(swing())["place"]
    frame = place[:, 2] * 40 % 20
    out, back = np.abs(frame - 5) < 2, np.abs(frame - 15) < 3
    assert min(out.sum(), back.sum()) >= 2
    assert (out | back).mean() > 0.6
    assert np.median(place[out, 0]) > 0.6
    assert np.median(place[back, 0]) < 0.4


def test_flow_has_the_direction_of_the_arm():
    """Out and back alike; in a mirror it is the same, and nothing goes up or down."""
    for direction in (1, -1):
        hof = InterestPoints().extract(swing(direction=direction))["hof"] ** 2
        hof = hof.reshape(-1, 18, 5).sum(axis=(0, 1))
        right, down, left, up, none = hof / hof.sum()
        assert min(right, left) > 5 * max(down, up)
        assert 0 < none < 0.9


def test_mirrored_points_are_those_of_the_mirrored_clip():
    features = InterestPoints()
    plain, other = (features.extract(swing(direction=direction)) for direction in (1, -1))
    for name in ("hog", "hof"):
        mirrored = features.mirror(plain[name])
        close, far = (
            np.minimum((rows**2).mean(axis=0), (other[name] ** 2).mean(axis=0)).sum()
            for rows in (mirrored, plain[name])
        )
        assert close > max(0.9, far + 0.05)
        np.testing.assert_array_equal(features.mirror(mirrored), plain[name])


@pytest.mark.parametrize(("changes", "least"), [({"every": 2}, 0.8), ({"pan": 1}, 0.95)], ids=["rate", "pan"])
def test_frame_rate_and_camera_hardly_matter(changes, least):
    expected, found = (InterestPoints().extract(clip) for clip in (swing(), swing(**changes)))
    for name in ("hog", "hof"):
        first, second = (expected[name] ** 2).mean(axis=0), (found[name] ** 2).mean(axis=0)
        assert np.minimum(first, second).sum() > least


def test_long_clip_is_one_clip():
    """Pieces meet after 2 seconds; what is before and after is the same."""
    found = InterestPoints(rate=1000, min_strength=0).extract(swing(n_frames=120))
    times = found["place"][:, 2] * 120
    counts = np.histogram(times, np.arange(10, 111, 20))[0]
    assert np.ptp(counts) <= 0.1 * counts.max()


def test_places_follow_the_descriptors():
    plain, placed = InterestPoints(), InterestPoints(place_weight=0.5)
    expected, found = (features.extract(swing()) for features in (plain, placed))
    for name in ("hog", "hof"):
        np.testing.assert_array_equal(found[name][:, :-3], expected[name])
        np.testing.assert_array_equal(found[name][:, -3:], 0.5 * expected["place"][:, :3])
        mirrored = placed.mirror(found[name])
        np.testing.assert_array_equal(mirrored[:, :-3], plain.mirror(expected[name]))
        np.testing.assert_allclose(mirrored[:, -3], 0.5 - found[name][:, -3], atol=1e-6)
        np.testing.assert_allclose(mirrored[:, -2:], found[name][:, -2:], atol=1e-6)


def test_points_lie_on_all_who_move():
    """Two people apart: points on both, left and right in the box of the pair."""
    roles = (Role("handwaving", 0.25, 0.25), Role("handwaving", 0.75, 0.75))
    frames, silhouettes = draw_pair(roles, frames=30, shake=0.5)
    place = InterestPoints().extract(Clip(frames, 25.0))["place"]
    left, right = (place[:, 0] < 0.45).mean(), (place[:, 0] > 0.55).mean()
    assert min(left, right) > 0.25
    assert left + right > 0.9
    assert not (silhouettes[0] & silhouettes[1]).any()
