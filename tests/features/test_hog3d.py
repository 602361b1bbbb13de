import numpy as np
import pytest
from scipy.spatial import ConvexHull

from actionbench.features.clip import Clip
from actionbench.features.hog3d import Hog3d, directions, quantise
from actionbench.features.motion import Motion, observe
from actionbench.features.regions import Track

SOLIDS = [("icosahedron", 20), ("dodecahedron", 12)]


def walker(level=1.0, left=10, n_frames=24, every=1, zoom=1):
    """Draw a textured body that goes right and throws a leg forward every eighth frame, over plain ground."""
    body = np.kron(np.random.default_rng(0).integers(60, 125, (15, 6)), np.ones((4, 4)))
    frames = np.full((n_frames, 120, 160), 35.0)
    for index, frame in enumerate(frames):
        start = left + 3 * index
        frame[40:100, start : start + 24] = body
        frame[84:92, start + 24 : start + 24 + 2 * (index % 8)] = 110
    frames = np.kron(frames[::every], np.ones((1, zoom, zoom)))
    return Clip((frames * level).astype(np.uint8), 25.0 / every)


def observed(frames, box, fps=25.0):
    """Return a motion of which everything is known: all moves, in a box that rests."""
    track = Track(np.ones(frames.shape, bool), np.tile(np.array(box, float), (len(frames), 1)), found=True)
    n_frames, height, width = frames.shape
    flow = np.zeros((n_frames - 1, height, width, 2), np.float32)
    return Motion(frames, fps, flow, track, track, np.zeros((n_frames - 1, 2), np.float32))


@pytest.mark.parametrize(("solid", "n_faces"), SOLIDS)
def test_directions_are_the_normals_of_the_solid(solid, n_faces):
    """The corners of one solid, by a hull, are the faces of its dual."""
    dual = next(name for name, _ in SOLIDS if name != solid)
    normals = ConvexHull(directions(dual)).equations[:, :3]
    found = directions(solid)
    assert found.shape == (n_faces, 3)
    np.testing.assert_allclose((normals @ found.T).max(axis=1), 1)
    np.testing.assert_allclose((found @ normals.T).max(axis=1), 1)


@pytest.mark.parametrize(("solid", "n_faces"), SOLIDS)
def test_normal_counts_for_its_own_face(solid, n_faces):
    np.testing.assert_allclose(quantise(3 * directions(solid), solid), 3 * np.eye(n_faces), atol=1e-5)


@pytest.mark.parametrize("solid", [name for name, _ in SOLIDS])
def test_votes_are_as_long_as_their_vector(solid):
    vectors = np.random.default_rng(0).normal(size=(500, 3))
    votes = quantise(vectors, solid)
    assert votes.min() >= 0
    np.testing.assert_allclose(np.linalg.norm(votes, axis=1), np.linalg.norm(vectors, axis=1), rtol=1e-5)
    nearest = np.argmax(vectors @ directions(solid).T, axis=1)
    np.testing.assert_array_equal(np.argmax(votes, axis=1), nearest)
    assert not quantise(np.zeros((2, 3)), solid).any()


def reference(frames, row, column, time, cell, part_frames, ratio, threshold):
    """Describe one block part by part; ``ratio`` is what a gradient in time counts."""
    normals = directions("icosahedron")
    gt, gy, gx = np.gradient(frames.astype(float))
    rows = []
    for t, y, x in np.ndindex(3, 4, 4):
        total = np.zeros(20)
        for i, j, k in np.ndindex(2, 2, 2):
            half = cell // 2
            start = (time + 2 * t + i) * part_frames
            top, left = row + y * cell + j * half, column + x * cell + k * half
            box = (slice(start, start + part_frames), slice(top, top + half), slice(left, left + half))
            mean = np.array([gx[box].mean(), gy[box].mean(), ratio * gt[box].mean()])
            votes = np.maximum(normals @ mean / np.linalg.norm(mean) - threshold, 0)
            total += np.linalg.norm(mean) * votes / np.linalg.norm(votes)
        rows.append(total)
    found = np.concatenate(rows) / np.linalg.norm(rows)
    found = np.minimum(found, 0.25)
    return found / np.linalg.norm(found)


def test_blocks_agree_with_a_slow_reference():
    """With a body of 64 pixels: cells of 8 pixels and 4 frames, of parts of 4 pixels and 2 frames."""
    frames = np.random.default_rng(1).integers(0, 256, (20, 96, 96), dtype=np.uint8)
    features = Hog3d(sizes=(0.5,), seconds=0.48)
    found = features.describe(observed(frames, (16, 16, 80, 80)))
    ratio = 25 / (features.speed * 64)
    assert found["hog3d"].shape == (2 * 5 * 5, 960)
    for index, time, row, column in ((6, 0, 16, 16), (38, 4, 32, 48)):
        expected = reference(frames, row, column, time, 8, 2, ratio, np.sqrt(5) / 3)
        np.testing.assert_allclose(found["hog3d"][index], expected, atol=1e-5)
        place = [(column + 16 - 16) / 64, (row + 16 - 16) / 64, (2 * time + 6) / 20, 0.5]
        np.testing.assert_allclose(found["place"][index], place, atol=1e-6)


