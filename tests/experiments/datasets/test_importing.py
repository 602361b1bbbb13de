"""What files and folders are taken for, and the matrix that is written of it."""

import json
import shutil
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pandas as pd
import pytest
from annotation_samples import EAF, box, cvat_xml, task, timeline
from hypothesis import given
from hypothesis import strategies as st

from actionbench.errors import ActionbenchError, DataError
from actionbench.experiments.datasets.annotations import CROP
from actionbench.experiments.datasets.importing import guess
from actionbench.experiments.datasets.readers.ucf_sports import CLASSES
from actionbench.experiments.datasets.registry import dataset_registry, make_dataset
from actionbench.experiments.datasets.splits import Published
from actionbench.experiments.datasets.table import ALIASES
from actionbench.experiments.planning.matrix import read_matrix
from actionbench.experiments.planning.writing import matrix_text
from actionbench.workflow import Experiment

PEOPLE, ACTIONS = ("ann", "bob", "cem"), ("run", "sit")
PAIRS = [(person, action) for person in PEOPLE for action in ACTIONS]


@pytest.fixture
def videos(tmp_path, write_video):
    """Write the same video of 50 frames, 10 per second, under several names."""
    sample = write_video("sample.mkv", np.zeros((50, 24, 32), np.uint8), fps=10, folder=tmp_path / "made")

    def write(*names):
        for name in names:
            (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(sample, tmp_path / "data" / name)
        return tmp_path / "data"

    return write


def saved(path, text):
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    return path


def rows_of(pattern="{person}_{action}.mkv", **more):
    return [
        {"path": pattern.format(person=person, action=action), "label": action, "who": person} | more
        for person, action in PAIRS
    ]


def csv_of(rows):
    return pd.DataFrame(rows).to_csv(index=False)


def flat(videos):
    return videos(*(row["path"] for row in rows_of()))


def table(name, text):
    return lambda videos: saved(flat(videos) / name, text)


def parquet(videos):
    path = flat(videos) / "clips.parquet"
    pd.DataFrame(rows_of()).to_parquet(path)
    return path


def lines(name):
    text = "".join(f"{row['path']} {row['label']}\n" for row in rows_of())
    return table(name, text)


def numbered(videos):
    root = flat(videos)
    saved(root / "classInd.txt", "1 run\n2 sit\n")
    text = "".join(f"{row['path']} {ACTIONS.index(row['label']) + 1}\n" for row in rows_of())
    return saved(root / "all.txt", text)


def images(videos):
    root = videos()
    for person, action in PAIRS:
        folder = root / f"{person}_{action}"
        folder.mkdir(parents=True)
        for number in (1, 2):
            cv2.imwrite(str(folder / f"img_{number:05d}.jpg"), np.zeros((24, 32, 3), np.uint8))
    return saved(
        root / "list.txt", "".join(f"{person}_{action} 2 {NAMES[action]}\n" for person, action in PAIRS)
    )


def class_folders(videos):
    return videos(*(f"{action}/{person}_1.mkv" for person, action in PAIRS))


def sole_table(videos):
    root = videos(*(f"videos/{row['path']}" for row in rows_of()))
    saved(root / "clips.csv", csv_of(rows_of()))
    return root


def videofolder(videos):
    root = videos(*(f"train/{row['path']}" for row in rows_of()))
    rows = [{"file_name": row["path"], "action": row["label"], "speaker": row["who"]} for row in rows_of()]
    saved(root / "train/metadata.csv", csv_of(rows))
    return root


def videofolder_of_classes(videos):
    return videos(
        *(f"{'test' if person == 'cem' else 'train'}/{action}/{person}_1.mkv" for person, action in PAIRS)
    )


def elan(videos):
    root = videos("talk.mkv", "walk.mkv")
    saved(root / "a.eaf", EAF)
    saved(root / "b.eaf", EAF.replace("ann", "bob").replace("talk", "walk"))
    return root


def label_studio(videos):
    root = videos(*(f"{person}.mkv" for person in PEOPLE))
    content = [
        task(
            timeline(1, 10, "run"),
            timeline(21, 30, "sit"),
            data={"video": f"/x/{person}.mkv", "patient": person},
        )
        for person in PEOPLE
    ]
    return saved(root / "project.json", content)


def cvat(videos):
    tracks = "".join(
        f'<track id="{number}" label="person">'
        + "".join(box(frame, action) for frame, action in ((0, "run"), (3, "sit"))).replace(
            ">7<", f">{person}<"
        )
        + "</track>"
        for number, person in enumerate(PEOPLE)
    ).replace('xtl="2"', 'xtl="{}"')
    # Boxes of their own, since names of clips hold them.
    tracks = tracks.format(*(left for left in (1, 2, 3) for _ in ACTIONS))
    return saved(videos("talk.mkv") / "annotations.xml", cvat_xml(tracks))


def kinetics(videos):
    names = {(person, action): f"{action}-{person}" for person, action in PAIRS}
    root = videos(*(f"{action}/{names[person, action]}_000004_000014.mkv" for person, action in PAIRS))
    lines = "".join(f"{action},{names[person, action]},4,14,all\n" for person, action in PAIRS)
    return saved(root / "list.csv", f"label,youtube_id,time_start,time_end,split\n{lines}")


def activitynet(videos):
    root = videos(*(f"v_{person}.mkv" for person in PEOPLE))
    segments = [{"segment": [0.5, 1.0], "label": "run"}, {"segment": [2.0, 3.0], "label": "sit"}]
    database = {
        person: {
            "subset": "testing" if person == "cem" else "training",
            "duration": 5.0,
            "annotations": segments,
        }
        for person in PEOPLE
    }
    return saved(root / "net.json", {"version": "1.3", "database": database})


def something(videos):
    root = videos(*(f"{number}.webm" for number in range(6)))
    entries = [
        {"id": str(number), "label": "", "template": f"{action} [something]", "placeholders": []}
        for number, (_, action) in enumerate(PAIRS)
    ]
    return saved(root / "train.json", entries)


def diving48(videos):
    entries = [
        {
            "vid_name": f"{person}_{number:05d}",
            "label": ACTIONS.index(action),
            "start_frame": 0,
            "end_frame": 9,
        }
        for number, (person, action) in enumerate(PAIRS)
    ]
    return saved(videos(*(f"{entry['vid_name']}.mkv" for entry in entries)) / "a.json", entries)


def jester(videos):
    root = images(videos)
    for number, (person, action) in enumerate(PAIRS):
        (root.parent / f"{person}_{action}").rename(root.parent / str(number))
    return saved(
        root.parent / "a.csv", "".join(f"{n};{action} left\n" for n, (_, action) in enumerate(PAIRS))
    )


def ntu(videos):
    return videos(*(f"S001C001P00{PEOPLE.index(p)}R001A00{ACTIONS.index(a)}_rgb.avi" for p, a in PAIRS))


def weizmann(videos):
    return videos(*(f"{person}_{action}.avi" for person in ("daria", "ido") for action in ("run", "walk")))


BEFORE = "^(?P<group>[^_]+)_"
NAMES = {"run": "0", "sit": "1"}


def expected(labels=None, groups=None, people=PEOPLE):
    """Return the labels and groups of all clips, each under another name."""
    pairs = [(person, action) for person, action in PAIRS if person in people]
    return sorted(
        ((labels or {}).get(action, action), (groups or {}).get(person, person)) for person, action in pairs
    )


@pytest.mark.parametrize(
    ("make", "how", "reader", "options", "groups", "clips"),
    [
        (table("clips.csv", csv_of(rows_of())), {}, "table", {}, "who", expected()),
        (table("clips.txt", csv_of(rows_of())), {}, "table", {"format": "csv"}, "who", expected()),
        (table("clips.tsv", csv_of(rows_of()).replace(",", "\t")), {}, "table", {}, "who", expected()),
        (table("clips.json", rows_of()), {}, "table", {}, "who", expected()),
        (table("clips", {"annotations": rows_of()}), {}, "table", {"format": "json"}, "who", expected()),
        (table("c.jsonl", "\n".join(map(json.dumps, rows_of()))), {}, "table", {}, "who", expected()),
        (parquet, {}, "table", {}, "who", expected()),
        (lines("list.txt"), {}, "table", {}, BEFORE, expected()),
        (lines("pyslowfast.csv"), {}, "table", {"format": "lines"}, BEFORE, expected()),
        (numbered, {}, "table", {"classes": "classInd.txt"}, BEFORE, expected()),
        (images, {}, "table", {"fps": 25}, BEFORE, expected(NAMES)),
        (sole_table, {}, "table", {"root": "videos"}, "who", expected()),
        (class_folders, {}, "folder", {}, BEFORE, expected()),
        (videofolder, {}, "videofolder", {"label": "action"}, "speaker", expected()),
        (videofolder_of_classes, {}, "videofolder", {}, BEFORE, expected()),
        (
            elan,
            {"label": "gesture"},
            "elan",
            {"tier": "gesture"},
            "participant",
            expected({"run": "point", "sit": "wave"}, people=PEOPLE[:2]),
        ),
        (label_studio, {}, "label-studio", {}, "patient", expected()),
        (cvat, {}, "cvat", {"attribute": "action"}, "id", expected()),
        (activitynet, {}, "activitynet", {}, "video", expected()),
        (diving48, {}, "diving48", {}, "source", expected(NAMES)),
        (
            ntu,
            {},
            "ntu-rgbd",
            {},
            None,
            expected({"run": "A000", "sit": "A001"}, {p: f"P00{n}" for n, p in enumerate(PEOPLE)}),
        ),
        (
            weizmann,
            {},
            "weizmann",
            {},
            None,
            sorted((a, p) for p in ("daria", "ido") for a in ("run", "walk")),
        ),
    ],
    ids=lambda value: getattr(value, "__name__", value) if callable(value) or isinstance(value, str) else "",
)
def test_formats(videos, tmp_path, make, how, reader, options, groups, clips):
    path = make(videos)
    found = guess(path, **how)
    key = "root" if reader in ("folder", "weizmann", "ntu-rgbd") else "path"
    given = {
        name: Path(value).name if isinstance(value, Path) else value for name, value in found.options.items()
    }
    assert (found.reader, given) == (reader, {key: given[key]} | options)
    assert all(found.reasons.values())
    if groups is None:
        assert found.candidates == []
        with pytest.raises(DataError, match=f"--groups: {reader} has groups of its own; leave it out"):
            found.choose("none")
    else:
        best = found.candidates[0]
        assert groups in [candidate.groups for candidate in found.candidates]
        assert best.useful or not any(candidate.useful for candidate in found.candidates)
        found = found.choose(groups)
    data = planned(found, tmp_path / "matrices")
    assert sorted(zip(data.labels.tolist(), data.groups.tolist(), strict=True)) == clips


@pytest.mark.parametrize(
    ("reader", "folder", "names", "n_folds"),
    [
        (
            "kth",
            "k",
            [f"{a}/person{p:02d}_{a}_d1_uncomp.avi" for p in (1, 2, 11) for a in ("running", "walking")],
            1,
        ),
        ("ucf101", "u", [f"{c}/v_{c}_g{g:02d}_c01.avi" for c in ("Run", "Jump") for g in (1, 9, 16)], 3),
        ("ucf50", "UCF50", [f"{c}/v_{c}_g0{g}_c01.avi" for c in ("Run", "Jump") for g in (1, 2)], 2),
        ("ucf11", "UCF11", [f"{c}/v_{c}_0{g}/v_{c}_0{g}_01.avi" for c in ("run", "jump") for g in (1, 2)], 2),
        ("hmdb51", "h", [f"{c}/{s}_{c}_u_nm_np1_fr_goo_0.avi" for c in ("run", "sit") for s in "ab"], 1),
        ("jhmdb", "JHMDB", [f"{c}/{s}_{c}_u_nm_np1_fr_goo_0.avi" for c in ("run", "sit") for s in "ab"], 1),
        ("ucf-sports", "s", [f"{c}/001/{c[:2]}1_70{n}.avi" for n, c in enumerate(CLASSES)], 13),
    ],
)
def test_published_data_sets_by_name(tmp_path, reader, folder, names, n_folds):
    root = tmp_path / folder
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    stems = [Path(name).stem for name in names]
    if reader == "kth":
        (root / "00sequences.txt").write_text(
            "".join(f"{s.removesuffix('_uncomp')} frames 1-4\n" for s in stems)
        )
    if reader in ("hmdb51", "jhmdb"):
        (root / "splits").mkdir()
        lines = [f"{stem}.avi {'1' if stem.startswith('a') else '2'} \n" for stem in stems]
        (root / "splits" / "all_test_split1.txt").write_text("".join(lines))
    found = guess(root)
    assert (found.reader, found.split, found.takes_groups) == (reader, {"name": "published"}, False)
    assert len(Published().folds(found.dataset)) == n_folds
    assert planned(found, tmp_path / "matrices").table.equals(found.dataset.table)


@pytest.mark.parametrize("make", [something, jester, kinetics])
def test_formats_without_people(videos, tmp_path, make):
    found = guess(make(videos))
    assert found.reader == {"something": "something-something"}.get(make.__name__, make.__name__)
    assert not any(candidate.useful for candidate in found.candidates)
    data = planned(found.choose("none"), tmp_path)
    assert sorted(label.split()[0] for label in data.labels) == sorted(action for _, action in PAIRS)


def planned(found, folder):
    """Write the matrix of a guess, plan it, and return its data set."""
    folder.mkdir(exist_ok=True)
    path = saved(folder / "my.toml", matrix_text(found, "my", folder))
    (data,) = Experiment(path).plan().datasets
    return data.dataset


@pytest.mark.parametrize(
    ("make", "path", "says"),
    [
        (
            flat,
            "gone",
            "gone: there is no such file or folder; it must be an annotation file or the folder of",
        ),
        (
            flat,
            "",
            "6 videos in 1 folder without labels, which is no known format; known are: ELAN's .eaf; CVAT",
        ),
        (flat, "ann_run.mkv", "a video, not the annotations of one, which is no known format"),
        (
            table("notes.txt", "Nothing of use.\n"),
            "",
            "a text that begins with 'Nothing of use.', which is no",
        ),
        (table("notes.txt", ""), "", "an empty file, which is no known format"),
        (table("notes", "\0\1"), "", "a file that is no text, which is no known format"),
        (
            lambda videos: images(videos).parent,
            "ann_run",
            "images without a list that has a folder of images",
        ),
        (lambda videos: videos("a/x.mkv") / "a", "..", "1 videos in 1 folder without labels"),
        (table("a.json", "[{"), "", r"a.json: cannot be read \("),
        (table("a.json", {"a": 1}), "", "must be a list of objects, one for each clip"),
        (table("a.csv", "path,label\n"), "", "there is not one row in it"),
        (table("a.csv", "path,label,label\na,b,c\n"), "", "has the column 'label' twice"),
        (table("a.csv", csv_of(rows_of("gone/{person}"))), "", r"3 of 3 videos are not in .*; root must be"),
        (table("a.csv", "what,label\nx,run\ny,sit\n"), "", "no column names videos; it has 'what', 'label'"),
        (table("a.eaf", EAF[:600]), "", "a.eaf: not a file of ELAN"),
        (table("a.xml", cvat_xml("<track")), "", "a.xml: not an XML file of CVAT"),
        (table("a.xml", cvat_xml("<image/>")), "", "has no track of a video"),
        (table("a.json", [{"data": {}, "annotations": 1}]), "", "not a JSON export of Label Studio"),
        (
            elan,
            "",
            "give --label TIER, 'ann-gesture' .3 annotations. or 'ann-hand' .1 annotations. or 'bob-g",
        ),
    ],
)
def test_what_is_refused(videos, make, path, says):
    with pytest.raises(DataError, match=says):
        guess(make(videos) / path if path else make(videos))


def test_a_folder_with_several_lists(videos):
    root = flat(videos)
    for name in ("a.csv", "b.csv"):
        saved(root / name, csv_of(rows_of()))
    with pytest.raises(DataError, match="there are several annotation files in it, a.csv, b.csv; import one"):
        guess(root)


def test_a_label_that_is_not_clear_is_asked_for(videos):
    rows = [{"path": row["path"], "what": row["label"], "how": row["who"]} for row in rows_of()]
    path = saved(flat(videos) / "a.csv", csv_of(rows))
    says = r"no column is called label, .*; give --label COLUMN, which may be 'what' \(2 values\) or 'how'"
    with pytest.raises(DataError, match=says):
        guess(path)
    found = guess(path, label="what")
    assert found.options["columns"] == {"label": "what"}
    assert "chosen by you" in found.reasons["label"]
    with pytest.raises(DataError, match="--label where: .* has no such column; it has 'path', 'what', 'how'"):
        guess(path, label="where")
    only = saved(path.with_name("b.csv"), csv_of(pd.DataFrame(rows).drop(columns="how")))
    assert guess(only).options["columns"] == {"label": "what"}
    with pytest.raises(DataError, match="--label action: the labels of data are in one place only"):
        guess(class_folders(videos), label="action")


def test_the_attribute_of_cvat_is_asked_for(videos):
    path = cvat(videos)
    saved(path, path.read_text().replace('"action"', '"mood"'))
    with pytest.raises(DataError, match="give --label ATTRIBUTE, 'mood' .2 values. or 'id' .3 values."):
        guess(path)
    assert guess(path, label="mood").options["attribute"] == "mood"
    assert "attribute" not in guess(path, label="object").options
    with pytest.raises(
        DataError, match="--label size: .* has no such attribute; it has 'object', 'mood', 'id'"
    ):
        guess(path, label="size")


@pytest.mark.parametrize(
    ("columns", "limits", "unit", "why"),
    [
        (("start", "end"), [(0, 4), (1, 5)], None, "no piece ends behind the end of its video"),
        (("start", "end"), [(0, 20), (20, 50)], "frames", "has 5 s and 50 frames, a piece of it ends at 50"),
        (("start", "end"), [(0, 1.5), (2, 4)], None, "some have a fraction"),
        (("start_frame", "end_frame"), [(0, 2), (2, 4)], "frames", "by the names of the columns"),
        (("from", "to"), [(0, 2), (2, 4)], None, "no piece ends behind the end of its video"),
        (("start", "stop"), [(0, 2), (2, 4)], None, "no piece ends behind the end of its video"),
    ],
)
def test_units(videos, columns, limits, unit, why):
    root = videos("a.mkv", "b.mkv")
    rows = [
        {"video": f"{name}.mkv", "label": label} | dict(zip(columns, ends, strict=True))
        for name in "ab"
        for label, ends in zip(ACTIONS, limits, strict=True)
    ]
    found = guess(saved(root / "a.csv", csv_of(rows)))
    assert (found.options.get("unit"), why in found.reasons["unit"]) == (unit, True)
    assert found.candidates[0].groups == "^(?P<group>.+)$"
    np.testing.assert_array_equal(found.dataset.rows[["start", "end"]], [*limits, *limits])


def test_times_behind_the_end_of_a_video(videos):
    path = saved(videos("a.mkv") / "a.csv", "video,label,start,end\na.mkv,x,0,2000\n")
    with pytest.raises(
        DataError, match="a.mkv has 5 s and 50 frames, a piece of it ends at 2000; times must be in"
    ):
        guess(path)
    assert guess(path, unit="seconds").reasons["unit"] == "chosen by you"
    with pytest.raises(DataError, match="--unit frames: label-studio counts in its own; leave it out"):
        guess(label_studio(videos), unit="frames")
    with pytest.raises(DataError, match="--unit: folder reads videos in a folder; leave it out"):
        guess(class_folders(videos), unit="frames")


def test_candidates_for_groups_are_ordered_and_judged(videos):
    rows = [
        row
        | {"scene": "in", "speaker_id": number // 2, "source": row["label"], "session": number, "group": ""}
        for number, row in enumerate(rows_of())
    ]
    found = guess(saved(flat(videos) / "a.csv", csv_of(rows)))
    by_value = {one.groups: one for one in found.candidates}
    useful = [one.groups for one in found.candidates if one.useful]
    assert useful == ["speaker_id", "who"]
    assert by_value["who"].n_groups == 3
    assert "each class has one group only" in by_value["source"].reason
    assert "each has one clip" in by_value["session"].reason
    assert "'ann_run.mkv' has no group" in by_value["group"].reason
    assert "groups" not in found.options
    assert "scene" not in by_value


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        ([f"run_g{n:02d}_c0{k}" for n in (1, 2) for k in (1, 2)], ["g01", "g01", "g02", "g02"]),
        (
            [f"person{n:02d}_run_d{k}" for n in (1, 2) for k in (1, 2)],
            ["person01", "person01", "person02", "person02"],
        ),
        ([f"S{n}-{k}" for n in (1, 2) for k in (1, 2)], ["S1", "S1", "S2", "S2"]),
        ([f"{k}_p{n}" for k in (1, 2) for n in (1, 2)], ["p1", "p2", "p1", "p2"]),
    ],
)
def test_groups_in_names(videos, names, groups):
    root = videos(*(f"{action}/{name}.mkv" for action in ACTIONS for name in names))
    found = guess(root)
    assert found.choose(found.candidates[0].groups).dataset.groups.tolist() == groups * 2


