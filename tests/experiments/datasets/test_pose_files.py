"""Poses in files: each format as its programs write it, each fault in one sentence, and hostile pickles."""

import json
import os
import pickle  # writes what PYSKL writes, and what an attacker might
import pickletools  # names all instructions that a pickle may have

import numpy as np
import pytest

from actionbench.errors import ActionbenchError, DataError
from actionbench.experiments.datasets.folder import Folder
from actionbench.experiments.datasets.pose_files import array_in, read_poses, restricted_load
from actionbench.experiments.datasets.table import Table
from actionbench.features.pose import SKELETONS
from actionbench.features.video import write_video

N_FRAMES = 6


def joints(seed=0, n_frames=N_FRAMES, n_people=1, n_joints=17, n_axes=2):
    return (
        np.random.default_rng(seed).uniform(1, 40, (n_people, n_frames, n_joints, n_axes)).astype(np.float32)
    )


def annotation(name, keypoint, **more):
    scores = np.full(keypoint.shape[:3], 0.5, np.float16)
    return {
        "frame_dir": name,
        "total_frames": keypoint.shape[1],
        "keypoint": keypoint,
        "keypoint_score": scores,
    } | more


def pyskl(path, rows, protocol=4):
    path.write_bytes(pickle.dumps({"split": {"train": ["a"]}, "annotations": rows}, protocol=protocol))
    return path


def coco(path, clips, *, names=SKELETONS["coco-17"], size=(64, 48), **changes):
    images, annotations = [], []
    for clip, people in clips.items():
        for frame in range(people.shape[1]):
            image = {"id": len(images), "file_name": f"{clip}/img_{frame + 1:05}.jpg"}
            images.append(image | ({"width": size[0], "height": size[1]} if size else {}))
            for person in people[:, frame]:
                values = np.concatenate([person, np.full((len(person), 1), 2)], axis=1)
                annotations.append({"image_id": image["id"], "keypoints": values.ravel().tolist()})
    categories = [{"keypoints": [name.replace(" ", "_") for name in names]}]
    content = {"images": images, "annotations": annotations, "categories": categories} | changes
    path.write_text(json.dumps(content))
    return path


