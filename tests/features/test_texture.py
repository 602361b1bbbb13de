import numpy as np
import pytest
from skimage.feature import local_binary_pattern

from actionbench.features.clip import Clip
from actionbench.features.texture import BINS, LbpTop, binary_patterns, uniform_bins

PLANES = [(2, 1), (2, 0), (1, 0)]


def walker(level=1.0, step=4, n_frames=16, fps=25.0):
    """Draw a textured body that goes right and throws a leg forward every sixth frame."""
    body = np.random.default_rng(0).integers(60, 125, (60, 24))
    frames = np.full((n_frames, 120, 160), 35.0)
    for index, frame in enumerate(frames):
        left = 10 + step * index
        frame[40:100, left : left + 24] = body
        frame[84:92, left + 24 : left + 24 + 2 * (index % 6)] = 110
    return Clip((frames * level).astype(np.uint8), fps)


def codes_of_scikit_image(image, radius):
    """Return the codes of scikit-image, whose first neighbour is to the right and third above."""
    codes = local_binary_pattern(image, 8, radius).astype(np.uint8)
    return codes[radius:-radius, radius:-radius]


@pytest.mark.parametrize("axes", PLANES)
@pytest.mark.parametrize("radius", [1, 2, 3])
def test_patterns_agree_with_scikit_image(axes, radius):
    volume = np.random.default_rng(1).integers(0, 256, (12, 20, 16), dtype=np.uint8)
    found = binary_patterns(volume, axes, (radius, radius, radius))
    other = ({0, 1, 2} - set(axes)).pop()
    planes = np.moveaxis(volume, (other, axes[1], axes[0]), (0, 1, 2))
    expected = [codes_of_scikit_image(plane, radius) for plane in planes[radius:-radius]]
    found = np.moveaxis(found, (other, axes[1], axes[0]), (0, 1, 2))
    np.testing.assert_array_equal(found, expected)


def test_bins_are_those_of_scikit_image():
    """Its bins have another order: patterns share one there exactly where they do here."""
    image = np.random.default_rng(2).integers(0, 256, (300, 300), dtype=np.uint8)
    codes = local_binary_pattern(image, 8, 1).astype(int)
    theirs = local_binary_pattern(image, 8, 1, method="nri_uniform").astype(int)
    pairs = {(int(a), int(b)) for a, b in zip(uniform_bins()[codes].flat, theirs.flat, strict=True)}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}) == BINS


def test_radius_in_time_is_its_own():
    """What changes every second frame looks the same two frames away."""
    volume = np.tile(np.array([10, 200], np.uint8).repeat(2), 4)[:, None, None] * np.ones((1, 5, 5), np.uint8)
    assert binary_patterns(volume, (1, 0), (4, 1, 1))[0, 0, 0] & 0b01000100 == 0b01000100
    assert binary_patterns(volume, (1, 0), (2, 1, 1))[1, 0, 0] & 0b01000100 == 0


def test_even_brightness_has_all_neighbours_as_bright():
    for level in (0, 77, 201):
        assert (binary_patterns(np.full((9, 9, 9), level), (2, 1), (3, 2, 2)) == 255).all()


def test_each_plane_of_each_block_sums_to_one():
    features = LbpTop(rows=2, columns=3, times=2)
    found = features.extract(walker())["histogram"]
    assert found.shape == (2 * 3 * 2 * 177,)
    np.testing.assert_allclose(found.reshape(-1, BINS).sum(axis=1), 1)


def test_blocks_are_in_order():
    """Stripes across the lower half alone: only the blocks of the lower row see them in their XY plane."""
    clip = walker()
    features = LbpTop(rows=2, columns=1, times=1)
    plain = features.extract(clip)["histogram"].reshape(2, 3, BINS)
    frames = clip.frames.copy()
    frames[:, 80::2] //= 2
    striped = features.extract(Clip(frames, 25.0))["histogram"].reshape(2, 3, BINS)
    change = np.abs(striped - plain).sum(axis=2)
    assert change[1, 0] > 5 * change[0, 0]


def test_brightness_hardly_matters():
    expected = LbpTop().extract(walker())["histogram"]
    found = LbpTop().extract(walker(level=2.0))["histogram"]
    assert np.minimum(found, expected).sum() / expected.sum() > 0.9


def test_planes_of_time_see_the_motion():
    features = LbpTop(rows=1, columns=1, times=1)
    slow, fast = (features.extract(walker(step=s))["histogram"].reshape(3, BINS) for s in (1, 5))
    change = np.abs(slow - fast).sum(axis=1)
    assert change[1:].min() > 0.2


def test_mirrored_histogram_is_that_of_the_mirrored_clip():
    features, clip = LbpTop(), walker()
    plain = features.extract(clip)["histogram"]
    other = features.extract(Clip(clip.frames[:, :, ::-1], clip.fps))["histogram"]
    mirrored = features.mirror(plain[None])[0]
    assert np.minimum(mirrored, other).sum() / other.sum() > 0.9
    assert np.minimum(plain, other).sum() / other.sum() < 0.75
    np.testing.assert_array_equal(features.mirror(mirrored[None])[0], plain)


def test_mirrored_patterns_are_those_of_the_mirrored_volume():
    """Exactly, on all planes; only those along x change."""
    volume = np.random.default_rng(3).integers(0, 256, (9, 12, 10), dtype=np.uint8)
    features = LbpTop(rows=1, columns=1, times=1)
    for plane, axes in enumerate(PLANES):
        histograms = np.zeros((2, 3, BINS))
        for index, one in enumerate((volume, volume[:, :, ::-1])):
            codes = binary_patterns(one, axes, (1, 1, 1))
            histograms[index, plane] = np.bincount(uniform_bins()[codes].ravel(), minlength=BINS)
        found = features.mirror(histograms[:1].reshape(1, -1))[0]
        np.testing.assert_array_equal(found.reshape(3, BINS), histograms[1])


def test_clip_shorter_than_a_pattern_gives_zeros():
    found = LbpTop(seconds=0.4).extract(walker(n_frames=8))["histogram"]
    assert not found.any()