def test_a_list_of_groups_in_a_folder(videos):
    root = class_folders(videos)
    saved(root / "people.csv", "path,group\n" + "".join(f"{a}/{p}_1.mkv,{p[0]}\n" for p, a in PAIRS))
    found = guess(root)
    assert found.candidates[0].groups == "people.csv"
    assert "people.csv; import that instead" in found.reasons["format"]


def test_the_split_of_a_column(videos):
    rows = [
        row | {"subset": {"ann": "training", "bob": "val", "cem": "Test"}[row["who"]]} for row in rows_of()
    ]
    path = saved(flat(videos) / "a.csv", csv_of(rows))
    split = {"name": "column", "column": "subset", "train": "training", "test": "Test"}
    found = guess(path)
    assert (found.split, "'val' is on neither side" in found.reasons["split"]) == (split, True)
    assert found.choose("who").split == split
    assert found.choose("who").reasons["conditions"] == "none"
    for row, part in zip(rows, ["train", "test"] * 3, strict=True):
        row["subset"] = part
        row["label"] = "run" if row["who"] == "ann" else "sit"
    chosen = guess(saved(path, csv_of(rows))).choose("who")
    assert chosen.split == {"name": "leave-one-group-out"}
    assert "group 'ann' is on both sides" in chosen.reasons["split"]


