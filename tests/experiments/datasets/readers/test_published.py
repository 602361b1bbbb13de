"""Lists of published data sets, in their structure, with small stand-ins for their videos."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest

from actionbench.errors import DataError
from actionbench.experiments.datasets.readers.activitynet import ActivityNet
from actionbench.experiments.datasets.readers.diving48 import Diving48
from actionbench.experiments.datasets.readers.jester import Jester
from actionbench.experiments.datasets.readers.kinetics import Kinetics
from actionbench.experiments.datasets.readers.ntu_rgbd import NtuRgbd
from actionbench.experiments.datasets.readers.something_something import SomethingSomething
from actionbench.experiments.datasets.readers.videofolder import VideoFolder


@pytest.fixture
def videos(tmp_path, write_video):
    """Write videos of 50 frames, 10 per second."""

    def write(*names):
        for name in names:
            write_video(name, np.zeros((50, 8, 8), np.uint8), fps=10)
        return tmp_path

    return write


def test_kinetics(videos):
    root = videos("abseiling/-abc_def123_000004_000014.mkv", "jumping/xyz_000000_000010.mkv")
    path = root / "train.csv"
    path.write_text(
        "label,youtube_id,time_start,time_end,split,is_cc\nabseiling,-abc_def123,4,14,train,0\n"
        '"jumping, high",xyz,0,10,train,1\nabseiling,gone,1,11,train,0\n'
    )
    dataset = Kinetics(path, groups="youtube_id")
    assert dataset.labels.tolist() == ["abseiling", "jumping, high"]
    assert dataset.groups.tolist() == ["-abc_def123", "xyz"]
    assert dataset.warnings == ["Left out of train.csv: 1 of 3 rows of videos that do not exist."]
    # A video that is downloaded later changes its folder.
    assert root / "jumping" in dataset.files()
    path.write_text("youtube_id,time_start,time_end,split\nxyz,0,10,test\n")
    with pytest.raises(DataError, match="has no column 'label'; it must be a list with labels"):
        _ = Kinetics(path, groups="youtube_id").table


def test_activitynet(videos):
    root = videos("v_one.mkv", "two.mkv")
    segments = [{"segment": [2.0, 3.0], "label": "run"}, {"segment": [0.5, 1.0], "label": "sit"}]
    database = {
        "one": {"subset": "training", "duration": 5.0, "annotations": segments},
        "two": {"subset": "validation", "duration": 5.0, "annotations": []},
    }
    path = root / "activity_net.json"
    path.write_text(json.dumps({"version": "1.3", "database": database}))
    dataset = ActivityNet(path, groups="video")
    assert dataset.labels.tolist() == ["sit", "run"]
    assert [len(clip) for clip in dataset.clips] == [5, 10]
    background = ActivityNet(path, groups="video", background=1.0)
    assert background.labels.tolist() == ["sit", "none", "run", "none", "none"]
    assert background.groups.tolist() == ["one"] * 4 + ["two"]
    assert [len(clip) for clip in background.clips] == [5, 10, 10, 20, 50]


def test_something_something(videos):
    root = videos("78687.mkv")
    path = root / "train.json"
    entry = {
        "id": "78687",
        "label": "holding potato next to vicks",
        "template": "Holding [something] next to [something]",
        "placeholders": ["potato", "vicks"],
    }
    path.write_text(json.dumps([entry]))
    (root / "78687.mkv").rename(root / "78687.webm")
    dataset = SomethingSomething(path, groups="none")
    assert dataset.labels.tolist() == ["Holding something next to something"]
    assert len(dataset.clips[0]) == 50


def test_jester(tmp_path):
    for number in range(1, 4):
        (tmp_path / "100").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f"100/{number:05d}.jpg"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "train.csv").write_text("100;Swiping Left\n")
    dataset = Jester(tmp_path / "train.csv", groups="none")
    (clip,) = dataset.clips
    assert (dataset.labels.tolist(), len(clip), clip.fps) == (["Swiping Left"], 3, 12)


def test_diving48(videos):
    root = videos("a-b_c_00001.mkv")
    path = root / "train.json"
    path.write_text('[{"vid_name": "a-b_c_00001", "label": 26, "start_frame": 0, "end_frame": 50}]')
    dataset = Diving48(path, groups="source")
    assert (dataset.labels.tolist(), dataset.groups.tolist()) == (["26"], ["a-b_c"])


@pytest.mark.parametrize(
    ("cls", "what"),
    [(SomethingSomething, "Something-Something v2"), (Diving48, "Diving48"), (ActivityNet, "ActivityNet")],
)
def test_what_is_not_of_that_structure(tmp_path, cls, what):
    path = tmp_path / "a.json"
    for text in ('[{"a": 1}]', "[1]"):
        path.write_text(text)
        with pytest.raises(DataError, match=rf"a\.json: not annotations of {what}"):
            _ = cls(path, groups="none").table
    path.write_text("[")
    with pytest.raises(DataError, match=r"a\.json: not a JSON file"):
        _ = cls(path, groups="none").table


def test_ntu_rgbd(videos):
    root = videos("S001C002P003R001A013_rgb.avi", "S018C001P106R002A120_rgb.avi")
    dataset = NtuRgbd(root)
    assert (dataset.labels.tolist(), dataset.groups.tolist()) == (["A013", "A120"], ["P003", "P106"])
    assert dataset.table[["camera", "setup", "replication"]].to_numpy().tolist() == [[2, 1, 1], [1, 18, 2]]
    videos("other.avi")
    with pytest.raises(DataError, match=r"other\.avi: not a name of NTU RGB\+D"):
        _ = NtuRgbd(root).table


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_videofolder_with_metadata(videos, ending):
    root = videos("train/a.mkv", "test/sub/b.mkv")
    for part, name, label in (("train", "a.mkv", "run"), ("test", "sub/b.mkv", "sit")):
        rows = pd.DataFrame({"file_name": [name], "action": [label], "who": [part[:2]]})
        path = root / part / f"metadata.{ending}"
        if ending == "csv":
            rows.to_csv(path, index=False)
        elif ending == "jsonl":
            rows.to_json(path, orient="records", lines=True)
        else:
            rows.to_parquet(path)
    dataset = VideoFolder(root, groups="who", label="action")
    assert (dataset.labels.tolist(), dataset.groups.tolist()) == (["run", "sit"], ["tr", "te"])
    with pytest.raises(DataError, match=r"has no column 'label'; it has file_name, action, who"):
        _ = VideoFolder(root, groups="who").table


def test_videofolder_of_classes(videos):
    root = videos("train/run/a.mkv", "validation/sit/b.mkv")
    dataset = VideoFolder(root, groups="none")
    assert dataset.table[["clip", "label"]].to_numpy().tolist() == [
        ["train/run/a.mkv", "run"],
        ["validation/sit/b.mkv", "sit"],
    ]
    with pytest.raises(DataError, match="is not a folder; it must be one as videofolder has it"):
        _ = VideoFolder(root / "train/run/a.mkv", groups="none").table


@pytest.mark.parametrize("cls", [Kinetics, Jester])
def test_a_list_that_is_no_text_is_named(tmp_path, cls):
    path = tmp_path / "a.csv"
    path.write_bytes(b"label;\xff\xfe\n")
    with pytest.raises(DataError, match=r"a\.csv: cannot be read \('utf-8' codec"):
        _ = cls(path, groups="none").table
