import json
import shlex
from pathlib import Path

import pandas as pd
import pytest

import actionbench

CLIPS = [
    f"{label}/{person}_{n}.mkv"
    for label in ("dark", "light")
    for person in ("ann", "bob", "cem")
    for n in (1, 2)
]


@pytest.fixture
def predicted(folder):
    """Right predictions of the clips in a folder with a matrix."""
    table = pd.DataFrame({"clip": CLIPS, "label": [clip.split("/")[0] for clip in CLIPS]})
    table.to_csv("mine.csv", index=False)
    return table


@pytest.mark.parametrize(
    "data",
    [
        "--dataset m.toml",
        "--dataset folder --root 'my clips' --set 'groups=(?P<group>[a-z]+)_'",
        "--dataset folder --root 'my clips' --set 'groups=(?P<group>[a-z]+)_' --set split=leave-one-group-out",
    ],
)
def test_predictions_become_a_row(predicted, call, data):
    code, out, err = call("import", "mine.csv", *shlex.split(data), "-q", "--store", "s.sqlite")
    assert (code, out, err) == (0, "", "s.sqlite: 3 cells of mine imported\n")
    code, out, _ = call("show", "s.sqlite")
    assert code == 0
    assert "100.0 [" in out
    assert "not measured" in out
    assert call("import", "mine.csv", *shlex.split(data), "-q", "--store", "s.sqlite")[2] == (
        "s.sqlite: 0 cells of mine imported, 3 were there already\n"
    )


def test_a_dump_is_given_names(predicted, call):
    rows = [{"pred_score": [0.1, 0.9] if "light" in clip else [0.8, 0.2]} for clip in CLIPS]
    Path("d.json").write_text(json.dumps(rows))
    Path("list.txt").write_text("\n".join(f"my clips/{clip} 0" for clip in CLIPS))
    words = "import d.json --dataset m.toml --clips list.txt --classes dark,light --attempt tsm --family nets"
    assert call(*shlex.split(words))[0] == 0
    table = actionbench.table()
    assert table[["attempt", "family", "accuracy"]].to_numpy().tolist() == [["tsm", "nets", 1.0]]
    assert table["calibration_error"][0] == pytest.approx(0.15)


def test_force_replaces_what_was_imported(predicted, call):
    words = ("import", "mine.csv", "--dataset", "m.toml", "-q")
    call(*words)
    predicted.assign(label="dark").to_csv("mine.csv", index=False)
    code, _, err = call(*words)
    assert code == 2
    assert "already there with other values in 3 cells; --force replaces them" in err
    assert actionbench.table()["accuracy"].tolist() == [1.0]
    assert call(*words, "--force")[0] == 0
    assert actionbench.table()["accuracy"].tolist() == [0.5]


def test_clips_that_are_left_out_need_no_prediction(predicted, call):
    Path("my clips/dark/ann_3.mkv").write_bytes(b"no video")
    words = ("import", "mine.csv", "--dataset", "m.toml", "-q")
    code, _, err = call(*words)
    assert (code, "ann_3" in err) == (2, True)
    assert call(*words, "--set", "datasets.folder.on_error=drop")[0] == 0
    assert actionbench.table()[["n_clips", "accuracy"]].to_numpy().tolist() == [[12, 1.0]]


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        (
            "gone.csv --dataset m.toml",
            ["gone.csv: cannot be read as predictions (No such file or directory)"],
        ),
        ("mine.csv --dataset floder", ["there is no data set 'floder'; did you mean 'folder'"]),
        ("bad.csv --dataset m.toml", ["'x' is", "did you mean 'dark'?"]),
        ("mine.csv --dataset m.toml --store no/s.sqlite", ["the folder no does not exist"]),
    ],
)
def test_bad_input_is_refused_and_nothing_written(predicted, call, words, messages):
    predicted.assign(label="drak").iloc[1:].to_csv("bad.csv", index=False)
    code, out, err = call("import", *words.split())
    assert (code, out) == (2, "")
    assert all(message in err for message in messages[1:] or messages)
    assert not Path("actionbench.sqlite").exists()


@pytest.fixture
def scored(tmp_path, monkeypatch):
    """Scores of three attempts on six data sets, one of them at chance."""
    monkeypatch.chdir(tmp_path)
    rows = [f"d{n},{0.9 - n / 100},{0.7 - n / 100},0.5" for n in range(6)]
    Path("scores.csv").write_text("\n".join(["dataset,net,svm,coin", *rows]))


def test_scores_are_ranked(scored, call):
    code, out, err = call("import", "scores.csv", "--chance", "0.5", "-o", "out")
    assert code == 0
    assert [
        line.split()[:3] for line in out.splitlines() if line.split()[:1] in (["net"], ["svm"], ["coin"])
    ] == [
        ["net", "1–2", "1"],
        ["svm", "1–3", "2"],
        ["coin", "2–3", "3"],
    ]
    assert "at chance on 6 of 6" in out
    assert "critical difference of 1.35 ranks" in err
    assert "At chance on every data set with a known chance level: coin." in err
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "intervals.csv", "ranks.csv", "ranks.png", "ranks.svg", "ranks.txt", "scores.csv",
    ]  # fmt: skip
    code, out, _ = call("import", "out/scores.csv", "--json", "--lower-is-better")
    assert [row["attempt"] for row in json.loads(out)] == ["coin", "svm", "net"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("scores.csv --clips a.txt", "--clips: is for predictions, with --dataset"),
        ("scores.csv --force", "--force: is for predictions, with --dataset"),
        ("scores.csv --dataset figures --chance 0.5", "--chance: is for scores, without --dataset"),
        (
            "scores.csv --dataset figures --lower-is-better",
            "--lower-is-better: is for scores, without --dataset",
        ),
        (
            "scores.csv --dataset figures",
            "scores.csv: has no rows for 'figures' under 'leave-one-group-out' in",
        ),
        ("gone.csv", "gone.csv: cannot be read as scores (No such file or directory)"),
        ("part.csv", "part.csv: 'svm' has no score on 'd1' (1 of 4 scores are missing); --missing drop"),
        (
            "one.csv",
            "one.csv: scores need a row for each of at least 2 data sets and a column for each of at least 2",
        ),
    ],
)
def test_scores_that_cannot_be_ranked_are_refused(scored, call, words, message):
    Path("part.csv").write_text("dataset,net,svm\nd0,0.9,0.8\nd1,0.9,\n")
    Path("one.csv").write_text("dataset,net,svm\nd0,0.9,0.8\n")
    code, out, err = call("import", *words.split())
    assert (code, out) == (2, "")
    assert message in err
    assert not Path("actionbench.sqlite").exists()
