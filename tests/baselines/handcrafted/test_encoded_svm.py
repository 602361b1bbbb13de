from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.metrics.pairwise import chi2_kernel
from sklearn.svm import SVC

from actionbench.baselines.handcrafted import _svm
from actionbench.baselines.handcrafted._encoded_svm import EncodedSvm
from actionbench.baselines.handcrafted.dense_trajectories import DenseTrajectories
from actionbench.features.cache import use_cache
from actionbench.features.clip import Clip, Clips

COMPUTED: list[int] = []


@dataclass(frozen=True)
class Patches:
    """Descriptors that lie about the brightness of a clip; none of a black one."""

    def extract(self, clip):
        COMPUTED.append(int(clip.frames.max()))
        level = float(clip.frames.max())
        rng = np.random.default_rng(int(clip.frames.sum()))
        n = 40 if level else 0
        return {
            "shape": (level / 50 + rng.standard_normal((n, 4))).astype(np.float32),
            "motion": rng.standard_normal((n, 6)).astype(np.float32),
            "place": rng.random((n, 3)).astype(np.float32),
        }


class PatchesSvm(EncodedSvm):
    """For the tests."""

    known_channels = ("shape", "motion")

    def __init__(
        self,
        *,
        encoding="fisher",
        n_words=4,
        n_samples=500,
        pyramid=False,
        C=100.0,
        mirror="auto",
        random_state=0,
    ):
        self.encoding = encoding
        self.pyramid = pyramid
        self.n_words = n_words
        self.n_samples = n_samples
        self.C = C
        self.mirror = mirror
        self.random_state = random_state

    def _feature(self):
        return Patches()

    def _mirrored_rows(self, channel, rows):
        return rows if channel == "shape" else -rows


def clips_of(levels):
    rng = np.random.default_rng(0)
    return Clips.of(
        [
            Clip(np.clip(rng.integers(-9, 9, (2, 4, 4)) + level, 0, 255).astype(np.uint8), 25.0)
            for level in levels
        ]
    )


@pytest.fixture(scope="module")
def material():
    labels = np.array(["dark", "grey", "light"] * 8)
    levels = np.array([30, 120, 220] * 8)
    return clips_of(levels), labels, np.repeat(np.arange(8).astype(str), 3)


@pytest.mark.parametrize("encoding", ["fisher", "words", "vlad"])
def test_new_clips_are_told_apart(material, encoding):
    attempt = PatchesSvm(encoding=encoding).fit(*material)
    test = clips_of([220, 30, 120, 120])
    assert attempt.predict(test).tolist() == ["light", "dark", "grey", "grey"]
    np.testing.assert_allclose(attempt.predict_proba(test).sum(axis=1), 1)
    assert len(attempt._vectors(test)) == 4


@pytest.mark.parametrize("encoding", ["fisher", "words", "vlad"])
def test_a_pyramid_encodes_each_part_by_itself(material, encoding):
    clips, labels, groups = material
    attempt = PatchesSvm(encoding=encoding, pyramid=True).fit(clips, labels, groups)
    found = Patches().extract(clips[2])
    _, y, time = found["place"].T
    wanted, scale = [], 1.0 if encoding == "words" else np.sqrt(1 / 12)
    for channel in ("shape", "motion"):
        encoder = attempt.encoders_[channel]
        for part in (y >= 0, y < 1 / 3, (y >= 1 / 3) & (y < 2 / 3), y >= 2 / 3, time < 0.5, time >= 0.5):
            wanted.append(scale * encoder.encode(found[channel][part]))
    np.testing.assert_allclose(attempt._vectors(clips[2:3])[0], np.concatenate(wanted), rtol=1e-5, atol=1e-7)
    assert attempt.score(clips, labels) > 0.9


def test_an_encoding_that_is_none(material):
    with pytest.raises(ValueError, match="encoding must be one of fisher, words, vlad, got 'bag'"):
        PatchesSvm(encoding="bag").fit(*material)


def test_each_clip_is_described_once(material):
    COMPUTED.clear()
    with use_cache(None):
        PatchesSvm().fit(*material)
    assert len(COMPUTED) == len(material[0])


