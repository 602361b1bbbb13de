import numpy as np
import pandas as pd
import pytest

from actionbench import Clip, Dataset
from actionbench.errors import DataError


class Tabled(Dataset):
    """A data set with a given table and clips of one brightness per row."""

    def __init__(self, table):
        self._rows = table

    def read_table(self):
        return self._rows

    def load(self, index):
        return Clip(np.full((2, 3, 4), index, np.uint8), 25)


ROWS = [("a", "run", "ann"), ("b", "walk", "bob"), ("c", "run", "bob")]


def rows(rows=ROWS, columns=("clip", "label", "group")):
    return pd.DataFrame(rows, columns=list(columns))


def test_columns_as_arrays():
    dataset = Tabled(rows())
    assert dataset.labels.tolist() == ["run", "walk", "run"]
    assert dataset.groups.tolist() == ["ann", "bob", "bob"]
    assert dataset.classes == ["run", "walk"]
    assert len(dataset) == len(dataset.clips) == 3


def test_numbers_as_groups_become_words():
    assert Tabled(rows([("a", "x", 1), ("b", "y", 2)])).groups.tolist() == ["1", "2"]


def test_the_fingerprint_of_a_clip_is_that_of_its_frames():
    dataset = Tabled(rows())
    assert dataset.clips.fingerprints == [dataset.load(index).fingerprint() for index in range(3)]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (rows().drop(columns="group"), "'group' is missing"),
        (rows([]), "not one clip"),
        (rows([("a", "x", "g"), ("a", "y", "h")]), "clip 'a' is in its table twice"),
    ],
)
def test_tables_that_are_none(table, message):
    with pytest.raises(DataError, match=message):
        _ = Tabled(table).table


def test_a_plug_in_with_names_that_are_no_text():
    class Bytes(Dataset):
        def read_table(self):
            return pd.DataFrame({"clip": ["\udcff.avi", "b"], "label": list("xy"), "group": list("ab")})

        def load(self, index):
            return Clip(np.zeros((1, 2, 2), np.uint8), 25)

    with pytest.raises(DataError, match=r"data set Bytes: .*'\\udcff.avi' is not UTF-8; rename it"):
        _ = Bytes().table
