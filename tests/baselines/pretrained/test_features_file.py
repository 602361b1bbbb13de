"""Vectors that were computed elsewhere: the same from every kind of file, and what is refused."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from safetensors.numpy import save_file

from actionbench import Attempt
from actionbench.baselines.pretrained.features_file import FeaturesFile, read_vectors
from actionbench.errors import ActionbenchError
from actionbench.features.clip import Clip, Clips

NAMES = [f"{label}/{person}.avi" for person in ("ann", "bob", "cem") for label in ("dark", "light")]
LABELS = np.array([name.split("/")[0] for name in NAMES])
GROUPS = np.array([name.split("/")[1] for name in NAMES])


@pytest.fixture(scope="module")
def clips():
    frames = np.zeros((2, 4, 4), np.uint8)
    return Clips.of([Clip(frames, 25.0, name=name) for name in NAMES])


@pytest.fixture(scope="module")
def array():
    """Three vectors of each clip."""
    centre = np.where(LABELS == "dark", 0.0, 2.0)[:, np.newaxis, np.newaxis]
    return np.random.default_rng(0).normal(size=(6, 3, 5)) + centre


def write(path, array, names=NAMES):
    """Write an array of each clip as the ending says."""
    each = dict(zip(names, array, strict=True))
    if path.suffix == ".npz":
        np.savez(path, **each)
    elif path.suffix == ".safetensors":
        save_file({name: np.ascontiguousarray(one) for name, one in each.items()}, path)
    elif path.suffix == ".npy":
        np.save(path, array)
        path.with_suffix(".txt").write_text("\n".join(names))
    else:
        parquet.write_table(pa.table({"clip": names, "vector": [one.tolist() for one in array]}), path)
    return path


def dataset(names=NAMES, **more):
    return SimpleNamespace(table=pd.DataFrame({"clip": names}), classes=["dark", "light"], **more)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".parquet", ".safetensors"])
def test_every_kind_of_file_gives_the_same(tmp_path, clips, array, suffix):
    for shaped in (array, array[:, 0]):
        found = read_vectors(write(tmp_path / f"v{shaped.ndim}{suffix}", shaped))
        assert list(found) == NAMES or sorted(found) == sorted(NAMES)
        for name, one in zip(NAMES, shaped, strict=True):
            np.testing.assert_array_equal(found[name], np.atleast_2d(one))
    path = write(tmp_path / f"v{suffix}", array)
    attempt = FeaturesFile(file=str(path), pool="mean+thirds").fit(clips, LABELS, GROUPS)
    assert attempt.skip(dataset()) is None
    assert attempt.score(clips, LABELS) == 1
    assert attempt.files() == [path, *([path.with_suffix(".txt")] if suffix == ".npy" else [])]
    attempt.save(tmp_path / "saved")
    before = attempt.predict_proba(clips)
    path.unlink()
    np.testing.assert_array_equal(Attempt.load(tmp_path / "saved").predict_proba(clips), before)


def test_columns_of_numbers_are_a_vector_too(tmp_path, array):
    path = tmp_path / "v.parquet"
    columns = {f"c{k}": array[:, 0, k] for k in range(5)}
    parquet.write_table(pa.table({"clip": NAMES, **columns}), path)
    np.testing.assert_array_equal(np.concatenate(list(read_vectors(path).values())), array[:, 0])
    parquet.write_table(pa.table({"clip": NAMES, "only": array[:, 0, 0]}), path)
    assert read_vectors(path)["dark/ann.avi"].shape == (1, 1)


def test_a_name_finds_its_vector_in_any_order(tmp_path, clips, array):
    there = FeaturesFile(file=str(write(tmp_path / "a.npz", array))).fit(clips, LABELS, GROUPS)
    back = FeaturesFile(file=str(write(tmp_path / "b.npz", array[::-1], NAMES[::-1]))).fit(
        clips, LABELS, GROUPS
    )
    np.testing.assert_array_equal(there.predict_proba(clips), back.predict_proba(clips))
    assert clips[[4, 0]].names == [NAMES[4], NAMES[0]]


def test_it_says_that_its_vectors_come_from_elsewhere(tmp_path, clips, array):
    path = write(tmp_path / "v.npz", array)
    attempt = FeaturesFile(file=str(path)).fit(clips, LABELS, GROUPS)
    assert (attempt.pretrained, list(attempt.warnings())) == ("yes", ["vectors-from-elsewhere"])
    assert FeaturesFile(file=str(path), pretrained_on="Kinetics").pretrained == "Kinetics"
    constant = FeaturesFile(file=str(write(tmp_path / "c.npz", np.ones((6, 4))))).fit(clips, LABELS, GROUPS)
    assert set(constant.warnings()) == {"vectors-from-elsewhere", "constant-embedding"}


def test_clips_that_lack_something_are_skipped(tmp_path, array):
    attempt = FeaturesFile(file=str(write(tmp_path / "v.npz", array)))
    assert attempt.skip(dataset(probe="frozen")) == "its vectors are of whole clips, not of frozen ones"


def refusal(path, names=NAMES):
    with pytest.raises(ActionbenchError) as caught:
        FeaturesFile(file=str(path)).skip(dataset(names))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".parquet", ".safetensors"])
def test_missing_clips_are_named(tmp_path, clips, array, suffix):
    path = write(tmp_path / f"v{suffix}", array[:4], NAMES[:4])
    assert refusal(path).startswith("has no vector for 'dark/cem.avi', 'light/cem.avi'; did you mean 'dark/")
    many = [f"{n}.avi" for n in range(9)]
    assert refusal(path, many).startswith(
        "has no vector for '0.avi', '1.avi', '2.avi', '3.avi', '4.avi' and 4 more clips; "
    )
    with pytest.raises(ActionbenchError, match="has no vector for 'dark/cem.avi'"):
        FeaturesFile(file=str(path)).fit(clips, LABELS, GROUPS)


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_doubled_clips_are_named(tmp_path, array, suffix):
    path = (
        write(tmp_path / f"v{suffix}", array[:3], ["a.avi", "b.avi", "b.avi"]) if suffix == ".npy" else None
    )
    if path is None:
        path = tmp_path / "v.parquet"
        parquet.write_table(pa.table({"clip": ["a.avi", "b.avi", "b.avi"], "x": [1.0, 2.0, 3.0]}), path)
    assert refusal(path) == "has more than one entry for 'b.avi'; each clip must have one"


def broken(case, path):
    """Write a file that is wrong in one way; return its name and what is said of it."""
    good = np.ones(3)
    if case == "nan":
        np.savez(path / "v.npz", **{"a.avi": good, "b.avi": np.array([1, np.nan, 1])})
        return "v.npz", "the vectors of 'b.avi' must be finite, one holds NaN or infinity"
    if case == "length":
        np.savez(path / "v.npz", **{"a.avi": good, "b.avi": np.ones(4)})
        return "v.npz", "the vectors of 'b.avi' have 4 values; all must have 3, as the first"
    if case == "axes":
        np.savez(path / "v.npz", **{"a.avi": np.ones((2, 2, 2))})
        return (
            "v.npz",
            "the array of 'a.avi' must be numbers of shape (n_values,) or (n, n_values), got float64 of",
        )
    if case == "text":
        np.savez(path / "v.npz", **{"a.avi": np.array(["x"])})
        return (
            "v.npz",
            "the array of 'a.avi' must be numbers of shape (n_values,) or (n, n_values), got <U1 of",
        )
    if case == "pickle":
        np.savez(path / "v.npz", **{"a.avi": np.array([{}], dtype=object)})
        return (
            "v.npz",
            "not a .npz file of plain arrays (Object arrays cannot be loaded when allow_pickle=False)",
        )
    if case == "pickled npy":
        np.save(path / "v.npy", np.array([{}], dtype=object))
        (path / "v.txt").write_text("a.avi")
        return (
            "v.npy",
            "not a .npy file of plain arrays (Object arrays cannot be loaded when allow_pickle=False)",
        )
    if case == "no names":
        np.save(path / "v.npy", np.ones((2, 3)))
        return "v.npy", "v.txt must lie beside it, with the name of a clip in each line"
    if case == "other names":
        np.save(path / "v.npy", np.ones((2, 3)))
        (path / "v.txt").write_text("a.avi\nb.avi\nc.avi\n")
        return (
            "v.npy",
            "must have the shape (n_clips, n_values) or (n_clips, n, n_values) with the 3 clips of v.txt",
        )
    if case == "empty":
        np.savez(path / "v.npz")
        return "v.npz", "is empty; it must hold vectors by the names of clips"
    if case == "no column":
        parquet.write_table(pa.table({"name": ["a"], "x": [1.0]}), path / "v.parquet")
        return "v.parquet", "must have one column 'clip' and others with numbers, got ['name', 'x']"
    if case == "no text":
        parquet.write_table(pa.table({"clip": [1], "x": [1.0]}), path / "v.parquet")
        return "v.parquet", "the column 'clip' must hold the names of clips, one is none"
    if case == "words":
        parquet.write_table(pa.table({"clip": ["a"], "x": ["b"]}), path / "v.parquet")
        return "v.parquet", "the array of 'a' must be numbers of shape"
    if case == "ending":
        (path / "v.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
        return "v.pkl", "vectors must be in a file that ends in .npy, .npz, .parquet, .safetensors"
    if case == "gone":
        return "gone.npz", "there is no such file; it must hold vectors by the names of clips"
    (path / f"v{case}").write_bytes(b"nonsense, and more of it")
    return f"v{case}", f"not a {case} file of plain arrays ("


@pytest.mark.parametrize(
    "case",
    [
        *(
            "nan",
            "length",
            "axes",
            "text",
            "pickle",
            "pickled npy",
            "no names",
            "other names",
            "empty",
            "no column",
        ),
        *("no text", "words", "ending", "gone", ".npz", ".safetensors", ".parquet"),
    ],
)
def test_a_broken_file_is_refused(tmp_path, case):
    name, sentence = broken(case, tmp_path)
    assert refusal(tmp_path / name).startswith(sentence)


def test_a_file_must_be_named(clips):
    with pytest.raises(ActionbenchError, match="features-file needs the parameter 'file': vectors by"):
        FeaturesFile().fit(clips, LABELS, GROUPS)