def openpose(folder, clips, first=0):
    for clip, people in clips.items():
        (folder / clip).mkdir(parents=True)
        for frame in range(people.shape[1]):
            values = [
                np.c_[person, np.full(len(person), 0.75)].ravel().tolist() for person in people[:, frame]
            ]
            content = {"people": [{"pose_keypoints_2d": one} for one in values]}
            (folder / clip / f"v_{frame + first:012}_keypoints.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_pickles_of_pyskl(tmp_path, protocol):
    first, second = joints(1, n_people=2), joints(2).astype(np.float16)
    rows = [annotation("a", first, img_shape=(48, 64), label=3), annotation("b", np.asfortranarray(second))]
    found = read_poses(pyskl(tmp_path / "p.pkl", rows, protocol))
    assert list(found) == ["a", "b"]
    np.testing.assert_array_equal(found["a"].pose.joints, first.transpose(1, 0, 2, 3))
    np.testing.assert_array_equal(found["b"].pose.joints, second.astype(np.float32).transpose(1, 0, 2, 3))
    assert (found["a"].pose.scores == 0.5).all()
    assert found["a"].size == (64, 48)
    assert found["b"].size is None
    assert found["a"].pose.names == SKELETONS["coco-17"]


def test_pickles_of_numbers_and_texts(tmp_path):
    content = {"a": [1, -2.5, None, True, "é", (3, 2**70)], "b": {7: b"x".decode()}, "c": np.float64(1.5)}
    for protocol in range(6):
        (tmp_path / "p.pkl").write_bytes(pickle.dumps(content, protocol=protocol))
        assert restricted_load(tmp_path / "p.pkl") == content


def test_skeletons_in_space(tmp_path):
    keypoint = joints(n_joints=25, n_axes=3)
    row = annotation("a", keypoint)
    del row["keypoint_score"]
    keypoint[:, 2] = 0
    pose = read_poses(pyskl(tmp_path / "p.pkl", [row]))["a"].pose
    assert pose.names == SKELETONS["ntu-25"]
    # Nobody is there where all is 0, and up is positive.
    assert (pose.scores[2] == 0).all()
    np.testing.assert_array_equal(pose.joints[0, 0], keypoint[0, 0] * [1, -1, 1])


class Hostile:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


HOSTILE = {
    "a command": (pickle.dumps(Hostile(os.system, "touch hacked")), "posix.system"),
    "a command within": (
        pickle.dumps({"annotations": [(1, [Hostile(os.system, "touch hacked")])]}),
        "posix.system",
    ),
    "eval": (pickle.dumps(Hostile(eval, "1")), "builtins.eval"),
    "an attribute": (b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93.", "numpy.ndarray.__class__"),
    "NumPy's loader": (b"cnumpy\nload\n(S'x'\ntR.", "numpy.load"),
    "a large array": (b"cnumpy\nndarray\n((L99999999999L\nttR.", "a call of what is no function"),
    "an old instance": (b"(ios\nsystem\n.", "the instruction 105"),
    "a call of a name": (b"S'x'\n(tR.", "a call of what is no function"),
    "a state": (b"}}b.", "the state of what is no array"),
    "a state of a function": (b"c_codecs\nencode\n}b.", "the state of what is no array"),
    "a key of tuples": (b"}" + b")" + b"\x85" * 10_000 + b"Ns.", "neither strings nor integers"),
    "keys of tuples": (b"(" + b")" + b"\x85" * 10_000 + b"Nd.", "neither strings nor integers"),
    "an array of objects": (pickle.dumps(np.array([None])), r"arrays of 'O8'"),
    "a set": (pickle.dumps({1, 2}), "the instruction"),
    "another class": (pickle.dumps(np.random.default_rng(0).bit_generator), "numpy.random"),
    "a persistent name": (b"Px\n.", "the instruction 80"),
    "an extension": (b"\x82\x01.", "the instruction 130"),
    "half of a file": (pickle.dumps({"a": np.zeros(100)})[:-40], "not a pickle that can be read"),
    "more than there is": (
        b"\x80\x05\x96" + (2**50).to_bytes(8, "little") + b"x.",
        "not a pickle that can be read",
    ),
    "a frame that is too long": (
        b"\x80\x04\x95" + (2**50).to_bytes(8, "little") + b"N.",
        "must be a dict with a list",
    ),
    "a number that is too long": (b"\x8b" + (2**31 - 1).to_bytes(4, "little") + b"1.", "not a pickle"),
    "nothing": (b"", "not a pickle that can be read"),
    "text": (b"hello", "not a pickle that can be read"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_are_refused_in_one_sentence(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    content, says = HOSTILE[name]
    (tmp_path / "p.pkl").write_bytes(content)
    with pytest.raises(DataError, match=says) as error:
        read_poses(tmp_path / "p.pkl")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400
    assert str(error.value).startswith(str(tmp_path / "p.pkl"))
    assert not (tmp_path / "hacked").exists()


def test_a_place_in_the_memo_needs_no_memory_for_those_before(tmp_path):
    (tmp_path / "p.pkl").write_bytes(b"Nr\xff\xff\xff\xff.")
    assert restricted_load(tmp_path / "p.pkl") is None


def test_an_array_that_announces_more_than_it_has(tmp_path):
    whole = pickle.dumps({"annotations": [annotation("a", joints())]}, protocol=2)
    # The number of frames in the shape.
    assert whole.count(b"K\x01K\x06K\x11K\x02t") == 1
    (tmp_path / "p.pkl").write_bytes(whole.replace(b"K\x01K\x06K\x11K\x02t", b"K\x01K\xf6K\x11K\x02t"))
    with pytest.raises(DataError, match=r"an array of shape \(1, 246, 17, 2\) with 816 bytes"):
        read_poses(tmp_path / "p.pkl")


def test_every_instruction_is_admitted_or_refused():
    from actionbench.experiments.datasets.pose_files import _Unpickler

    admitted = {chr(code) for code in _Unpickler.dispatch}
    names = {one.name for one in pickletools.opcodes if one.code not in admitted}
    assert names == {
        *"INST OBJ NEWOBJ NEWOBJ_EX PERSID BINPERSID EXT1 EXT2 EXT4 NEXT_BUFFER READONLY_BUFFER".split(),
        *"EMPTY_SET ADDITEMS FROZENSET".split(),
    }


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"frame_dir": 3}, "must have the name of its clip as frame_dir"),
        ({"keypoint": joints(n_joints=21)}, r"of known joints: 17 in 2 .* got \(1, 6, 21, 2\)"),
        ({"keypoint": [1, 2]}, "got none"),
        ({"keypoint_score": np.zeros((1, 5, 17))}, "one score for each of"),
        ({"keypoint_score": None}, "one score for each of"),
        ({"total_frames": 7}, "total_frames is 7, but keypoint has 6 frames"),
    ],
)
def test_annotations_of_pyskl_that_are_wrong(tmp_path, change, says):
    with pytest.raises(DataError, match=says):
        read_poses(pyskl(tmp_path / "p.pkl", [annotation("a", joints()) | change]))


def test_a_pickle_with_a_clip_twice_or_without_annotations(tmp_path):
    with pytest.raises(DataError, match="clip 'a' is in it twice"):
        read_poses(pyskl(tmp_path / "p.pkl", [annotation("a", joints()), annotation("a", joints())]))
    for content in (3, {"annotations": 3}, [3]):
        (tmp_path / "p.pkl").write_bytes(pickle.dumps(content))
        with pytest.raises(DataError, match="must be a dict with a list of annotations"):
            read_poses(tmp_path / "p.pkl")


def test_coco_key_points(tmp_path):
    people = joints(3, n_people=2)
    people[1, 2] = 0
    content = coco(tmp_path / "p.json", {"run/a": people, "b": joints(4)})
    found = read_poses(content)
    assert list(found) == ["run/a", "b"]
    np.testing.assert_allclose(found["run/a"].pose.joints, people.transpose(1, 0, 2, 3))
    assert (found["b"].pose.scores == 1).all()
    assert found["b"].size == (64, 48)


def test_results_of_coco_are_a_list(tmp_path):
    rows = [{"image_id": f"a/{frame}.jpg", "keypoints": [1, 2, 0.5] * 17} for frame in range(9, 12)]
    (tmp_path / "p.json").write_text(json.dumps(rows))
    found = read_poses(tmp_path / "p.json")["a"]
    assert found.pose.joints.shape == (3, 1, 17, 2)
    assert (found.pose.scores == 0.5).all()
    assert found.size is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"images": [{"id": 0, "file_name": "a/1.jpg"}] * 2}, "an image is in it twice"),
        (
            {"images": [{"id": 0, "file_name": "1.jpg"}], "annotations": []},
            "the name of the clip, a slash and the frame",
        ),
        (
            {"images": [{"id": 0, "file_name": "a/x.jpg"}], "annotations": []},
            "must have its number in its name",
        ),
        (
            {"images": [{"id": n, "file_name": f"a/{n}.jpg"} for n in (1, 2, 4)], "annotations": []},
            "frame 3 of clip 'a' is missing",
        ),
        (
            {"images": [{"id": n, "file_name": f"a/{n}1.jpg"} for n in ("x", "y")], "annotations": []},
            "frame 1 of clip 'a' is in it twice",
        ),
        ({"annotations": [{"image_id": 99, "keypoints": []}]}, "there is no image 99"),
        (
            {"annotations": [{"image_id": 0, "keypoints": [1, 2]}]},
            "must have 51 numbers for 17 joints, got 2",
        ),
        ({"annotations": [{"image_id": 0, "keypoints": ["x"] * 51}]}, "must have 51 numbers"),
        ({"annotations": [{"image_id": 0}]}, "as COCO's files of key points"),
        ({"categories": [{"keypoints": ["tail", "wing"]}]}, "two or more of them among"),
        ({"images": 3}, "as COCO's files of key points"),
    ],
)
def test_files_of_coco_that_are_wrong(tmp_path, change, says):
    with pytest.raises(ActionbenchError, match=says) as error:
        read_poses(coco(tmp_path / "p.json", {"a": joints()}, **change))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "\x00"])