def test_official_lists(videos):
    root = class_folders(videos)
    lists = root.parent / "trainTestList"
    lists.mkdir()
    for number, tested in enumerate(("ann", "bob"), 1):
        sides = {"test": [], "train": []}
        for person, action in PAIRS:
            sides["test" if person == tested else "train"].append(f"{action}/{person}_1.mkv")
        for side, names in sides.items():
            saved(lists / f"{side}list0{number}.txt", "\n".join(names))
    found = guess(root).choose(BEFORE)
    assert found.split["name"] == "official"
    assert [path.name for path in found.split["test"]] == ["testlist01.txt", "testlist02.txt"]
    planned(found, root.parent / "matrices")
    # Lists of other clips are no split of these.
    saved(lists / "testlist01.txt", "run/dan_1.mkv")
    found = guess(root).choose(BEFORE)
    assert found.split == {"name": "leave-one-group-out"}
    assert "the data set has no clip 'run/dan_1.mkv'" in found.reasons["split"]


def test_numbered_lists(videos):
    root = class_folders(videos)
    lists = root.parent / "splits"
    lists.mkdir()
    for action in ACTIONS:
        text = "".join(f"{person}_1.mkv {2 if person == 'cem' else 1}\n" for person in PEOPLE)
        saved(lists / f"{action}_test_split1.txt", text.replace("_1", f"_{action}"))
    for person, action in PAIRS:
        (root / action / f"{person}_1.mkv").rename(root / action / f"{person}_{action}.mkv")
    found = guess(root).choose(BEFORE)
    assert found.split == {"name": "numbered-lists", "lists": lists / "*_test_split1.txt"}
    planned(found, root)


