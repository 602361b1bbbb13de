import cv2
import numpy as np
import pytest
from drawn_pairs import Role, about_all, changing, draw_pair, overlaps, shares
from hypothesis import given
from hypothesis import strategies as st

from actionbench.features.camera import ground_flow
from actionbench.features.clip import Clip
from actionbench.features.flow import optical_flow
from actionbench.features.motion import observe
from actionbench.features.regions import Track, join_tracks, main_tracks, motion_mask


def scene(n_frames=20, height=60, width=90, noise=2.0, seed=0, people=((20, 8, 25, 10, 3.0),)):
    """Draw textured rectangles (top, left, height, width, pixels per frame) that go right, with noise."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(60, 120, (height, width)).astype(float)
    frames = np.tile(ground, (n_frames, 1, 1))
    for top, left, tall, wide, speed in people:
        pattern = rng.integers(130, 250, (tall, wide))
        for index, frame in enumerate(frames):
            start = int(left + speed * index)
            start, end = min(start, width), min(start + wide, width)
            frame[top : top + tall, start:end] = pattern[:, : end - start]
    frames += rng.normal(0, noise, frames.shape)
    return np.clip(frames, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("noise", [0.0, 2.0, 10.0])
def test_box_follows_the_mover_whatever_the_noise(noise):
    track = main_tracks(scene(noise=noise), 25.0)[0]
    assert track.found
    expected = 8 + 3 * np.arange(20) + 5
    assert np.abs(track.centres[:, 1] - expected)[3:-3].max() < 4
    assert np.abs(track.centres[:, 0] - 32.5).max() < 3
    assert abs(track.body_height - 25) < 6


def test_noise_alone_does_not_move():
    still = scene(noise=6.0, people=())
    assert motion_mask(still).mean() < 1e-3
    track = main_tracks(still, 25.0)[0]
    assert not track.found
    np.testing.assert_array_equal(track.boxes, np.tile([0, 0, 60, 90], (20, 1)))


def test_camera_that_trembles_draws_no_lines():
    """Less than flow can tell: edges flicker, and the box still holds the person alone."""
    rng = np.random.default_rng(1)
    large = np.full((240, 360), 90.0)
    large[160:], large[:100, 250:290] = 118, 62
    frames = []
    for index, offset in enumerate(rng.integers(0, 2, 20)):
        view = large.copy()
        view[80:180, 40 + 10 * index : 80 + 10 * index] = 220
        frames.append(
            cv2.resize(view[offset : offset + 236, 0:356], (178, 118), interpolation=cv2.INTER_AREA)
        )
    track = main_tracks(np.array(frames).astype(np.uint8), 25.0)[0]
    assert abs(track.body_height - 50) < 8
    # What moves covers 20 pixels and, at 5 pixels a frame, 10 that it left and 10 that it will take.
    assert abs(np.median(track.boxes[:, 3] - track.boxes[:, 1]) - 40) < 8


def test_light_that_changes_everywhere_is_no_motion():
    frames = scene(noise=1.0, people=()).astype(float) + 8 * np.sin(np.arange(20))[:, None, None]
    assert not main_tracks(np.clip(frames, 0, 255).astype(np.uint8), 25.0)[0].found


def test_smaller_second_mover_does_not_count():
    people = ((8, 8, 30, 12, 2.0), (52, 70, 4, 4, 0.6))
    track = main_tracks(scene(people=people), 25.0)[0]
    assert track.boxes[:, 2].max() < 46


def test_camera_that_shakes_is_undone():
    rng = np.random.default_rng(3)
    steady = scene(n_frames=15, height=100, width=130, noise=0, people=((30, 20, 40, 20, 3.0),))
    shifts = rng.integers(0, 3, (15, 2))
    shaken = np.stack([f[y : y + 96, x : x + 126] for f, (y, x) in zip(steady, shifts, strict=True)])
    track = main_tracks(shaken, 25.0, ground_flow(shaken, optical_flow(shaken)))[0]
    assert track.mask.mean() < 0.2
    assert abs(track.body_height - 40) < 10


@pytest.mark.parametrize("shape", [(1, 40, 30), (2, 1, 1), (3, 2, 50)])
def test_short_and_tiny_clips_give_the_whole_frame(shape):
    track = main_tracks(np.full(shape, 9, np.uint8), 25.0)[0]
    assert not track.found
    assert track.mask.shape == shape
    np.testing.assert_array_equal(track.boxes[0], [0, 0, *shape[1:]])


def test_boxes_stay_inside_the_frame():
    track = main_tracks(scene(n_frames=30), 25.0)[0]
    top, left, bottom, right = track.boxes.T
    assert top.min() >= 0
    assert left.min() >= 0
    assert bottom.max() <= 60
    assert right.max() <= 90
    assert (bottom > top).all()
    assert (right > left).all()


@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_shaking_camera_alone_shows_no_mover(noise):
    rng = np.random.default_rng(5)
    still = cv2.GaussianBlur(scene(n_frames=1, height=110, width=140, noise=0, people=())[0], (0, 0), 2)
    corners = rng.integers(0, 6, (12, 2))
    shaken = np.stack([still[y : y + 100, x : x + 130] for y, x in corners])
    shaken = np.clip(shaken + rng.normal(0, noise, shaken.shape), 0, 255).astype(np.uint8)
    ground = ground_flow(shaken, optical_flow(shaken))
    shifts = ground.mean(axis=(1, 2))
    np.testing.assert_allclose(shifts, -np.diff(corners[:, ::-1], axis=0), atol=0.3)
    assert main_tracks(shaken, 25.0, ground)[0].mask.mean() < 0.01


PAIRS = {
    "side by side": (Role("handwaving", 0.25, 0.25), Role("handclapping", 0.75, 0.75)),
    "crossing": (Role("walking", 0.2, 0.75), Role("walking", 0.8, 0.25)),
    "one on the spot": (Role("walking", 0.1, 0.4), Role("boxing", 0.8, 0.8, facing=-1)),
    "apart": (Role("running", 0.45, 0.05), Role("running", 0.55, 0.95)),
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("roles", PAIRS.values(), ids=PAIRS)
def test_the_box_of_the_people_holds_both(roles, seed):
    frames, silhouettes = draw_pair(roles, seed=seed, frames=30, shake=0.5, clutter=1.5)
    motion = observe(Clip(frames, 25.0))
    each = [changing(person) for person in silhouettes]
    assert np.median(overlaps(motion.people.boxes, about_all(each))) > 0.7
    # The person is one of them, unless they meet; of one who waves the arms alone may be seen to move.
    together = overlaps(*each) > 0
    alone = np.max([shares(motion.track.boxes, boxes) for boxes in each], axis=0)
    assert together.any() or np.median(alone) > 0.9
    assert (motion.people.mask >= motion.track.mask).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_who_stands_still_is_not_among_the_people(seed):
    roles = (Role("walking", 0.1, 0.5), Role("handclapping", 0.85, 0.85, still=True))
    frames, silhouettes = draw_pair(roles, seed=seed, frames=30, noise=4.0)
    people = observe(Clip(frames, 25.0)).people
    assert np.median(overlaps(people.boxes, changing(silhouettes[0]))) > 0.6
    assert np.median(people.boxes[:, 3]) < 130


@given(
    action=st.sampled_from(["walking", "jogging", "running"]),
    start=st.floats(0.15, 0.3),
    length=st.floats(0.3, 0.5),
    left=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_one_person_is_all_people(action, start, length, left, seed):
    ends = (start + length, start) if left else (start, start + length)
    frames, _ = draw_pair([Role(action, *ends)], seed=seed, frames=12, size=(60, 100), noise=1.0)
    tracks = main_tracks(frames, 25.0)
    assert len(tracks) == 1
    people = join_tracks(tracks, 25)
    np.testing.assert_array_equal(people.boxes, tracks[0].boxes)
    np.testing.assert_array_equal(people.mask, tracks[0].mask)


def test_small_movers_are_not_among_the_main_tracks():
    people = ((8, 8, 30, 12, 2.0), (45, 70, 8, 8, 0.6))
    assert len(main_tracks(scene(people=people), 25.0, min_share=0.5)) == 1
    assert len(main_tracks(scene(people=people), 25.0, min_share=0.01)) == 2


def test_a_track_counts_while_it_moves_and_a_little_longer():
    masks = np.zeros((2, 10, 4, 4), bool)
    masks[0], masks[1, 4:6] = True, True
    tracks = [
        Track(mask, np.tile(box, (10, 1)), True)
        for mask, box in zip(masks, ([0.0, 0, 2, 2], [1.0, 1, 4, 4]), strict=True)
    ]
    people = join_tracks(tracks, hold=1)
    assert people.boxes[:, 2].tolist() == [2, 2, 2, 4, 4, 4, 4, 2, 2, 2]
    assert people.found
    # Where no track counts, the largest does.
    assert join_tracks(tracks[1:], hold=0).boxes[0].tolist() == [1, 1, 4, 4]