def test_files_that_are_no_json(tmp_path, text):
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(DataError, match="not a JSON file"):
        read_poses(tmp_path / "p.json")


@pytest.mark.parametrize("n_joints", [25, 18])
def test_folders_of_openpose(tmp_path, n_joints):
    people = joints(5, n_people=2, n_joints=n_joints)
    found = read_poses(openpose(tmp_path / "p", {"walk/a": people, "b": joints(6, n_people=0)}, first=7))
    assert set(found) == {"walk/a", "b"}
    np.testing.assert_allclose(found["walk/a"].pose.joints, people.transpose(1, 0, 2, 3), rtol=1e-6)
    assert found["walk/a"].pose.names == SKELETONS[f"openpose-{n_joints}"]
    assert found["b"].pose.joints.shape[:2] == (N_FRAMES, 0)


def test_folders_of_openpose_that_are_wrong(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"there is no file \*_keypoints.json"):
        read_poses(tmp_path / "empty")
    folder = openpose(tmp_path / "p", {"a": joints(n_joints=15)})
    with pytest.raises(DataError, match="25 joints, or each 18, got 15"):
        read_poses(folder)
    (folder / "a/v_000000000003_keypoints.json").unlink()
    with pytest.raises(DataError, match="frame 3 of clip 'a' is missing"):
        read_poses(folder)
    file = openpose(tmp_path / "q", {"a": joints(n_joints=25)}) / "a/v_000000000003_keypoints.json"
    for content in ([], {"people": 3}, {"people": [{}]}):
        file.write_text(json.dumps(content))
        with pytest.raises(DataError, match="people with pose_keypoints_2d"):
            read_poses(tmp_path / "q")
    file.write_text(json.dumps({"people": [{"pose_keypoints_2d": 3}]}))
    with pytest.raises(DataError, match="must be a list of numbers"):
        read_poses(tmp_path / "q")


