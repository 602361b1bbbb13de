"""Files of ELAN, Label Studio and CVAT, in the structure that the tools write."""

import json

import numpy as np
import pytest
from annotation_samples import EAF, box, cvat_xml, task, timeline

from actionbench.errors import DataError
from actionbench.experiments.datasets.readers.cvat import Cvat
from actionbench.experiments.datasets.readers.elan import Elan
from actionbench.experiments.datasets.readers.label_studio import LabelStudio


@pytest.fixture
def video(tmp_path, write_video):
    """A video of 100 frames, 10 per second; the grey level of a frame tells its number, that of the left half more."""
    frames = np.empty((100, 24, 32), np.uint8)
    frames[:] = np.arange(100, dtype=np.uint8)[:, None, None]
    frames[:, :, :16] += 100
    return write_video("talk.mkv", frames, fps=10)


def numbers(clip):
    return clip.frames[:, -1, -1].tolist()


def test_elan(video):
    (video.parent / "talk.eaf").write_text(EAF)
    for path in (video.parent / "talk.eaf", video.parent):
        dataset = Elan(path, groups="participant", tier="gesture")
        assert dataset.labels.tolist() == ["wave", "point"]
        assert set(dataset.groups) == {"ann"}
        assert [numbers(clip) for clip in dataset.clips] == [list(range(10, 25)), list(range(25, 40))]
    assert video.parent / "talk.eaf" in dataset.files()
    hand = Elan(path, groups="participant", tier="ann-hand")
    assert (hand.labels.tolist(), numbers(hand.clips[0])) == (["left"], list(range(25, 40)))


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        (EAF, {}, r"has annotations on the tiers 'ann-gesture', 'ann-hand'; tier must be one of these"),
        (EAF, {"tier": "foot"}, r"no annotation on a tier 'foot', but on 'ann-gesture', 'ann-hand'"),
        (EAF[:600], {}, r"talk\.eaf: not a file of ELAN"),
        (EAF.replace("MEDIA_DESCRIPTOR", "OTHER"), {}, r"talk\.eaf: names no video"),
    ],
)
def test_what_elan_lacks(video, text, options, says):
    (video.parent / "talk.eaf").write_text(text)
    with pytest.raises(DataError, match=says):
        _ = Elan(video.parent / "talk.eaf", groups="none", **options).table


def test_a_folder_without_annotations(tmp_path):
    with pytest.raises(DataError, match=r"path: there is no \.eaf file in"):
        _ = Elan(tmp_path, groups="none").table


def studio(video, content, **options):
    path = video.parent / "project.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return LabelStudio(path, **{"groups": "patient"} | options)


def test_label_studio(video):
    content = [task(timeline(1, 10, "wave"), timeline(21, 21, "point"))]
    dataset = studio(video, content)
    assert (dataset.labels.tolist(), dataset.groups.tolist()) == (["wave", "point"], ["p7", "p7"])
    assert [numbers(clip) for clip in dataset.clips] == [list(range(10)), [20]]
    # The project counted 20 frames a second, the video has 10.
    assert numbers(studio(video, content, frame_rate=20).clips[0]) == list(range(5))
    choice = {"type": "choices", "from_name": "c", "to_name": "video", "value": {"choices": ["walk"]}}
    data = {"video": "/data/local-files/?d=clips%5Ctalk.mkv", "patient": "p8"}
    whole = studio(video, [task(choice, data=data)])
    assert (whole.labels.tolist(), len(whole.clips[0]), whole.groups.tolist()) == (["walk"], 100, ["p8"])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[{", "not a JSON export of Label Studio"),
        ({"a": 1}, "not a JSON export of Label Studio"),
        ([{"data": {}}], "not a JSON export of Label Studio"),
        ([task(timeline(1, 2, "a", "b"))], "a clip must have one label"),
    ],
)
def test_what_is_no_export_of_label_studio(video, content, says):
    with pytest.raises(DataError, match=says):
        _ = studio(video, content, groups="none").table


def cvat(video, tracks, **options):
    path = video.parent / "annotations.xml"
    path.write_text(cvat_xml(tracks))
    return Cvat(path, **{"groups": "id", "attribute": "action"} | options)


def test_cvat(video):
    boxes = [
        box(10, "walk"),
        box(11, "walk", 4),
        box(12, "run", 18),
        box(20, "run", 18),
        box(21, "run", outside=1),
    ]
    tracks = f'<track id="0" label="person" source="manual">{"".join(boxes)}</track>'
    dataset = cvat(video, tracks)
    assert (dataset.labels.tolist(), set(dataset.groups)) == (["walk", "run"], {"7"})
    walk, run = dataset.clips
    assert (walk.frames.shape, run.frames.shape) == ((2, 16, 12), (9, 16, 10))
    assert walk.frames[:, 0, 0].tolist() == [110, 111]
    assert numbers(run) == list(range(12, 21))
    assert cvat(video, tracks, width=6, height=8).clips[0].frames.shape == (2, 8, 6)
    assert cvat(video, tracks, crop=False).clips[0].frames.shape == (2, 24, 32)
    tracks_of_labels = cvat(video, tracks, attribute=None)
    assert (tracks_of_labels.labels.tolist(), len(tracks_of_labels.clips[0])) == (["person"], 11)


@pytest.mark.parametrize(
    ("tracks", "says"),
    [
        ("<image/>", 'has no track of a video; it must be exported as "CVAT for video 1.1"'),
        ("<track", "not an XML file of CVAT"),
        (
            f'<track id="0" label="person">{box(1, "a").replace("action", "what")}</track>',
            "a track of 'person' has no attribute 'action'; it has id, what",
        ),
    ],
)
def test_what_is_no_file_of_cvat(video, tracks, says):
    with pytest.raises(DataError, match=says):
        _ = cvat(video, tracks).table


def test_a_box_outside_of_the_picture(video):
    dataset = cvat(video, f'<track id="0" label="person">{box(1, "a", left=90)}</track>')
    with pytest.raises(
        DataError, match=r"talk\.mkv\[1-2\]@90,4,100,20: its box is outside of the video of 32 x 24"
    ):
        _ = dataset.clips[0]
