"""Published data sets by name, on names as they were published, with empty files or small stand-ins for the videos."""

import re
from itertools import product

import numpy as np
import pytest

from actionbench.errors import DataError, SplitError
from actionbench.experiments.audit.leaks import dataset_warnings, protocol_warnings
from actionbench.experiments.audit.preview import describe
from actionbench.experiments.datasets.publication import compare_with_published
from actionbench.experiments.datasets.readers.hmdb import Hmdb51, Jhmdb
from actionbench.experiments.datasets.readers.kth import Kth
from actionbench.experiments.datasets.readers.ntu_rgbd import NtuRgbd
from actionbench.experiments.datasets.readers.ucf import Ucf11, Ucf50, Ucf101
from actionbench.experiments.datasets.readers.ucf_sports import CLASSES, UcfSports
from actionbench.experiments.datasets.splits import Published

KTH_ACTIONS = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")
# Text before the list, of another kind than its lines.
PREAMBLE = "\nThis database contains sequences.\nTraining:   person11, 12\nTest:       person22, 02 \n\n"
# The five videos with three sequences, of people 11 to 18, 19 to 25 with 1 and 4, and the others.
THREE = (
    "person11_boxing_d4",
    "person14_boxing_d1",
    "person19_boxing_d1",
    "person20_boxing_d2",
    "person05_boxing_d3",
)