def test_other_files_are_refused(tmp_path, monkeypatch):
    (tmp_path / "p.csv").write_text("")
    for path in (tmp_path / "p.csv", tmp_path / "gone.pkl"):
        with pytest.raises(
            DataError, match=r"must be a \.json file as of COCO, a \.pkl file as of PYSKL or a folder"
        ):
            read_poses(path)
    monkeypatch.setattr("actionbench.experiments.datasets.pose_files._MAX_BYTES", 10)
    with pytest.raises(DataError, match="must not be larger than 2 GiB"):
        read_poses(pyskl(tmp_path / "p.pkl", []))


@pytest.fixture
def videos(tmp_path):
    """Two classes of two videos each."""
    for name in ("run/ann_1", "run/bob_1", "walk/ann_2", "walk/bob_2"):
        path = tmp_path / "videos" / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, np.zeros((N_FRAMES, 48, 64, 3), np.uint8), 25.0)
    return tmp_path / "videos"


GROUPS = "(?P<group>[a-z]+)_"
NAMES = ("run/ann_1.mp4", "run/bob_1.mp4", "walk/ann_2.mp4", "walk/bob_2.mp4")


@pytest.mark.parametrize("name", [str, lambda name: name[:-4], lambda name: name.split("/")[1][:-4]])
def test_poses_are_found_by_the_names_of_clips(videos, name):
    exact = [joints(seed) for seed in range(4)]
    rows = [annotation(name(clip), pose) for clip, pose in zip(NAMES, exact, strict=True)]
    path = pyskl(videos.parent / "p.pkl", [*rows, annotation("another", joints())])
    dataset = Folder(videos, groups=GROUPS, poses=videos.parent / "p.pkl")
    assert dataset.has_poses
    assert path in [file.resolve() for file in dataset.files()]
    for clip, pose in zip(dataset.clips, exact, strict=True):
        np.testing.assert_array_equal(clip.pose.joints, pose.transpose(1, 0, 2, 3))


