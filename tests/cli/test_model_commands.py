import json
import signal
from pathlib import Path

import numpy as np
import onnx

from actionbench import api
from actionbench.baselines.trivial.majority import Majority
from actionbench.features.video import read_video

FIT = ["--dataset", "folder", "--root", "my clips", "--set", "groups=^(?P<group>[^_]+)_", "-o", "model"]


DARK, LIGHT = "my clips/dark/ann_1.mkv", "my clips/light/bob_2.mkv"


def test_a_winner_is_fitted_and_asked(folder, call):
    code, out, err = call("fit", "hog-svm", *FIT)
    assert code == 0
    assert "There is no accuracy" in out
    assert "actionbench run --set 'attempts=[{ name = \"hog-svm\" }]'" in out
    assert err == "training hog-svm on folder\n"
    code, out, err = call("predict", "model", DARK, LIGHT)
    assert (code, err) == (0, "")
    for name in ("ann_1.mkv", "bob_2.mkv"):
        assert name in out
    # Clips of one name are told apart by their folders.
    assert "dark/ann_1.mkv" in call("predict", "model", DARK, "my clips/light/ann_1.mkv")[1].replace("\n", "")
    code, out, err = call("predict", "model", DARK, LIGHT, "--json")
    assert (code, err) == (0, "")
    table = api.predict("model", [DARK, LIGHT])
    for said, row in zip(json.loads(out), table.to_dict("records"), strict=True):
        assert said["label"] == row["label"] == max(said["probabilities"], key=said["probabilities"].get)
        assert {f"p({label})": share for label, share in said["probabilities"].items()}.items() <= row.items()
        assert said["decode_ms"] > 0
        assert "explanation" not in said


def test_a_fit_for_a_program(folder, call):
    code, out, err = call("fit", "majority", *FIT, "--json", "-q")
    assert (code, err) == (0, "")
    facts = json.loads(out)
    assert facts["classes"] == ["dark", "light"]
    assert (facts["clips"], facts["groups"], facts["accuracy"]) == (12, 3, None)
    assert facts["measure"].startswith("actionbench run ")
    code, out, err = call("fit", "majority", *FIT)
    assert (code, out) == (2, "")
    assert "holds a model already" in err
    assert call("fit", "chance", *FIT, "--overwrite", "-q")[0] == 0
    assert api.load("model").header.attempt == "chance"


