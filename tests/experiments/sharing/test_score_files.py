import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from actionbench.errors import DataError
from actionbench.experiments.sharing.score_files import COLUMNS, check_scores, read_scores

WIDE = "dataset,net,svm,chance\nkth,0.9,0.8,0.17\nucf,0.7,,0.01\n"
LONG = "attempt,dataset,score,chance\nnet,kth,0.9,0.17\nnet,ucf,0.7,0.01\nsvm,kth,0.8,0.17\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def mteb(model, task, content):
    path = Path("mteb", model, "abc123", f"{task}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    Path(path.parent, "model_meta.json").write_text("{}")
    path.write_text(json.dumps(content))


def result(task, accuracies, **more):
    entry = {
        "scores_per_experiment": [{"accuracy": value, "f1": value / 2} for value in accuracies],
        "f1": float(np.mean(accuracies)) / 2,
        "accuracy": float(np.mean(accuracies)),
        "main_score": float(np.mean(accuracies)),
        "hf_subset": "default",
        **more,
    }
    return {"task_name": task, "mteb_version": "2.1", "scores": {"test": [entry]}}


def test_long_and_wide_tables_say_the_same():
    Path("w.csv").write_text(WIDE)
    Path("l.csv").write_text(LONG)
    pd.testing.assert_frame_equal(read_scores("w.csv"), read_scores("l.csv"))
    assert list(read_scores("w.csv")) == list(COLUMNS)


def test_what_is_read_can_be_written_and_read():
    Path("w.csv").write_text(WIDE)
    found = read_scores("w.csv")
    found.to_csv("again.csv", index=False)
    pd.testing.assert_frame_equal(read_scores("again.csv"), found)


def test_a_folder_of_mteb():
    draws = {"clip": [0.5, 0.75, 1.0], "jepa": [0.25, 0.5, 0.25]}
    for model, values in draws.items():
        mteb(model, "UCF101", result("UCF101", values))
        # Without draws, in several languages, or with draws of another score.
        mteb(
            model,
            "Pairs",
            {"task_name": "Pairs", "scores": {"test": [{"main_score": 0.5}, {"main_score": 1}]}},
        )
        mteb(model, "Odd", result("Odd", [0.5], main_score=0.9))
    found = read_scores("mteb")
    for model, values in draws.items():
        own = found[found["attempt"] == model].set_index("dataset")["score"]
        assert own["UCF101"].tolist() == values
        assert (own["Pairs"], own["Odd"]) == (0.75, 0.9)
    one = read_scores("mteb/clip/abc123")
    assert set(one["attempt"]) == {"abc123"}


@pytest.mark.parametrize(
    ("name", "content", "messages"),
    [
        ("s.txt", "x", ["s.txt: scores must be in a folder of MTEB or in a file that ends in .csv"]),
        ("gone.csv", None, ["gone.csv: cannot be read as scores (No such file or directory)"]),
        ("s.csv", "", ["s.csv: there is not one row in it"]),
        ("s.csv", "clip,label\na,b\n", ["s.csv: has a column 'clip': of predictions, --dataset must name"]),
        (
            "s.csv",
            "dataset\nkth\n",
            ["s.csv: must have the columns dataset, attempt and score, or a column for each"],
        ),
        ("s.csv", "dataset,score\nkth,1\n", ["s.csv: has no column 'attempt'; it has dataset, score"]),
        (
            "s.csv",
            "dataset,attempt,score,sede\nkth,a,1,2\n",
            ["s.csv: has an unknown column 'sede'; did you mean 'seed'?"],
        ),
        (
            "s.csv",
            "dataset,attempt,score,chance\nkth,a,x,0.1\nkth,a,0.5,0.2\n",
            [
                "s.csv: 'score' must be a finite number; it is not for 'a' on 'kth'",
                "s.csv: has two scores for 'a' on 'kth'; each must be of another data set, attempt or seed",
                "s.csv: 'chance' must be the same for all attempts on a data set",
            ],
        ),
        ("mteb", {}, ["a/abc123/T.json: must have task_name, and in scores a main_score for each split"]),
        (
            "mteb",
            {"task_name": "T", "scores": {}},
            ["T.json: must have task_name, and in scores a main_score"],
        ),
    ],
)
def test_what_are_no_scores_is_refused(name, content, messages):
    if name == "mteb":
        mteb("a", "T", content)
    elif content is not None:
        Path(name).write_text(content)
    with pytest.raises(DataError) as refused:
        read_scores(name)
    assert len(refused.value.args) == len(messages)
    for sentence, message in zip(refused.value.args, messages, strict=True):
        assert message in sentence


def test_each_damaged_file_of_mteb_is_named():
    for model in ("a", "b"):
        mteb(model, "T", result("T", [1.0]))
        Path(f"mteb/{model}/abc123/T.json").write_text("{")
    with pytest.raises(DataError) as refused:
        read_scores("mteb")
    assert [Path(text.split(":")[0]).parts[1] for text in refused.value.args] == ["a", "b"]
    Path("empty").mkdir()
    with pytest.raises(DataError, match=r"empty: there is no \.json file in it"):
        read_scores("empty")


def test_a_data_frame_is_checked_likewise():
    with pytest.raises(DataError, match="mine: has no column 'score'; it has dataset, attempt"):
        check_scores(pd.DataFrame({"dataset": ["a"], "attempt": ["b"]}), "mine")