@pytest.mark.parametrize("encoding", ["fisher", "words", "vlad"])
def test_clips_without_descriptors(material, encoding):
    attempt = PatchesSvm(encoding=encoding).fit(*material)
    still = Clips.of([Clip(np.zeros((2, 4, 4), np.uint8), 25.0)])
    assert np.isfinite(attempt.predict_proba(still)).all()
    alone = PatchesSvm(encoding=encoding).fit(still[[0, 0]], np.array(["a", "b"]))
    np.testing.assert_allclose(alone.predict_proba(still).sum(axis=1), 1)


@pytest.mark.parametrize("encoding", ["fisher", "words", "vlad"])
def test_saved_and_loaded_it_predicts_the_same_bits(material, encoding, tmp_path):
    attempt = PatchesSvm(encoding=encoding).fit(*material)
    attempt.save(tmp_path / "model")
    again = PatchesSvm.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(material[0]), attempt.predict_proba(material[0]))
    assert again.count() == attempt.count()


def test_explanations(material):
    text = str(PatchesSvm().fit(*material).explain())
    assert text.startswith("fisher: shape 16 values, motion 24 values")
    assert "dark: weight on shape" in text
    text = str(PatchesSvm(encoding="words").fit(*material).explain())
    assert text.startswith("words: shape 4 values, motion 4 values")
    assert "of 48 training vectors are support vectors" in text


def test_parameters_are_counted_with_those_of_the_encoding(material):
    attempt = PatchesSvm(encoding="words").fit(*material)
    machine = sum(array.size for array in attempt.classifier_.values())
    assert attempt.count() == {"parameters": machine + 1 + 4 * 4 + 4 * 6}


def test_the_kernel_machine_is_that_of_scikit_learn():
    """One channel, whose kernel scikit-learn has: ``exp(-gamma * sum (x - y)^2 / (x + y))``."""
    rng = np.random.default_rng(0)
    vectors = rng.dirichlet(np.ones(7), 30)
    codes = rng.integers(0, 3, 30)
    machine = _svm._train_chi2(vectors, codes, [7], 3, 10.0, 0)
    gamma = 0.5 / machine["widths"][0]
    distances = 0.5 * sum(
        (vectors[:, None, k] - vectors[None, :, k]) ** 2 / (vectors[:, None, k] + vectors[None, :, k])
        for k in range(7)
    )
    assert machine["widths"][0] == pytest.approx(distances.mean())
    new = rng.dirichlet(np.ones(7), 9)
    values = _svm._decide(new, machine)
    for label in range(3):
        other = SVC(C=10.0, kernel="precomputed").fit(chi2_kernel(vectors, gamma=gamma), codes == label)
        np.testing.assert_allclose(
            values[:, label], other.decision_function(chi2_kernel(new, vectors, gamma=gamma)), atol=1e-9
        )


def test_channels_count_alike_whatever_their_scale():
    rng = np.random.default_rng(0)
    one, other = rng.dirichlet(np.ones(5), 20), rng.dirichlet(np.ones(3), 20)
    codes = rng.integers(0, 2, 20)
    plain = _svm._train_chi2(np.hstack([one, other]), codes, [5, 3], 2, 10.0, 0)
    scaled = _svm._train_chi2(np.hstack([one, 8 * other]), codes, [5, 3], 2, 10.0, 0)
    np.testing.assert_allclose(
        _svm._decide(np.hstack([one, other]), plain), _svm._decide(np.hstack([one, 8 * other]), scaled)
    )


def test_trajectories_with_some_of_their_descriptors():
    some, all_ = DenseTrajectories(channels="mbh+trajectory"), DenseTrajectories()
    assert some._channels() == ("trajectory", "mbh")
    assert all_._channels() == ("trajectory", "hog", "hof", "mbh")
    with pytest.raises(
        ValueError, match=r"channels must be some of trajectory, hog, hof, mbh with \+ between"
    ):
        DenseTrajectories(channels="sift").fit(clips_of([3, 9]), np.array(["a", "b"]))
