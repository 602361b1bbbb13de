import pytest

from actionbench.errors import DataError
from actionbench.experiments.datasets.weizmann import ACTIONS, ACTORS, Weizmann


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return Weizmann(root).table


def test_the_authors_names_of_lenas_two_takes(tmp_path):
    table = touch(
        tmp_path, "run/lena_run1.avi", "run/lena_run2.avi", "wave1/lena_wave1.avi", "wave2/lena_wave2.avi"
    )
    assert table["label"].tolist() == ["run", "run", "wave1", "wave2"]
    assert table["take"].tolist() == [1, 2, 1, 1]
    assert set(table["group"]) == {"lena"}


def test_all_in_one_folder(tmp_path):
    table = touch(tmp_path, "daria_walk.avi", "ido_pjump.avi")
    assert table[["label", "group"]].to_numpy().tolist() == [["walk", "daria"], ["pjump", "ido"]]


@pytest.mark.parametrize(
    "name", ["walk/daria.avi", "walk/paul_walk.avi", "walk/daria_dance.avi", "walk/daria_walk3.avi"]
)
def test_other_names_are_refused(tmp_path, name):
    with pytest.raises(DataError, match="not a name of the Weizmann data set.*daria_walk.avi"):
        touch(tmp_path, name)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="there is no video file"):
        touch(tmp_path)


def test_the_real_one(data_folder):
    dataset = Weizmann(data_folder / "weizmann")
    assert len(dataset) == 90
    assert dataset.classes == list(ACTIONS)
    assert sorted(set(dataset.groups)) == sorted(ACTORS)
    assert set(dataset.table.groupby("label").size()) == set(dataset.table.groupby("group").size() - 1) == {9}
    assert dataset.clips[0].frames.shape == (84, 144, 180)