def test_many_groups_make_five_folds(videos):
    names = [f"{person}_{action}.mkv" for person in range(26) for action in ACTIONS]
    text = "".join(f"{name} {name[:-4].split('_')[1]}\n" for name in names)
    found = guess(saved(videos(*names) / "list.txt", text))
    assert found.split is None
    assert found.choose(BEFORE).split == {"name": "group-k-fold", "folds": 5}


def test_videos_that_lie_elsewhere_or_nowhere(videos):
    root = videos(*(f"films/{row['path']}" for row in rows_of()))
    rows = [*rows_of(), {"path": "gone.mkv", "label": "run", "who": "ann"}]
    (root / "lists").mkdir()
    path = saved(root / "lists/a.csv", csv_of(rows))
    found = guess(path)
    assert found.options | {"path": path} == {"path": path, "root": root / "films", "missing": "drop"}
    assert "1 of 7 rows of videos that do not exist" in found.reasons["remarks"]
    assert guess(path, root=root / "films").options["missing"] == "drop"
    with pytest.raises(DataError, match="7 of 7 videos are not in"):
        guess(path, root=root / "lists")


def test_a_matrix_needs_groups(videos):
    with pytest.raises(DataError, match="groups: they must be chosen before a matrix is written"):
        matrix_text(guess(class_folders(videos)), "my", ".")


