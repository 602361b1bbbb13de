"""Local descriptors with Fisher vectors, on people who were not learned from."""

import numpy as np
import pytest

from actionbench.baselines.handcrafted.hog3d_bow import Hog3dBow
from actionbench.baselines.handcrafted.stip_bow import StipBow


@pytest.mark.parametrize(("cls", "sizes"), [(StipBow, [8 * 38, 8 * 47]), (Hog3dBow, [8 * 482])])
def test_fisher_vectors_recognise_unseen_people(figures, cls, sizes, tmp_path):
    clips, labels, groups = figures
    train = np.isin(groups, ["0", "1", "2", "3"])
    attempt = cls(encoding="fisher", n_words=4, n_samples=500).fit(clips[train], labels[train], groups[train])
    assert attempt.score(clips[~train], labels[~train]) >= 5 / 6
    # Means and deviations of four components, of descriptors that are reduced to half.
    assert list(attempt._sizes().values()) == sizes
    assert str(attempt.explain()).startswith("fisher: ")
    attempt.save(tmp_path / "model")
    again = cls.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(clips), attempt.predict_proba(clips))


@pytest.mark.parametrize("cls", [StipBow, Hog3dBow])
def test_probabilities_of_held_out_clips_come_with_fitting(figures, cls):
    clips, labels, groups = figures
    attempt = cls(encoding="fisher", n_words=4, n_samples=500).fit(clips, labels, groups)
    held_out = attempt.held_out_proba()
    np.testing.assert_allclose(held_out.sum(axis=1), 1)
    assert np.mean(attempt.classes_[held_out.argmax(axis=1)] == labels) >= 0.7
