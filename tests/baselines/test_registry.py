import sys
from types import SimpleNamespace

import pytest

from actionbench import Attempt
from actionbench.baselines import registry as module
from actionbench.baselines.plugins import load_plugin
from actionbench.baselines.registry import Registry
from actionbench.errors import PluginError

ATTEMPT = """
from actionbench import Attempt
class {name}(Attempt):
    family = "trivial"
    def fit(self, clips, labels, groups=None): ...
    def predict_proba(self, clips): ...
"""


def registry(*plugins):
    return Registry("attempt", "actionbench.attempts", Attempt, plugins, required=("family",))


def write(tmp_path, text, name="mine.py"):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("class_name", "name"), [("MyAttempt", "my-attempt"), ("MySVM", "my-svm"), ("HOGTree2D", "hog-tree2-d")]
)
def test_a_class_is_known_by_its_name_in_kebab_case(tmp_path, class_name, name):
    found = registry(write(tmp_path, ATTEMPT.format(name=class_name)))
    assert found.get(name).__name__ == class_name


def test_a_class_may_choose_its_name(tmp_path):
    text = ATTEMPT.format(name="Mine").replace("family", 'name = "number one"\n    family', 1)
    assert registry(write(tmp_path, text)).get("number one").__name__ == "Mine"


def test_only_concrete_classes_of_the_file_itself_count(tmp_path):
    text = (
        ATTEMPT.format(name="_Base")
        + "class Half(Attempt):\n    family = 'trivial'\nclass Whole(_Base): pass\n"
    )
    new = set(registry(write(tmp_path, text)).names()) - set(registry().names())
    assert new == {"whole"}


def test_a_plugin_may_import_a_helper_beside_it(tmp_path):
    write(tmp_path, "WORD = 'trivial'", "helper_of_a_plugin_test.py")
    text = "from helper_of_a_plugin_test import WORD\n" + ATTEMPT.format(name="Helped")
    assert registry(write(tmp_path, text)).get("helped").family == "trivial"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import not_there_at_all", "ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("1 / 0", "ZeroDivisionError"),
        ("def broken(:", "SyntaxError"),
    ],
)
def test_a_plugin_that_fails_is_one_sentence_with_the_reason(tmp_path, text, says):
    path = write(tmp_path, text)
    with pytest.raises(PluginError, match=rf"mine\.py: the plug-in cannot be loaded: {says}"):
        registry(path)
    assert not [name for name in sys.modules if "mine_py" in name and str(tmp_path.name) in name]


def test_files_that_are_no_plugins(tmp_path):
    with pytest.raises(PluginError, match="there is no such plug-in"):
        load_plugin(tmp_path / "gone.py")
    with pytest.raises(PluginError, match=r"ends in \.py"):
        load_plugin(write(tmp_path, "", "mine.txt"))


def test_a_name_that_is_taken_is_refused(tmp_path):
    with pytest.raises(PluginError, match="the attempt 'chance' exists already, from actionbench"):
        registry(write(tmp_path, ATTEMPT.format(name="Chance")))


def test_an_attempt_without_a_family_is_refused(tmp_path):
    path = write(tmp_path, ATTEMPT.format(name="Lost").replace('family = "trivial"', "pass"))
    with pytest.raises(PluginError, match="'lost' .* must have a class attribute 'family'"):
        registry(path).get("lost")


def entry(name, load):
    return SimpleNamespace(
        name=name, load=load, dist=SimpleNamespace(name="foreign", version="2.0"), value="foreign:X"
    )


def fail():
    raise ImportError("needs libfoo")


def test_an_entry_point_that_cannot_load_is_listed_and_fails_only_when_used(monkeypatch):
    monkeypatch.setattr(
        module, "installed_entry_points", lambda group: [entry("foo", fail), entry("number", lambda: 3)]
    )
    # Those of installed packages are made once.
    monkeypatch.setattr(module, "_installed", module._installed.__wrapped__)
    found = registry()
    assert found.names() == ["foo", "number"]
    assert found.origin("foo") == "foreign 2.0"
    with pytest.raises(
        PluginError, match=r"'foo' from foreign 2\.0 cannot be loaded: ImportError: needs libfoo"
    ):
        found.get("foo")
    with pytest.raises(PluginError, match="must be a class derived from Attempt"):
        found.get("number")
