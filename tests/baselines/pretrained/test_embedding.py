"""A pretrained net as an attempt: what its results depend on, what it says of itself, and what is refused early."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from pretrained_nets import SMALL, averaging_net

from actionbench import Attempt
from actionbench.baselines.handcrafted.late_fusion import LateFusion
from actionbench.baselines.pretrained.embedding import Embedding
from actionbench.errors import ActionbenchError
from actionbench.experiments.datasets.diagnostic.dataset import Diagnostic
from actionbench.experiments.datasets.splits import Published
from actionbench.experiments.planning.cells import make_plan
from actionbench.experiments.planning.matrix import read_matrix
from actionbench.experiments.store.store import Store
from actionbench.features.cache import FeatureCache, use_cache
from actionbench.features.examples import examples

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"


@pytest.fixture
def net(tmp_path):
    return averaging_net(tmp_path / "net.onnx")


def plan(*attempts, **params):
    """Return the cells of the attempt, or of others, on a few drawn people."""
    data = {"name": "figures", "subjects": 2, "clips_per_subject": 1, "split": "leave-one-group-out"}
    entries = attempts or ({"name": "embedding", "params": params},)
    return make_plan(read_matrix({"name": "m", "datasets": [data], "attempts": list(entries)})).cells


@pytest.mark.parametrize("probe", ["linear", "knn", "prototype"])
def test_it_learns_and_is_saved_with_its_net(net, tmp_path, probe):
    attempt = Embedding(file=str(net), probe=probe, pool="mean+std").fit(*examples())
    assert attempt.score(*examples()[:2]) > 0.9
    attempt.save(tmp_path / "saved")
    before = attempt.predict_proba(examples()[0])
    # The copy is enough, and nothing else is looked at.
    net.unlink()
    net.with_suffix(".toml").write_text("nonsense = 1")
    loaded = Attempt.load(tmp_path / "saved")
    np.testing.assert_array_equal(loaded.predict_proba(examples()[0]), before)
    assert loaded.get_params()["file"] == str(net)
    assert str(loaded.explain()) == (
        "net.onnx: 'x' (3 x 32 x 32) to 'y', pretrained: yes\n8 vectors of a clip become 96 values (mean, std)\n"
        f"probe: {probe}" + (", 5 neighbours" if probe == "knn" else "")
    )


def test_mean_pooling_fails_and_thirds_pass_where_time_has_an_arrow(tmp_path):
    """Arms are raised, or the same frames come backwards: all frames together are the same."""
    net = averaging_net(tmp_path / "grid.onnx", size=64)
    data = Diagnostic("one-way", train_subjects=6, test_subjects=4, pairs=3)
    (fold,) = Published().folds(data)
    scores = {}
    with use_cache(FeatureCache(tmp_path / "cache", 2**30, lambda _: "")):
        for pool in ("mean", "mean+std+delta", "thirds"):
            attempt = Embedding(file=str(net), pool=pool, sample="uniform:9")
            attempt.fit(data.clips[fold.train], data.labels[fold.train], data.groups[fold.train])
            scores[pool] = attempt.score(data.test_clips[fold.test], data.labels[fold.test])
    assert scores["mean"] == pytest.approx(0.5, abs=0.1)
    assert scores["mean+std+delta"] == pytest.approx(0.5, abs=0.1)
    assert scores["thirds"] >= 0.75


def test_size_and_operations_are_those_of_net_and_probe(net):
    attempt = Embedding(file=str(net), probe="prototype", sample="uniform:5").fit(*examples())
    # Three means of 48 values and a temperature; the net has no weights, and makes 48 numbers twice for each frame.
    assert attempt.count() == {"parameters": 3 * 48 + 1, "operations": 5 * 2 * 48}


def test_what_it_was_trained_on_is_said(net):
    attempt = Embedding(file=str(net)).fit(*examples())
    assert (attempt.pretrained, attempt.warnings()) == ("yes", {})
    net.with_suffix(".toml").write_text(SMALL + 'pretrained_on = "Kinetics-400"')
    assert attempt.pretrained == "Kinetics-400"
    assert attempt.warnings() == {
        "pretraining-overlap": "net.onnx was trained on Kinetics-400, which may hold classes or clips of this data "
        'set; where it does not, its TOML file may say overlap = "none".'
    }
    net.with_suffix(".toml").write_text(SMALL + 'pretrained_on = "Kinetics-400"\noverlap = "none"')
    assert (attempt.pretrained, attempt.warnings()) == ("Kinetics-400", {})


def test_a_fusion_of_pretrained_members_is_pretrained(net, monkeypatch):
    attempt = Embedding(file=str(net)).fit(*examples())
    fusion = LateFusion(members="chance + majority")
    assert fusion.pretrained == ""
    fusion.members_ = [attempt, attempt]
    attempt.is_constant_ = True
    assert (fusion.pretrained, list(fusion.warnings())) == ("yes", ["constant-embedding"])


def test_a_constant_embedding_is_reported(tmp_path):
    """The weights of these well-known nets are constants, so that all frames look the same to them."""
    shutil.copy(LIGHT / "light_shufflenet.onnx", tmp_path / "n.onnx")
    (tmp_path / "n.toml").write_text(
        "resize = { height = 224, width = 224 }\ntime = { sample = 'uniform:1' }"
    )
    clips, labels, groups = examples()
    attempt = Embedding(file=str(tmp_path / "n.onnx")).fit(clips[:4], labels[:4], groups[:4])
    assert attempt.warnings() == {
        "constant-embedding": "All vectors of the training clips are the same: they do not depend on the frames."
    }


def test_the_content_of_the_files_is_part_of_the_key_and_their_place_is_not(net, tmp_path):
    keys = [cell.key for cell in plan(file=str(net))]
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for path in (net, net.with_suffix(".toml")):
        shutil.copy(path, moved)
    assert [cell.key for cell in plan(file=str(moved / net.name))] == keys
    (moved / "net.toml").write_text(SMALL + "rescale = 1.0")
    assert not {cell.key for cell in plan(file=str(moved / net.name))} & set(keys)
    averaging_net(net, cells=2)
    assert not {cell.key for cell in plan(file=str(net))} & set(keys)
    assert [cell.title for cell in plan(file=str(net))] == ["embedding (file=net.onnx)"] * 2


@pytest.mark.parametrize(
    ("params", "toml", "sentence"),
    [
        ({}, SMALL, "embedding needs the parameter 'file': a pretrained net as an ONNX file"),
        ({"file": "gone.onnx"}, SMALL, "gone.onnx: there is no such file; it must be an ONNX model"),
        ({"file": "net.onnx"}, "", None),
        ({"file": "net.onnx"}, "size = 3", "net.toml: unknown key 'size'; did you mean 'resize'?"),
        ({"file": "net.onnx"}, "crop = 33", "net.onnx: its input 'x' has the length 32 along H"),
        ({"file": "net.onnx", "probe": "svm"}, SMALL, "params.probe: "),
        ({"file": "net.onnx", "pool": "max"}, SMALL, "pool must be some of mean, std, delta, thirds"),
        ({"file": "net.onnx", "sample": "8"}, SMALL, 'sample must be "uniform:8", "fps:2" or "all"'),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_runs(
    net, tmp_path, params, toml, sentence, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    net.with_suffix(".toml").write_text(toml)
    if sentence is None:
        assert len(plan(**params)) == 2
        return
    with pytest.raises(ActionbenchError) as caught:
        plan(**params)
    assert len(caught.value.args) == 1
    assert "attempt 'embedding': " in str(caught.value)
    assert sentence in str(caught.value)


def test_several_faults_of_a_file_are_sentences_of_their_own(net):
    net.with_suffix(".toml").write_text("mean = 1\nstd = 1")
    with pytest.raises(ActionbenchError) as caught:
        plan(file=str(net))
    assert [fault.partition(".toml: ")[2][:4] for fault in caught.value.args] == ["mean", "std:"]


def test_table_ladder_and_exports_say_that_it_is_pretrained(net, tmp_path, call, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net.with_suffix(".toml").write_text(SMALL + 'pretrained_on = "cats"')
    (tmp_path / "m.toml").write_text(
        'name = "m"\n[[datasets]]\nname = "figures"\nsubjects = 2\nclips_per_subject = 1\nframes = 8\n'
        'probes = ["frozen"]\nprobe_side = "both"\nsplit = "leave-one-group-out"\n'
        '[[attempts]]\nname = "embedding"\ntitle = "net"\nparams = { file = "net.onnx", pool = "mean+delta" }\n'
        '[[attempts]]\nname = "majority"\n'
    )
    code, out, err = call("run", "m.toml", "--store", "s.sqlite", "--only", "fold=0")
    assert code == 0, err
    assert "[pretraining-overlap]" in out
    rows = json.loads(call("show", "s.sqlite", "--format", "json")[1])
    assert {row["attempt"]: row["pretrained"] for row in rows} == {"net": "cats", "majority": ""}
    for form, cell in (("csv", ",cats,"), ("md", "| cats |"), ("tex", "& cats")):
        assert cell in call("show", "s.sqlite", "--format", form)[1]
    with Store.open(tmp_path / "s.sqlite") as store:
        cells = store.cells()
    assert set(cells["status"]) == {"done"}
    # The ladder has frozen clips beside whole ones.
    assert set(cells["dataset"]) == {"figures", "figures (frozen)"}
    # Silenced by the matrix, or for ever in the file.
    silent = ("--set", 'silence=["pretraining-overlap"]')
    code, out, _ = call("run", "m.toml", "--store", "s.sqlite", "--only", "fold=0", *silent)
    assert (code, "[pretraining-overlap]" in out) == (0, False)
