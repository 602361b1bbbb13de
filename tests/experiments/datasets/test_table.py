"""Annotation files as people and programs write them."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest

from actionbench.errors import DataError
from actionbench.experiments.datasets.annotations import seconds_of
from actionbench.experiments.datasets.table import Table
from actionbench.features.clip import Clip


@pytest.fixture
def videos(tmp_path, write_video):
    """A folder with three videos of a grey level each, 20 frames at 10 per second."""
    for name, level in (("ann.mkv", 40), ("sub/bob walks.mkv", 120), ("sub/Cem.MKV", 200)):
        write_video(name, np.full((20, 12, 16), level, np.uint8), fps=10)
    return tmp_path


def table(folder, text, name="a.csv", **options):
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return Table(path, **{"groups": "none"} | options)


ROWS = "path,label,who\nann.mkv,run,ann\nsub/bob walks.mkv,walk,bob\nsub/Cem.MKV,run,cem\n"


@pytest.mark.parametrize(
    "text",
    [
        ROWS,
        "﻿" + ROWS.replace("\n", "\r\n"),
        ROWS.replace(",", " ; "),
        ROWS.replace(",", "\t"),
        ROWS.replace("/", "\\"),
        ROWS.lower().replace("cem.mkv", "CEM.mkv").replace("ann.mkv", "ANN.mkv"),
        ROWS.replace(".mkv", "").replace(".MKV", ""),
        ROWS + "\n\n",
        ROWS.replace("path,label", "Video,Action"),
    ],
    ids=[
        "plain",
        "bom and crlf",
        "semicolons",
        "tabs",
        "backslashes",
        "case",
        "no endings",
        "blank lines",
        "aliases",
    ],
)
def test_ways_to_write_a_table(videos, text):
    dataset = table(videos, text, groups="who")
    assert dataset.labels.tolist() == ["run", "walk", "run"]
    assert dataset.groups.tolist() == ["ann", "bob", "cem"]
    assert dataset.table["clip"].tolist() == ["ann.mkv", "sub/bob walks.mkv", "sub/Cem.MKV"]
    assert [int(np.median(clip.grey())) for clip in dataset.clips] == [40, 120, 200]
    assert list(dataset.table) == ["clip", "label", "group"]


def test_json_and_parquet(videos):
    rows = [
        {"video": "ann.mkv", "label": "run", "start": "00:00.5", "end": 1.5},
        {"video": "sub/Cem.MKV", "label": "sit"},
    ]
    for name, text in (
        ("a.json", json.dumps(rows)),
        ("b.json", json.dumps({"info": "x", "annotations": rows})),
        ("a.jsonl", "\n".join(map(json.dumps, rows))),
    ):
        dataset = table(videos, text, name)
        assert dataset.labels.tolist() == ["run", "sit"]
        assert [len(clip) for clip in dataset.clips] == [10, 20]
    pd.DataFrame(rows[1:]).to_parquet(videos / "a.parquet")
    assert Table(videos / "a.parquet", groups="none").table["clip"].tolist() == ["sub/Cem.MKV"]


def test_lines_of_path_and_label(videos):
    (videos / "images").mkdir()
    for number in (1, 2, 10):
        cv2.imwrite(str(videos / f"images/img_{number:05d}.jpg"), np.full((12, 16, 3), 10 * number, np.uint8))
    text = "ann.mkv 0\nsub/bob walks.mkv 1\nsub/bob walks.mkv\nimages 3 1\nann.mkv -1\n"
    dataset = table(videos, text, "list.txt", fps=10)
    assert dataset.table["clip"].tolist() == ["ann.mkv", "sub/bob walks.mkv", "images"]
    assert dataset.labels.tolist() == ["0", "1", "1"]
    assert [np.median(frame) for frame in dataset.clips[2].frames] == pytest.approx([10, 20, 100], abs=2)
    assert dataset.warnings[-1] == "Left out of list.txt: 2 of 5 rows without a label."


def test_pieces_of_videos(videos, write_video):
    frames = np.broadcast_to(np.arange(50, dtype=np.uint8)[:, None, None] * 5, (50, 12, 16))
    write_video("long.mkv", frames, fps=10)
    limits = ["0.5,1,run", "1,1:00,walk", ",0.3,sit", "4.8,,sit", ",,all"]
    dataset = table(videos, "\n".join(["video,start,end,label", *(f"long.mkv,{row}" for row in limits)]))
    names = ["long.mkv[0.5-1]", "long.mkv[1-60]", "long.mkv[-0.3]", "long.mkv[4.8-]", "long.mkv"]
    assert dataset.table["clip"].tolist() == names
    shown = [np.rint(np.median(clip.frames, axis=(1, 2)) / 5).astype(int).tolist() for clip in dataset.clips]
    expected = [range(5, 10), range(10, 50), range(3), range(48, 50), range(50)]
    assert shown == [list(numbers) for numbers in expected]
    in_frames = table(videos, "video,start,end,label\nlong.mkv,7,9,run\n", unit="frames")
    assert len(in_frames.clips[0]) == 2
    assert len(set(dataset.clips.fingerprints)) == 5
    assert dataset.files() == [videos / "a.csv", videos / "long.mkv"]


def test_folders_of_images_and_arrays(videos):
    rng = np.random.default_rng(0)
    array = rng.integers(0, 256, (6, 12, 16, 3), dtype=np.uint8)
    np.save(videos / "a.npy", array)
    (videos / "frames").mkdir()
    for number, image in enumerate(array, 8):
        cv2.imwrite(str(videos / f"frames/{number}.png"), image[..., ::-1])
    text = "path,label,start,end\na.npy,x,,\nframes,y,,\nframes,y,0.2,0.4\n"
    dataset = table(videos, text, fps=10, color="rgb", stride=2)
    for clip in dataset.clips[:2]:
        np.testing.assert_array_equal(clip.frames, array[::2])
        assert clip.fps == 5
    np.testing.assert_array_equal(dataset.clips[2].frames, array[2:4:2])
    grey = table(videos, text, fps=10)
    for clip in grey.clips[:2]:
        np.testing.assert_array_equal(clip.frames, Clip(array, 10).grey())
    with pytest.raises(DataError, match="fps must be given"):
        _ = table(videos, text).clips[0]


def test_names_of_classes_and_a_choice_of_rows(videos):
    (videos / "classes.txt").write_text("0 stand still\n1, run\n2;walk\n")
    text = "path,label,part\nann.mkv,0,train\nsub/bob walks.mkv,1,train\nsub/Cem.MKV,2,test\n"
    dataset = table(videos, text, classes=videos / "classes.txt", where="part = train")
    assert dataset.labels.tolist() == ["stand still", "run"]
    assert dataset.table["part"].tolist() == ["train", "train"]


def test_other_columns_are_conditions(videos):
    text = "path,label,light,room\nann.mkv,a,0.5,07\nsub/Cem.MKV,b,2,08\n"
    found = table(videos, text).table
    assert found["light"].tolist() == [0.5, 2.0]
    assert found["room"].tolist() == ["07", "08"]


def test_names_of_sides_are_no_box_unless_all_are_there(videos):
    found = table(videos, "path,label,left\nann.mkv,a,yes\nsub/Cem.MKV,b,no\n").table
    assert found["left"].tolist() == ["yes", "no"]


def test_a_root_with_dots(videos):
    (videos / "lists").mkdir()
    dataset = table(videos / "lists", ROWS.replace(".mkv", ""), root=videos / "lists/..")
    assert dataset.table["clip"].tolist() == ["ann.mkv", "sub/bob walks.mkv", "sub/Cem.MKV"]


def test_formats_that_the_ending_does_not_tell(videos):
    lines = "ann.mkv run\nsub/bob walks.mkv walk\n"
    assert table(videos, lines, "list.csv", format="lines").labels.tolist() == ["run", "walk"]
    assert table(videos, ROWS, "list.txt", format="csv").labels.tolist() == ["run", "walk", "run"]
    other = ROWS.replace("who", "label").replace("path,label", "path,first")
    assert table(videos, other, columns={"label": "first"}).labels.tolist() == ["run", "walk", "run"]


def test_groups_of_a_pattern(videos):
    assert table(videos, ROWS, groups=r"(?P<group>\w)\w\w").groups.tolist() == ["a", "b", "C"]


def test_videos_that_do_not_exist_are_counted_or_refused(videos):
    text = ROWS + "gone.mkv,run,dan\nsub/too.mkv,run,eva\n"
    with pytest.raises(
        DataError, match=r"2 of 5 videos are not in .*'gone\.mkv', 'sub/too\.mkv'; root must be"
    ):
        _ = table(videos, text, groups="who").table
    dataset = table(videos, text, groups="who", missing="drop")
    assert len(dataset) == 3
    assert dataset.warnings == ["Left out of a.csv: 2 of 5 rows of videos that do not exist."]


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ("file,label\nann.mkv\n", {}, r"a\.csv, line 2: must have 2 columns, got 1"),
        ("path,what\nann.mkv,x\n", {}, r"there is no column 'label'; it has 'path', 'what'"),
        ("path,label\n", {}, "there is not one row"),
        ('path,label\n"ann.mkv,x\n', {}, r"a\.csv: cannot be read \("),
        (
            ROWS,
            {"groups": "whom"},
            r"groups: .*no column 'whom'; it has 'path', 'label', 'who' and 2 others; groups must",
        ),
        (ROWS.replace(",ann\n", ",\n"), {"groups": "who"}, "'ann.mkv' has no who, which gives the groups"),
        (ROWS, {"where": "who = eva"}, "where: no who in .* is 'eva'"),
        (ROWS, {"where": "whom = eva"}, "where: .* has no column 'whom'"),
        (ROWS, {"where": "eva"}, 'where: must be "column = value"'),
        (ROWS, {"unit": "hours"}, "unit: must be 'seconds' or 'frames'"),
        (ROWS, {"format": "xls"}, "format: must be 'csv' or 'tsv' or .* or 'lines', got 'xls'"),
        (
            "path,label,label\nann.mkv,a,b\n",
            {},
            "has the column 'label' twice; each must have a name of its own",
        ),
        (
            "path,label,left,top,right,bottom\nann.mkv,x,0,0,a,9\n",
            {},
            "'a' is no side of a box; left, top, right, bottom must be numbers of pixels",
        ),
        (ROWS, {"missing": "skip"}, "missing: must be 'stop' or 'drop'"),
        (ROWS, {"fps": -1}, "fps: must be a number of frames per second, above 0, got -1"),
        (ROWS, {"columns": {"label": "what"}}, "columns: .* has no column 'what'"),
        (ROWS, {"columns": {"colour": "what"}}, "columns: 'colour' is none of path, label, start, end"),
        ("path,label,start,end\nann.mkv,x,2,1\n", {}, r"'ann\.mkv' ends at 1, before its start at 2"),
        (
            "path,label,start\nann.mkv,x,soon\n",
            {},
            "'soon' is no time; it must be a number of seconds, MM:SS or HH:MM:SS",
        ),
        ("path,label,start\nann.mkv,x,-1\n", {}, "'-1' is no time|-1 is no time"),
        (ROWS + ROWS.split("\n")[1] + "\n", {}, r"clip 'ann\.mkv' is in its table twice"),
    ],
)
def test_what_is_wrong_is_said(videos, text, options, says):
    with pytest.raises(DataError, match=says):
        _ = table(videos, text, **options).table


def test_several_labels_are_refused(videos):
    with pytest.raises(DataError, match=r"list\.txt, line 1: has the labels 0 and 3; a clip must have one"):
        _ = table(videos, "ann.mkv 0 3\n", "list.txt").table
    with pytest.raises(DataError, match=r"a clip must have one label, one has \['a', 'b'\]"):
        _ = table(videos, '[{"path": "ann.mkv", "label": ["a", "b"]}]', "a.json").table
    with pytest.raises(DataError, match="must be a list of objects"):
        _ = table(videos, '{"path": "ann.mkv"}', "a.json").table
    with pytest.raises(DataError, match=r"gone\.csv; it must be the annotation file"):
        Table(videos / "gone.csv", groups="none")
    (videos / "classes.txt").write_text("run\n")
    with pytest.raises(DataError, match=r"classes\.txt, line 1: must be a label and a name"):
        _ = table(videos, ROWS, classes=videos / "classes.txt").table
    (videos / "classes.txt").write_text("walk 1\n")
    with pytest.raises(DataError, match=r"classes: .* has no name for 'run'"):
        _ = table(videos, ROWS, classes=videos / "classes.txt").table


@pytest.mark.parametrize(
    ("text", "seconds"), [("01:03.14", 63.14), ("05:01:03", 18063), ("7", 7), (7.5, 7.5)]
)
def test_times(text, seconds):
    assert seconds_of(text) == pytest.approx(seconds)
