"""Vectors of a pretrained net, against Pillow and NumPy by hand and ONNX's reference; and files that are refused."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from PIL import Image
from pretrained_nets import SMALL, averaging_net, means, write_net

from actionbench.errors import ActionbenchError
from actionbench.features.cache import FeatureCache, compute, use_cache
from actionbench.features.clip import Clip, Clips
from actionbench.features.embedding import Embedding, prepare, sampled, windows
from actionbench.features.embedding_config import NetConfig, config_file, read_config
from actionbench.features.embedding_graph import graph_size, load_graph, read_graph
from actionbench.features.onnx_files import MAX_BYTES

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"


@pytest.fixture(scope="module")
def clip():
    frames = np.random.default_rng(0).integers(0, 256, (7, 45, 61, 3)).astype(np.uint8)
    return Clip(frames, 10.0, name="noise")


def feature(path, sample="all"):
    config = read_config(config_file(path))
    graph = read_graph(path, config)
    return Embedding(graph.digest, config.preparation, sample, graph.path)


def vectors(path, clip, sample="all"):
    return feature(path, sample).extract(clip)["vectors"]


def by_hand(frame, width, height, kind):
    return np.asarray(Image.fromarray(frame).resize((width, height), kind), float)


# Frames as a net wants them


@pytest.mark.parametrize("kind", ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"])
def test_a_frame_is_resized_cropped_and_scaled_as_by_hand(clip, tmp_path, kind):
    size = f'resize = {{ shortest_edge = 40, filter = "{kind}" }}\ncrop = 32\n'
    toml = size + "mean = [0.1, 0.2, 0.3]\nstd = [0.5, 0.4, 0.25]"
    found = vectors(averaging_net(tmp_path / "n.onnx", toml=toml), clip)
    # 45 x 61 becomes 40 x int(40 * 61 / 45); its centre begins at 4 and (54 - 32) // 2.
    scaled = np.stack(
        [by_hand(frame, 54, 40, getattr(Image.Resampling, kind.upper())) for frame in clip.frames]
    )
    cropped = scaled[:, 4:36, 11:43]
    expected = (cropped / 255 - [0.1, 0.2, 0.3]) / [0.5, 0.4, 0.25]
    np.testing.assert_allclose(found, means(expected.transpose(0, 3, 1, 2)), rtol=1e-5, atol=1e-6)


def test_a_frame_that_is_smaller_than_the_crop_has_black_around_it(tmp_path):
    small = Clip(np.full((1, 5, 30, 3), 100, np.uint8), 25.0)
    config = NetConfig(crop=8, rescale=1.0)
    array = prepare(small, (0,), config, (1, 3, 8, 8))
    # As transformers.image_transforms.center_crop: the pixels begin at ceil((8 - 5) / 2).
    assert (array[0, :, 2:7] == 100).all()
    assert not array[0, :, :2].any()
    assert not array[0, :, 7:].any()


@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "NCTHW", "NTCHW", "NTHWC"])
def test_every_layout_holds_the_same_pixels(clip, layout):
    window = {"clip": {"frames": 2}} if "T" in layout else {}
    config = NetConfig.model_validate(
        {"layout": layout, "rescale": 1.0, "resize": {"height": 6, "width": 9}} | window
    )
    sizes = {"N": 1, "C": 3, "T": 2, "H": 6, "W": 9}
    frames = (0, 3) if window else (3,)
    array = prepare(clip, frames, config, tuple(sizes[axis] for axis in layout))
    kind = Image.Resampling.BILINEAR
    for place, number in enumerate(frames):
        picture = by_hand(clip.frames[number], 9, 6, kind)
        index = {"N": 0, "T": place}
        for channel in range(3):
            found = array[tuple({**index, "C": channel}.get(axis, slice(None)) for axis in layout)]
            np.testing.assert_array_equal(found, picture[..., channel])


def test_channels_may_be_reversed_or_grey(clip):
    shape, common = (1, 3, 45, 61), {"crop": {"height": 45, "width": 61}, "rescale": 1.0}
    rgb = prepare(clip, (0,), NetConfig.model_validate(common), shape)
    bgr = prepare(clip, (0,), NetConfig.model_validate(common | {"channels": "BGR"}), shape)
    np.testing.assert_array_equal(rgb[:, ::-1], bgr)
    grey = NetConfig.model_validate(common | {"channels": "grey"})
    np.testing.assert_array_equal(prepare(clip, (0,), grey, (1, 1, 45, 61))[0, 0], clip.grey()[0])
    dull = Clip(clip.grey(), 10.0)
    np.testing.assert_array_equal(
        prepare(dull, (0,), NetConfig.model_validate(common), shape)[0, 2], clip.grey()[0]
    )


@given(n=st.integers(1, 40), frames=st.integers(1, 9), stride=st.integers(1, 5), views=st.integers(1, 6))
def test_windows_lie_in_the_clip_in_the_order_of_time(n, frames, stride, views):
    clip = Clip(np.zeros((n, 1, 1), np.uint8), 25.0)
    config = NetConfig.model_validate(
        {"layout": "NCTHW", "clip": {"frames": frames, "stride": stride, "views": views}}
    )
    found = windows(clip, config, config.sample)
    assert found.shape == (views, frames)
    assert ((found >= 0) & (found < n)).all()
    assert (np.diff(found, axis=0) >= 0).all()
    span = (frames - 1) * stride + 1
    if span <= n:
        assert (np.diff(found, axis=1) == stride).all()
        # A single window lies in the middle, up to half a frame.
        assert views > 1 or abs(found[0, 0] + span / 2 - n / 2) <= 0.5
    else:
        assert found[:, 0].tolist() == [0] * views


def test_moments_are_uniform_or_so_many_a_second():
    np.testing.assert_allclose(sampled("uniform:8", 80, 25.0), np.arange(5, 80, 10))
    assert len(sampled("fps:2", 75, 25.0)) == 6
    assert sampled("fps:2", 5, 25.0).tolist() == [6.25]
    assert sampled("all", 3, 25.0).astype(int).tolist() == [0, 1, 2]
    still = Clip(np.zeros((5, 1, 1), np.uint8), 25.0)
    assert windows(still, NetConfig(), "fps:2").tolist() == [[4]]


# What a net makes of them


def test_onnx_s_own_reference_gives_the_same_vectors(clip, tmp_path):
    rng = np.random.default_rng(1)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("GlobalAveragePool", ["b"], ["y"]),
    ]
    weights = {"w": rng.normal(size=(5, 3, 3, 3)).astype(np.float32)}
    path = write_net(tmp_path / "n.onnx", nodes, ["N", 3, 32, 32], ["N", 5, 1, 1], weights=weights)
    found = vectors(path, clip, "uniform:3")
    reference = ReferenceEvaluator(str(path))
    pictures = [by_hand(clip.frames[t], 32, 32, Image.Resampling.BILINEAR) / 255 for t in (1, 3, 5)]
    array = np.stack(pictures).transpose(0, 3, 1, 2).astype(np.float32)
    np.testing.assert_allclose(found, reference.run(None, {"x": array})[0][:, :, 0, 0], rtol=1e-4, atol=1e-5)
    # 15 x 15 positions of 5 filters: products, and what Relu and the mean make.
    size = graph_size(read_graph(path, read_config(path.with_suffix(".toml"))))
    assert (size.parameters, size.operations) == (135, 2 * 225 * 5 * 27 + 225 * 5 + 5)


def test_a_video_net_sees_windows(clip, tmp_path):
    nodes = [helper.make_node("ReduceMean", ["x", "axes"], ["y"], keepdims=0)]
    size = 'layout = "NTCHW"\nrescale = 1.0\ncrop = { height = 45, width = 61 }\n'
    toml = size + "clip = { frames = 2, stride = 3, views = 2 }"
    path = write_net(
        tmp_path / "v.onnx",
        nodes,
        ["N", "T", 3, "H", "W"],
        ["N", 3],
        toml=toml,
        weights={"axes": np.array([1, 3, 4])},
    )
    # Seven frames: the windows around 1.75 and 5.25 begin at 0 and 3.
    expected = [clip.frames[[a, a + 3]].mean(axis=(0, 1, 2)) for a in (0, 3)]
    np.testing.assert_allclose(vectors(path, clip, "uniform:2"), expected, rtol=1e-5)


def test_an_inner_value_may_be_the_output_and_the_rest_is_left_out(clip, tmp_path):
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["inner"]),
        helper.make_node("Flatten", ["inner"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w"], ["scores"]),
        helper.make_node("Add", ["scores", "tokens"], ["y"]),
    ]
    path = write_net(
        tmp_path / "n.onnx",
        nodes,
        [1, 3, 32, 32],
        toml=SMALL + 'output = "inner"\nrescale = 1.0',
        inputs=("x", "tokens"),
        weights={"w": np.ones((3, 4), np.float32)},
    )
    expected = [by_hand(frame, 32, 32, Image.Resampling.BILINEAR).mean(axis=(0, 1)) for frame in clip.frames]
    np.testing.assert_allclose(vectors(path, clip), expected, rtol=1e-5)
    size = graph_size(read_graph(path, read_config(path.with_suffix(".toml"))))
    assert (size.parameters, size.operations) == (0, 3)


@pytest.mark.parametrize(
    ("reduce", "shape"),
    [("mean", (1, 4, 3)), ("first", (1, 4, 3)), ("flatten", (1, 4, 3)), ("mean", (1, 3, 2, 2))],
)
def test_tokens_and_maps_become_a_vector(clip, tmp_path, reduce, shape):
    table = np.arange(12, dtype=np.float32).reshape(shape)
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["top"], keepdims=0),
        helper.make_node("Mul", ["top", "w"], ["y"]),
    ]
    how = {"toml": SMALL + f'reduce = "{reduce}"\nrescale = 1.0', "weights": {"w": table}}
    path = write_net(tmp_path / "n.onnx", nodes, ["N", 3, 32, 32], shape, **how)
    (found,) = vectors(path, clip, "uniform:1")
    top = by_hand(clip.frames[3], 32, 32, Image.Resampling.BILINEAR).max()
    channels_first = len(shape) == 4
    expected = {
        "mean": table.mean(axis=(2, 3) if channels_first else 1)[0],
        "first": table[0, 0],
        "flatten": table.ravel(),
    }
    np.testing.assert_allclose(found, top * expected[reduce], rtol=1e-6)
    path.with_suffix(".toml").write_text(SMALL)
    with pytest.raises(
        ActionbenchError, match=r"the shape \(1, .*\), which is no vector; its TOML file must say reduce"
    ):
        vectors(path, clip)


def test_one_and_two_threads_give_the_same_bits(clip, tmp_path, monkeypatch):
    shutil.copy(LIGHT / "light_squeezenet.onnx", tmp_path / "n.onnx")
    (tmp_path / "n.toml").write_text("resize = { height = 224, width = 224 }")
    found = []
    for threads in (1, 2):
        monkeypatch.setattr("cv2.getNumThreads", lambda threads=threads: threads)
        found.append(vectors(tmp_path / "n.onnx", clip, "uniform:1"))
    np.testing.assert_array_equal(*found)


def test_a_vector_is_computed_once_whatever_is_done_with_it(clip, tmp_path, monkeypatch):
    path = averaging_net(tmp_path / "n.onnx")
    clips, calls = Clips.of([clip]), []
    real = Embedding.extract
    monkeypatch.setattr(Embedding, "extract", lambda self, clip: calls.append(1) or real(self, clip))
    with use_cache(FeatureCache(tmp_path / "cache", 2**30, lambda _: "")):
        first = next(compute(feature(path), clips))["vectors"]
        # What is done with the vectors, and where the file lies, changes nothing; another scale does.
        (tmp_path / "n.toml").write_text(SMALL + 'probe = { kind = "knn" }\npretrained_on = "x"\n')
        (tmp_path / "b").mkdir()
        for name in ("n.onnx", "n.toml"):
            shutil.move(tmp_path / name, tmp_path / "b" / name)
        again = next(compute(feature(tmp_path / "b/n.onnx"), clips))["vectors"]
        np.testing.assert_array_equal(first, again)
        assert len(calls) == 1
        (tmp_path / "b/n.toml").write_text(SMALL + "rescale = 2.0\n")
        np.testing.assert_allclose(
            next(compute(feature(tmp_path / "b/n.onnx"), clips))["vectors"], 510 * first, rtol=1e-5
        )
        # Another net does, too.
        averaging_net(tmp_path / "b/n.onnx", cells=2)
        assert next(compute(feature(tmp_path / "b/n.onnx"), clips))["vectors"].shape == (7, 12)
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("name", "input_name", "parameters", "products"),
    [
        # As published; of ResNet-50 torchvision does not count the means and variances of 26,560 channels.
        ("bvlc_alexnet", "data_0", 60_965_224, None),
        ("squeezenet", "data_0", 1_235_496, 349_151_936),
        ("vgg19", "data_0", 143_667_240, 19_632_062_464),
        ("resnet50", "gpu_0/data_0", 25_557_032 + 53_120, 4_089_184_256),
    ],
)
def test_weights_and_operations_of_well_known_nets(name, input_name, parameters, products):
    config = NetConfig.model_validate({"resize": {"height": 224, "width": 224}})
    graph = read_graph(LIGHT / f"light_{name}.onnx", config)
    assert (graph.input, graph.shape) == (input_name, (1, 3, 224, 224))
    size = graph_size(graph)
    assert size.parameters == parameters
    if products:
        # Two operations for each product, and at most a hundredth more for what is no product.
        assert 0 <= size.operations - 2 * products <= 0.02 * size.operations


def test_shapes_that_a_graph_computes_are_known(tmp_path):
    """Padding as PyTorch's exporter writes it."""
    zero = helper.make_tensor("v", TensorProto.INT64, [1], [0])
    nodes = [
        helper.make_node("ConstantOfShape", ["four"], ["zeros"], value=zero),
        helper.make_node("Concat", ["zeros", "ones"], ["pads"], axis=0),
        helper.make_node("Reshape", ["pads", "minus"], ["flat"]),
        helper.make_node("Pad", ["x", "flat"], ["padded"]),
        helper.make_node("Conv", ["padded", "w"], ["y"]),
    ]
    weights = {
        "four": np.array([4]),
        "ones": np.array([0, 0, 1, 1]),
        "minus": np.array([-1]),
        "w": np.ones((2, 3, 4, 4), np.float32),
    }
    path = write_net(tmp_path / "n.onnx", nodes, ["N", 3, 32, 32], ["N", 2, 30, 30], weights=weights)
    size = graph_size(read_graph(path, read_config(path.with_suffix(".toml"))))
    # A row and a column more; 30 x 30 windows of 48 values, twice.
    assert (size.parameters, size.operations) == (96, 3 * 33 * 33 + 2 * 2 * 900 * 48)


