"""Quantities of poses against bodies whose angles and speeds are known."""

import numpy as np
import pytest
from posed_bodies import STANDING

from actionbench.features.examples import blank, one_frame
from actionbench.features.pose import JOINTS, MIRROR
from actionbench.features.pose_quantities import POSE_QUANTITIES, PoseQuantities, joint_angle, measure_pose

PLACE = {name: index for index, name in enumerate(JOINTS)}


def body(n_frames=50):
    return np.repeat(STANDING[None], n_frames, axis=0)


def test_names_are_different_and_units_are_known():
    names = [quantity.name for quantity in POSE_QUANTITIES]
    assert len(set(names)) == len(names)
    assert {quantity.unit for quantity in POSE_QUANTITIES} == {"degrees", "heights", "heights/s", "Hz", ""}
    assert set(measure_pose(body(), 25.0)) == set(names)


@pytest.mark.parametrize("turn", [0.0, 0.5, 2.0])
def test_angles_do_not_depend_on_the_direction(turn):
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = np.array([[0.0, 1.0], [0.0, 0.0], [np.sin(np.pi / 3), np.cos(np.pi / 3)]]) @ rotation.T
    assert joint_angle(*points[:, None]) == pytest.approx(60)
    assert joint_angle(points[:1], points[:1], points[:1]).tolist() == [180]


def test_somebody_who_stands_still():
    found = measure_pose(body(), 25.0)
    assert found["knee angle"] == pytest.approx(180, abs=3)
    assert found["hand distance"] == pytest.approx(0.2)
    assert found["hand height"] == pytest.approx(0.47 - 0.825)
    moving = [name for name in found if "speed" in name or "range" in name or "frequency" in name]
    assert max(found[name] for name in moving) < 1e-9


def test_an_arm_that_swings():
    joints, time = body(100), np.arange(100) / 25
    angle = np.deg2rad(60) + np.deg2rad(30) * np.sin(2 * np.pi * 1.5 * time)
    for part, length in (("elbow", 0.17), ("wrist", 0.34)):
        joints[:, PLACE[f"left {part}"]] = STANDING[PLACE["left shoulder"]] + length * np.stack(
            [np.sin(angle), np.cos(angle)], axis=1
        )
    found = measure_pose(joints, 25.0)
    assert found["elbow angle"] == pytest.approx(180, abs=8)
    assert found["shoulder range"] == pytest.approx(57, abs=8)
    assert found["hand frequency"] == pytest.approx(1.5, abs=0.15)
    assert found["hands together"] == 0
    assert found["hand speed"] == pytest.approx(0.34 * np.deg2rad(30) * 2 * np.pi * 1.5 / np.sqrt(2), rel=0.2)


def test_a_fast_rise_is_told_from_a_slow_fall():
    joints = body(100)
    phase = np.arange(100) % 25 / 25
    height = np.where(phase < 0.2, phase / 0.2, (1 - phase) / 0.8) * 0.4
    joints[:, PLACE["left wrist"], 1] -= height
    joints[:, PLACE["right wrist"], 1] -= height
    rising, falling = (measure_pose(course, 25.0) for course in (joints, joints[::-1]))
    assert rising["hand rise speed"] > 1.5 * rising["hand fall speed"]
    assert falling["hand fall speed"] == pytest.approx(rising["hand rise speed"], rel=0.1)
    assert rising["hands together"] == pytest.approx(1)


def test_somebody_who_walks_away():
    joints = body(50)
    joints[..., 0] += 0.8 * np.arange(50)[:, None] / 25
    found = measure_pose(joints, 25.0)
    for name in ("body speed", "body passing speed"):
        assert found[name] == pytest.approx(0.8, rel=0.05)
    assert found["hand speed"] < 1e-6
    # The same at another rate.
    assert measure_pose(joints[::2], 12.5)["body speed"] == pytest.approx(found["body speed"], rel=0.05)


def test_left_and_right_are_not_told_apart():
    joints = body(60)
    joints[:, PLACE["left wrist"], 1] -= 0.3 * np.abs(np.sin(np.arange(60) / 5))
    mirrored = joints[:, MIRROR] * [-1, 1]
    one, other = (measure_pose(course, 25.0) for course in (joints, mirrored))
    assert one == pytest.approx(other)


@pytest.mark.parametrize("clip", [*one_frame(), *blank()])
def test_values_are_finite_without_motion_or_anybody(clip):
    assert np.isfinite(PoseQuantities().extract(clip)["values"]).all()


def test_depth_counts_in_angles():
    joints = np.concatenate([body(10), np.zeros((10, 14, 1))], axis=2)
    joints[:, PLACE["left wrist"]] = joints[:, PLACE["left elbow"]] + [0, 0, 0.16]
    assert measure_pose(joints, 25.0)["elbow difference"] == pytest.approx(90, abs=5)
