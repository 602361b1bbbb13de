"""What is shown of a data set is what is in it."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from actionbench.errors import DataError
from actionbench.experiments.audit import preview
from actionbench.experiments.audit.preview import contact_sheet, describe
from actionbench.experiments.datasets.base import GROUPS_UNKNOWN, Dataset
from actionbench.experiments.datasets.figures import Figures
from actionbench.features.clip import Clip


class Uneven(Dataset):
    """Seven clips of two classes, of different lengths and shapes."""

    def __init__(self, groups_known=True):
        self.groups_known = groups_known
        self.loaded = []

    def read_table(self):
        labels = ["a$b$"] * 6 + ["jump"]
        groups = ["x", "x", "x", "y", "y", "z", "z"]
        return pd.DataFrame({"clip": [f"clip {i}" for i in range(7)], "label": labels, "group": groups})

    def load(self, index):
        self.loaded.append(index)
        shape = (index + 1, 20, 30, 3) if index % 2 else (index + 1, 40, 30)
        return Clip(np.full(shape, 40 * index, np.uint8), 25.0 if index else 50.0)

    def fingerprint(self, index):
        return str(index)


def test_the_numbers_are_those_of_the_clips():
    found = describe(Uneven())
    assert found["clips"] == 7
    assert found["classes"] == {"a$b$": 6, "jump": 1}
    assert found["groups"] == 3
    assert found["clips_per_group"] == {"min": 2, "median": 2, "max": 3}
    assert found["frames"] == {"min": 1, "median": 4, "max": 7}
    assert found["seconds"] == {"min": 0.02, "median": 0.16, "max": 0.28}
    assert found["sizes"] == {"30x40": 4, "30x20": 3}
    assert found["fps"] == {"25": 6, "50": 1}
    assert found["decoded_mib"] == pytest.approx((16 * 1200 + 12 * 1800) / 2**20)
    assert found["fingerprint"] == Uneven().clips.fingerprint


def test_every_clip_is_read_once_and_dropped():
    data = Uneven()
    describe(data)
    assert data.loaded == list(range(7))


def test_clips_that_cannot_be_read_are_all_named(monkeypatch):
    load = Uneven.load

    def broken(self, index):
        if index in (2, 5):
            raise OSError(f"sector {index} is gone")
        return load(self, index)

    monkeypatch.setattr(Uneven, "load", broken)
    with pytest.raises(DataError) as caught:
        describe(Uneven())
    assert caught.value.args == (
        "clip 'clip 2' cannot be read: sector 2 is gone",
        "clip 'clip 5' cannot be read: sector 5 is gone",
    )


def test_warnings_are_sentences():
    known, unknown = describe(Uneven())["warnings"], describe(Uneven(groups_known=False))["warnings"]
    assert any("'jump' come from one group" in warning for warning in known)
    assert any("6 clips of 'a$b$', 1 of 'jump'" in warning for warning in known)
    assert f"{GROUPS_UNKNOWN} [groups-unknown]" in unknown
    assert not any("come from one group" in warning for warning in unknown)
    assert describe(Uneven(groups_known=False))["groups"] is None
    assert describe(Figures(subjects=3, clips_per_subject=1, frames=2))["warnings"] == []
    (few,) = describe(Figures(subjects=2, clips_per_subject=1, frames=2))["warnings"]
    assert few.startswith("The data set has 2 groups: ")


def test_the_sheet_has_one_row_a_class_or_more(tmp_path):
    sizes = []
    for per_class in (1, 2):
        contact_sheet(Uneven(), tmp_path / "sheet.png", per_class=per_class, frames=4)
        with Image.open(tmp_path / "sheet.png") as image:
            sizes.append(image.size)
    rows = [(height / 120 - 0.1) / (1.5 * 40 / 30 + 0.3) for _, height in sizes]
    assert [round(row, 1) for row in rows] == [2, 3]
    assert sizes[0][0] == sizes[1][0] == 720


def test_the_sheet_loads_only_what_it_shows(tmp_path):
    data = Uneven()
    contact_sheet(data, tmp_path / "sheet.png", per_class=2)
    assert data.loaded == [0, 3, 6]


def test_the_sheet_shows_the_frames(tmp_path):
    contact_sheet(Uneven(), tmp_path / "sheet.png", frames=3)
    with Image.open(tmp_path / "sheet.png") as image:
        pixels = np.asarray(image.convert("L"))
    # The only clip of the second class is 240 everywhere.
    assert (pixels == 240).mean() > 0.1


@pytest.mark.parametrize(
    ("length", "count", "shown"), [(10, 4, [0, 3, 6, 9]), (3, 8, [0, 1, 2]), (1, 2, [0]), (9, 1, [0])]
)
def test_frames_are_spread_from_first_to_last(length, count, shown):
    assert preview.spread(length, count) == shown


def test_the_same_sheet_twice_is_the_same_file(tmp_path):
    for name in ("one.png", "two.png"):
        contact_sheet(Uneven(), tmp_path / name, per_class=1, frames=2)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_without_a_file_the_sheet_is_a_figure(tmp_path):
    figure = contact_sheet(Uneven(), frames=3)
    figure.savefig(tmp_path / "own.png", metadata={"Software": None})
    contact_sheet(Uneven(), tmp_path / "sheet.png", frames=3)
    assert (tmp_path / "own.png").read_bytes() == (tmp_path / "sheet.png").read_bytes()


@pytest.mark.parametrize("wrong", [{"per_class": 0}, {"frames": 0}])
def test_a_sheet_of_nothing_is_refused(tmp_path, wrong):
    with pytest.raises(DataError, match="at least 1"):
        contact_sheet(Uneven(), tmp_path / "sheet.png", **wrong)


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(DataError, match=r"missing.*cannot be written"):
        contact_sheet(Uneven(), tmp_path / "missing" / "sheet.png", frames=1)