def test_operations_that_depend_on_the_picture_are_not_known(tmp_path):
    result = [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)]
    branch = helper.make_graph([helper.make_node("Identity", ["x"], ["z"])], "branch", [], result)
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["top"], keepdims=0),
        helper.make_node("Cast", ["top"], ["c"], to=TensorProto.BOOL),
        helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch),
    ]
    path = write_net(tmp_path / "n.onnx", nodes, ["N", 3, 32, 32])
    size = graph_size(read_graph(path, read_config(path.with_suffix(".toml"))))
    assert (size.parameters, size.operations) == (0, None)


# What is said of a net

HUGGING_FACE = {
    "do_resize": True,
    "size": {"shortest_edge": 224},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224},
    "do_rescale": True,
    "rescale_factor": 0.00392156862745098,
    "do_normalize": True,
    "image_mean": [0.481, 0.457, 0.408],
    "image_std": [0.268, 0.261, 0.275],
    "image_processor_type": "CLIPImageProcessor",
}
TOML = """
resize = { shortest_edge = 224, filter = "bicubic" }
crop = 224
mean = [0.481, 0.457, 0.408]
std = [0.268, 0.261, 0.275]
"""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        # As CLIP's file was, and ViT's.
        ({"size": 224, "crop_size": 224}, {}),
        (
            {"size": 224, "do_center_crop": False},
            {"resize": {"height": 224, "width": 224, "filter": "bicubic"}, "crop": None},
        ),
        ({"do_rescale": False, "do_normalize": False}, {"rescale": 1.0, "mean": None, "std": None}),
        ({"do_flip_channel_order": True}, {"channels": "BGR"}),
        ({"num_frames": 16}, {"layout": "NTCHW", "clip": {"frames": 16}}),
    ],
)
def test_hugging_face_s_file_says_the_same(tmp_path, changes, expected):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(HUGGING_FACE | changes))
    (tmp_path / "n.toml").write_text(TOML)
    net = tmp_path / "n.onnx"
    plain = read_config(config_file(net)).model_dump()
    plain["rescale"] = HUGGING_FACE["rescale_factor"]
    (tmp_path / "n.toml").unlink()
    found = read_config(config_file(net))
    assert found == NetConfig.model_validate(plain | expected)


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ("crops = 3", "unknown key 'crops'; did you mean 'crop'? known are: channels, "),
        ("resize = { shortest = 3 }", "unknown key 'shortest' in resize; did you mean 'shortest_edge'?"),
        ("crop = '224'", "crop: "),
        ("mean = 'high'", "mean: input should be a valid list, got 'high'"),
        ("mean = [1.0, 2.0]", "mean must have 3 numbers, one for each channel, or one"),
        ("std = [0.0]", "std[0]: input should be greater than 0, got 0.0"),
        ("large = 1", "large: input should be a valid boolean, got 1"),
        (
            "crop = { height = 5000, width = 3 }",
            "crop.height: input should be less than or equal to 4096, got 5000",
        ),
        ("resize = { height = 3 }", "resize: must hold either shortest_edge or both height and width"),
        (
            "resize = { shortest_edge = 3, filter = 'best' }",
            "resize.filter: input should be 'nearest', 'lanczos', ",
        ),
        ("layout = 'NTCHW'", "a layout with T and the table [clip] belong together, got the layout NTCHW"),
        ("clip = { stride = 2 }", "the key 'clip.frames' is missing"),
        (
            "time = { sample = 'some' }",
            'time.sample: must be "uniform:8", "fps:2" or "all", with other numbers, got \'some\'',
        ),
        (
            "time = { pool = ['max'] }",
            "time.pool[0]: input should be 'mean', 'std', 'delta' or 'thirds', got 'max'",
        ),
        (
            "time = { pool = [] }",
            "time.pool: list should have at least 1 item after validation, not 0, got []",
        ),
        ("probe = { kind = 'svm' }", "probe.kind: input should be 'linear', 'knn' or 'prototype', got 'svm'"),
        (
            "layout = 'NTCHW'\nclip = { frames = 2, views = 2 }\ntime = { sample = 'all' }",
            "clip.views and time.sample say the same; one of them must go",
        ),
        ("crop = ", "not a TOML file in UTF-8 ("),
    ],
)
def test_what_is_wrong_in_a_toml_file_is_said(tmp_path, toml, sentence):
    path = tmp_path / "n.toml"
    path.write_text(toml)
    with pytest.raises(ActionbenchError) as caught:
        read_config(path)
    assert caught.value.args[0].startswith(f"{path}: {sentence}")
    assert len(caught.value.args) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            '{"crop_pct": 0.9}',
            "'crop_pct' is not supported; a TOML file beside the net must say what it means",
        ),
        ('{"rescale_offset": true}', "'rescale_offset' is not supported; a TOML file"),
        ('{"keep_aspect_ratio": true}', "'keep_aspect_ratio' is not supported; a TOML file"),
        ('{"image_processor_type": "LevitImageProcessor"}', "LevitImageProcessor is not supported; a TOML"),
        ('{"size": 3, "resample": 9}', "size and resample must be Pillow's, got "),
        ("[1]", "not a JSON file in UTF-8 (it must hold a table)"),
        ("{", "not a JSON file in UTF-8 ("),
        ('{"image_mean": "x"}', "mean: input should be a valid list, got 'x'"),
    ],
)
def test_what_is_wrong_in_hugging_face_s_file_is_said(tmp_path, text, sentence):
    path = tmp_path / "preprocessor_config.json"
    path.write_text(text)
    with pytest.raises(ActionbenchError) as caught:
        read_config(path)
    assert str(caught.value).startswith(f"{path}: {sentence}")


