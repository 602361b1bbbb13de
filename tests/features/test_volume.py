import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionbench import Clip
from actionbench.features.volume import CHANNELS, Crop, SmallVideo, VolumeReader

READERS = [
    VolumeReader(8, size=16, margin=4),
    VolumeReader(4, size=16, margin=4, input="colour", view="person"),
    VolumeReader(3, size=16, margin=0, input="gradients"),
    VolumeReader(10, size=8, margin=2, input="flow", view="person", stacked=True),
    VolumeReader(1, size=8, margin=2, stacked=True, aspect="squeezed"),
    VolumeReader(6, size=16, margin=4, input="gradients", zoom=0.9, mirrored_views=True),
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
def test_any_clip_gives_volumes(reader, clip, seed):
    video = reader.small.extract(clip)
    volume = reader.augment(video, np.random.default_rng(seed))
    assert volume.shape == reader.shape
    assert volume.dtype == np.float32
    assert np.isfinite(volume).all()
    np.testing.assert_array_equal(volume, reader.augment(video, np.random.default_rng(seed)))
    several = reader.test_views(video, 3)
    assert several.shape[1:] == reader.shape
    assert 1 <= len(several) <= 6
    np.testing.assert_array_equal(several, reader.test_views(video, 3))


def numbered(n, fps):
    """Return a video whose frame i is filled with i, so that a volume shows which frames it took."""
    frames = np.zeros((n, 24, 24, 1), np.uint8)
    frames[:, :, 12:] = np.arange(n, dtype=np.uint8)[:, None, None, None]
    return {"frames": frames, "fps": np.array(fps)}


def taken(reader, video, start=0):
    """Return the numbers of the frames that a volume took, up to a factor and a constant."""
    return reader._volume(video, start, Crop(0, 0, reader.size, reader.size))[:, 0, -1, 0]


def times(reader, video, start=0):
    """Return the places of the frames of a volume in the order of time, 0 first."""
    values = taken(reader, video, start)
    return np.searchsorted(np.unique(values), values)


@pytest.mark.parametrize(("fps", "step"), [(25.0, 2), (50.0, 4), (12.5, 1), (5.0, 1)])
def test_the_rate_is_kept(fps, step):
    reader = VolumeReader(8, size=16, margin=8)
    wanted = 10 + step * np.arange(8)
    found = taken(reader, numbered(100, fps), 10)
    np.testing.assert_allclose(np.corrcoef(found, wanted)[0, 1], 1)
    other = numbered(100, fps)["frames"][wanted, :16, :16].astype(float)
    np.testing.assert_allclose(np.ptp(found), np.ptp(wanted) / other.std(), rtol=1e-4)


def test_a_short_clip_begins_again():
    found = times(VolumeReader(8, size=16, margin=8), numbered(5, 12.5))
    np.testing.assert_array_equal(found, [0, 1, 2, 3, 4, 0, 1, 2])


def test_frames_are_normalised():
    rng = np.random.default_rng(0)
    clip = Clip(rng.integers(0, 256, (40, 30, 40), dtype=np.uint8), 25.0)
    reader = VolumeReader()
    volume = reader.test_views(reader.small.extract(clip), 1)[0]
    np.testing.assert_allclose([volume.mean(), volume.std()], [0, 1], atol=1e-4)


def test_time_is_never_reversed():
    reader, video = VolumeReader(8, size=16, margin=8, brightness=0.0), numbered(100, 25.0)
    for seed in range(10):
        bright = reader.augment(video, np.random.default_rng(seed)).max(axis=(1, 2, 3))
        assert (np.diff(bright) > 0).all()


def test_views_span_the_clip():
    reader = VolumeReader(8, size=16, margin=8)
    assert len(reader.test_views(numbered(40, 12.5), 3)) == 3
    assert len(reader.test_views(numbered(8, 12.5), 3)) == 1


def test_views_are_mirrored_too():
    reader = VolumeReader(8, size=16, margin=8, mirrored_views=True)
    views = reader.test_views(numbered(40, 12.5), 6)
    assert len(views) == 6
    np.testing.assert_array_equal(views[1::2], views[::2, :, :, ::-1])


def test_views_see_both_ends_of_a_long_frame():
    frames = np.zeros((8, 24, 60), np.uint8)
    frames[:, 4:20, :8] = 200
    for clip in (Clip(frames, 12.5), Clip(frames.swapaxes(1, 2).copy(), 12.5)):
        reader = VolumeReader(8, size=20, margin=4)
        middle, first, last = reader.test_views(reader.small.extract(clip), 3)
        assert first.std() > 0.5
        assert middle.std() == last.std() == 0
        squeezed = VolumeReader(8, size=20, margin=4, aspect="squeezed")
        assert len(squeezed.test_views(squeezed.small.extract(clip), 1)) == 1


@pytest.mark.parametrize("shape", [(120, 160), (160, 120), (100, 100), (20, 90)])
def test_random_crops_vary_in_place_scale_and_aspect(shape):
    reader, rng = VolumeReader(size=64, margin=8, zoom=0.25), np.random.default_rng(0)
    small = SmallVideo(side=72).extract(Clip(np.zeros((2, *shape), np.uint8), 25.0))["frames"].shape[1:3]
    assert min(small) == 72
    crops = np.array([reader._random_crop(small, rng) for _ in range(500)])
    top, left, height, width = crops.T
    assert top.min() == left.min() == 0
    assert (top + height).max() == small[0]
    assert (left + width).max() == small[1]
    # The sides of a crop differ from their geometric mean by the root of 1.2 at most.
    mean, ratio = np.sqrt(height * width), height / width
    assert 48 - 1 <= mean.min() < 52
    assert 68 < mean.max() <= 72
    assert 1 / 1.25 < ratio.min() < 0.9
    assert 1.1 < ratio.max() < 1.25


def test_a_crop_of_another_scale_is_resized():
    reader = VolumeReader(2, size=16, margin=16)
    ramp = np.broadcast_to(np.linspace(50, 200, 32)[:, None], (30, 32, 32)).astype(np.uint8)
    video = reader.small.extract(Clip(ramp.copy(), 12.5))
    whole = reader._volume(video, 0, Crop(0, 0, 32, 32))
    wanted = np.linspace(-1, 1, 16) / np.linspace(-1, 1, 16).std()
    np.testing.assert_allclose(whole[0, :, 3, 0], wanted, atol=0.05)


@pytest.mark.parametrize("wrong", [{"frames": 0}, {"rate": 0.0}, {"size": 0}])
def test_impossible_volumes(wrong):
    with pytest.raises(ValueError, match="above zero"):
        VolumeReader(**wrong)


@pytest.mark.parametrize("zoom", [-0.1, 1.0])
def test_impossible_zoom(zoom):
    with pytest.raises(ValueError, match=r"zoom must be a share in \[0, 1\)"):
        VolumeReader(zoom=zoom)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"input": "depth"}, "input must be one of grey, colour, gradients, flow, got 'depth'"),
        ({"aspect": "free"}, "aspect must be one of kept, squeezed, got 'free'"),
        ({"view": "face"}, "view must be one of frame, person, got 'face'"),
    ],
)
def test_words_that_mean_nothing(wrong, says):
    with pytest.raises(ValueError, match=says):
        _ = VolumeReader(**wrong).small


