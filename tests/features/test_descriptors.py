import numpy as np
import pytest

from actionbench.features.clip import Clip
from actionbench.features.descriptors import GridDescriptor
from actionbench.features.motion import observe

ALL = ("hog", "hof", "mbh")


def walker(shift=0, contrast=1.0, background=0):
    rng = np.random.default_rng(0)
    body = rng.integers(130, 250, (40, 16))
    frames = np.full((16, 120, 160), 70.0)
    if background:
        frames += np.random.default_rng(background).integers(-40, 40, (120, 160))
    for index, frame in enumerate(frames):
        left = 10 + shift + 4 * index
        frame[40:80, left : left + 16] = body
        frame[64:70, left + 16 : left + 16 + index % 6] = 220
    return Clip(np.clip(frames * contrast, 0, 255).astype(np.uint8), 25.0)


def describe(clip, **options):
    return GridDescriptor(ALL, **options).describe(observe(clip))


def cosine(first, second):
    first, second = first - first.mean(), second - second.mean()
    return first @ second / np.linalg.norm(first) / np.linalg.norm(second)


def test_sizes_add_up():
    descriptor = GridDescriptor(ALL, cells=3, times=2)
    assert descriptor.sizes() == {"hog": 144, "hof": 162, "mbh": 288}
    assert descriptor.describe(observe(walker())).shape == (594,)


def test_place_and_contrast_hardly_matter():
    expected = describe(walker())
    assert cosine(describe(walker(shift=40)), expected) > 0.95
    assert cosine(describe(walker(contrast=0.8)), expected) > 0.95


def test_a_grid_over_the_frame_knows_where_the_mover_is():
    expected = describe(walker(), region="frame")
    assert cosine(describe(walker(shift=40), region="frame"), expected) < 0.8
    # The person never reaches the right third.
    flow = GridDescriptor(("hof",), cells=3, times=1, region="frame").describe(observe(walker()))
    left, _, right = flow.reshape(3, 3, 9)[1, :, 0]
    assert right < 0.1 * left


@pytest.mark.parametrize("channel", ALL)
def test_mirrored_descriptor_is_that_of_the_mirrored_clip(channel):
    descriptor = GridDescriptor((channel,))
    clip = walker()
    mirrored = descriptor.describe(observe(Clip(clip.frames[:, :, ::-1], clip.fps)))
    found = descriptor.mirror(descriptor.describe(observe(clip))[None])[0]
    plain = descriptor.describe(observe(clip))
    assert cosine(found, mirrored) > 0.9
    assert cosine(found, mirrored) > cosine(plain, mirrored) + 0.05


def test_mirror_twice_is_nothing():
    descriptor = GridDescriptor(ALL, cells=3, times=2)
    values = np.random.default_rng(0).random((4, 594))
    np.testing.assert_array_equal(descriptor.mirror(descriptor.mirror(values)), values)


def test_shape_sees_the_mover_and_hardly_the_scene():
    hog = GridDescriptor(("hog",))
    expected = hog.describe(observe(walker()))
    assert cosine(hog.describe(observe(walker(background=1))), expected) > 0.6


def test_one_frame_has_shape_and_no_motion():
    clip = Clip(walker().frames[:1], 25.0)
    found = describe(clip, cells=2, times=1)
    sizes = GridDescriptor(ALL, cells=2, times=1).sizes()
    assert found[: sizes["hog"]].any()
    assert not found[sizes["hog"] :].any()
