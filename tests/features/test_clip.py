import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from actionbench import Clip, Clips
from actionbench.features.clip import LazyClip


def grey(value: int, n_frames: int = 3) -> Clip:
    return Clip(np.full((n_frames, 4, 5), value, np.uint8), 25.0)


@pytest.mark.parametrize(
    ("frames", "fps", "says"),
    [
        (np.zeros((3, 4, 5), np.float32), 25, "uint8"),
        (np.zeros((4, 5), np.uint8), 25, r"\(T, H, W\)"),
        (np.zeros((3, 4, 5, 4), np.uint8), 25, r"\(T, H, W, 3\)"),
        (np.zeros((0, 4, 5), np.uint8), 25, "at least one frame"),
        (np.zeros((3, 0, 5), np.uint8), 25, "one pixel"),
        (np.zeros((3, 4, 5), np.uint8), 0, "positive"),
        (np.zeros((3, 4, 5), np.uint8), float("nan"), "positive"),
    ],
)
def test_a_clip_refuses_what_is_no_video(frames, fps, says):
    with pytest.raises(ValueError, match=says):
        Clip(frames, fps)


def test_sizes_and_duration():
    clip = Clip(np.zeros((50, 12, 16, 3), np.uint8), 25)
    assert (len(clip), clip.height, clip.width, clip.seconds) == (50, 12, 16, 2.0)


def test_frames_cannot_be_written_and_the_original_stays_writeable():
    frames = np.zeros((2, 3, 4), np.uint8)
    clip = Clip(frames, 25)
    with pytest.raises(ValueError, match="read-only"):
        clip.frames[0] = 1
    frames[0] = 1


@given(arrays(np.uint8, (2, 3, 4, 3)))
def test_grey_is_bt601_luma_rounded(frames):
    luma = frames.astype(np.float64) @ [0.299, 0.587, 0.114]
    assert np.abs(Clip(frames, 25).grey() - luma).max() <= 0.5 + 1e-9


def test_grey_of_a_grey_clip_is_itself():
    clip = grey(7)
    assert clip.grey() is clip.frames


def test_fingerprint_sees_content_shape_and_rate():
    clips = [grey(0), grey(1), grey(0, 4), Clip(np.zeros((3, 5, 4), np.uint8), 25), Clip(grey(0).frames, 30)]
    assert len({clip.fingerprint() for clip in clips}) == len(clips)
    assert grey(0).fingerprint() == grey(0).fingerprint()


class Counting:
    """A source that records what is asked of it."""

    def __init__(self, n: int) -> None:
        self.n, self.loaded = n, []

    def __len__(self) -> int:
        return self.n

    def load(self, index: int) -> Clip:
        self.loaded.append(index)
        return grey(index)

    def clip_name(self, index: int) -> str:
        return f"clip {index}"

    def fingerprint(self, index: int) -> str:
        return hashlib.sha256(bytes([index])).hexdigest()


def test_clips_are_decoded_only_when_asked_for():
    source = Counting(10)
    clips = Clips(source)[2:8]
    assert (len(clips), clips.fingerprint, source.loaded) == (6, clips.fingerprint, [])
    assert clips[-1].frames.max() == 7
    assert source.loaded == [7]


def test_a_lazy_clip_is_the_clip_once_it_is_used():
    plain = Clip(np.arange(240, dtype=np.uint8).reshape(3, 8, 10), 25.0, {"a": "b"}, "name")
    loads = []
    lazy = LazyClip("fingerprint", lambda: loads.append(1) or plain)
    assert (lazy.fingerprint(), loads) == ("fingerprint", [])
    assert isinstance(lazy, Clip)
    for name in ("frames", "fps", "warnings", "name", "pose", "vectors", "height", "seconds"):
        assert getattr(lazy, name) is getattr(plain, name) or getattr(lazy, name) == getattr(plain, name)
    assert replace(lazy, fps=5.0).fingerprint() == replace(plain, fps=5.0).fingerprint()
    part = slice(None, None, 2)
    assert lazy.take(part).fingerprint() == plain.take(part).fingerprint()
    np.testing.assert_array_equal(lazy.grey(), plain.frames)
    assert len(loads) == 1


def test_a_clip_knows_its_name_which_is_no_content():
    clips = Clips(Counting(10))[[7, 2]]
    assert [clip.name for clip in clips] == ["clip 7", "clip 2"]
    assert clips[0].fingerprint() == grey(7).fingerprint()
    listed = Clips.of([grey(1), Clip(grey(2).frames, 25, name="two")])
    assert [clip.name for clip in listed[::-1]] == ["two", ""]


@given(st.lists(st.integers(-10, 9), max_size=20), st.slices(20))
def test_clips_index_like_a_numpy_array(chosen, part):
    clips, plain = Clips(Counting(10)), np.arange(10)
    assert [int(clip.frames.max()) for clip in clips[chosen][part]] == plain[np.array(chosen, int)][
        part
    ].tolist()


def test_clips_take_masks_and_iterate():
    clips = Clips.of([grey(value) for value in range(4)])
    mask = np.array([True, False, False, True])
    assert [int(clip.frames.max()) for clip in clips[mask]] == [0, 3]
    with pytest.raises(IndexError):
        clips[4]


def test_the_fingerprint_of_clips_depends_on_their_order():
    clips = Clips.of([grey(0), grey(1)])
    assert clips.fingerprint != clips[::-1].fingerprint
    assert clips.fingerprint == Clips.of([grey(0), grey(1)]).fingerprint