@pytest.mark.parametrize("solid", [name for name, _ in SOLIDS])
def test_mirrored_blocks_are_those_of_the_mirrored_frames(solid):
    """In a box in the middle of the frame, where blocks come from the other side in the mirror."""
    frames = np.random.default_rng(5).integers(0, 256, (20, 96, 96), dtype=np.uint8)
    features = Hog3d(solid, sizes=(0.5,), seconds=0.48)
    plain, other = (
        features.describe(observed(f, (16, 16, 80, 80)))["hog3d"] for f in (frames, frames[:, :, ::-1])
    )
    other = other.reshape(2, 5, 5, -1)[:, :, ::-1].reshape(plain.shape)
    np.testing.assert_allclose(features.mirror(plain), other, atol=1e-5)


def test_pieces_do_not_show():
    """A long clip is worked on in pieces, and a block of it is that of a short one."""
    frames = np.random.default_rng(2).integers(0, 256, (120, 48, 48), dtype=np.uint8)
    features = Hog3d(sizes=(0.5,), seconds=0.48)
    whole = features.describe(observed(frames, (8, 8, 40, 40)))["hog3d"]
    late = features.describe(observed(frames[64:], (8, 8, 40, 40)))["hog3d"]
    per_time = len(whole) // 14
    assert len(whole) == 14 * per_time
    np.testing.assert_allclose(whole[9 * per_time :], late[per_time:], atol=1e-5)


@pytest.mark.parametrize(("solid", "n_faces"), SOLIDS)
def test_rows_have_length_one(solid, n_faces):
    found = Hog3d(solid).extract(walker())
    assert found["hog3d"].shape[1] == 48 * n_faces
    assert found["hog3d"].dtype == found["place"].dtype == np.float32
    assert len(found["hog3d"]) == len(found["place"]) > 10
    np.testing.assert_allclose(np.linalg.norm(found["hog3d"], axis=1), 1, atol=1e-5)
    assert found["place"][:, :3].min() >= 0
    assert found["place"][:, :3].max() <= 1
    assert set(found["place"][:, 3]) <= set(np.float32(Hog3d().sizes))


@pytest.mark.parametrize(
    "changes",
    [{"level": 2.0}, {"left": 45}, {"every": 2}, {"zoom": 2}],
    ids=["light", "place", "rate", "size"],
)
def test_light_place_rate_and_size_hardly_matter(changes):
    expected, found = (Hog3d().extract(clip)["hog3d"].mean(axis=0) for clip in (walker(), walker(**changes)))
    assert expected @ found / np.linalg.norm(expected) / np.linalg.norm(found) > 0.9


def test_moving_camera_leaves_the_scene_out():
    """Blocks are taken where the person is, and the ground behind it rests in them."""
    rng = np.random.default_rng(4)
    ground = np.kron(rng.integers(50, 110, (15, 40)), np.ones((8, 8)))
    frames = []
    for index in range(24):
        view = ground.copy()
        view[40:100, 60 + 3 * index : 84 + 3 * index] = 200
        frames.append(view)
    steady = np.array(frames, np.uint8)[:, :, :200]
    panned = np.array([frame[:, 2 * index : 2 * index + 200] for index, frame in enumerate(frames)], np.uint8)
    expected, found = (
        Hog3d().describe(observe(Clip(f, 25.0)))["hog3d"].mean(axis=0) for f in (steady, panned)
    )
    assert expected @ found / np.linalg.norm(expected) / np.linalg.norm(found) > 0.95


@pytest.mark.parametrize("fps", [0.01, 1.0, 5.0])
def test_there_are_no_blocks_between_frames(fps):
    rng = np.random.default_rng(0)
    frames = np.full((20, 60, 80), 90, np.uint8)
    for index, frame in enumerate(frames):
        frame[20:50, 5 + 3 * index : 20 + 3 * index] = rng.integers(120, 250, (30, 15))
    times = np.unique(Hog3d().describe(observe(Clip(frames, fps)))["place"][:, 2])
    # A block of three frames, from each second frame on.
    assert 0 < len(times) <= 10


def test_places_follow_the_descriptors():
    clip = Clip(np.random.default_rng(0).integers(0, 256, (12, 60, 80), dtype=np.uint8), 25.0)
    plain, placed = Hog3d(), Hog3d(place_weight=0.5)
    expected, found = (features.describe(observe(clip)) for features in (plain, placed))
    np.testing.assert_array_equal(found["hog3d"][:, :-3], expected["hog3d"])
    np.testing.assert_array_equal(found["hog3d"][:, -3:], 0.5 * expected["place"][:, :3])
    mirrored = placed.mirror(found["hog3d"])
    np.testing.assert_array_equal(mirrored[:, :-3], plain.mirror(expected["hog3d"]))
    np.testing.assert_allclose(mirrored[:, -3], 0.5 - found["hog3d"][:, -3], atol=1e-6)
