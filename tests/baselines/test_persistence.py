import json

import numpy as np
import pytest
import skops.io

from actionbench import ActionbenchError
from actionbench.baselines.base import Attempt
from actionbench.baselines.chance import Chance
from actionbench.baselines.majority import Majority
from actionbench.baselines.registry import load_plugin
from actionbench.baselines.rules import Rules
from actionbench.features.clip import Clip, Clips

CLIPS = Clips.of([Clip(np.zeros((1, 4, 4), np.uint8), 25.0)] * 2)
LABELS = np.array(["a", "b"])


@pytest.fixture
def saved(tmp_path):
    Chance(random_state=3).fit(CLIPS, LABELS).save(tmp_path / "saved")
    return tmp_path / "saved"


def edit(folder, **changes):
    path = folder / "attempt.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def refused(folder, cls=Attempt):
    with pytest.raises(ActionbenchError) as caught:
        cls.load(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_nothing_is_pickled(saved):
    assert sorted(path.name for path in saved.iterdir()) == ["attempt.json", "fitted.skops"]
    assert json.loads((saved / "attempt.json").read_text())["params"] == {"random_state": 3}
    assert skops.io.get_untrusted_types(file=saved / "fitted.skops") == []


def test_foreign_folder(tmp_path):
    assert "holds no saved attempt" in refused(tmp_path)
    assert "holds no saved attempt" in refused(tmp_path / "nowhere")


def test_damaged_description(saved):
    (saved / "attempt.json").write_text('{"format": 1, "cl')
    assert "no longer JSON" in refused(saved)
    (saved / "attempt.json").write_bytes(b"\xff\xfe\x00")
    assert "no longer JSON" in refused(saved)


@pytest.mark.parametrize("changes", [{"format": 99}, {"class": 3}, {"params": []}, {"format": "1"}])
def test_unknown_description(saved, changes):
    edit(saved, **changes)
    assert "does not describe a saved attempt" in refused(saved)


@pytest.mark.parametrize("name", ["os:system", "actionbench.baselines.chance:Choice", "nowhere:X"])
def test_only_known_classes_are_made(saved, name):
    edit(saved, **{"class": name})
    assert name in refused(saved)


def test_another_class_is_refused(saved):
    assert "not a known Majority" in refused(saved, Majority)


def test_foreign_parameters(saved):
    edit(saved, params={"depth": 3})
    assert "not those of Chance" in refused(saved)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not an archive at all"])
def test_damaged_state(saved, content):
    (saved / "fitted.skops").write_bytes(content)
    assert "cannot be read back" in refused(saved)


def test_missing_state(saved):
    (saved / "fitted.skops").unlink()
    assert "cannot be read back" in refused(saved)


@pytest.mark.parametrize("state", [{}, [1, 2], {"fit_": 1, "predict": 2}])
def test_foreign_state(saved, state):
    edit(saved, **{"class": "actionbench.baselines.rules:Rules", "params": {}})
    skops.io.dump(state, saved / "fitted.skops")
    assert "cannot be read back" in refused(saved, Rules)


def test_state_cannot_replace_a_method(saved):
    skops.io.dump(
        {"classes_": LABELS, "predict": 1, "__class__": 2, "random_state": 9}, saved / "fitted.skops"
    )
    loaded = Attempt.load(saved)
    assert vars(loaded).keys() == {"random_state", "classes_"}
    assert loaded.random_state == 3


def test_unwritable_parameter(tmp_path):
    attempt = Chance(random_state=np.random.default_rng(0)).fit(CLIPS, LABELS)
    with pytest.raises(ActionbenchError, match="must be JSON values"):
        attempt.save(tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_unwritable_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ActionbenchError, match="cannot be saved there"):
        Chance().fit(CLIPS, LABELS).save(tmp_path / "file")


def test_a_plugin_may_lie_elsewhere_when_its_attempt_is_read(tmp_path):
    source = "from actionbench.baselines.chance import Chance\nclass Lucky(Chance):\n    pass\n"
    classes = []
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "lucky.py").write_text(source)
        classes.append(load_plugin(tmp_path / folder / "lucky.py").Lucky)
    here, there = classes
    here(random_state=5).fit(CLIPS, LABELS).save(tmp_path / "saved")
    assert type(there.load(tmp_path / "saved")) is there
    assert "holds an attempt of the plug-in lucky.py; name that file with --plugin" in refused(
        tmp_path / "saved", Majority
    )
