"""What all attempts with nets promise."""

import dataclasses

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from actionbench import ActionbenchError, Clip, Clips
from actionbench.baselines.nets._recipe import QUICK, THOROUGH
from actionbench.baselines.nets.c3d import C3d
from actionbench.baselines.nets.convnet_3d import ConvNet3d
from actionbench.baselines.nets.convnet_flow import ConvNetFlow
from actionbench.baselines.nets.convnet_frame import ConvNetFrame
from actionbench.baselines.nets.convnet_lstm import ConvNetLstm
from actionbench.baselines.nets.convnet_s3d import ConvNetS3d
from actionbench.baselines.nets.inception_small import InceptionSmall
from actionbench.baselines.nets.mlp_features import MlpFeatures
from actionbench.baselines.nets.mlp_flow import MlpFlow
from actionbench.baselines.nets.mlp_pixels import MlpPixels
from actionbench.baselines.nets.mlp_pruned import MlpPruned
from actionbench.baselines.nets.mlp_sparse import MlpSparse
from actionbench.baselines.nets.net_evolved import NetEvolved
from actionbench.baselines.nets.two_stream import TwoStream
from actionbench.models import nn
from actionbench.models.structure import count_parameters

SMALL = {"epochs": 25, "frames": 8, "size": 24, "learning_rate": 1e-2}
ATTEMPTS = {
    "mlp-pixels": MlpPixels(epochs=30),
    "mlp-flow": MlpFlow(epochs=30, frames=6, size=8, hidden=(32, 32)),
    "mlp-features": MlpFeatures(epochs=20),
    "mlp-pruned": MlpPruned(epochs=15, frames=6, size=8, density=0.2, rounds=2),
    "mlp-sparse": MlpSparse(epochs=40, frames=6, size=8, strength=1e-4),
    "net-evolved": NetEvolved(epochs=15, frames=6, size=8, evaluations=5, population=3, search_epochs=3),
    "convnet-3d": ConvNet3d(widths=(8, 8, 16), **SMALL),
    "convnet-frame": ConvNetFrame(epochs=40, widths=(8, 16), size=24, learning_rate=1e-2),
    "convnet-flow": ConvNetFlow(epochs=25, size=16, widths=(8, 16)),
    "convnet-lstm": ConvNetLstm(widths=(8, 16), hidden=16, **SMALL),
    "convnet-s3d": ConvNetS3d(widths=(8, 8, 16), recipe="thorough", dropout=0.2, n_views=4, **SMALL),
    "inception-small": InceptionSmall(width=4, **SMALL),
    "two-stream": TwoStream(widths=(8, 8, 16), **SMALL),
}