def touch(root, names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def sides(dataset, **options):
    return {fold.name: (len(fold.train), len(fold.test)) for fold in Published(**options).folds(dataset)}


def kth_list(ranges, three):
    """Return names of videos, and a list in the structure of the published one: CRLF, tabs, blanks, one missing."""
    names = [
        f"person{person:02d}_{action}_d{scenario}"
        for person, action, scenario in product(range(1, 26), KTH_ACTIONS, range(1, 5))
    ]
    lines = []
    for name in names:
        if name == "person13_handclapping_d3":
            lines.append(f"{name}\t*missing*\r\n")
        else:
            of_name = ranges[: 3 if name in three else 4]
            lines.append(f"{name}{'    ' if name.endswith('d4') else ''}\t\tframes\t{', '.join(of_name)}\r\n")
        if name.endswith("walking_d4"):
            lines.append("\r\n")
    names.remove("person13_handclapping_d3")
    return [f"{name.split('_')[1]}/{name}_uncomp.avi" for name in names], PREAMBLE + "".join(lines)


def test_kth(tmp_path):
    names, text = kth_list(["1-95", "96-185", "186-245", "212-456"], THREE)
    touch(tmp_path, names)
    (tmp_path / "00sequences.txt").write_bytes(text.encode())
    dataset = Kth(tmp_path)
    assert compare_with_published(dataset)[0] == (
        "This is KTH as published (Schuldt et al. 2004): 2,391 sequences, 25 people, 6 classes."
    )
    assert dataset_warnings(dataset) == []
    counts = dataset.table["split"].value_counts()
    # Of 2391 sequences, as published, 760 train, 768 validate and 863 test; where three are missing is drawn here.
    assert counts.sum() == 2391
    assert counts["train"] == 8 * 96 - 4 - 2
    assert sides(dataset) == {"16/9 people": (counts.sum() - counts["test"], counts["test"])}
    assert set(dataset.groups[dataset.table["split"] == "test"]) == {
        f"person{n:02d}" for n in (22, 2, 3, *range(5, 11))
    }
    assert dataset.table["clip"][3] == "boxing/person01_boxing_d1_uncomp.avi[211-456]"
    assert Published().warning(dataset) is None
    whole = Kth(tmp_path, whole=True)
    assert compare_with_published(whole)[0].endswith(": 599 videos, 25 people, 6 classes.")
    assert sides(whole) == {"16/9 people": (383, 216)}


def test_part_of_kth(tmp_path):
    names, text = kth_list(["1-95"], ())
    touch(tmp_path, names[:24])
    (tmp_path / "00sequences.txt").write_bytes(text.encode())
    with pytest.raises(DataError, match=r"575 of 599 videos are not in .*missing = \"drop\""):
        _ = Kth(tmp_path).table
    dataset = Kth(tmp_path, missing="drop")
    assert [warning.code for warning in dataset_warnings(dataset)] == ["data-set", "not-as-published"]
    assert str(dataset_warnings(dataset)[1]).startswith(
        "This is not KTH as published (Schuldt et al. 2004): 2,391 sequences, 25 people, 6 classes; "
        "it has 24 sequences instead of 2,391 and 1 people instead of 25."
    )


def test_kth_is_decoded_by_its_sequences(tmp_path, write_video):
    frames = np.arange(40, dtype=np.uint8)[:, None, None] * np.ones((8, 8), np.uint8)
    for action in ("boxing", "walking"):
        write_video(f"{action}/person01_{action}_d2_uncomp.avi", frames, fps=25)
    (tmp_path / "00sequences.txt").write_text(
        "person01_boxing_d2\t\tframes\t1-10, 11-25\r\nperson01_walking_d2 frames 30-60, 2-3\r\n"
    )
    found = [[len(clip), int(clip.frames[0, 0, 0])] for clip in Kth(tmp_path).clips]
    assert [length for length, _ in found] == [10, 15, 11, 2]
    np.testing.assert_allclose([first for _, first in found], [0, 10, 29, 1], atol=2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "sequences: there is no file .*00sequences.txt; .*or whole = true"),
        ("person01_boxing_d1 frames\n", "00sequences.txt, line 1: must have ranges of frames, as in 1-95"),
        ("nothing\n", "has no line such as person01_boxing_d1 frames 1-95"),
        (b"person01_boxing_d1 \xff", "00sequences.txt cannot be read"),
    ],
)
def test_other_lists_of_sequences(tmp_path, text, message):
    touch(tmp_path, ["boxing/person01_boxing_d1_uncomp.avi"])
    if text is not None:
        (tmp_path / "00sequences.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=message):
        _ = Kth(tmp_path).table


def test_other_videos_than_those_of_kth(tmp_path):
    touch(tmp_path, ["boxing/rocky.avi"])
    with pytest.raises(
        DataError, match=r"rocky\.avi: 'rocky' is no name of KTH; it must be like person01_boxing_d1"
    ):
        _ = Kth(tmp_path, whole=True).table


def ucf_names(pattern, labels, n_clips):
    """Return names of videos of 25 groups in each class, ``n_clips`` in all, 7 or fewer in a group."""
    groups = list(product(labels, range(1, 26)))
    counts = [n_clips // len(groups) + (number < n_clips % len(groups)) for number in range(len(groups))]
    return [
        pattern.format(label=label, group=group, clip=clip)
        for (label, group), count in zip(groups, counts, strict=True)
        for clip in range(1, count + 1)
    ]


def test_ucf101(tmp_path):
    labels = ["HandstandPushups", *(f"Class{number:03d}" for number in range(100))]
    names = ucf_names("{label}/v_{label}_g{group:02d}_c{clip:02d}.avi", labels, 13_320)
    # The files of one class spell it in another way than its folder.
    names = [name.replace("v_HandstandPushups", "v_HandStandPushups") for name in names]
    dataset = Ucf101(touch(tmp_path, names))
    assert compare_with_published(dataset)[0] == (
        "This is UCF101 as published (Soomro et al. 2012): 13,320 clips, 2,525 groups, 101 classes."
    )
    tested = {
        f"split {split}": sum(first <= int(re.search(r"_g(\d\d)", name)[1]) < first + 7 for name in names)
        for split, first in ((1, 1), (2, 8), (3, 15))
    }
    assert sides(dataset) == {name: (13_320 - count, count) for name, count in tested.items()}
    assert Published().warning(dataset) is None
    assert "HandStandPushups" not in dataset.classes


def test_ucf50_and_ucf11(tmp_path):
    names = ucf_names("{label}/v_{label}_g{group:02d}_c{clip:02d}.avi", [f"C{n}" for n in range(50)], 6_681)
    dataset = Ucf50(touch(tmp_path / "50", names))
    assert compare_with_published(dataset)[0].endswith("6,681 clips, 25 groups, 50 classes.")
    assert list(sides(dataset)) == [f"g{number:02d}" for number in range(1, 26)]
    labels = ["basketball", *(f"c{n}" for n in range(10))]
    names = ucf_names("{label}/v_{label}_{group:02d}/v_{label}_{group:02d}_{clip:02d}.mpg", labels, 1_600)
    # Names of files say another word than the folder of their class.
    names = [name.replace("v_basketball", "v_shooting") for name in names]
    touch(tmp_path / "11", [*names, "Annotation/basketball/v_shooting_01_01.xgtf"])
    dataset = Ucf11(tmp_path / "11")
    assert compare_with_published(dataset)[0].endswith("1,600 clips, 25 groups, 11 classes.")
    assert dataset.classes == sorted(labels)
    assert sum(test for _, test in sides(dataset).values()) == 1_600


@pytest.mark.parametrize("name", ["Archery/me.avi", "v_Archery_g01_c01.avi"])
def test_other_names_than_those_of_ucf101(tmp_path, name):
    touch(tmp_path, [name])
    with pytest.raises(
        DataError, match=r"not a name of this data set; it must be like Archery/v_Archery_g01_c01\.avi"
    ):
        _ = Ucf101(tmp_path).table


def test_ucf_sports(tmp_path, write_video):
    counts = (14, 5, 8, 5, 10, 10, 6, 12, 13, 12, 20, 13, 22)
    for folder, count in zip(CLASSES, counts, strict=True):
        # Two clips of each broadcast.
        touch(
            tmp_path / folder,
            [f"{number + 1:03d}/{number // 2}-{folder[:2]}_700{number}.avi" for number in range(count)],
        )
    dataset = UcfSports(tmp_path)
    assert compare_with_published(dataset)[0] == (
        "This is UCF Sports as published (Rodriguez et al. 2008): 150 clips, 10 classes."
    )
    assert dataset.table["label"].value_counts().sort_index().tolist() == [
        14,
        18,
        20,
        6,
        12,
        13,
        12,
        20,
        13,
        22,
    ]
    folds = Published().folds(dataset)
    assert [(len(fold.train), len(fold.test)) for fold in folds] == [(149, 1)] * 150
    assert re.search(r"of 150 clips that are tested 1\d\d are of a group", Published().warning(dataset))
    # Where there is no video, images are the clip.
    folder = tmp_path / "Lifting" / "001"
    next(folder.iterdir()).unlink()
    write_video("frame.avi", np.zeros((3, 8, 8), np.uint8))
    from PIL import Image

    for number in range(4):
        Image.fromarray(np.full((6, 5), number, np.uint8)).save(folder / f"image_{number}.jpg")
    dataset = UcfSports(tmp_path)
    row = dataset.table["clip"].tolist().index("Lifting/001")
    assert dataset.clips[row].frames.shape == (4, 6, 5)
    assert dataset.groups[row] == "Lifting/001"


def hmdb_names(labels, sources, count):
    """Return names of ``count`` clips of each class, four of each source, which some classes share."""
    return [
        f"{label}/{sources[(7 * index + number // 4) % len(sources)]}_{label}_u_nm_np{1 + number % 3}_fr_goo_{number}"
        ".avi"
        for index, label in enumerate(labels)
        for number in range(count[index])
    ]


def write_numbered(folder, names, split, sides_of):
    """Write the lists of a split, a file per class with a blank at the end of each line."""
    folder.mkdir(exist_ok=True)
    by_label = {}
    for name in names:
        by_label.setdefault(name.split("/")[0], []).append(name.split("/")[1])
    for label, of_label in by_label.items():
        lines = [f"{name} {side} \n" for name, side in zip(of_label, sides_of(len(of_label)), strict=True)]
        (folder / f"{label}_test_split{split}.txt").write_text("".join(lines))


SOURCES = ["(Rad)Schlag_die_Bank!", "walk_the_Line", "April_09", *(f"film_{number}" for number in range(60))]


def test_hmdb51(tmp_path):
    labels = ["brush_hair", "walk", *(f"act{number}" for number in range(49))]
    count = [133] * 34 + [132] * 17
    names = hmdb_names(labels, SOURCES, count)
    touch(tmp_path / "hmdb51_org", names)
    for split in (1, 2, 3):
        # 70 clips of each class train, 30 test, the others do neither.
        write_numbered(
            tmp_path / "testTrainMulti_7030_splits",
            names,
            split,
            lambda n: [1] * 70 + [0] * (n - 100) + [2] * 30,
        )
    dataset = Hmdb51(tmp_path / "hmdb51_org")
    assert compare_with_published(dataset)[0] == (
        "This is HMDB51 as published (Kuehne et al. 2011): 6,766 clips, 51 classes."
    )
    assert sides(dataset) == {f"split {number}": (3570, 1530) for number in (1, 2, 3)}
    assert set(dataset.groups) == set(SOURCES)
    assert dataset.table.loc[0, ["label", "people", "quality"]].tolist()[1:] == [1, "goo"]
    found = protocol_warnings(dataset, Published(folds=["split 1"]))
    shared = sum(
        np.isin(dataset.groups[fold.test], dataset.groups[fold.train]).sum()
        for fold in Published(folds="split 1").folds(dataset)
    )
    assert f"of 1,530 clips that are tested {shared:,} are of a group" in found[-1].text
    assert found[-1].code == "leaky-split"


def test_jhmdb_in_both_kinds_of_lists(tmp_path):
    labels = [f"act{number}" for number in range(21)]
    count = [45] * 4 + [44] * 17
    names = hmdb_names(labels, SOURCES, count)
    videos = touch(tmp_path / "ReCompress_Videos", names)
    # The published sizes: 660/268, 658/270, 663/265.
    tested = {1: 268, 2: 270, 3: 265}
    flat = [name.split("/")[1] for name in names]
    for split, n_tested in tested.items():
        sides_of = {name: "2" if number < n_tested else "1" for number, name in enumerate(flat)}
        write_numbered(tmp_path / "splits", names, split, lambda n: [0] * n)
        for label in labels:
            path = tmp_path / "splits" / f"{label}_test_split{split}.txt"
            path.write_text("".join(f"{name} {sides_of[name]}\n" for name in flat if f"_{label}_u_" in name))
        (tmp_path / "pcnn").mkdir(exist_ok=True)
        for side, number in (("train", "1"), ("test", "2")):
            (tmp_path / "pcnn" / f"JHMDB_{side}{split}.txt").write_text(
                "".join(f"{name.removesuffix('.avi')} 7\n" for name in flat if sides_of[name] == number)
            )
    expected = {f"split {split}": (928 - n_tested, n_tested) for split, n_tested in tested.items()}
    for dataset in (Jhmdb(videos), Jhmdb(videos, lists=tmp_path / "pcnn")):
        assert compare_with_published(dataset)[0].endswith("928 clips, 21 classes.")
        assert sides(dataset) == expected
    assert tmp_path / "pcnn" / "JHMDB_test3.txt" in dataset.files()


def test_lists_of_hmdb51_that_are_not(tmp_path):
    touch(tmp_path, ["wave/Heroes_wave_u_nm_np1_fr_goo_3.avi", "sit/Heroes_sit_u_nm_np1_fr_goo_3.avi"])
    with pytest.raises(
        DataError, match="lists: .* has no folder testTrainMulti_7030_splits, nor is one beside it"
    ):
        Published().folds(Hmdb51(tmp_path))
    with pytest.raises(DataError, match="lists: there is no folder"):
        Hmdb51(tmp_path, lists=tmp_path / "gone")
    lists = tmp_path / "splits"
    lists.mkdir()
    (lists / "wave_test_split1.txt").write_text("Heroes_wave_u_nm_np1_fr_goo_3.avi 3\n")
    with pytest.raises(
        DataError, match=r"wave_test_split1\.txt, line 1: must be a clip and 0, 1 or 2, got '.* 3'"
    ):
        Published().folds(Hmdb51(tmp_path))
    (lists / "wave_test_split1.txt").write_text("Heroes_wave_u_nm_np1_fr_goo_3.avi 1\n" * 2)
    (lists / "more_test_split1.txt").write_text("Heroes_wave_u_nm_np1_fr_goo_3.avi 2\n")
    with pytest.raises(DataError, match="clip 'Heroes_wave_u_nm_np1_fr_goo_3' is in training and in test"):
        Published().folds(Hmdb51(tmp_path))
    touch(tmp_path, ["wave/me.avi"])
    with pytest.raises(DataError, match=r"me\.avi: not a name of HMDB51; it must be like wave/Heroes_wave"):
        _ = Hmdb51(tmp_path).table


def test_ntu_by_subject_view_and_setup(tmp_path):
    # Performer 1 trains and 3 tests in both versions, 45 trains in the larger one.
    names = [
        f"S{setup:03d}C{camera:03d}P{performer:03d}R001A{action:03d}_rgb.avi"
        for setup, camera, performer, action in product((1, 2), (1, 2, 3), (1, 3, 45), (1, 2))
    ]
    dataset = NtuRgbd(touch(tmp_path, names))
    with pytest.raises(
        SplitError, match="several published protocols; folds must be one of cross-subject, cross-view"
    ):
        Published().folds(dataset)
    train = {name: masks[0] for name, masks in dataset.published_folds().items()}
    assert set(dataset.groups[train["cross-subject"]]) == {"P001", "P045"}
    assert set(dataset.table["camera"][train["cross-view"]]) == {2, 3}
    assert set(dataset.table["setup"][train["cross-setup"]]) == {2}
    assert Published(folds="cross-subject").warning(dataset) is None
    assert "of 12 clips that are tested 12 are of a group" in Published(folds="cross-view").warning(dataset)
    with pytest.raises(SplitError, match="no published fold 'cross-views'; did you mean 'cross-view'"):
        Published(folds="cross-views").folds(dataset)


def test_weizmann_with_and_without_second_takes(data_folder):
    from actionbench.experiments.datasets.weizmann import Weizmann

    dataset = Weizmann(data_folder / "weizmann")
    assert compare_with_published(dataset)[0] == (
        "This is Weizmann as published (Gorelick et al. 2007, without second takes): 90 clips, 9 people, 10 classes."
    )


@pytest.mark.slow
def test_a_description_says_whether_it_is_as_published(tmp_path, write_video):
    names, text = kth_list(["1-4", "5-8", "9-12", "13-16"], THREE)
    video = write_video("one.avi", np.zeros((16, 8, 8), np.uint8), fps=25)
    for name in names:
        (tmp_path / "kth" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "kth" / name).hardlink_to(video)
    (tmp_path / "kth" / "00sequences.txt").write_text(text)
    assert describe(Kth(tmp_path / "kth"))["published"].startswith("This is KTH as published")
