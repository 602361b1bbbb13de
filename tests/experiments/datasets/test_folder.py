import re
import shutil
import signal

import pytest

from actionbench.errors import DataError
from actionbench.experiments.datasets import folder
from actionbench.experiments.datasets.folder import Folder

NAMES = r"(?P<group>[a-z]+)_\d"


def test_labels_from_folders_and_groups_from_names(class_folders):
    dataset = Folder(class_folders, groups=NAMES)
    assert dataset.classes == ["dark", "light"]
    assert sorted(set(dataset.groups)) == ["ann", "bob", "cem"]
    assert len(dataset) == 12
    assert dataset.table["clip"].iloc[0] == "dark/ann_1.mkv"
    assert dataset.clips[0].frames.mean() < 60 < dataset.clips[-1].frames.mean()
    assert dataset.groups_known


def test_groups_none_makes_each_clip_its_own_group(class_folders):
    dataset = Folder(class_folders, groups="none")
    assert not dataset.groups_known
    assert len(set(dataset.groups)) == 12


def write_csv(root, text, name="groups.csv"):
    (root / name).write_text(text, encoding="utf-8")
    return name


def lines(dataset):
    return [
        f"{clip},{clip.split('/')[1][0]},{label}"
        for clip, label in zip(dataset.table["clip"], dataset.labels, strict=True)
    ]


def test_groups_from_a_csv(class_folders):
    whole = lines(Folder(class_folders, groups="none"))
    name = write_csv(class_folders, "﻿path, group ,label\r\n" + "\r\n".join(whole) + "\r\n")
    dataset = Folder(class_folders, groups=name)
    assert dataset.groups.tolist() == [clip.split("/")[1][0] for clip in dataset.table["clip"]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: ["name,group", *rows[1:]], "must name the columns path and group"),
        (lambda rows: rows[:-1], "1 clips have no line in it, the first is 'light/cem_2.mkv'"),
        (lambda rows: [*rows, "dark/zoe_1.mkv,z,dark"], "line 14: there is no clip 'dark/zoe_1.mkv'"),
        (
            lambda rows: [*rows[:3], rows[3].replace(",b,", ",,"), *rows[4:]],
            "line 4: clip 'dark/bob_1.mkv' has no group",
        ),
        (
            lambda rows: [*rows, rows[1].replace(",a,", ",b,")],
            "line 14: clip 'dark/ann_1.mkv' has two groups, 'a' and 'b'",
        ),
        (
            lambda rows: [
                *rows[:1],
                rows[1].replace("dark\n", "x"),
                rows[2].replace(",dark", ",light"),
                *rows[3:],
            ],
            "line 3: label 'light'",
        ),
        (lambda rows: [*rows[:2], "dark/ann_2.mkv,a", *rows[3:]], "line 3: must have 3 columns"),
    ],
)
def test_lists_of_groups_that_do_not_fit(class_folders, change, message):
    rows = change(["path,group,label", *lines(Folder(class_folders, groups="none"))])
    dataset = Folder(class_folders, groups=write_csv(class_folders, "\n".join(rows)))
    with pytest.raises(DataError, match=r"groups\.csv.*" + re.escape(message)):
        _ = dataset.table


def test_a_list_of_groups_that_is_missing_or_no_text(class_folders):
    with pytest.raises(DataError, match=r"there is no file .*gone\.csv"):
        _ = Folder(class_folders, groups="gone.csv").table
    (class_folders / "odd.csv").write_bytes(b"path,group\n\xff\xfe,a\n")
    with pytest.raises(DataError, match=r"odd\.csv: not a CSV file in UTF-8"):
        _ = Folder(class_folders, groups="odd.csv").table


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ("[a-z", "is not a regular expression"),
        ("[a-z]+", "has no \\(\\?P<group>"),
        (r"(?P<group>\d\d)", "finds no group in the file name of 'dark/ann_1.mkv'"),
        (r"(?P<group>\d*?)_", "finds no group in the file name"),
    ],
)
def test_expressions_that_find_no_groups(class_folders, groups, message):
    with pytest.raises(DataError, match=message):
        _ = Folder(class_folders, groups=groups).table


def test_an_expression_that_takes_for_ever_is_refused(class_folders, monkeypatch):
    name = "a" * 60
    shutil.copy(class_folders / "dark/ann_1.mkv", class_folders / f"dark/{name}.mkv")
    monkeypatch.setattr(folder, "TIMEOUT", 0.2)
    with pytest.raises(
        DataError, match="^groups: .* takes longer than 0.2 s to match the file names, at 'dark/a"
    ):
        _ = Folder(class_folders, groups=r"(?P<group>(a+)+)$").table
    # Whoever has an alarm of their own finds it as it was.
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_groups_must_be_text(class_folders):
    with pytest.raises(DataError, match="groups: must be"):
        Folder(class_folders, groups=3)


def test_the_class_is_no_part_of_the_file_name(class_folders):
    with pytest.raises(DataError, match="finds no group"):
        _ = Folder(class_folders, groups="(?P<group>dark|light)").table


def test_an_empty_class_is_named(class_folders):
    (class_folders / "empty").mkdir()
    (class_folders / "empty/notes.txt").touch()
    with pytest.raises(DataError, match="empty: there is no video file in this class"):
        _ = Folder(class_folders, groups=NAMES).table


def test_folders_that_are_missing_or_hold_no_classes(tmp_path):
    with pytest.raises(DataError, match=r"root: .*gone is not a folder"):
        Folder(tmp_path / "gone", groups="none")
    with pytest.raises(DataError, match="has no folders in it"):
        _ = Folder(tmp_path, groups="none").table


def test_hidden_files_and_folders_are_left_out(class_folders):
    (class_folders / ".cache").mkdir()
    (class_folders / "dark/._ann_9.mkv").touch()
    assert len(Folder(class_folders, groups=NAMES)) == 12