def test_a_net_of_which_nothing_is_said_is_refused(tmp_path):
    with pytest.raises(
        ActionbenchError, match=r"n\.onnx: nothing says how it wants its pictures; n\.toml or preproc"
    ):
        config_file(averaging_net(tmp_path / "n.onnx", toml=None))


# Files that nobody should run


def refusal(path):
    with pytest.raises(ActionbenchError) as caught:
        read_graph(path, read_config(path.with_suffix(".toml")))
    assert len(caught.value.args) == 1
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


FLAT = [helper.make_node("Flatten", ["x"], ["y"])]
SHAPE = ["N", 3, 32, 32]


@pytest.mark.parametrize(
    ("nodes", "shape", "how", "sentence"),
    [
        (
            [helper.make_node("Identity", ["x"], ["y"]), helper.make_node("Identity", ["x"], ["z"])],
            SHAPE,
            {"outputs": ("y", "z")},
            "has the outputs 'y', 'z'; its TOML file must name one as output",
        ),
        (
            [helper.make_node("Add", ["x", "text"], ["y"])],
            SHAPE,
            {"inputs": ("x", "text")},
            "its output 'y' needs the inputs 'x', 'text'; a TOML file must name an output that needs frames alone",
        ),
        (FLAT, SHAPE, {"toml": SMALL + 'input = "X"'}, "has no input 'X'; known are: x"),
        (FLAT, SHAPE, {"toml": SMALL + 'output = "yy"'}, "has no output 'yy'; did you mean 'y'? "),
        (
            [helper.make_node("Constant", [], ["y"], value_float=1.0)],
            SHAPE,
            {},
            "its output 'y' depends on no input; it must depend on one",
        ),
        (FLAT, ["N", 4, 32, 32], {}, "its input 'x' has 4 channels in the layout NCHW; it must have 3 (RGB)"),
        (FLAT, ["N", 32, 32, 3], {}, "its input 'x' has 32 channels in the layout NCHW; it must have 3 (RGB)"),
        (FLAT, SHAPE, {"toml": SMALL + 'channels = "grey"'}, "its input 'x' has 3 channels in the"),
        (FLAT, ["N", 3, "H", "W"], {"toml": ""}, "its input 'x' has a free axis H (layout NCHW); crop or"),
        (
            FLAT,
            ["N", 3, "H", "W"],
            {"toml": "resize = { shortest_edge = 8 }"},
            "its input 'x' is not of one size: frames whose shorter edge is 8 differ in the other; crop must",
        ),
        (FLAT, ["N", 3, 32, 48], {}, "its input 'x' has the length 48 along W (layout NCHW); crop"),
        (FLAT, [4, 3, 32, 32], {}, "its input 'x' has a batch of 4; it must be 1 or free"),
        (FLAT, ["N", 8, 3, 32, 32], {}, "its input 'x' has 5 axes; the layout must have as many, got NCHW"),
        (FLAT, SHAPE, {"kind": TensorProto.INT64}, "its input 'x' takes INT64; it must take one of FLOAT, FLOAT16, "),
        (
            [helper.make_node("Shell", ["x"], ["y"], domain="evil.ops")],
            SHAPE,
            {"domains": ("evil.ops",)},
            "has the operator Shell of 'evil.ops', a library of its own; all must be ONNX's",
        ),
    ],
)  # fmt: skip
def test_a_net_that_cannot_be_used_is_refused(tmp_path, nodes, shape, how, sentence):
    assert refusal(write_net(tmp_path / "n.onnx", nodes, shape, **how)).startswith(sentence)


