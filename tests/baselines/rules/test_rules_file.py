from types import SimpleNamespace

import numpy as np
import pytest

from actionbench.baselines.base import Attempt
from actionbench.baselines.rules.rules import Rules
from actionbench.baselines.rules.rules_file import RulesFile
from actionbench.errors import ActionbenchError
from actionbench.features.quantities import quantities


def test_an_exported_list_decides_as_its_attempt_did(figures, tmp_path):
    clips, labels, groups = figures
    test = groups == "3"
    learned = Rules().fit(clips[~test], labels[~test], groups[~test])
    learned.export(tmp_path / "rules.txt")
    attempt = RulesFile(path=str(tmp_path / "rules.txt")).fit(clips[~test], labels[~test])
    np.testing.assert_array_equal(attempt.predict_proba(clips), learned.predict_proba(clips))
    assert attempt.explain() == learned.explain()


def test_an_edited_line_changes_the_decision(figures, tmp_path):
    clips, labels, _ = figures
    speeds = np.array([quantities(clip)["horizontal speed"] for clip in clips])
    path = tmp_path / "mine.txt"
    for limit in (0.2, float(np.median(speeds[labels == "go"]))):
        path.write_text(f"if horizontal speed > {limit} heights/s then go\notherwise wave\n")
        attempt = RulesFile(path=str(path)).fit(clips, labels)
        np.testing.assert_array_equal(attempt.predict(clips), np.where(speeds > limit, "go", "wave"))
    assert attempt.count() == {"parameters": 0, "rules": 2, "conditions": 1, "quantities": 1}


def test_a_saved_attempt_needs_the_file_no_more(figures, tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("if horizontal speed > 0.5 heights/s then go\notherwise wave\n")
    attempt = RulesFile(path=str(path)).fit(*figures)
    attempt.save(tmp_path / "saved")
    path.unlink()
    loaded = Attempt.load(tmp_path / "saved")
    assert loaded.explain() == attempt.explain()


def test_a_label_that_no_clip_has_is_refused(figures, tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("# mine\nif fill > 0.5 then bouncing\notherwise wave\n")
    attempt = RulesFile(path=str(path))
    says = r"mine\.txt, line 2: no clip has the label 'bouncing'; did you mean 'bounce'\? known are: bounce, go, wave"
    with pytest.raises(ActionbenchError, match=says):
        attempt.fit(*figures)
    with pytest.raises(ActionbenchError, match=says):
        attempt.skip(SimpleNamespace(classes=["bounce", "go", "wave"]))
    path.write_text("otherwise wave")
    assert attempt.skip(SimpleNamespace(classes=["bounce", "go", "wave"])) is None
    assert attempt.files() == [path]


def test_a_file_must_be_named(figures):
    with pytest.raises(ActionbenchError, match="rules-file needs the parameter 'path'"):
        RulesFile().fit(*figures)
