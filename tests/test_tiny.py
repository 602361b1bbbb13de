"""The whole product in seconds: a matrix of each family, its table, its report, a bundle, a model to take home."""

import json

import pytest

MATRIX = """
name = "tiny"

[[datasets]]
name = "figures"
split = { name = "group-k-fold", folds = 2 }
subjects = 4
clips_per_subject = 1
frames = 12

[[attempts]]
name = "majority"

[[attempts]]
name = "hog-svm"

[[attempts]]
name = "rules-hand"

[[attempts]]
name = "mlp-flow"
params = { epochs = 1, frames = 6, size = 8 }
"""


@pytest.mark.slow
def test_from_a_matrix_to_everything_that_comes_out_of_it(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.toml").write_text(MATRIX)
    code, out, err = call("run", "tiny.toml", "-q", "--json")
    assert (code, err) == (0, "")
    rows = {row["attempt"]: row for row in json.loads(out)}
    # Six actions of four people, one clip of each: who always says the same is right once in six.
    assert {row["n_clips"] for row in rows.values()} == {24}
    assert rows["majority"]["accuracy"] == 1 / 6
    assert rows["hog-svm"]["accuracy"] > 1 / 6

    assert "24 clips, 4 groups, 2 folds" in call("show")[1]
    assert call("report", "-o", "out")[0] == 0
    assert "hog-svm" in (tmp_path / "out" / "index.html").read_text()
    assert call("bundle", "-o", "tiny.zip")[0] == 0
    assert call("compare", "actionbench.sqlite", "tiny.zip")[0] == 0
    options = [
        word for option in ("subjects=4", "clips_per_subject=1", "frames=12") for word in ("--set", option)
    ]
    assert call("fit", "hog-svm", "--dataset", "figures", *options, "-o", "model")[0] == 0
    assert (tmp_path / "model").is_dir()
