import pytest

from actionbench import Dataset
from actionbench.errors import DataError, PluginError
from actionbench.experiments.datasets.folder import Folder
from actionbench.experiments.datasets.registry import dataset_registry, make_dataset, option_names


def test_the_built_in_data_sets_load():
    registry = dataset_registry()
    assert set(registry.names()) >= {"figures", "folder", "weizmann"}
    assert all(issubclass(registry.get(name), Dataset) for name in registry.names())


def test_option_names_follow_keyword_arguments_to_the_base():
    assert option_names(Folder) == {
        "root": True,
        "groups": True,
        "width": False,
        "height": False,
        "stride": False,
        "color": False,
        "on_error": False,
        "fps": False,
        "frames": False,
        "poses": False,
    }


def test_unknown_and_missing_options_are_named(tmp_path, monkeypatch):
    monkeypatch.delenv("ACTIONBENCH_DATA", raising=False)
    with pytest.raises(DataError, match="data set 'folder': unknown key 'hight'; did you mean 'height'"):
        make_dataset(Folder, "folder", {"root": str(tmp_path), "groups": "none", "hight": 3})
    with pytest.raises(DataError, match="data set 'folder': the key 'groups' is missing"):
        make_dataset(Folder, "folder", {"root": str(tmp_path)})
    with pytest.raises(DataError, match="data set 'folder': the key 'root' is missing"):
        make_dataset(Folder, "folder", {"groups": "none"})
    with pytest.raises(DataError, match="data set 'folder': root: .* is not a folder"):
        make_dataset(Folder, "folder", {"root": str(tmp_path / "gone"), "groups": "none"})


def test_a_root_that_is_not_given_lies_in_the_data_folder(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    monkeypatch.setenv("ACTIONBENCH_DATA", str(tmp_path))
    assert make_dataset(Folder, "folder", {"groups": "none"}).root == tmp_path / "folder"


def test_a_data_set_of_ones_own(tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from actionbench import Dataset\n"
        "class TwoTone(Dataset):\n    def read_table(self): ...\n    def load(self, index): ...\n"
    )
    registry = dataset_registry([plugin])
    assert registry.get("two-tone").__name__ == "TwoTone"
    assert registry.origin("two-tone") == str(plugin)
    with pytest.raises(PluginError, match=r"there is no data set 'two_tone'; did you mean 'two-tone'\?"):
        registry.get("two_tone")


def test_what_a_class_fixes_is_no_option():
    known = option_names(dataset_registry().get("kth"))
    assert not {"path", "groups", "unit"} & set(known)
    assert [key for key, required in known.items() if required] == ["root"]
    with pytest.raises(DataError, match="data set 'cvat': unknown key 'unit'"):
        make_dataset(
            dataset_registry().get("cvat"), "cvat", {"path": "x", "groups": "none", "unit": "seconds"}
        )
