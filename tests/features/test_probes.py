"""Each probe against what it takes away, computed here from the frames."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actionbench import Clip
from actionbench.experiments.datasets.figures import Figures
from actionbench.features.probes import PROBES


def clip_of(seed, n_frames, *, colour=False, fps=25.0):
    rng = np.random.default_rng(seed)
    return Clip(
        rng.integers(0, 256, (n_frames, 6, 8, 3)[: 4 if colour else 3], dtype=np.uint8), fps, name="a"
    )


EXPECTED = {
    "frozen": lambda frames: np.broadcast_to(frames[len(frames) // 2], frames.shape),
    "mean-frame": lambda frames: np.broadcast_to(np.rint(frames.astype(float).mean(axis=0)), frames.shape),
    "reversed": lambda frames: frames[::-1],
    "first-third": lambda frames: frames[: int(np.ceil(len(frames) / 3))],
    "last-third": lambda frames: frames[len(frames) - int(np.ceil(len(frames) / 3)) :],
    "every-fourth": lambda frames: frames[::4],
}


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(sorted(EXPECTED)),
    seed=st.integers(0, 1000),
    n_frames=st.integers(1, 20),
    colour=st.booleans(),
)
def test_frames_of_a_probe(name, seed, n_frames, colour):
    clip = clip_of(seed, n_frames, colour=colour)
    found = PROBES[name](clip)
    np.testing.assert_array_equal(found.frames, EXPECTED[name](clip.frames))
    assert found.fps == (clip.fps / 4 if name == "every-fourth" else clip.fps)
    assert found.name == "a"


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), n_frames=st.integers(1, 20))
def test_shuffled_frames_are_the_same_frames_in_an_order_of_the_content(seed, n_frames):
    clip = clip_of(seed, n_frames)
    found = PROBES["shuffled"](clip)
    assert sorted(frame.tobytes() for frame in found.frames) == sorted(
        frame.tobytes() for frame in clip.frames
    )
    again = PROBES["shuffled"](Clip(clip.frames.copy(), clip.fps, name="other"))
    np.testing.assert_array_equal(again.frames, found.frames)


def test_orders_differ_between_clips_and_from_the_first():
    orders = set()
    for seed in range(20):
        clip = clip_of(seed, 12)
        found = [frame.tobytes() for frame in PROBES["shuffled"](clip).frames]
        orders.add(tuple([frame.tobytes() for frame in clip.frames].index(frame) for frame in found))
    assert len(orders) == 20
    assert tuple(range(12)) not in orders


def moving_square(fps=25.0, n_frames=24, colour=False):
    frames = np.full((n_frames, 96, 128), 90, np.uint8)
    for number, frame in enumerate(frames):
        frame[30:70, 10 + 3 * number : 30 + 3 * number] = 220
    return Clip(np.repeat(frames[..., None], 3, axis=-1) if colour else frames, fps)


@pytest.mark.parametrize("colour", [False, True])
def test_the_person_is_blanked_or_alone(colour):
    clip = moving_square(colour=colour)
    square, blank = clip.frames == 220, clip.frames == 90
    blanked = PROBES["person-blanked"](clip).frames
    assert (blanked == 90).all()
    only = PROBES["person-only"](clip).frames
    # The square is kept but for its rim, and what is not near it has the colour of the background.
    assert (only[square] == 220).mean() > 0.9
    assert (only[blank] == 90).all()


def test_a_blanked_person_leaves_no_motion_and_the_scene():
    clip = Figures(subjects=2, clips_per_subject=1, jitter=0.0, zoom=0.0, noise=0.0).clips[0]
    blanked = PROBES["person-blanked"](clip).frames
    changed = (blanked != clip.frames).any(axis=0)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    inside = blanked[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert (inside == inside[0, 0, 0]).all()
    # What is outside of the rectangle is as it was, and hardly moves.
    outside = np.ones(changed.shape, bool)
    outside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = False
    np.testing.assert_array_equal(blanked[:, outside], clip.frames[:, outside])
    motion = np.abs(np.diff(blanked.astype(int), axis=0)).mean()
    assert motion < 0.2 * np.abs(np.diff(clip.frames.astype(int), axis=0)).mean()


def test_boxes_of_clips_with_a_high_rate_are_at_their_places():
    """Only every second frame of these is looked at."""
    clip = moving_square(fps=50.0, n_frames=30)
    only = PROBES["person-only"](clip).frames
    assert (only[clip.frames == 220] == 220).mean() > 0.9


@pytest.mark.parametrize("name", ["person-blanked", "person-only"])
def test_where_nothing_moves_nothing_is_taken_away(name):
    clip = Clip(np.full((6, 24, 32), 7, np.uint8), 25)
    assert PROBES[name](clip) is clip
