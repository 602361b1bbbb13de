import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actionbench import Clip
from actionbench.features.volume import MotionReader, SmallVideo, VolumeReader

READERS = [
    VolumeReader(8, size=16, margin=4),
    VolumeReader(8, subtract_background=True),
    MotionReader(6, grid=8),
]


@st.composite
def clips(draw):
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    shape = (draw(st.integers(1, 40)), draw(st.integers(1, 50)), draw(st.integers(1, 50)))
    colour = draw(st.booleans())
    fps = draw(st.sampled_from([0.5, 5.0, 12.5, 25.0, 29.97, 240.0]))
    return Clip(rng.integers(0, 256, (*shape, 3) if colour else shape, dtype=np.uint8), fps)


@pytest.mark.parametrize("reader", READERS, ids=repr)
@given(clip=clips(), seed=st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_any_clip_gives_volumes(reader, clip, seed):
    video = reader.read(clip)
    volume = reader.draw(video, np.random.default_rng(seed))
    side = reader.size if isinstance(reader, VolumeReader) else reader.grid
    assert volume.shape == (reader.frames, side, side, 1)
    assert volume.dtype == np.float32
    assert np.isfinite(volume).all()
    np.testing.assert_array_equal(volume, reader.draw(video, np.random.default_rng(seed)))
    several = reader.views(video, 3)
    assert several.shape[1:] == volume.shape
    assert 1 <= len(several) <= 3


def numbered(n, fps):
    """Return a video whose frame i is filled with i, so that a volume shows which frames it took."""
    frames = np.zeros((n, 24, 24), np.uint8)
    frames[:, :, 12:] = np.arange(n, dtype=np.uint8)[:, None, None]
    return SmallVideo(frames, fps)


@pytest.mark.parametrize(("fps", "step"), [(25.0, 2), (50.0, 4), (12.5, 1), (5.0, 1)])
def test_the_rate_is_kept(fps, step):
    reader = VolumeReader(8, size=16, margin=8)
    taken = reader._cut(numbered(100, fps), 10, 0, 0)[:, 0, -1]
    np.testing.assert_array_equal(taken, 10 + step * np.arange(8))


def test_a_short_clip_begins_again():
    taken = VolumeReader(8, size=16, margin=8)._cut(numbered(5, 12.5), 0, 0, 0)[:, 0, -1]
    np.testing.assert_array_equal(taken, [0, 1, 2, 3, 4, 0, 1, 2])


def test_volumes_are_normalised():
    rng = np.random.default_rng(0)
    clip = Clip(rng.integers(0, 256, (40, 30, 40), dtype=np.uint8), 25.0)
    reader = VolumeReader()
    volume = reader.views(reader.read(clip), 1)[0]
    np.testing.assert_allclose([volume.mean(), volume.std()], [0, 1], atol=1e-4)
    reader = VolumeReader(subtract_background=True)
    np.testing.assert_allclose(reader.views(reader.read(clip), 1)[0].mean(axis=0), 0, atol=1e-4)


def test_time_is_never_reversed():
    reader, video = VolumeReader(8, size=16, margin=8, brightness=0.0), numbered(100, 25.0)
    for seed in range(10):
        volume = reader.draw(video, np.random.default_rng(seed))
        bright = volume.max(axis=(1, 2, 3))
        assert (np.diff(bright) > 0).all()


def test_views_span_the_clip():
    reader = VolumeReader(8, size=16, margin=8)
    video = numbered(40, 12.5)
    several = reader.views(video, 3)
    assert len(several) == 3
    assert len(reader.views(numbered(8, 12.5), 3)) == 1


@pytest.mark.parametrize("wrong", [{"frames": 0}, {"rate": 0.0}])
@pytest.mark.parametrize("reader", [VolumeReader, MotionReader])
def test_impossible_volumes(reader, wrong):
    with pytest.raises(ValueError, match="above zero"):
        reader(**wrong)


def moving_square(shift):
    """Return a clip in which a square of ten pixels walks right from ``shift``."""
    frames = np.zeros((20, 64, 100), np.uint8)
    for t in range(20):
        frames[t, 20:30, shift + t : shift + t + 10] = 255
    return Clip(frames, 12.5)


def test_motion_is_centred():
    reader = MotionReader(frames=10, grid=8, cell=8)
    volumes = [reader.views(reader.read(moving_square(shift)), 1)[0, ..., 0] for shift in (10, 50)]
    np.testing.assert_allclose(volumes[0], volumes[1], atol=1e-4)
    energy = volumes[0].sum(axis=0)
    centre = [(energy.sum(axis=1 - axis) @ np.arange(8)) / energy.sum() for axis in range(2)]
    np.testing.assert_allclose(centre, 3.5, atol=0.7)


def test_a_still_clip_has_no_motion():
    reader = MotionReader()
    assert not reader.views(reader.read(Clip(np.full((30, 20, 30), 99, np.uint8), 25.0)), 2).any()