@pytest.mark.parametrize(
    "name",
    [
        'quo"ted.csv',
        "it's.csv",
        "back\\slash.csv",
        "ünïcode 漢.csv",
        "a'b\"c\\d.csv",
        "#hash, =.csv",
        "tab\tnew\nline.csv",
    ],
)
def test_names_in_toml(videos, name):
    path = saved(flat(videos) / name, csv_of(rows_of()))
    folder = path.parent / f"sub {name}"
    folder.mkdir()
    text = matrix_text(guess(path).choose("who"), name, folder)
    (entry,) = read_matrix(saved(folder / "my.toml", text)).datasets
    assert Path(entry.options["path"]).resolve() == path.resolve()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("${HOME}.csv", "would be taken for an environment variable"),
        (b"\xff.csv".decode(errors="surrogateescape"), "is not UTF-8"),
    ],
)
def test_names_that_no_matrix_can_hold(videos, name, says):
    found = guess(saved(flat(videos) / name, csv_of(rows_of())))
    with pytest.raises(DataError, match=says):
        matrix_text(found.choose("who"), "my", ".")


def test_a_matrix_in_a_folder_that_is_a_link(videos, tmp_path):
    path = saved(flat(videos) / "a.csv", csv_of(rows_of()))
    (tmp_path / "far/away").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far/away")
    assert len(planned(guess(path).choose("who"), tmp_path / "link")) == 6