def test_poses_follow_stride_cut_and_size(videos):
    exact = joints(1)
    rows = [annotation(clip, exact, img_shape=(96, 128)) for clip in NAMES]
    plain = [annotation(clip, exact) for clip in NAMES]
    for saved, factor in ((rows, 0.25), (plain, 0.5)):
        pyskl(videos.parent / "p.pkl", saved)
        dataset = Folder(videos, groups=GROUPS, poses=videos.parent / "p.pkl", stride=2, frames=2, width=32)
        clip = dataset.load(0)
        assert clip.frames.shape == (2, 24, 32)
        np.testing.assert_allclose(clip.pose.joints[:, 0], exact[0, [0, 2]] * factor, rtol=1e-5)


def test_boxes_cut_the_pose(videos):
    exact = joints(2)
    rows = ["path,label,person,left,top,right,bottom"]
    rows += [f"{name},{name[:3]},{name[-9:-6]},8,4,40,36" for name in NAMES]
    (videos / "list.csv").write_text("\n".join(rows))
    clips = Table(videos / "list.csv", groups="person").table["clip"]
    pyskl(videos / "p.pkl", [annotation(clip, exact, img_shape=(48, 64)) for clip in clips])
    dataset = Table(videos / "list.csv", groups="person", poses=videos / "p.pkl", width=16)
    assert dataset.load(3).frames.shape == (N_FRAMES, 16, 16)
    np.testing.assert_allclose(dataset.load(3).pose.joints[:, 0], (exact[0] - [8, 4]) / 2, rtol=1e-5)
    plain = Table(videos / "list.csv", groups="person", width=16)
    assert plain.fingerprint(3) != dataset.fingerprint(3)


def test_the_pose_is_part_of_the_fingerprint(videos):
    rows = [annotation(clip, joints(seed)) for seed, clip in enumerate(NAMES)]
    pyskl(videos.parent / "p.pkl", rows)
    plain, before = (
        Folder(videos, groups=GROUPS),
        Folder(videos, groups=GROUPS, poses=videos.parent / "p.pkl"),
    )
    rows[1] = annotation(NAMES[1], joints(9))
    prints = [before.fingerprint(index) for index in range(4)]
    pyskl(videos.parent / "p.pkl", rows)
    after = Folder(videos, groups=GROUPS, poses=videos.parent / "p.pkl")
    assert [after.fingerprint(index) == prints[index] for index in range(4)] == [True, False, True, True]
    assert plain.fingerprint(0) != prints[0]
    assert not plain.has_poses
    assert plain.load(0).pose is None


