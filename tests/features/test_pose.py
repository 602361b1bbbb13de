"""Poses, the person who is followed, and heights, against bodies that are put together here."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from posed_bodies import person

from actionbench import ActionbenchError, Clip
from actionbench.experiments.datasets.diagnostic.dataset import Diagnostic
from actionbench.experiments.datasets.figures import Figures
from actionbench.features.pose import (
    JOINTS,
    SKELETONS,
    Pose,
    body_height,
    follow_person,
    joint_errors,
    skeleton_of,
    together,
)
from actionbench.features.pose_track import BodyTrack, disturbed
from actionbench.features.probes import PROBES


def random_pose(seed, n_frames, n_people=2, n_axes=2):
    rng = np.random.default_rng(seed)
    scores = rng.random((n_frames, n_people, 17)).round(1)
    return Pose(rng.normal(size=(n_frames, n_people, 17, n_axes)), scores, SKELETONS["coco-17"])


def same(one, other):
    assert one.names == other.names
    np.testing.assert_array_equal(one.joints, other.joints)
    np.testing.assert_array_equal(one.scores, other.scores)


@pytest.mark.parametrize(
    ("joints", "scores", "names", "says"),
    [
        (np.zeros((3, 1, 2, 4)), np.ones((3, 1, 2)), ("a", "b"), "joints must be"),
        (np.zeros((3, 1, 2, 2)), np.ones((3, 1, 2)), ("a", "b", "c"), "for 3 names"),
        (np.zeros((3, 1, 2, 2)), np.ones((3, 2)), ("a", "b"), "a score for each joint"),
        (np.zeros((3, 1, 2, 2)), np.ones((3, 1, 2)), ("a", "a"), "a name of its own"),
        (np.zeros((3, 1, 2, 2)), np.full((3, 1, 2), 1.5), ("a", "b"), "0 to 1"),
        (np.zeros((3, 1, 2, 2)), np.full((3, 1, 2), -1), ("a", "b"), "0 to 1"),
    ],
)
def test_wrong_poses_are_refused(joints, scores, names, says):
    with pytest.raises(ValueError, match=says):
        Pose(joints, scores, names)


def test_missing_joints_have_no_place_and_no_score():
    joints = np.zeros((1, 1, 3, 2))
    joints[0, 0, 1] = np.inf
    pose = Pose(joints, [[[0.5, 1, np.nan]]], ("a", "b", "c"))
    assert pose.scores.tolist() == [[[0.5, 0, 0]]]
    assert np.isnan(pose.joints[0, 0, 1:]).all()
    assert not np.isnan(pose.joints[0, 0, 0]).any()


@pytest.mark.parametrize("name", SKELETONS)
def test_every_skeleton_has_all_common_joints(name):
    assert len(SKELETONS[name]) == int(name.rpartition("-")[2])
    pose = Pose.of_one(np.zeros((2, len(SKELETONS[name]), 2)), SKELETONS[name]).common()
    assert pose.names == JOINTS
    assert (pose.scores == 1).all()


def test_common_joints_are_those_of_that_name_or_the_middle_of_two():
    pose = random_pose(0, 5)
    common, place = pose.common(), SKELETONS["coco-17"].index
    np.testing.assert_array_equal(
        common.joints[..., JOINTS.index("right knee"), :], pose.joints[..., place("right knee"), :]
    )
    neck = (pose.joints[..., place("left shoulder"), :] + pose.joints[..., place("right shoulder"), :]) / 2
    np.testing.assert_allclose(common.joints[..., 1, :], neck, rtol=1e-5)
    nose, ears = pose.scores[..., 0], pose.scores[..., [3, 4]].min(axis=-1)
    eyes = pose.scores[..., [1, 2]].min(axis=-1)
    expected = np.where(nose > 0, nose, np.where(ears > 0, ears, eyes))
    np.testing.assert_array_equal(common.scores[..., 0], expected)


def test_names_of_joints_are_read_or_refused():
    assert skeleton_of("coco-17") == SKELETONS["coco-17"]
    assert skeleton_of(["Left_Knee", "left  ankle", "tail"]) == ("left knee", "left ankle", "tail")
    for joints in ("coco-18", ["tail", "wing"], ["left knee", "left_knee"], 3, [3]):
        with pytest.raises(ValueError, match="^must (be a list of names|have different names)"):
            skeleton_of(joints)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), n_frames=st.integers(1, 12), data=st.data())
def test_pose_of_cut_frames_is_the_cut_pose(seed, n_frames, data):
    pose = random_pose(seed, n_frames)
    clip = Clip(np.zeros((n_frames, 4, 4), np.uint8), 25.0, name="a", pose=pose)
    indices = data.draw(st.lists(st.integers(0, n_frames - 1), min_size=1, max_size=20))
    for frames in (np.array(indices), slice(0, None, 2), slice(None, None, -1)):
        same(clip.take(frames).pose, pose[frames])
    assert clip.take(slice(None, None, 2)).fps == 12.5
    name = data.draw(st.sampled_from("frozen reversed first-third last-third every-fourth shuffled".split()))
    # The frames tell where each has come from.
    clip = Clip(
        np.arange(n_frames, dtype=np.uint8)[:, None, None] * np.ones((4, 4), np.uint8), 25.0, pose=pose
    )
    probed = PROBES[name](clip)
    same(probed.pose, pose[probed.frames[:, 0, 0].astype(int)])


def test_probes_that_change_frames_change_the_pose():
    clip = Figures(subjects=2, clips_per_subject=1).load(2)
    assert PROBES["person-blanked"](clip).pose.n_people == 0
    same(PROBES["person-only"](clip).pose, clip.pose)
    mean = PROBES["mean-frame"](clip).pose
    np.testing.assert_allclose(mean.joints[7], clip.pose.joints.mean(axis=0), rtol=1e-5)
    assert PROBES["mean-frame"](Clip(clip.frames, 25.0)).pose is None


def test_the_pose_belongs_to_the_content_of_a_clip():
    frames, pose = np.zeros((3, 4, 4), np.uint8), random_pose(0, 3)
    plain, posed = Clip(frames, 25.0), Clip(frames, 25.0, pose=pose)
    other = Clip(frames, 25.0, pose=Pose(pose.joints, pose.scores / 2, pose.names))
    again = Clip(frames, 25.0, pose=random_pose(0, 3))
    assert len({clip.fingerprint() for clip in (plain, posed, other, again)}) == 3
    with pytest.raises(ValueError, match="as many frames, 3, got 4"):
        Clip(frames, 25.0, pose=random_pose(0, 4))
    # Where frames are put in an order by chance, it is that of the frames.
    shuffled = (PROBES["shuffled"](clip).frames for clip in (plain, posed))
    np.testing.assert_array_equal(*shuffled)


def test_crops_and_resized_frames_move_a_flat_pose():
    pose = Pose.of_one(np.array([[[10.0, 20.0], [30.0, 50.0]]]), ("a", "b"))
    assert pose.moved((10, 10), (0.5, 2)).joints[0, 0].tolist() == [[0, 20], [10, 80]]
    deep = Pose.of_one(np.ones((1, 2, 3)), ("a", "b"))
    same(deep.moved((10, 10), (0.5, 2)), deep)


def test_the_mirror_image_exchanges_left_and_right():
    pose = random_pose(3, 4)
    mirrored = pose.mirrored(100)
    left, right = (SKELETONS["coco-17"].index(f"{side} wrist") for side in ("left", "right"))
    np.testing.assert_allclose(mirrored.joints[..., left, 0], 100 - pose.joints[..., right, 0], rtol=1e-5)
    np.testing.assert_array_equal(mirrored.scores[..., right], pose.scores[..., left])
    np.testing.assert_allclose(mirrored.mirrored(100).joints, pose.joints, atol=1e-4)
    assert mirrored.mirrored(100).names == pose.names


def test_the_person_keeps_one_track_whatever_the_places_in_a_frame():
    actor, others = (
        person(20, swing=8, x=30),
        [person(20, height=48, x=70), person(20, height=25, x=10, speed=2)],
    )
    pose = together([Pose.of_one(joints, JOINTS) for joints in (actor, *others)])
    rng = np.random.default_rng(0)
    orders = np.array([rng.permutation(3) for _ in range(20)])
    mixed = Pose(np.take_along_axis(pose.joints, orders[:, :, None, None], axis=1), pose.scores, JOINTS)
    joints, seen = follow_person(mixed)
    np.testing.assert_allclose(joints, actor, atol=1e-4)
    assert seen.all()


def test_the_tallest_is_followed_though_a_small_one_moves_more():
    tall, small = person(20, height=50), person(20, height=20, x=10, swing=9)
    joints, _ = follow_person(together([Pose.of_one(one, JOINTS) for one in (small, tall)]))
    np.testing.assert_allclose(joints, tall, atol=1e-4)


def test_somebody_who_is_hidden_for_a_while_stays_the_same():
    tall, other = person(30, x=20, speed=0.5, swing=3), person(30, height=40, x=80)
    pose = together([Pose.of_one(one, JOINTS) for one in (tall, other)])
    scores = pose.scores.copy()
    scores[10:16, 0] = 0
    joints, seen = follow_person(Pose(pose.joints, scores, JOINTS))
    assert not seen[10:16].any()
    np.testing.assert_allclose(joints[[0, 9, 16, 29]], tall[[0, 9, 16, 29]], atol=1e-4)
    # The way is a straight line, but for the wrist.
    np.testing.assert_allclose(joints[12, 0], tall[12, 0], atol=1e-3)


def test_missing_joints_are_between_those_before_and_after():
    exact = person(11, speed=1.0)
    scores = np.ones((11, 1, 14))
    scores[[0, 5, 10], 0, 3] = 0
    scores[:, 0, 13] = 0
    joints, seen = follow_person(Pose(exact[:, None], scores, JOINTS))
    np.testing.assert_allclose(joints[5, 3], exact[5, 3], atol=1e-4)
    np.testing.assert_allclose(joints[0, 3], exact[1, 3], atol=1e-4)
    assert seen.sum() == 11 * 14 - 3 - 11
    # Of a joint that is never seen the usual place is taken, here of the right ankle.
    assert np.abs(joints[:, 13] - exact[:, 13]).max() < 0.1 * 50


@pytest.mark.parametrize(
    "pose", [Pose.nobody(5), Pose(np.zeros((5, 2, 17, 3)), np.zeros((5, 2, 17)), SKELETONS["coco-17"])]
)
def test_nobody_stands_still(pose):
    joints, seen = follow_person(pose)
    assert joints.shape == (5, 14, pose.joints.shape[3])
    assert not seen.any()
    assert (joints == joints[0]).all()
    assert body_height(joints) == pytest.approx(1, abs=0.05)


def test_height_is_that_of_the_body_however_it_moves():
    assert body_height(person(5, height=80)) == pytest.approx(80, rel=0.02)
    for clip in (
        Figures(subjects=2, clips_per_subject=1, distractors=1, jitter=0).load(index) for index in range(6)
    ):
        joints, _ = follow_person(clip.pose)
        row = Figures(subjects=2, clips_per_subject=1).table.iloc[0]
        assert body_height(joints) == pytest.approx(60 * row["scale"], rel=0.05)
    parts = person(5, height=80)
    parts[:, [0, 8, 9, 10]] = np.nan
    assert body_height(parts) == pytest.approx(80, rel=0.02)
    assert body_height(np.full((3, 14, 2), np.nan)) == 1
    assert body_height(np.zeros((3, 14, 2))) == 1


def test_errors_are_in_body_heights():
    exact = Pose.of_one(person(5, height=50), JOINTS)
    moved = Pose(exact.joints + np.array([3, 4]), exact.scores, JOINTS)
    np.testing.assert_allclose(joint_errors(moved, exact), 5 / 50, rtol=0.03)
    half = exact.scores.copy()
    half[:, :, 5] = 0
    assert np.isnan(joint_errors(exact, Pose(exact.joints, half, JOINTS))[:, 5]).all()


def test_noise_has_its_deviation_and_dropout_its_share():
    exact = Pose.of_one(person(400, height=50), JOINTS)
    noisy = disturbed(exact, 0.1, 0.25, seed=1)
    assert np.nanstd(noisy.joints - exact.joints) == pytest.approx(5, rel=0.05)
    assert (noisy.scores == 0).mean() == pytest.approx(0.25, abs=0.02)
    same(noisy, disturbed(exact, 0.1, 0.25, seed=1))
    assert not np.array_equal(noisy.scores, disturbed(exact, 0.1, 0.25, seed=2).scores)
    assert disturbed(exact, 0.0, 0.0, seed=1) is exact


def test_a_clip_without_pose_is_refused_by_name():
    with pytest.raises(ActionbenchError, match=r"^film: the clips have no pose: give the data set poses = "):
        BodyTrack().extract(Clip(np.zeros((3, 4, 4), np.uint8), 25.0, name="film"))


def test_exact_joints_of_drawn_people_lie_on_the_people():
    clip = Figures(subjects=2, clips_per_subject=1, clutter=0, noise=0, jitter=1.5, zoom=0.3, light=0).load(1)
    film = Diagnostic("identity", train_subjects=2, test_subjects=2).film(3)
    x, y = np.floor(film.pose.joints[:, 0].transpose(2, 0, 1)).astype(int)
    inside = (x >= 0) & (x < 80) & (y >= 0) & (y < 60)
    times = np.broadcast_to(np.arange(len(x))[:, None], x.shape)
    assert film.silhouettes[times[inside], y[inside], x[inside]].mean() > 0.9
    # The camera moves joints, too.
    low, high = np.nanmin(clip.pose.joints[:, 0], axis=1), np.nanmax(clip.pose.joints[:, 0], axis=1)
    assert (high - low)[:, 1].std() > 0.5
    assert Diagnostic("motion-dots", train_subjects=2, test_subjects=2).load(0).pose is None


@pytest.mark.parametrize("index", range(6))
def test_left_is_left_of_who_is_drawn(index):
    clip = Figures(subjects=2, clips_per_subject=2).load(2 * index)
    joints = dict(zip(SKELETONS["drawn-16"], clip.pose.joints[:, 0].transpose(1, 0, 2), strict=True))
    if index in (1, 2):
        # Who is seen from the front has the left shoulder on the right.
        assert (joints["left shoulder"][:, 0] > joints["right shoulder"][:, 0]).all()
    else:
        # Who is seen from the side has the near shoulder ahead, and faces where the toes point.
        ahead = joints["left toe"][:, 0] - joints["left ankle"][:, 0]
        right_ahead = (joints["right shoulder"][:, 0] - joints["left shoulder"][:, 0]) * ahead
        np.testing.assert_array_equal(right_ahead > 0, ahead > 0)