# Without what has a meaning of its own in a matrix, and names of columns with times or boxes.
WORDS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="$."), min_size=1, max_size=8
).filter(lambda word: word.strip().lower() not in (*ALIASES["start"], *ALIASES["end"], *CROP))
CELLS = st.one_of(st.sampled_from(["a", "b", "train", "test"]), WORDS, st.integers(0, 9), st.booleans())


@given(
    st.data(), st.dictionaries(WORDS, st.lists(CELLS, min_size=6, max_size=6), min_size=1, max_size=5), WORDS
)
def test_groups_are_never_guessed_and_a_matrix_reads_the_same_table(data, columns, name):
    columns |= {"path": [f"{number}.mkv" for number in range(6)], "what": ["x", "x", "y", "y", "x", "y"]}
    with TemporaryDirectory() as folder:
        for clip in columns["path"]:
            Path(folder, clip).touch()
        rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
        path = saved(Path(folder, "a.json"), rows)
        found = guess(path, label="what", unit="seconds")
        assert "groups" not in found.options
        assert found.split is None or found.split["name"] == "column"
        groups = data.draw(
            st.sampled_from([*(one.groups for one in found.candidates if one.n_groups), "none"])
        )
        chosen = found.choose(groups)
        text = matrix_text(chosen, name, folder)
        matrix = read_matrix(saved(Path(folder, "my.toml"), text))
        (entry,) = matrix.datasets
        assert (matrix.name, entry.split.name) == (name, chosen.split["name"])
        again = make_dataset(dataset_registry().get(entry.name), entry.name, entry.options)
        pd.testing.assert_frame_equal(again.table, chosen.dataset.table)


