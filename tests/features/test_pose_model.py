"""Models of poses that are put together here, so that what they must find is known."""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from actionbench import ActionbenchError, Clip
from actionbench.baselines.base import Attempt
from actionbench.baselines.handcrafted.pose_svm import PoseSvm
from actionbench.experiments.datasets.figures import Figures
from actionbench.features.clip import Clips
from actionbench.features.pose_model import PoseModel, load_model, model_digest, model_files

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

HEIGHT, WIDTH = 32, 24


def save(path, nodes, outputs, *, constants=(), layout="NCHW", shape=None):
    """Write a model with the input ``picture``."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    shape = shape or ([1, 3, HEIGHT, WIDTH] if layout == "NCHW" else [1, HEIGHT, WIDTH, 3])
    graph = helper.make_graph(
        nodes,
        "pose",
        [helper.make_tensor_value_info("picture", kind, shape)],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def describe(path, text):
    path.with_suffix(".toml").write_text(text)
    return PoseModel(path)


THREE = 'kind = "heatmaps"\njoints = ["nose", "left wrist", "right wrist"]\n'


def channels(folder, text=THREE, pretrained_on=None, **options):
    """A model whose map of a joint is a channel of the picture."""
    text += f'pretrained_on = "{pretrained_on}"\n' if pretrained_on else ""
    path = save(
        folder / "maps.onnx", [onnx.helper.make_node("Identity", ["picture"], ["maps"])], ["maps"], **options
    )
    return describe(path, text)


def coloured(places, shape=(HEIGHT, WIDTH)):
    """A frame with a red, a green and a blue pixel."""
    frame = np.zeros((*shape, 3), np.uint8)
    for channel, (x, y) in enumerate(places):
        frame[y, x, channel] = 255
    return frame


def test_heat_maps_have_their_peaks_where_the_joints_are(tmp_path):
    places = [(3, 5), (20, 30), (11, 0)]
    model = channels(tmp_path, f'{THREE}view = "frame"\n')
    clip = Clip(np.stack([coloured(places), np.zeros((HEIGHT, WIDTH, 3), np.uint8)]), 25.0)
    pose = model.estimate(clip)
    np.testing.assert_allclose(pose.joints[0, 0], np.array(places) + 0.5, atol=0.26)
    np.testing.assert_allclose(pose.scores[:, 0], [[1, 1, 1], [0, 0, 0]], atol=1e-6)
    assert np.isnan(pose.joints[1]).all()


@pytest.mark.parametrize("shape", [(64, 48), (64, 100), (200, 48)])
def test_a_frame_of_another_size_is_fitted_in(tmp_path, shape):
    places = [(3, 5), (shape[1] - 5, shape[0] - 3), (shape[1] // 2, shape[0] // 2)]
    frame = np.zeros((*shape, 3), np.uint8)
    for channel, (x, y) in enumerate(places):
        frame[max(y - 4, 0) : y + 5, max(x - 4, 0) : x + 5, channel] = 255
    model = channels(tmp_path, f'{THREE}view = "frame"\n')
    pose = model.estimate(Clip(frame[None], 25.0))
    assert np.abs(pose.joints[0, 0] - places).max() < 8


def test_mean_deviation_and_order_of_channels(tmp_path):
    text = (
        f'{THREE}view = "frame"\n'
        'layout = "NHWC"\nchannels = "bgr"\nmean = [0.5, 0.5, 0.5]\nstd = [0.5, 0.5, 0.5]\nsigmoid = true\n'
    )
    places = [(3, 5), (20, 30), (11, 0)]
    pose = channels(tmp_path, text, layout="NHWC").estimate(Clip(coloured(places)[None], 25.0))
    np.testing.assert_allclose(pose.joints[0, 0], np.array(places[::-1]) + 0.5, atol=0.26)
    np.testing.assert_allclose(pose.scores[0, 0], 1 / (1 + np.exp(-1.0)), rtol=1e-3)


def test_simcc_has_columns_and_rows(tmp_path):
    node = partial(onnx.helper.make_node, "ReduceMax", ["picture"], keepdims=0)
    nodes = [node(["x"], axes=[2]), node(["y"], axes=[3])]
    path = save(tmp_path / "simcc.onnx", nodes, ["x", "y"])
    model = describe(path, 'kind = "simcc"\njoints = ["nose", "left wrist", "right wrist"]\nview = "frame"\n')
    places = [(3, 5), (20, 30), (11, 0)]
    pose = model.estimate(Clip(coloured(places)[None], 25.0))
    np.testing.assert_allclose(pose.joints[0, 0], np.array(places) + 0.5)


def constant(folder, values, text):
    nodes = [
        onnx.helper.make_node("ReduceMax", ["picture"], ["one"], keepdims=0),
        onnx.helper.make_node("Mul", ["one", "zero"], ["nothing"]),
        onnx.helper.make_node("Add", ["nothing", "values"], ["joints"]),
    ]
    constants = [("zero", np.float32(0)), ("values", np.asarray(values, np.float32))]
    return describe(save(folder / "values.onnx", nodes, ["joints"], constants=constants), text)


@pytest.mark.parametrize(("unit", "scale"), [("pixels", (1, 1)), ("shares", (WIDTH, HEIGHT))])
def test_coordinates_in_pixels_or_shares(tmp_path, unit, scale):
    values = np.array([[9, 0.2, 0.4, 0.7], [9, 0.1, 0.5, 0.8], [7, 7, 7, 7]])
    text = f'kind = "coordinates"\njoints = ["nose", "left wrist"]\nunit = "{unit}"\nview = "frame"\n'
    text += 'values = ["-", "y", "x", "score"]\n'
    pose = constant(tmp_path, values.ravel()[None], text).estimate(
        Clip(np.zeros((2, HEIGHT, WIDTH), np.uint8), 25.0)
    )
    np.testing.assert_allclose(pose.joints[1, 0], values[:2, [2, 1]] * scale, rtol=1e-4)
    np.testing.assert_allclose(pose.scores[1, 0], values[:2, 3], rtol=1e-6)


SIX = ["nose", "left wrist", "right wrist", "left ankle", "right ankle", "left knee"]


def doubled(folder, view):
    """A model whose maps are the channels of the picture, twice."""
    node = onnx.helper.make_node("Concat", ["picture", "picture"], ["maps"], axis=1)
    path = save(folder / f"{view}.onnx", [node], ["maps"])
    return describe(path, f'kind = "heatmaps"\njoints = {SIX}\nview = "{view}"\n')


def test_who_has_gone_is_looked_for_in_the_whole_frame(tmp_path):
    here, there = coloured([(3, 5), (20, 30), (11, 0)]), coloured([(20, 3), (2, 9), (6, 25)])
    clip = Clip(np.stack([here, np.zeros_like(here), there]), 25.0)
    pose = doubled(tmp_path, "person").estimate(clip)
    assert (pose.scores[1] == 0).all()
    assert np.abs(pose.joints[2, 0, :3] - [(20, 3), (2, 9), (6, 25)]).max() < 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kind = ", "not a TOML file"),
        (
            'kind = "maps"\njoints = "coco-17"',
            "kind: input should be 'heatmaps', 'simcc' or 'coordinates', got 'maps'",
        ),
        ('kind = "heatmaps"', "the key 'joints' is missing"),
        ('kind = "heatmaps"\njoints = "coco-18"', "joints: must be a list of names or one of"),
        ('kind = "heatmaps"\njoints = "coco-17"\nlayer = 3', "unknown key 'layer'; did you mean"),
        ('kind = "heatmaps"\njoints = "coco-17"\nmean = [1, 2]', "mean: list should have at least 3 items"),
        (
            'kind = "heatmaps"\njoints = "coco-17"\nstd = [1, 1, 0]',
            r"std\[2\]: input should be greater than 0, got 0",
        ),
        (
            'kind = "heatmaps"\njoints = "coco-17"\nsize = [0, 5]',
            r"size\[0\]: input should be greater than or equal to 1",
        ),
        ('kind = "heatmaps"\njoints = "coco-17"\nvalues = ["x"]', "values: must have one x and one y"),
        (
            'kind = "heatmaps"\njoints = "coco-17"\nsigmoid = "yes"',
            "sigmoid: input should be a valid boolean",
        ),
        ('kind = "heatmaps"\njoints = "coco-17"\ninput = 3', "input: input should be a valid string, got 3"),
        ('kind = "heatmaps"\njoints = "coco-17"\noutputs = "maps"', "outputs: input should be a valid list"),
        ('kind = "heatmaps"\njoints = "coco-17"\nsize = [8, 8]', "size must give height and width that fit"),
        ('kind = "heatmaps"\njoints = "coco-17"\ninput = "image"', "input must be one of picture"),
        ('kind = "heatmaps"\njoints = "coco-17"\nlayout = "NHWC"', "three channels in the layout NHWC"),
        ('kind = "heatmaps"\njoints = "coco-17"\noutputs = ["m"]', "outputs must be one name of maps"),
        ('kind = "simcc"\njoints = "coco-17"', "outputs must be two names, of columns and rows, of maps"),
        (
            'kind = "heatmaps"\njoints = "coco-17"',
            r"17 joints must be one map each .* got \(1, 3, 32, 24\)",
        ),
        (
            'kind = "coordinates"\njoints = "coco-17"\nvalues = ["x", "y", "z", "score", "-"]',
            "must be 5 values each",
        ),
    ],
)
def test_descriptions_that_do_not_fit_are_refused(tmp_path, text, says):
    with pytest.raises(ActionbenchError, match=says) as error:
        channels(tmp_path, text)
    assert "\n" not in str(error.value)
    assert str(tmp_path / "maps") in str(error.value)


def test_a_size_that_the_model_leaves_open_must_be_given(tmp_path):
    with pytest.raises(ActionbenchError, match="size must give height and width"):
        channels(tmp_path, THREE, shape=[1, 3, "h", "w"])
    assert channels(tmp_path, f"{THREE}size = [16, 8]", shape=[1, 3, "h", "w"])


def test_files_that_are_no_models_are_refused(tmp_path):
    text = THREE
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x08\x07not a model")
    with pytest.raises(ActionbenchError, match=r"model\.onnx: not an ONNX model"):
        describe(path, text)
    custom = onnx.helper.make_node("Evil", ["picture"], ["maps"], domain="elsewhere")
    with pytest.raises(ActionbenchError, match="has the operator Evil of 'elsewhere', a library of its own"):
        describe(save(tmp_path / "custom.onnx", [custom], ["maps"]), text)
    with pytest.raises(ActionbenchError, match="weights are in '/etc/passwd'; they must lie beside it"):
        describe(weights_elsewhere(tmp_path / "outside.onnx", "/etc/passwd"), text)


def weights_elsewhere(path, location):
    """A model whose map of a joint is a channel of the picture, and weights that a file of this name must have."""
    save(
        path,
        [onnx.helper.make_node("Add", ["picture", "w"], ["maps"])],
        ["maps"],
        constants=[("w", np.zeros((1, 3, HEIGHT, WIDTH), np.float32))],
    )
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    onnx.save(model, path)
    return path


def test_weights_may_lie_beside_a_model_and_are_part_of_it(tmp_path):
    places = [(3, 5), (20, 30), (11, 0)]
    path, weights = weights_elsewhere(tmp_path / "maps.onnx", "maps.bin"), tmp_path / "maps.bin"
    text = f'{THREE}view = "frame"\n'
    weights.write_bytes(np.zeros((3, HEIGHT, WIDTH), np.float32).tobytes())
    pose = describe(path, text).estimate(Clip(coloured(places)[None], 25.0))
    np.testing.assert_allclose(pose.joints[0, 0], np.array(places) + 0.5, atol=0.26)
    before = model_digest(path)
    assert model_files(path) == [path, path.with_suffix(".toml"), weights]
    weights.write_bytes(np.ones((3, HEIGHT, WIDTH), np.float32).tobytes())
    assert model_digest(path) != before
    with pytest.raises(ActionbenchError, match=r"maps\.onnx: the file changed while it was in use"):
        load_model(path, before)


def test_files_that_are_missing_are_refused(tmp_path):
    for file in (tmp_path / "gone.onnx", tmp_path, Path("pose.pt")):
        with pytest.raises(ActionbenchError, match=r'must be "clip" or an .onnx or .tflite file that exists'):
            model_digest(file)
    (tmp_path / "alone.onnx").write_bytes(b"x")
    with pytest.raises(ActionbenchError, match=r"alone\.toml: a model of poses needs this file"):
        model_digest(tmp_path / "alone.onnx")
    with pytest.raises(ActionbenchError, match="must be"):
        PoseSvm(pose=str(tmp_path / "gone.onnx")).skip(Figures(subjects=2))


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    text = THREE
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ActionbenchError, match=r'pip install "actionbench\[onnx\]"'):
        channels(tmp_path, text)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    (tmp_path / "model.tflite").write_bytes(b"x")
    with pytest.raises(ActionbenchError, match=r'pip install "actionbench\[tflite\]"'):
        describe(tmp_path / "model.tflite", text)


def test_a_changed_model_or_description_is_another_one(tmp_path):
    channels(tmp_path)
    path = tmp_path / "maps.onnx"
    before = model_digest(path)
    assert load_model(path, before) is load_model(path, before)
    description = path.with_suffix(".toml")
    description.write_text(description.read_text() + "sigmoid = true\n")
    assert model_digest(path) != before


@pytest.mark.parametrize("kind", ["INT32", "UINT8"])
def test_whole_numbers_are_rounded(tmp_path, kind):
    """A picture of 1 is 255 of a model that wants bytes, though 255 times 1 / 255 may be less."""
    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node("Cast", ["picture"], ["maps"], to=onnx.TensorProto.FLOAT)],
        "pose",
        [helper.make_tensor_value_info("picture", getattr(onnx.TensorProto, kind), [1, 3, HEIGHT, WIDTH])],
        [helper.make_tensor_value_info("maps", onnx.TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "maps.onnx")
    text = THREE
    model = describe(tmp_path / "maps.onnx", f"{text}std = [{', '.join(['0.00392156862745098'] * 3)}]")
    seen = []
    model._net = model._net._replace(run=lambda name, outputs, picture: seen.append(picture) or [picture])
    values = np.arange(256, dtype=np.float32) / np.float32(255)
    picture = np.resize(values, (HEIGHT, WIDTH, 3)).astype(np.float32)
    model._read(picture)
    np.testing.assert_array_equal(
        seen[0][0].transpose(1, 2, 0), np.resize(np.arange(256), (HEIGHT, WIDTH, 3))
    )


def test_an_attempt_uses_a_model_on_clips_without_pose(tmp_path):
    channels(tmp_path, pretrained_on="people in the street")
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (6, 5, HEIGHT, WIDTH, 3), dtype=np.uint8)
    clips, labels = Clips.of([Clip(one, 25.0) for one in frames]), np.array(list("ababab"))
    attempt = PoseSvm(pose=str(tmp_path / "maps.onnx"), levels=1)
    assert not attempt.warnings()
    expected = attempt.fit(clips, labels).predict_proba(clips)
    assert expected.shape == (6, 2)
    assert [path.name for path in attempt.files()] == ["maps.onnx", "maps.toml"]
    assert attempt.pretrained == "people in the street"
    assert "maps.onnx was trained on people in the street" in attempt.warnings()["pretraining-overlap"]
    attempt.save(tmp_path / "saved")
    for path in attempt.files():
        path.unlink()
    again = Attempt.load(tmp_path / "saved")
    np.testing.assert_array_equal(again.predict_proba(clips), expected)
    assert again.pretrained == "people in the street"


def test_the_place_of_a_model_is_no_part_of_a_feature(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        channels(tmp_path / name)
    one, two = (PoseSvm(pose=str(tmp_path / name / "maps.onnx"))._feature() for name in ("one", "two"))
    assert one == two
    assert repr(one) == repr(two)
