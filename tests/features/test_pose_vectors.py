"""Vectors and sequences of joints: mirror images, order in time, rates."""

import numpy as np
import pytest
from posed_bodies import person

from actionbench import Clip
from actionbench.features.examples import examples
from actionbench.features.pose import JOINTS, MIRROR, Pose
from actionbench.features.pose_track import BodyTrack
from actionbench.features.pose_vectors import PoseReader, PoseVector, pair_distances


def clip_of(joints, fps=25.0):
    return Clip(np.zeros((len(joints), 40, 60), np.uint8), fps, pose=Pose.of_one(joints, JOINTS))


def wobbly(seed=0, n_frames=30):
    rng = np.random.default_rng(seed)
    return person(n_frames) + np.cumsum(rng.normal(size=(n_frames, 14, 2)), axis=0)


def test_distances_of_all_pairs():
    joints = wobbly()
    expected = [
        np.hypot(*(joints[4, one] - joints[4, other])) for one in range(14) for other in range(one + 1, 14)
    ]
    np.testing.assert_allclose(pair_distances(joints)[4], expected)


@pytest.mark.parametrize("levels", [1, 3])
def test_the_mirrored_vector_is_that_of_the_mirrored_pose(levels):
    clip, feature = clip_of(wobbly()), PoseVector(levels=levels)
    mirrored = Clip(clip.frames, 25.0, pose=clip.pose.mirrored(60))
    expected = feature.extract(mirrored)["vector"]
    found = feature.mirror(feature.extract(clip)["vector"][None])[0]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.abs(found - feature.extract(clip)["vector"]).max() > 0.01


def test_a_vector_tells_the_direction_of_time_and_not_the_place():
    joints = person(40)
    phase = np.arange(40) % 20 / 20
    joints[:, 4, 1] -= 20 * np.where(phase < 0.2, phase / 0.2, (1 - phase) / 0.8)
    feature = PoseVector(levels=1)
    forth, back, aside = (
        feature.extract(clip_of(course))["vector"]
        for course in (joints, joints[::-1], joints + np.array([7, 3]))
    )
    np.testing.assert_allclose(aside, forth, atol=1e-3)
    assert np.abs(forth - back).max() > 0.2
    # Without the signed squares both are the same, but for the ends.
    np.testing.assert_allclose(forth[:210], back[:210], atol=0.05)


@pytest.mark.parametrize("n_frames", [1, 2, 3])
def test_short_clips_have_a_vector_and_sequences(n_frames):
    clip = clip_of(person(n_frames))
    assert np.isfinite(PoseVector().extract(clip)["vector"]).all()
    track, reader = BodyTrack().extract(clip), PoseReader(frames=8)
    views = reader.test_views(track, 3)
    assert views.shape == (1, *reader.shape)
    assert np.isfinite(views).all()


def test_a_sequence_holds_distances_and_two_speeds_of_motion():
    joints = person(60, height=50, speed=1.0)
    reader = PoseReader(frames=10, rate=25.0)
    track = BodyTrack().extract(clip_of(joints))
    (view,) = reader.test_views(track, 1)
    slow, fast = view[:, 91:119].reshape(10, 14, 2), view[:, 119:].reshape(10, 14, 2)
    # A pixel in a frame is half a height in a second.
    for motion in (slow, fast):
        np.testing.assert_allclose(motion[..., 0], 0.5, rtol=0.05)
        np.testing.assert_allclose(motion[..., 1], 0, atol=1e-3)
    np.testing.assert_allclose(view[:, :91], pair_distances(track["joints"])[:10], atol=1e-5)


def test_a_sequence_is_the_same_at_any_rate_of_the_clip():
    reader = PoseReader(frames=10, rate=10.0)
    joints = person(81, speed=0.5, swing=0.0)
    views = [
        reader.test_views(BodyTrack().extract(clip_of(course, fps)), 1)
        for course, fps in ((joints, 40.0), (joints[::2], 20.0))
    ]
    np.testing.assert_allclose(*views, atol=1e-3)


def test_sequences_for_training_are_mirrored_half_of_the_time():
    reader, track = PoseReader(frames=5, tempo=0.0), BodyTrack().extract(clip_of(person(7, speed=1.0)))
    rng = np.random.default_rng(0)
    signs = [np.sign(reader.augment(track, rng)[0, 91]) for _ in range(60)]
    assert 15 < signs.count(1) < 45
    assert sorted(MIRROR.tolist()) == list(range(14))


def test_wrong_sequences_are_refused():
    for options in ({"frames": 0}, {"rate": 0}, {"tempo": 1}):
        with pytest.raises(ValueError, match="a sequence needs"):
            PoseReader(**options)
    assert len(examples()[0]) == 12
