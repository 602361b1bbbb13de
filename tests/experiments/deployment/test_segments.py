"""Segments of videos: against moments of the annotated video, and files read back by other programs."""

import csv
import json
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from actionbench import ActionbenchError
from actionbench.experiments.datasets.readers.elan import Elan
from actionbench.experiments.deployment.annotation import _Painter
from actionbench.experiments.deployment.prediction import Prediction
from actionbench.experiments.deployment.rejection import NONE
from actionbench.experiments.deployment.segments import (
    Segment,
    check_outputs,
    find_segments,
    write_segments,
)


def windows(labels, length=2.0, step=1.0, clip="long.mp4", last=0.0):
    """Return predictions of overlapping windows; the last one may come sooner."""
    found = []
    for number, label in enumerate(labels):
        start = number * step - (last if number == len(labels) - 1 else 0)
        best = "run" if label == NONE else label
        shares = {best: 0.8} | {other: 0.1 for other in ("jump", "run", "walk") if other != best}
        asked = {} if label != NONE else {"p_value": 0.01, "is_rejected": True}
        found.append(Prediction(clip, start, start + length, shares, 1.0, 1.0, **asked))
    return found


def test_windows_of_one_label_are_joined_where_their_middles_are_nearest():
    found = find_segments(windows(["run", "run", "walk", "run"]))
    # Middles are at 1, 2, 3 and 4 s.
    assert found == [
        Segment("long.mp4", 0.0, 2.5, "run", pytest.approx(0.8)),
        Segment("long.mp4", 2.5, 3.5, "walk", pytest.approx(0.8)),
        Segment("long.mp4", 3.5, 5.0, "run", pytest.approx(0.8)),
    ]
    assert find_segments([]) == []


def test_short_segments_are_given_to_the_longer_neighbour():
    found = find_segments(windows(["run", "run", "walk", "run", "jump"]), min_seconds=1.2)
    assert [(one.start, one.end, one.label) for one in found] == [(0, 4.5, "run"), (4.5, 6, "jump")]
    # In the window of "walk", "run" had one tenth.
    assert found[0].probability == pytest.approx((3.5 * 0.8 + 1.0 * 0.1) / 4.5)
    (whole,) = find_segments(windows(["run", "walk", "jump"]), min_seconds=100)
    assert (whole.start, whole.end) == (0, 4)


def test_none_of_these_is_a_segment_without_probability():
    found = find_segments(windows(["run", NONE, NONE, "run"]))
    assert [(one.label, one.probability) for one in found][1] == (NONE, None)


labels = st.lists(st.sampled_from(["run", "walk", "jump", NONE]), min_size=1, max_size=12)


@given(
    labels=labels, min_seconds=st.sampled_from([0.0, 0.5, 1.0, 2.5, 50.0]), last=st.sampled_from([0.0, 0.4])
)
def test_segments_cover_a_video_and_are_long_enough(labels, min_seconds, last):
    predictions = windows(labels, last=last if len(labels) > 1 else 0.0)
    found = find_segments(predictions, min_seconds)
    assert (found[0].start, found[-1].end) == (0, predictions[-1].end)
    for one, after in pairwise(found):
        assert one.end == after.start
        assert one.label != after.label
    if len(found) > 1:
        assert min(one.end - one.start for one in found) >= min_seconds
    assert {one.label for one in found} <= set(labels)


@given(labels=labels)
def test_each_moment_has_the_label_that_the_annotated_video_shows(labels):
    predictions = windows(labels)
    found = find_segments(predictions)
    painter = _Painter(64, 48, predictions, ["jump", "run", "walk"])
    for seconds in np.arange(0.01, predictions[-1].end, 0.17):
        (own,) = (one for one in found if one.start <= seconds < one.end)
        assert own.label == predictions[painter._at(seconds)].label


