import numpy as np
import pytest

from actionbench.baselines.handcrafted.hog_svm import HogSvm
from actionbench.experiments.datasets.derived import original_class
from actionbench.experiments.datasets.figures import Figures
from actionbench.experiments.datasets.left_out import WithoutClips
from actionbench.experiments.datasets.probed import Probed, without_probe
from actionbench.experiments.datasets.splits import GroupKFold
from actionbench.experiments.evaluation.cell import run_cell
from actionbench.features.probes import PROBES


@pytest.fixture(scope="module")
def figures():
    return Figures(subjects=2, clips_per_subject=1, frames=9)


def frames(clips):
    return [clip.frames for clip in clips]


@pytest.mark.parametrize("side", ["both", "test"])
def test_which_clips_lack_something(figures, side):
    data = Probed(figures, "reversed", side)
    backwards = [clip.frames[::-1] for clip in figures.clips]
    for found, expected in zip(frames(data.test_clips), backwards, strict=True):
        np.testing.assert_array_equal(found, expected)
    for found, expected in zip(
        frames(data.clips), backwards if side == "both" else frames(figures.clips), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    assert data.table.equals(figures.table)
    assert (data.decoding, data.groups_known) == (figures.decoding, figures.groups_known)
    assert original_class(data) is Figures
    assert without_probe(data) is figures


def test_fingerprints_keep_features_apart(figures):
    """Those of plain clips are shared with the data set, the others are of their own for each probe."""
    plain = figures.clips.fingerprints
    tested = [Probed(figures, name, "test") for name in PROBES]
    assert all(data.clips.fingerprints == plain for data in tested)
    kept = {tuple(data.test_clips.fingerprints) for data in tested}
    assert len(kept) == len(PROBES)
    assert {tuple(Probed(figures, name).clips.fingerprints) for name in PROBES} == kept
    assert all(not set(plain) & set(fingerprints) for fingerprints in kept)


class Recorder:
    """An attempt that notes what it gets."""

    def fit(self, clips, labels, groups=None):
        self.classes_ = np.unique(labels)
        self.trained = frames(clips)
        return self

    def predict_proba(self, clips):
        self.asked = [*getattr(self, "asked", []), *frames(clips)]
        return np.full((len(clips), len(self.classes_)), 1 / len(self.classes_))

    pretrained = ""

    def count(self):
        return {}

    def warnings(self):
        return {}

    def needed_files(self):
        return []

    def get_params(self, deep=False):
        return {}

    def fitted_state(self):
        return {}


def test_a_cell_tests_on_what_is_to_be_tested(figures, monkeypatch):
    monkeypatch.setattr("actionbench.experiments.evaluation.cell.state_bytes", lambda attempt: 1)
    fold = GroupKFold(folds=2).folds(figures)[0]
    recorder = Recorder()
    run_cell(recorder, Probed(figures, "first-third", "test"), fold)
    assert {len(found) for found in recorder.trained} == {9}
    # The first is a training clip, to warm up.
    warm_up, *asked = recorder.asked
    assert len(warm_up) == 9
    assert {len(found) for found in asked} == {3}


@pytest.mark.parametrize("side", ["both", "test"])
def test_a_probe_that_takes_nothing_away_changes_no_prediction(monkeypatch, side):
    figures = Figures(subjects=2, clips_per_subject=1, frames=16)
    fold = GroupKFold(folds=2).folds(figures)[0]
    monkeypatch.setattr("actionbench.experiments.datasets.probed.PROBES", {"identity": lambda clip: clip})
    plain, probed = (run_cell(HogSvm(), data, fold) for data in (figures, Probed(figures, "identity", side)))
    assert plain.probabilities.tobytes() == probed.probabilities.tobytes()


def test_of_what_is_left(figures):
    smaller = WithoutClips(figures, {figures.table["clip"][0]: "broken"})
    data = Probed(smaller, "frozen")
    assert len(data) == len(figures) - 1
    np.testing.assert_array_equal(data.clips[0].frames[0], figures.clips[1].frames[4])