def test_an_operator_is_found_in_an_inner_graph_too(tmp_path):
    branch = helper.make_graph(
        [helper.make_node("Shell", ["x"], ["z"], domain="evil.ops")],
        "branch",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
    )
    nodes = [helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)]
    path = write_net(tmp_path / "n.onnx", nodes, SHAPE, weights={"c": np.array(True)}, domains=("evil.ops",))
    assert refusal(path).startswith("has the operator Shell of 'evil.ops'")


@pytest.mark.parametrize("content", [b"", b"no net", b"\x08\x08", bytes(100)])
def test_what_is_no_onnx_is_refused(tmp_path, content):
    path = tmp_path / "n.onnx"
    path.write_bytes(content)
    path.with_suffix(".toml").write_text(SMALL)
    assert refusal(path).startswith("not an ONNX model (")
    path.unlink()
    assert refusal(path) == "there is no such file; it must be an ONNX model"


def outside(path, location):
    """Write a net whose weights are said to be elsewhere."""
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["y"])]
    write_net(path, nodes, SHAPE, weights={"w": np.ones((3 * 32 * 32, 2), np.float32)})
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    model = onnx.load(path, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = location
    path.write_bytes(model.SerializeToString())
    return path


def test_weights_may_lie_beside_the_net_and_nowhere_else(clip, tmp_path):
    folder = tmp_path / "net"
    folder.mkdir()
    path = outside(folder / "n.onnx", "weights.bin")
    graph = read_graph(path, read_config(path.with_suffix(".toml")))
    assert graph.files == (path, folder / "weights.bin")
    pictures = [by_hand(frame, 32, 32, Image.Resampling.BILINEAR) / 255 for frame in clip.frames]
    np.testing.assert_allclose(vectors(path, clip)[:, 0], np.sum(pictures, axis=(1, 2, 3)), rtol=1e-4)
    content = (folder / "weights.bin").read_bytes()
    (folder / "weights.bin").write_bytes(content[:-4] + b"1234")
    with pytest.raises(ActionbenchError, match=r"n\.onnx: the file changed while it was in use"):
        load_graph(graph)
    (tmp_path / "weights.bin").write_bytes(content)
    (folder / "link.bin").symlink_to(tmp_path / "weights.bin")
    for location in (
        "../weights.bin",
        str(tmp_path / "weights.bin"),
        "a/../../weights.bin",
        "link.bin",
        "..",
        "",
    ):
        sentence = f"its weights are in {location!r}; they must lie beside it, in its own folder"
        assert refusal(outside(folder / f"{abs(hash(location))}.onnx", location)) == sentence
    assert refusal(outside(folder / "gone.onnx", "gone.bin")) == (
        "its weights are in gone.bin, which must lie beside it and does not"
    )


def test_a_large_net_must_be_said_to_be_one(tmp_path):
    path = tmp_path / "n.onnx"
    with path.open("wb") as file:
        # Sparse: it takes no space on the disk.
        file.truncate(MAX_BYTES + 2**30)
    path.with_suffix(".toml").write_text(SMALL)
    assert refusal(path) == "has 3.0 GiB, more than 2; its TOML file must say large = true"


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named_with_the_command(tmp_path, monkeypatch, package):
    path = averaging_net(tmp_path / "n.onnx")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ActionbenchError) as caught:
        read_graph(path, read_config(path.with_suffix(".toml")))
    assert (
        str(caught.value) == f'{path}: ONNX files need the package {package}: pip install "actionbench[onnx]"'
    )


