import json
import pickle  # writes dumps as mmaction2 does, and what an attacker might
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from actionbench.errors import DataError
from actionbench.experiments.sharing.prediction_files import predictions_table, read_predictions

SCORES = [[0.1, 0.7, 0.2], [0.5, 0.25, 0.25]]
CLASSES = ["jog", "run", "walk"]
EXPECTED = pd.DataFrame(
    {
        "clip": ["ann/1.avi", "bob/1.avi"],
        "predicted": ["run", "jog"],
        **dict(zip([f"p({name})" for name in CLASSES], np.transpose(SCORES), strict=True)),
    }
)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A list of clips as mmaction2 has it, in the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("list.txt").write_text("ann/1.avi 1\nbob/1.avi 0\n")


def dump(content, name):
    if name.endswith(".json"):
        Path(name).write_text(json.dumps(content, default=np.ndarray.tolist))
    else:
        Path(name).write_bytes(pickle.dumps(content))
    return name


@pytest.mark.parametrize("ending", ["json", "pkl", "pickle"])
@pytest.mark.parametrize(
    "entry",
    [
        lambda scores, label: scores,
        lambda scores, label: np.array(scores),
        lambda scores, label: {"pred_score": np.array(scores)},
        lambda scores, label: {"pred_scores": {"item": scores}},
    ],
)
def test_a_dump_of_mmaction2(ending, entry):
    name = dump([entry(scores, None) for scores in SCORES], f"d.{ending}")
    pd.testing.assert_frame_equal(read_predictions(name, clips="list.txt", classes=CLASSES), EXPECTED)


def test_a_dump_of_tensors(tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed: make oracle")
    # Rows of one tensor share its numbers.
    scores = torch.tensor(np.array(SCORES), dtype=torch.float64)
    rows = [{"pred_score": row, "pred_label": row.argmax(), "num_classes": len(row)} for row in scores]
    Path("d.pkl").write_bytes(pickle.dumps(rows))
    pd.testing.assert_frame_equal(read_predictions("d.pkl", clips="list.txt", classes=CLASSES), EXPECTED)


@pytest.mark.parametrize("label", [lambda n: n, lambda n: np.array([n]), lambda n: {"item": [n]}])
@pytest.mark.parametrize("ending", ["json", "pkl"])
def test_a_dump_with_true_labels(ending, label):
    rows = [
        {"pred_score": np.array(scores), "gt_label": label(n)}
        for scores, n in zip(SCORES, (2, 0), strict=True)
    ]
    found = read_predictions(dump(rows, f"d.{ending}"), clips="list.txt", classes=CLASSES)
    pd.testing.assert_frame_equal(found, EXPECTED.assign(label=["walk", "jog"]))


def test_arrays_of_numpy():
    np.save("s.npy", np.array(SCORES))
    pd.testing.assert_frame_equal(read_predictions("s.npy", clips="list.txt", classes=CLASSES), EXPECTED)
    np.save("n.npy", np.array([1, 0]))
    expected = EXPECTED[["clip", "predicted"]]
    pd.testing.assert_frame_equal(read_predictions("n.npy", clips="list.txt", classes=CLASSES), expected)
    np.save("l.npy", np.array(["run", "jog"]))
    pd.testing.assert_frame_equal(read_predictions("l.npy", clips="list.txt"), expected)
    np.savez("a.npz", scores=SCORES, classes=CLASSES, clip=EXPECTED["clip"].to_list(), seed=3, fold=[0, 1])
    whole = EXPECTED.assign(fold=[0, 1], seed=3)
    pd.testing.assert_frame_equal(read_predictions("a.npz"), whole)


@pytest.mark.parametrize("ending", ["csv", "tsv", "json", "jsonl", "parquet"])
def test_tables_are_read_as_they_are_written(ending):
    name = f"t.{ending}"
    if ending == "parquet":
        EXPECTED.to_parquet(name)
    elif ending.startswith("json"):
        EXPECTED.to_json(name, orient="records", lines=ending == "jsonl")
    else:
        EXPECTED.to_csv(name, index=False, sep="\t" if ending == "tsv" else ",")
    found = read_predictions(name)
    pd.testing.assert_frame_equal(found.astype(EXPECTED.dtypes), EXPECTED)


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("touched"),)