def stripes(vertical, seed):
    """Return a clip of a bar that moves up and down or left and right over noise."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 40, (int(rng.integers(20, 30)), 40, 50), dtype=np.uint8)
    start = int(rng.integers(0, 10))
    for t, frame in enumerate(frames):
        at = 15 + round(12 * np.sin((t + start) / 3))
        if vertical:
            frame[at : at + 6, 18:30] = 250
        else:
            frame[16:28, at : at + 6] = 250
    return Clip(frames, 25.0)


def data(n=16, seed=0):
    labels = np.array(["across", "up"])[np.arange(n) % 2]
    return Clips.of([stripes(label == "up", seed + i) for i, label in enumerate(labels)]), labels


# Of each kind of net one. What costs much and is one code for all is asked of the others in the slow tests.
ONE_EACH = {"mlp-features", "mlp-sparse", "net-evolved", "convnet-flow", "convnet-lstm"}
mostly_slow = pytest.mark.parametrize(
    "fitted",
    [pytest.param(name, marks=() if name in ONE_EACH else pytest.mark.slow) for name in ATTEMPTS],
    indirect=True,
    scope="module",
)


def brief(fitted, **params):
    """Return the attempt, not fitted, with little to do."""
    names = clone(fitted).get_params()
    shorter = {"evaluations": 3, "population": 2, "search_epochs": 1} if "evaluations" in names else {}
    return clone(fitted).set_params(**shorter | params)


@pytest.fixture(scope="module", params=ATTEMPTS)
def fitted(request):
    clips, labels = data()
    return clone(ATTEMPTS[request.param]).fit(clips, labels, np.arange(len(labels)) // 4)


def test_learns_what_moves_how(fitted):
    clips, labels = data(20, seed=100)
    assert fitted.classes_.tolist() == ["across", "up"]
    # Pictures alone say where the bar is, not how it goes.
    if not isinstance(fitted, ConvNetFrame) or isinstance(fitted, ConvNetFlow):
        assert (fitted.predict(clips) == labels).mean() >= 0.8


def test_probabilities(fitted):
    clips, _ = data(3)
    probabilities = fitted.predict_proba(clips)
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(fitted.predict_proba(clips[1:]), probabilities[1:])
    assert fitted.predict_proba(clips[:0]).shape == (0, 2)


@mostly_slow
def test_same_seed_same_net_for_any_number_of_threads(fitted, monkeypatch):
    clips, labels = data(6)
    small = brief(fitted, epochs=2)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    one = small.fit(clips, labels).predict_proba(clips)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    np.testing.assert_array_equal(one, clone(small).fit(clips, labels).predict_proba(clips))
    assert not np.array_equal(
        one, clone(small).set_params(random_state=1).fit(clips, labels).predict_proba(clips)
    )


@mostly_slow
@pytest.mark.parametrize("shape", [(1, 33, 21), (2, 7, 90, 3), (50, 120, 31, 3)])
def test_odd_clips(fitted, shape):
    clip = Clip(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8), 7.0)
    assert np.isfinite(fitted.predict_proba(Clips.of([clip]))).all()
    again = brief(fitted, epochs=1).fit(Clips.of([clip, clip]), np.array(["a", "b"]))
    assert again.predict_proba(Clips.of([clip])).shape == (1, 2)


def test_one_class_and_one_clip(fitted):
    clips, labels = data(1)
    only = brief(fitted, epochs=1).fit(clips, labels)
    np.testing.assert_array_equal(only.predict_proba(clips), [[1.0]])


def test_saved_and_read_back(fitted, tmp_path):
    clips, _ = data(2)
    fitted.save(tmp_path)
    np.testing.assert_array_equal(
        type(fitted).load(tmp_path).predict_proba(clips), fitted.predict_proba(clips)
    )


def test_exported_it_gives_the_same_probabilities_to_other_programs(fitted, tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="the oracle of the export")
    path = tmp_path / "net.onnx"
    fitted.export(path)
    session = runtime.InferenceSession(path)
    assert session.get_modelmeta().custom_metadata_map["classes"] == '["across", "up"]'
    clips, _ = data(3, seed=50)
    for clip, wanted in zip(clips, fitted.predict_proba(clips), strict=True):
        inputs = fitted.inputs(clip)
        inputs = inputs if isinstance(inputs, list) else [inputs]
        given = {place.name: value for place, value in zip(session.get_inputs(), inputs, strict=True)}
        (probabilities,) = session.run(None, given)
        np.testing.assert_allclose(probabilities.mean(axis=0), wanted, atol=1e-5)


def test_an_export_that_cannot_be_written(fitted, tmp_path, monkeypatch):
    with pytest.raises(ActionbenchError, match=r"net\.onnx: the net cannot be written there"):
        fitted.export(tmp_path / "no" / "net.onnx")
    monkeypatch.setattr("actionbench.models.export.MAX_BYTES", 10)
    with pytest.raises(
        ActionbenchError, match="cannot be written as ONNX: a model of ONNX must have less than"
    ):
        fitted.export(tmp_path / "net.onnx")


def test_not_fitted(fitted):
    with pytest.raises(NotFittedError):
        clone(fitted).predict_proba(data(1)[0])


def test_an_interrupted_training_is_no_fit(fitted, monkeypatch):
    clips, labels = data(4)
    attempt, left = clone(fitted), [6]
    augment = type(fitted._reader()).augment

    def interrupted(reader, video, rng):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return augment(reader, video, rng)

    monkeypatch.setattr(type(fitted._reader()), "augment", interrupted)
    with pytest.raises(KeyboardInterrupt):
        attempt.fit(clips, labels)
    with pytest.raises(NotFittedError):
        attempt.predict_proba(clips)


@mostly_slow
def test_videos_that_do_not_fit_into_memory_are_read_again(fitted, monkeypatch):
    clips, labels = data(4)
    small = brief(fitted, epochs=2)
    held = small.fit(clips, labels).predict_proba(clips)
    monkeypatch.setattr("actionbench.baselines.nets.net._MAX_CACHED", 0)
    np.testing.assert_array_equal(clone(small).fit(clips, labels).predict_proba(clips), held)


def test_count_and_explanation(fitted):
    count = fitted.count()
    assert count["parameters"] == count_parameters(fitted.net()) > 0
    assert count["operations"] >= 2 * count["parameters"]
    explanation = fitted.explain()
    assert "Sequential()" in explanation
    assert f"in the last of {count['epochs'] // (2 if isinstance(fitted, TwoStream) else 1)}" in explanation
    pictures = {"loss", "layer", "connectivity", "locality", "graph", "search"}
    assert {name.rpartition("-")[2] for name in explanation.figures} <= pictures
    n_trainings = {TwoStream: 2, MlpPruned: 3}.get(type(fitted), 1)
    assert count["epochs"] == n_trainings * fitted.epochs


def test_search_space_names_parameters(fitted):
    for name, values in fitted.search_space().items():
        assert getattr(clone(fitted).set_params(**{name: values[0]}), name) == values[0]


def test_a_recipe_sets_what_is_left_alone():
    assert ConvNet3d()._settings() == QUICK
    assert ConvNet3d(recipe="thorough")._settings() == THOROUGH
    attempt = ConvNet3d(recipe="thorough", epochs=3, zoom=0.0, mirrored_views=False)
    changed = dataclasses.replace(THOROUGH, epochs=3, zoom=0.0, mirrored_views=False)
    assert clone(attempt)._settings() == changed
    assert attempt.set_params(recipe="quick", epochs=None)._settings() == QUICK
    # What defines an attempt stays.
    shape = {"frames": 16, "rate": 12.5}
    assert C3d(recipe="thorough")._settings() == dataclasses.replace(
        THOROUGH, dropout=0.5, learning_rate=3e-4, **shape
    )
    assert ConvNetFrame(recipe="thorough")._settings().frames == 1
    assert MlpFlow()._settings().epochs == 150


def test_quick_is_the_schedule_of_few_views():
    settings = ConvNet3d()._settings()
    assert (settings.epochs, settings.frames, settings.rate, settings.n_views) == (60, 16, 12.5, 5)
    assert (settings.zoom, settings.aspect) == (0.0, "squeezed")
    assert (ConvNetFrame()._settings().epochs, ConvNetFrame()._settings().n_views) == (120, 10)
    assert (ConvNetFlow()._settings().epochs, ConvNetFlow()._settings().frames) == (200, 10)
    assert ConvNetLstm()._settings().epochs == 120


def test_an_unknown_recipe():
    clips, labels = data(2)
    with pytest.raises(ValueError, match="recipe must be one of quick, thorough, got 'through'"):
        ConvNet3d(recipe="through").fit(clips, labels)


def test_the_recipe_reaches_training_and_volumes():
    attempt = ConvNetS3d(recipe="thorough", size=24, margin=8)
    training, reader = attempt._training(attempt._untrained(2)), attempt._reader()
    assert (training.epochs, training.weight_decay) == (THOROUGH.epochs, THOROUGH.weight_decay)
    assert (reader.frames, reader.zoom, reader.aspect) == (THOROUGH.frames, THOROUGH.zoom, THOROUGH.aspect)
    assert attempt._untrained(2).find_modules(nn.Dropout)[0].p == THOROUGH.dropout
    assert attempt.inputs(data(1)[0][0]).shape[1:] == (THOROUGH.frames, 24, 24, 2)


def test_c3d_takes_any_input(tmp_path):
    clips, labels = data(2)
    attempt = C3d(epochs=1, frames=4, size=32, margin=0, input="flow").fit(clips, labels)
    assert attempt.predict_proba(clips).shape == (2, 2)
    assert attempt.net().forward(np.zeros((1, 4, 32, 32, 2), np.float32)).shape == (1, 2)
    assert C3d()._reader().shape == (16, 112, 112, 3)


@pytest.mark.parametrize("train_features", [True, False])
def test_without_training_of_features_only_the_last_layer_changes(train_features):
    clips, labels = data(12)
    attempt = ConvNet3d(widths=(8, 8), train_features=train_features, **SMALL | {"epochs": 2})
    attempt.fit(clips, labels)
    untrained = attempt._untrained(2).reset(np.random.default_rng(0)).state_dict()
    changed = {name for name, value in attempt.state_.items() if not np.array_equal(value, untrained[name])}
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in attempt.net().parameters()))
    learned = {name.rpartition(".")[0] for name in changed & set(attempt.net().parameters())}
    assert learned == set(layers if train_features else layers[-1:])


def test_both_streams_as_one_net():
    clips, labels = data(4)
    attempt = clone(ATTEMPTS["two-stream"]).set_params(epochs=2, n_views=1).fit(clips, labels)
    volumes = [
        stream._views(stream._reader().small.extract(clips[0])) for stream in attempt._fitted().values()
    ]
    np.testing.assert_allclose(attempt.net().forward(volumes), attempt.predict_proba(clips[:1]), rtol=1e-5)
    with pytest.raises(ValueError, match="the other stream takes flow"):
        TwoStream(input="flow").fit(clips, labels)


def test_held_out_groups_choose_the_epoch():
    clips, labels = data(16)
    groups = np.arange(16) // 4
    attempt = ConvNet3d(widths=(8, 8), validation=0.25, patience=2, **SMALL | {"epochs": 6}).fit(
        clips, labels, groups
    )
    assert "validation_loss" in attempt.curve_
    assert attempt.count()["epochs"] == len(attempt.curve_["loss"]) <= 6
