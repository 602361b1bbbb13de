import tracemalloc

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from actionbench.baselines.handcrafted import _svm
from actionbench.baselines.handcrafted.hof_svm import HofSvm
from actionbench.baselines.handcrafted.hog_hof_mbh_svm import HogHofMbhSvm
from actionbench.features.clip import Clip, Clips


def flipped(clips):
    return Clips.of([Clip(clip.frames[:, :, ::-1], clip.fps) for clip in clips])


def test_mirror_images_help_actions_without_a_side(figures):
    attempt = HofSvm().fit(*figures)
    assert attempt.mirror_
    found, mirrored = attempt.predict(figures[0]), attempt.predict(flipped(figures[0]))
    np.testing.assert_array_equal(found, mirrored)


def test_actions_that_differ_by_side_are_not_mirrored(figures):
    clips, labels, groups = figures
    rows = np.flatnonzero(np.isin(labels, ["go", "wave"]))
    sides = np.where(groups[rows].astype(int) % 2, "left", "right")
    sided = np.char.add(np.char.add(sides, " "), labels[rows])
    groups = np.array([str(int(group) // 2) for group in groups[rows]])
    attempt = HofSvm().fit(clips[rows], sided, groups)
    assert not attempt.mirror_


def test_one_person_is_all_people(figures):
    """Nobody else moves in these clips, so that both grids are the same."""
    one, all_ = HofSvm().fit(*figures), HofSvm(grid="people").fit(*figures)
    np.testing.assert_array_equal(one.classifier_["weights"], all_.classifier_["weights"])
    assert all_.explain().startswith("4 x 4 cells of the people")


def test_a_grid_over_the_frame(figures):
    attempt = HofSvm(grid="frame").fit(*figures)
    assert attempt.explain().startswith("4 x 4 cells of the frame")
    assert attempt.classifier_["weights"].shape == HofSvm().fit(*figures).classifier_["weights"].shape
    with pytest.raises(ValueError, match="grid must be one of person, people, frame, got 'box'"):
        HofSvm(grid="box").fit(*figures)


def test_channels_are_chosen_by_name(figures):
    one = HogHofMbhSvm(channels="hof").fit(*figures)
    np.testing.assert_array_equal(one.classifier_["weights"], HofSvm().fit(*figures).classifier_["weights"])
    assert list(HogHofMbhSvm(channels="mbh+hog")._sizes()) == ["hog", "mbh"]


@pytest.mark.parametrize("channels", ["", "hog+flow", "hog,hof", ["hog", "hof"]])
def test_channels_that_are_none(figures, channels):
    with pytest.raises(
        ValueError, match=r"channels must be some of hog, hof, mbh, hmg with \+ between, got "
    ):
        HogHofMbhSvm(channels=channels).fit(*figures)


def test_explanation_accounts_for_all_weights(figures):
    attempt = HogHofMbhSvm().fit(*figures)
    explanation = attempt.explain()
    for line in explanation.splitlines()[1:]:
        shares = [int(part.split()[-1].rstrip("%")) for part in line.split(",")]
        assert len(shares) == 3
        assert sum(shares) == pytest.approx(100, abs=2)
    assert set(explanation.figures) == {"cells"}
    maps = attempt._maps()
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), (attempt.classifier_["weights"] ** 2).sum(axis=1))
    panels = [axes for axes in explanation.figures["cells"].axes if axes.images]
    assert [axes.get_title() for axes in panels] == attempt.classes_.tolist()
    for axes, own in zip(panels, maps, strict=True):
        np.testing.assert_allclose(axes.images[0].get_array(), own / maps.max())


@pytest.mark.parametrize(("n_clips", "n_values"), [(30, 400), (90, 7)])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_the_linear_machine_is_that_of_scikit_learn(n_clips, n_values, n_classes):
    rng = np.random.default_rng(0)
    vectors, codes = rng.standard_normal((n_clips, n_values)), np.arange(n_clips) % n_classes
    machine = _svm._train_linear(_svm._Examples(vectors, codes), np.arange(n_clips), False, n_classes, 1.0, 0)
    other = LinearSVC(C=1.0, random_state=0, tol=1e-8, max_iter=100_000).fit(vectors, codes)
    weights = np.concatenate([-other.coef_, other.coef_]) if n_classes == 2 else other.coef_
    np.testing.assert_allclose(machine["weights"], weights, atol=2e-3 * np.abs(weights).max())


@pytest.mark.parametrize("standardised", [True, False])
@pytest.mark.parametrize("mirrored", [True, False])
def test_single_precision_in_blocks_changes_nothing(standardised, mirrored, monkeypatch):
    """Chosen rows of float32 vectors, a few columns at a time, against scikit-learn on all of them in float64."""
    monkeypatch.setattr(_svm, "_BLOCK", 500)
    rng = np.random.default_rng(0)
    vectors = (rng.standard_normal((48, 300)) * rng.uniform(0.1, 9, 300) + 2).astype(np.float32)
    vectors[:, 7] = 0.25
    vectors /= 100
    codes = rng.integers(0, 3, 24)
    clips = np.flatnonzero(rng.random(24) < 0.8)
    rows = np.concatenate([clips, clips + 24]) if mirrored else clips
    machine = _svm._train_linear(_svm._Examples(vectors, codes), rows, standardised, 3, 0.5, 0)
    full = vectors.astype(np.float64)
    if standardised:
        full = StandardScaler().fit(full[rows]).transform(full) / np.sqrt(300)
    other = LinearSVC(C=0.5, random_state=0, tol=1e-8, max_iter=200_000).fit(full[rows], codes[rows % 24])
    np.testing.assert_allclose(
        _svm._decide(vectors, machine), other.decision_function(full), rtol=2e-3, atol=2e-3
    )


def test_training_takes_little_memory_beside_the_vectors():
    """Long vectors are neither copied nor converted as a whole."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((60, 400_000), np.float32)
    examples = _svm._Examples(vectors, np.arange(30) % 3)
    tracemalloc.start()
    try:
        for standardised in (True, False):
            _svm._train_linear(examples, np.arange(10, 60), standardised, 3, 1.0, 0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The vectors take 96 MB, in double precision 192 MB; a block of columns 8 MB, the weights 10 MB.
    assert peak < 70e6


def test_two_classes_have_opposite_weights(figures):
    clips, labels, groups = figures
    rows = labels != "go"
    attempt = HofSvm().fit(clips[rows], labels[rows], groups[rows])
    np.testing.assert_allclose(attempt.classifier_["weights"][0], -attempt.classifier_["weights"][1])
    assert np.mean(attempt.predict(clips[rows]) == labels[rows]) == 1


def test_probabilities_agree_with_held_out_accuracy(figures):
    """Where held-out clips are often wrong, probabilities are modest."""
    clips, labels, groups = figures
    shuffled = np.random.default_rng(0).permutation(labels)
    sure, unsure = (HofSvm().fit(clips, truth, groups).sharpness_ for truth in (labels, shuffled))
    assert unsure < sure