def walker(speed=2.0, size=40, shape=(120, 160), n=30, colour=False):
    """Return a clip in which a textured square goes right by ``speed`` pixels per frame, at 25 frames per second."""
    rng = np.random.default_rng(0)
    square = cv2.GaussianBlur(rng.integers(0, 256, (size, size)).astype(np.float32), (0, 0), 1.5)
    square = 128 + (square - square.mean()) / square.std() * 50
    frames = np.full((n, *shape), 100, np.float32)
    for index, frame in enumerate(frames):
        left = 10 + speed * index
        place = np.array([[1, 0, left], [0, 1, 40]], np.float32)
        cover = cv2.warpAffine(np.ones_like(square), place, shape[::-1])
        frame[...] = cv2.warpAffine(square, place, shape[::-1]) + frame * (1 - cover)
    frames = np.clip(frames, 0, 255).astype(np.uint8)
    return Clip(np.stack([frames, 255 - frames, frames // 2], axis=-1) if colour else frames, 25.0)


def resized(clip, height, width):
    frames = [cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in clip.frames]
    return Clip(np.stack(frames), clip.fps)


def volumes(reader, clip):
    return reader.test_views(reader.small.extract(clip), 3)


@pytest.mark.parametrize("view", ["frame", "person"])
@pytest.mark.parametrize("input", ["grey", "flow"])
def test_a_resized_clip_gives_the_same_volumes_and_a_stretched_one_others(view, input):
    """Differences from the volumes of a clip of 320 x 240 pixels, as shares of their size."""
    reader = VolumeReader(8, size=32, margin=4, input=input, view=view)
    clip = walker(4.0, 80, (240, 320))
    wanted = volumes(reader, clip)

    def difference(height, width):
        found = volumes(reader, resized(clip, height, width))
        return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)

    assert difference(120, 160) < 0.15
    assert difference(480, 640) < 0.15
    assert difference(120, 320) > 0.5


def test_a_frame_keeps_its_aspect():
    def size(height, width, **options):
        clip = Clip(np.zeros((2, height, width), np.uint8), 25.0)
        return SmallVideo(side=36, **options).extract(clip)["frames"].shape[1:3]

    assert size(240, 320) == size(60, 80) == (36, 48)
    assert size(320, 240) == (48, 36)
    assert size(120, 320) == (36, 96)
    assert size(1, 50) == (36, 108)
    assert size(240, 320, aspect="squeezed") == (36, 36)


def test_flow_is_in_heights_of_the_mover_per_second():
    reader = VolumeReader(8, size=32, margin=0, input="flow", view="person")
    volume = reader.test_views(reader.small.extract(walker()), 1)[0]
    # 2 pixels of 40, 25 times a second, in the middle of what goes with the person.
    np.testing.assert_allclose(np.median(volume[:, 12:20, 12:20, 0]), 2 * 25 / 40, rtol=0.2)
    np.testing.assert_allclose(np.median(volume[..., 1]), 0, atol=0.05)


def test_a_view_of_the_person_goes_with_it():
    reader = VolumeReader(8, size=32, margin=0, view="person")
    video = reader.small.extract(walker())
    inner = video["frames"][5:-5, 4:-4, 4:-4, 0].astype(float)
    assert np.abs(inner - inner.mean(axis=0)).mean() < 0.25 * inner.std()
    whole = VolumeReader(8, size=32, margin=0).small.extract(walker())["frames"][5:-5, ..., 0].astype(float)
    assert np.abs(whole - whole.mean(axis=0)).mean() > 0.25 * whole.std()


def test_a_view_of_the_person_in_colour_is_that_in_grey():
    grey = SmallVideo("grey", "person", 32).extract(walker())["frames"]
    colour = SmallVideo("colour", "person", 32).extract(
        Clip(np.repeat(walker().frames[..., np.newaxis], 3, axis=-1), 25.0)
    )["frames"]
    np.testing.assert_allclose(colour, np.repeat(grey, 3, axis=-1), atol=1)


def test_a_mirrored_volume_is_that_of_the_mirrored_clip():
    reader = VolumeReader(6, size=24, margin=0, input="gradients", brightness=0.0)
    clip = walker()
    flipped = Clip(clip.frames[:, :, ::-1].copy(), clip.fps)
    one = reader._volume(reader.small.extract(clip), 5, Crop(0, 4, 24, 24), mirrored=True)
    other = reader._volume(reader.small.extract(flipped), 5, Crop(0, 4, 24, 24))
    np.testing.assert_allclose(one[..., :3], other[..., :3], atol=0.05)
    # Flow of a mirrored clip is the mirrored flow but for its own errors.
    assert np.corrcoef(one[..., 3].ravel(), other[..., 3].ravel())[0, 1] > 0.9


def test_gradients_point_to_what_is_brighter():
    reader = VolumeReader(2, size=16, margin=0, input="gradients")
    ramp = np.broadcast_to(np.linspace(0, 255, 16, dtype=np.uint8)[:, None], (30, 16, 16))
    volume = reader.test_views(reader.small.extract(Clip(ramp.copy(), 25.0)), 1)[0]
    assert reader.shape == (2, 16, 16, CHANNELS["gradients"])
    assert (volume[..., 2] > 0).all()
    np.testing.assert_allclose(volume[..., 1], 0, atol=1e-6)
    np.testing.assert_allclose(volume[..., 3:], 0, atol=0.1)


def test_stacked_frames_are_channels():
    video = numbered(40, 12.5)
    plain, stacked = (
        VolumeReader(4, size=16, margin=8, stacked=flag).test_views(video, 2) for flag in (False, True)
    )
    np.testing.assert_array_equal(stacked, np.moveaxis(plain[..., 0], 1, -1))


def test_every_nth_frame_of_a_fast_camera_is_kept():
    assert len(SmallVideo().extract(Clip(np.zeros((240, 20, 20), np.uint8), 240.0))["frames"]) == 30