def test_tables_are_read_back(tmp_path):
    found = find_segments(windows(["run", NONE, "walk"], clip='odd, "name".mp4'))
    write_segments(found, tmp_path / "s.csv")
    with open(tmp_path / "s.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["run", NONE, "walk"]
    assert rows[1]["probability"] == ""
    assert [(row["clip"], float(row["start"]), float(row["end"])) for row in rows] == [
        (one.clip, one.start, one.end) for one in found
    ]
    write_segments(found, tmp_path / "s.json")
    assert [Segment(**row) for row in json.loads((tmp_path / "s.json").read_text())] == found


def test_elan_reads_the_same_segments(tmp_path, write_video):
    folder = tmp_path / "my videos"
    folder.mkdir()
    write_video(folder / "ann 1.mp4", np.zeros((60, 16, 16), np.uint8), fps=10)
    found = find_segments(windows(["run", "<walk> & \x00", "walk"], clip=str(folder / "ann 1.mp4")))
    write_segments(found, folder / "s.eaf")
    rows = Elan(folder / "s.eaf", groups="none").read_annotations()
    assert rows["label"].tolist() == ["run", "<walk> & \ufffd", "walk"]
    np.testing.assert_allclose(rows[["start", "end"]], [(one.start, one.end) for one in found], atol=1e-3)
    assert set(rows["path"]) == {"ann 1.mp4"}
    root = ElementTree.parse(folder / "s.eaf").getroot()
    media = root.find("HEADER/MEDIA_DESCRIPTOR")
    assert media.get("RELATIVE_MEDIA_URL") == "./ann%201.mp4"
    assert media.get("MEDIA_URL") == (folder / "ann 1.mp4").as_uri()
    # Every reference leads to something, as the schema of ELAN demands.
    slots = {slot.get("TIME_SLOT_ID") for slot in root.iter("TIME_SLOT")}
    used = {one.get(f"TIME_SLOT_REF{n}") for one in root.iter("ALIGNABLE_ANNOTATION") for n in (1, 2)}
    assert used == slots
    kinds = {kind.get("LINGUISTIC_TYPE_ID") for kind in root.iter("LINGUISTIC_TYPE")}
    assert {tier.get("LINGUISTIC_TYPE_REF") for tier in root.iter("TIER")} == kinds


def test_a_timeline_shows_each_segment_in_its_colour(tmp_path):
    found = find_segments(windows(["run"] * 5 + ["walk"] * 5)) + find_segments(
        windows([NONE] * 9, clip="other.mp4")
    )
    write_segments(found, tmp_path / "s.png")
    pixels = np.asarray(Image.open(tmp_path / "s.png").convert("RGB")).reshape(-1, 3)
    shares = {
        tuple(colour): n for colour, n in zip(*np.unique(pixels, axis=0, return_counts=True), strict=True)
    }
    blue, orange, grey = (shares[colour] for colour in ((31, 119, 180), (255, 127, 14), (204, 204, 204)))
    # Half of one row each, and the other row, all but a tenth of it, whose video ends sooner.
    assert orange == pytest.approx(blue, rel=0.15)
    assert grey == pytest.approx(blue + orange, rel=0.15)
    write_segments(found, tmp_path / "s.svg")
    text = (tmp_path / "s.svg").read_text()
    write_segments(found, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text() == text
    many = [Segment("a.mp4", n, n + 1, f"${n}$", 0.5) for n in range(30)]
    write_segments(many, tmp_path / "many.svg")


def test_refusals(tmp_path):
    for name, says in (
        (
            "s.txt",
            "segments are written as .csv, .json, .eaf, .png, .svg; its name must end with one of these",
        ),
        ("s.eaf", "a file of ELAN is for one clip, got 2"),
        ("nowhere/s.csv", "there is no folder"),
    ):
        with pytest.raises(ActionbenchError, match=says):
            check_outputs([tmp_path / name], ["a.mp4", "b.mp4"])
    with pytest.raises(ActionbenchError, match="a picture has up to 200 clips, got 300"):
        check_outputs([tmp_path / "s.png"], ["a.mp4"] * 300)
    (tmp_path / "s.csv").mkdir()
    with pytest.raises(ActionbenchError, match="the segments cannot be written there"):
        write_segments(find_segments(windows(["run"])), tmp_path / "s.csv")