def test_missing_and_doubled_clips_and_wrong_lengths_are_refused(videos):
    path = pyskl(videos.parent / "p.pkl", [annotation(clip, joints()) for clip in NAMES[:2]])
    dataset = Folder(videos, groups=GROUPS, poses=videos.parent / "p.pkl")
    with pytest.raises(
        DataError, match="2 of 4 clips have no pose in it, the first is 'walk/ann_2.mp4'; it has 'run"
    ):
        dataset.fingerprint(0)
    pyskl(path, [annotation(clip, joints(n_frames=5)) for clip in NAMES])
    with pytest.raises(DataError, match=r"the pose of 'run/ann_1.mp4' has 5 frames, but its video 6"):
        Folder(videos, groups=GROUPS, poses=videos.parent / "p.pkl").load(0)
    (videos / "walk/ann_1.mp4").write_bytes((videos / "walk/ann_2.mp4").read_bytes())
    pyskl(path, [annotation(name, joints()) for name in ("ann_1", "bob_1", "ann_2", "bob_2")])
    with pytest.raises(DataError, match="'ann_1' fits both 'run/ann_1.mp4' and 'walk/ann_1.mp4'"):
        Folder(videos, groups=GROUPS, poses=videos.parent / "p.pkl").fingerprint(0)
    with pytest.raises(DataError, match="poses: there is no file or folder"):
        Folder(videos, groups=GROUPS, poses="gone.pkl")
    with pytest.raises(DataError, match="poses: must be a file or folder"):
        Folder(videos, groups=GROUPS, poses=3)


@pytest.mark.slow
def test_a_run_ends_before_it_begins(videos, monkeypatch):
    from actionbench import run

    pyskl(videos.parent / "p.pkl", [annotation(clip, joints(n_frames=5)) for clip in NAMES])
    matrix = {
        "name": "posed",
        "datasets": [
            {
                "name": "folder",
                "root": str(videos),
                "groups": GROUPS,
                "poses": "p.pkl",
                "split": "leave-one-group-out",
            }
        ],
        "attempts": [{"name": "pose-svm"}],
    }
    monkeypatch.chdir(videos.parent)
    with pytest.raises(DataError, match="has 5 frames, but its video 6"):
        run(matrix, store=videos.parent / "store.sqlite")


def tensor_dump(torch):
    batch = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    return {
        "whole": batch,
        "turned": batch.permute(2, 0, 1),
        "row": batch[1, :, 2],
        "number": torch.tensor(5),
        "none": torch.empty((0, 3)),
        **{
            str(kind): torch.tensor([[0, 1, 2], [3, 4, 120]]).to(kind)
            for kind in (
                torch.float64,
                torch.float16,
                torch.int32,
                torch.int16,
                torch.int8,
                torch.uint8,
                torch.bool,
            )
        },
    }


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_tensors_are_read_as_their_numbers_without_torch(tmp_path, protocol):
    torch = pytest.importorskip("torch", reason="torch is not installed: make oracle")
    tensors = tensor_dump(torch)
    path = tmp_path / "dump.pkl"
    path.write_bytes(pickle.dumps(tensors, protocol))
    found = restricted_load(path)
    for name, tensor in tensors.items():
        value = array_in(found[name])
        assert (value.dtype, value.shape) == (tensor.numpy().dtype, tensor.numpy().shape), name
        np.testing.assert_array_equal(value, tensor.numpy())


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"FloatStorage", b"EvilsStorage"),
        lambda data: data.replace(b"storageq\x00ctorch\n", b"storageq\x00cposix\n"),
        lambda data: data.replace(b"\x03\x00\x00\x00\x00\x00\x00\x00", b"\x04\x00\x00\x00\x00\x00\x00\x00"),
        lambda data: data.replace(b"K\x00K\x03\x85", b"K\x01K\x03\x85"),
        lambda data: data.replace(b"K\x00K\x03\x85", b"K\x00K\x09\x85"),
        lambda data: data.replace(b"_rebuild_tensor_v2", b"_rebuild_tensor_v3"),
    ],
)
def test_tensors_that_promise_more_than_there_is_are_refused(tmp_path, change):
    torch = pytest.importorskip("torch", reason="torch is not installed: make oracle")
    plain = pickle.dumps(torch.tensor([0.5, 0.25, 0.125]), 4)
    path = tmp_path / "dump.pkl"
    changed = change(plain)
    assert changed != plain
    path.write_bytes(changed)
    with pytest.raises(DataError, match=r"dump\.pkl"):
        restricted_load(path)