def test_a_pickle_is_never_run():
    Path("e.pkl").write_bytes(pickle.dumps([Evil()]))
    with pytest.raises(
        DataError,
        match=r"e\.pkl: a pickle must hold arrays.*tensors of other types become arrays by their numpy",
    ):
        read_predictions("e.pkl", clips="list.txt", classes=CLASSES)
    np.save("e.npy", np.array([Evil()], dtype=object))
    with pytest.raises(DataError, match=r"e\.npy: cannot be read as predictions \(.*allow_pickle"):
        read_predictions("e.npy", clips="list.txt")
    assert not Path("touched").exists()


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("p.txt", "x", {}, "p.txt: predictions must be in a file that ends in .csv, .tsv, .json"),
        ("p.csv", "", {}, "p.csv: there is not one row in it"),
        ("p.csv", "clip,label\na,b,c\n", {}, "p.csv, line 2: must have 2 columns, got 3"),
        ("p.json", "{", {}, "p.json: cannot be read as predictions (Expecting"),
        ("gone.csv", None, {}, "gone.csv: cannot be read as predictions (No such file or directory)"),
        (
            "p.json",
            "[[1, 2]]",
            {},
            "p.json: has no names of clips; --clips must name a file with the 1 clips",
        ),
        (
            "p.json",
            "[[1, 2]]",
            {"clips": "gone.txt"},
            "gone.txt: cannot be read as predictions (No such file",
        ),
        ("p.json", "[[1, 2]]", {"clips": "list.txt"}, "p.json: has 1 predictions, but 2 clips are named"),
        (
            "p.json",
            "[[1, 2], [3]]",
            {"clips": "list.txt"},
            "p.json, entry 1: must have one score for each of 2",
        ),
        (
            "p.json",
            "[[1, 2], [3, 4]]",
            {"clips": "list.txt"},
            "scores of 2 classes; --classes must name them",
        ),
        (
            "p.json",
            '[{"pred_score": [1, 2], "gt_label": 0}, {"pred_score": [1, 2]}]',
            {"clips": "list.txt"},
            "p.json: each entry must have one gt_label, or none has any",
        ),
        (
            "p.json",
            '[{"pred_score": [1, 2], "gt_label": 0}, {"pred_score": [1, 2], "gt_label": 7}]',
            {"clips": "list.txt", "classes": ["a", "b"]},
            "p.json: numbers of classes must be from 0 to 1, got 0 to 7",
        ),
        (
            "p.npz",
            {"x": [1]},
            {},
            "p.npz: must have the array scores or predicted, and may have classes, clip",
        ),
        (
            "p.npz",
            {"predicted": ["a", "b"], "seed": [1, 2, 3]},
            {"clips": "list.txt"},
            "p.npz: seed must be one value or 2, got (3,)",
        ),
        (
            "p.npz",
            {"scores": [[[1]]]},
            {},
            "p.npz: must be an array of labels (n,) or of scores (n, n_classes)",
        ),
        ("p.pkl", {}, {}, "p.pkl: must be a list with the scores of each clip, as mmaction2 dumps them"),
    ],
)
def test_what_cannot_be_read_is_refused(name, content, options, message):
    if isinstance(content, str):
        Path(name).write_text(content)
    elif name.endswith(".pkl"):
        dump(content, name)
    elif content is not None:
        np.savez(name, **content)
    with pytest.raises(DataError) as refused:
        read_predictions(name, **options)
    assert message in str(refused.value)
    assert len(refused.value.args) == 1


def test_arrays_of_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit([[0.0], [1.0], [2.0]], ["jog", "run", "walk"])
    values = [[0.2], [1.9]]
    found = predictions_table(model.predict_proba(values), ["a", "b"], model.classes_)
    assert found["predicted"].tolist() == model.predict(values).tolist()
    np.testing.assert_array_equal(found.filter(like="p("), model.predict_proba(values))
    labels = predictions_table(model.predict(values), ["a", "b"])
    pd.testing.assert_frame_equal(labels, found[["clip", "predicted"]])