PIECES = [
    *(EAF, cvat_xml("<track><box frame='a'/></track>"), csv_of(rows_of())),
    *(json.dumps([task(timeline(1, 2, "a"))]), '[{"vid_name": 1, "label": 2}]', '[{"id": 1, "template": 2}]'),
    *(
        "{",
        "[",
        "]",
        "null",
        '{"database": {"a": {"annotations": [1]}}}',
        '{"path": "a.mkv", "label": [1]}\n',
    ),
    *("path,label", "1;a\n", "\n", ",", ";", "\t", "\0", "PAR1", "a.mkv 1\n", "..", "a" * 300, " 1"),
    "label,youtube_id,time_start,time_end\na,b,c,d\n",
]


@given(
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=4).map("".join),
    st.sampled_from(["", ".csv", ".tsv", ".json", ".jsonl", ".parquet", ".txt", ".eaf", ".xml"]),
    st.integers(0, 400),
)
def test_whatever_a_file_holds_is_a_guess_or_a_sentence(text, ending, cut):
    with TemporaryDirectory() as folder:
        path = Path(folder, f"in/a{ending}")
        path.parent.mkdir()
        Path(folder, "in/a.mkv").touch()
        path.write_bytes(text.encode(errors="ignore")[: cut or None])
        with suppress(ActionbenchError):
            assert guess(path).reasons
