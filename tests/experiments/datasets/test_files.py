import pytest

from actionbench.errors import DataError
from actionbench.experiments.datasets.folder import Folder
from actionbench.experiments.datasets.registry import dataset_registry, make_dataset


def make(root, **options):
    return Folder(root, groups="none", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"height": 0}, "height: must be an integer of at least 1, got 0"),
        ({"width": 3.5}, "width: must be an integer of at least 1, got 3.5"),
        ({"stride": "2"}, "stride: must be an integer of at least 1, got '2'"),
        ({"stride": True}, "stride: must be an integer"),
        ({"frames": 0}, "frames: must be an integer of at least 1, got 0"),
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


@pytest.mark.parametrize(
    ("frames", "kept"), [(1, [1]), (2, [1, 2]), (3, [0, 1, 2]), (4, [0, 1, 2, 3]), (9, [0, 1, 2, 3])]
)
def test_the_middle_is_kept(class_folders, frames, kept):
    whole, cut = make(class_folders).clips[0], make(class_folders, frames=frames).clips[0]
    assert (cut.frames == whole.frames[kept]).all()
    assert cut.fps == whole.fps


def test_fingerprints_follow_content_and_options_but_not_the_place(class_folders, tmp_path):
    before = make(class_folders).clips.fingerprints
    assert len(set(before)) == len(before)
    for other in ({"stride": 2}, {"frames": 2}):
        assert make(class_folders, **other).clips.fingerprint != make(class_folders).clips.fingerprint
    moved = class_folders.rename(tmp_path / "elsewhere")
    assert make(moved).clips.fingerprints == before
    file = moved / "dark/ann_1.mkv"
    file.write_bytes(file.read_bytes() + b"\0")
    after = make(moved).clips.fingerprints
    assert after[0] != before[0]
    assert after[1:] == before[1:]


@pytest.mark.parametrize(
    ("reader", "key", "name"),
    [
        ("folder", "root", "dark/\udcff.avi"),
        ("folder", "root", "dark\udcff/a.avi"),
        ("weizmann", "root", "\udcff/daria_run.avi"),
        ("ucf101", "root", "Archery\udcff/v_Archery_g01_c01.avi"),
        ("hmdb51", "root", "wave/\udcff_wave_u_nm_np1_fr_goo_3.avi"),
        ("kth", "root", "\udcff/person01_boxing_d1.avi"),
        ("ntu-rgbd", "root", "\udcff/S001C001P001R001A001_rgb.avi"),
        ("ucf-sports", "root", "Lifting/001/\udcff_1.avi"),
        ("videofolder", "path", "run/\udcff.avi"),
    ],
)
def test_names_that_are_no_text(tmp_path, reader, key, name):
    """Names of files are bytes; those that no table can hold are named in a sentence."""
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.touch()
    options = {key: str(tmp_path), **({"groups": "none"} if reader in ("folder", "videofolder") else {})}
    options |= {"whole": True} if reader == "kth" else {}
    with pytest.raises(DataError, match=r"udcff.*: the path is not UTF-8; rename it"):
        _ = make_dataset(dataset_registry().get(reader), reader, options).table