def test_what_onnx_runtime_cannot_run_is_said_in_a_sentence(clip, tmp_path):
    wrong = [helper.make_node("Reshape", ["x", "s"], ["y"])]
    path = write_net(tmp_path / "n.onnx", wrong, SHAPE, weights={"s": np.array([7, -1])})
    with pytest.raises(ActionbenchError, match=r"n\.onnx: ONNX Runtime cannot (load|run) it \("):
        vectors(path, clip)
    unknown = write_net(tmp_path / "m.onnx", [helper.make_node("Nonsense", ["x"], ["y"])], SHAPE)
    with pytest.raises(ActionbenchError, match=r"m\.onnx: ONNX Runtime cannot load it \(") as caught:
        vectors(unknown, clip)
    assert "\n" not in str(caught.value)


def test_values_that_are_not_finite_are_refused(clip, tmp_path):
    path = write_net(
        tmp_path / "n.onnx", [helper.make_node("Log", ["x"], ["y"])], SHAPE, toml=SMALL + 'reduce = "flatten"'
    )
    black = Clip(np.zeros((1, 4, 4), np.uint8), 25.0, name="black.avi")
    with pytest.raises(
        ActionbenchError, match=r"its vector of the clip 'black\.avi' holds values that are not finite"
    ):
        vectors(path, black)
