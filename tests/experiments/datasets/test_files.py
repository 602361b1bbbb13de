import pytest

from actionbench.errors import DataError
from actionbench.experiments.datasets.folder import Folder


def make(root, **options):
    return Folder(root, groups="none", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"height": 0}, "height: must be an integer of at least 1, got 0"),
        ({"width": 3.5}, "width: must be an integer of at least 1, got 3.5"),
        ({"stride": "2"}, "stride: must be an integer of at least 1, got '2'"),
        ({"stride": True}, "stride: must be an integer"),
        ({"color": "gray"}, "color: must be 'grey' or 'rgb', got 'gray'"),
        ({"on_error": "skip"}, "on_error: must be 'stop' or 'drop' or 'truncate', got 'skip'"),
    ],
)
def test_options_that_make_no_sense(class_folders, options, message):
    with pytest.raises(DataError, match=message):
        make(class_folders, **options)


def test_options_reach_the_decoder(class_folders):
    clip = make(class_folders, height=6, stride=2, color="rgb").clips[0]
    assert clip.frames.shape == (2, 6, 8, 3)
    assert clip.fps == 12.5


def test_fingerprints_follow_content_and_options_but_not_the_place(class_folders, tmp_path):
    before = make(class_folders).clips.fingerprints
    assert len(set(before)) == len(before)
    assert make(class_folders, stride=2).clips.fingerprint != make(class_folders).clips.fingerprint
    moved = class_folders.rename(tmp_path / "elsewhere")
    assert make(moved).clips.fingerprints == before
    file = moved / "dark/ann_1.mkv"
    file.write_bytes(file.read_bytes() + b"\0")
    after = make(moved).clips.fingerprints
    assert after[0] != before[0]
    assert after[1:] == before[1:]