def test_an_interrupted_fit_says_what_is_saved(folder, call, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Majority, "fit", interrupted)
        assert call("fit", "majority", *FIT, "-q") == (
            130,
            "",
            "actionbench: interrupted; no model was saved in model\n",
        )
        assert not Path("model").exists()
    assert call("fit", "majority", *FIT, "-q")[0] == 0
    before = {path.name: path.read_bytes() for path in Path("model").iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(Majority, "fit", interrupted)
        code, _, err = call("fit", "majority", *FIT, "-q", "--overwrite")
    assert (code, err.strip()) == (
        130,
        "actionbench: interrupted; no model was saved, the one in model is as it was",
    )
    assert {path.name: path.read_bytes() for path in Path("model").iterdir()} == before


def test_an_interrupt_while_a_model_is_replaced_leaves_the_new_one_whole(folder, call, monkeypatch):
    assert call("fit", "majority", *FIT, "-q")[0] == 0
    rename = Path.rename

    def interrupted(path, target):
        signal.raise_signal(signal.SIGINT)
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", interrupted)
        code, _, err = call("fit", "chance", *FIT, "-q", "--overwrite")
    assert (code, err.strip()) == (130, "actionbench: interrupted; the new model in model is whole")
    assert api.load("model").header.attempt == "chance"
    assert not list(Path().glob(".model*"))


def test_what_nobody_can_measure_says_so(folder, call):
    for person in ("bob", "cem"):
        for path in Path("my clips").rglob(f"{person}_*"):
            path.unlink()
    code, out, _ = call("fit", "majority", *FIT)
    assert code == 0
    assert "All clips are of one group, so that it cannot be measured." in out
    assert "actionbench run" not in out


def test_a_long_video_is_cut_and_annotated(folder, call, write_video):
    call("fit", "majority", *FIT, "-q")
    write_video("long.mkv", np.full((20, 12, 16), 90, np.uint8))
    code, out, err = call("predict", "model", "long.mkv", "--annotate", "said.mp4")
    assert code == 0
    assert (
        "long.mkv: 0.8 s, but training clips took 0.2 s (median): predicted in windows of 0.2 s every 0.1 s"
        in err
    )
    assert "0.64-0.80" in out
    assert len(read_video("said.mp4")) == 20
    code, out, err = call("predict", "model", "long.mkv", "--window", "0.4", "--step", "0.4", "--json")
    assert (code, err) == (0, "")
    assert [(one["start"], one["end"]) for one in json.loads(out)] == [(0, 0.4), (0.4, 0.8)]
    code, _, err = call("predict", "model", "long.mkv", "--window", "0.1", "--step", "0.4")
    assert code == 2
    assert "so that no part is left out" in err
    for window in ("0", "-1", "nan", "inf"):
        assert call("predict", "model", "long.mkv", "--window", window)[0] == 2


def test_a_clip_that_is_broken_harms_no_other(folder, call):
    call("fit", "majority", *FIT, "-q")
    Path("broken.mp4").write_bytes(b"no video")
    code, out, err = call("predict", "model", "broken.mp4", DARK)
    assert code == 1
    assert "ann_1.mkv" in out
    assert err.startswith("actionbench: broken.mp4: not a video")
    code, out, err = call("predict", "model", "broken.mp4")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1


def test_a_video_that_breaks_is_cut_where_that_is_asked_for(folder, call, write_video):
    call("fit", "majority", *FIT, "-q")
    rng = np.random.default_rng(0)
    write_video("whole.avi", rng.integers(256, size=(60, 48, 64), dtype=np.uint8), fps=10)
    content = Path("whole.avi").read_bytes()
    Path("cut.avi").write_bytes(content[: len(content) // 2])
    code, out, err = call("predict", "model", "cut.avi")
    assert (code, out) == (2, "")
    assert 'use on_error = "truncate" to keep those' in err
    code, out, _ = call("predict", "model", "cut.avi", "--on-error", "truncate", "--annotate", "said.mp4")
    assert code == 0
    assert "cut.avi" in out
    assert 10 < len(read_video("said.mp4")) < 40


def test_rules_explain_a_clip_and_nets_become_onnx(folder, call):
    call("fit", "rules", *FIT, "-q")
    code, out, _ = call("predict", "model", DARK, LIGHT, "--explain")
    assert code == 0
    # The list once, then a story for each clip.
    assert out.count("otherwise ") == 1
    assert out.count("# this clip: ") == 2
    code, out, _ = call("predict", "model", DARK, "--explain", "--json")
    assert json.loads(out)[0]["explanation"].startswith("# this clip: ")
    code, out, err = call("export", "model", "-o", "net.onnx")
    assert (code, out) == (2, "")
    assert "model: the attempt 'rules' is no net; only nets become ONNX" in err
    small = ["--set", "attempts.mlp-flow.params.epochs=1", "--overwrite", "-q"]
    assert call("fit", "mlp-flow", *FIT, *small)[0] == 0
    code, _, err = call("predict", "model", DARK, "--explain")
    assert code == 2
    assert "'mlp-flow' cannot explain what it predicts for a clip" in err
    code, out, _ = call("export", "model", "-o", "net.onnx")
    assert (code, out) == (0, "net.onnx\n")
    assert onnx.load("net.onnx").producer_name == "actionbench"


def test_other_code_is_said_and_harms_nothing(folder, call, monkeypatch):
    call("fit", "majority", *FIT, "-q")
    monkeypatch.setattr("actionbench.experiments.store.provenance.code_fingerprint", lambda *_: "other")
    code, out, err = call("predict", "model", DARK)
    assert code == 0
    assert "ann_1.mkv" in out
    assert "model: the model was fitted with other code (of the same versions)" in err


def test_an_own_attempt_is_taken_home_with_its_plugin(folder, call):
    Path("mine.py").write_text(
        "from actionbench.baselines.trivial.majority import Majority\nclass Mine(Majority):\n    pass\n"
    )
    assert call("fit", "mine", *FIT, "-q", "--plugin", "mine.py")[0] == 0
    code, _, err = call("predict", "model", DARK)
    assert code == 2
    assert "comes from the plug-in mine.py; name that file with --plugin" in err
    assert call("predict", "model", DARK, "--plugin", "mine.py")[0] == 0


def test_a_list_of_rules_is_written_and_runs_as_it_was(folder, call):
    words = [
        "rules",
        "rules",
        "--dataset",
        "folder",
        "--root",
        "my clips",
        "--set",
        "groups=^(?P<group>[^_]+)_",
        "-o",
        "x.txt",
    ]
    code, out, err = call(*words)
    assert (code, out) == (0, "x.txt\n")
    assert "fitted on all 12 clips" in err
    lines = Path("x.txt").read_text().splitlines()
    assert lines[0].startswith("# The first rule that holds decides. Quantities: horizontal speed, ")
    assert lines[-1].startswith("otherwise ")
    change = 'attempts=[{ name = "rules-file", params = { path = "x.txt" } }]'
    code, out, _ = call("run", "m.toml", "--set", change, "--json", "-q")
    assert code == 0
    assert json.loads(out)[0]["n_rules"] == len(lines) - 1


def test_the_winner_in_python(folder):
    dataset = {"name": "folder", "root": "my clips", "groups": "none"}
    model = api.fit({"name": "hog-svm", "params": {"C": 0.5}}, dataset, "model")
    assert model.attempt.C == 0.5
    table = api.predict(model, DARK, window=0.08, step=0.04)
    columns = "clip start end label probability decode_ms predict_ms p(dark) p(light)".split()
    assert table.columns.tolist() == columns
    assert table["start"].tolist() == [0, 0.04, 0.08]
    np.testing.assert_allclose(table["p(dark)"] + table["p(light)"], 1)
    again = api.predict("model", [DARK], window=0.08, step=0.04)
    assert again["p(dark)"].tolist() == table["p(dark)"].tolist()
    assert api.predict(model, []).columns.tolist() == columns
    api.fit("rules", dataset, "model", overwrite=True)
    assert api.predict("model", DARK, explain=True)["explanation"][0].startswith("# this clip: ")


def test_what_is_none_of_the_classes_and_segments_of_it(folder, call, write_video):
    code, out, _ = call("fit", "hog-svm", *FIT, "--reject", "--set", "attempts.hog-svm.calibrate=true")
    assert code == 0
    assert "smallest rate to reject" in out
    assert "Probabilities are raised to" in out
    assert 'calibrate = "temperature"' in out
    code, out, err = call("predict", "model", DARK, "--reject", "0.05")
    assert (code, out) == (2, "")
    assert (
        "a rate of 0.05 needs 19 groups of training clips, the model has 3; the smallest rate is 0.25" in err
    )
    code, out, _ = call("predict", "model", DARK, "--reject", "0.3", "--json")
    (said,) = json.loads(out)
    assert said["p_value"] > 0.3
    assert not said["is_rejected"]
    assert api.predict("model", DARK, reject=0.3)["p_value"].tolist() == [said["p_value"]]
    write_video("long.mkv", np.full((20, 12, 16), 90, np.uint8))
    outputs = ["-o", "s.csv", "-o", "s.eaf", "-o", "s.png"]
    code, out, err = call("predict", "model", "long.mkv", "--reject", "0.9", *outputs)
    assert code == 0
    assert "none of these" in out
    assert " in s.csv" in err
    table = api.segments("model", "long.mkv", reject=0.9, outputs=["again.csv"])
    assert Path("again.csv").read_text() == Path("s.csv").read_text()
    assert table["end"].iloc[-1] == 0.8
    for name in ("s.eaf", "s.png"):
        assert Path(name).stat().st_size > 0
    code, out, err = call("predict", "model", "long.mkv", "-o", "s.txt")
    assert (code, out) == (2, "")
    assert "its name must end with one of these" in err
    for rate in ("0", "1", "-1", "nan"):
        assert call("predict", "model", DARK, "--reject", rate)[0] == 2


def test_a_model_that_holds_no_groups_out_rejects_nothing(folder, call):
    call("fit", "majority", *FIT, "-q")
    code, out, err = call("predict", "model", DARK, "--reject", "0.3")
    assert (code, out) == (2, "")
    assert "cannot answer 'none of these'; fit it with --reject" in err
