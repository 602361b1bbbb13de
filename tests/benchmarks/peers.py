"""The nets and layers that are timed, here and by others, with the same shapes.

PyTorch's are made in both of its layouts, of which the faster counts. OpenVINO and ONNX Runtime run what `to_onnx`
writes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from actionbench.models import nn, to_onnx, zoo

Action = Callable[[], Any]

N_CLASSES = 6
RATE = 0.01
# Of a net like S3D with two million parameters.
S3D_WIDTHS = (56, 112, 224, 448)


@dataclass(frozen=True)
class Net:
    """A net by name: the shape of a batch (N, ..., C), and how to make it here and there."""

    name: str
    batch: tuple[int, ...]
    ours: Callable[[], nn.Module]
    theirs: Callable[[Any], Any]
    big: bool = False

    def input(self, samples: int | None = None) -> np.ndarray:
        shape = (samples or self.batch[0], *self.batch[1:])
        return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def _stages(axes: int, channels: int, widths: Sequence[int]) -> nn.Module:
    if axes == 3:
        return zoo.tiny3d(N_CLASSES, channels, widths, dropout=0.0, rng=0)
    net = nn.Sequential()
    for place, width in enumerate(widths):
        net.add(nn.Conv2d(channels, width, 3, padding=1, bias=False)).add(nn.BatchNorm2d(width))
        if place < len(widths) - 1:
            net.add(nn.MaxPool2d(2))
        net.add(nn.ReLU())
        channels = width
    return net.add(nn.Mean((1, 2))).add(nn.Linear(channels, N_CLASSES)).reset(0)


def _their_stages(torch: Any, axes: int, channels: int, widths: Sequence[int]) -> Any:
    kind = torch.nn
    layers: list[Any] = []
    for place, width in enumerate(widths):
        layers.append(getattr(kind, f"Conv{axes}d")(channels, width, 3, padding=1, bias=False))
        layers.append(getattr(kind, f"BatchNorm{axes}d")(width))
        if place < len(widths) - 1:
            layers.append(getattr(kind, f"MaxPool{axes}d")(2))
        layers.append(kind.ReLU())
        channels = width
    mean = getattr(kind, f"AdaptiveAvgPool{axes}d")(1)
    return kind.Sequential(*layers, mean, kind.Flatten(), kind.Linear(channels, N_CLASSES))


def _their_lstm(torch: Any) -> Any:
    class Classifier(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.last = torch.nn.LSTM(64, 128, batch_first=True), torch.nn.Linear(128, N_CLASSES)

        def forward(self, x: Any) -> Any:
            return self.last(self.lstm(x)[0][:, -1])

    return Classifier()


def _their_image_net(
    torch: Any, layers: Sequence[tuple], size: int, hidden: Sequence[int], transfer: Any
) -> Any:
    kind, channels, features = torch.nn, 3, []
    for width, taps, stride, padding, pooling in layers:
        features += [kind.Conv2d(channels, width, taps, stride, padding), kind.ReLU()]
        features += [kind.MaxPool2d(*pooling)] if pooling else []
        channels = width
    net = kind.Sequential(*features, kind.Flatten())
    with torch.no_grad():
        n = net(torch.zeros(1, 3, size, size)).shape[1]
    for width in hidden:
        net.extend([kind.Linear(n, width), transfer()])
        n = width
    return net.append(kind.Linear(n, 1000))


def _their_alexnet(torch: Any) -> Any:
    return _their_image_net(torch, zoo.image._ALEXNET, 224, (4096, 4096), torch.nn.ReLU)


def _their_overfeat(torch: Any) -> Any:
    def transfer() -> Any:
        return torch.nn.Threshold(0, 1e-6)

    return _their_image_net(torch, zoo.image._OVERFEAT, 231, (3072, 4096), transfer)


def _their_inception(torch: Any) -> Any:
    kind = torch.nn

    def conv(channels: int, width: int, taps: int, stride: int = 1, padding: int = 0) -> list[Any]:
        return [kind.Conv2d(channels, width, taps, stride, padding), kind.ReLU()]

    class Block(kind.Module):
        def __init__(self, channels: int, one: int, three: tuple, five: tuple, pooled: int) -> None:
            super().__init__()
            self.branches = kind.ModuleList(
                [
                    kind.Sequential(*conv(channels, one, 1)),
                    kind.Sequential(*conv(channels, three[0], 1), *conv(*three, 3, 1, 1)),
                    kind.Sequential(*conv(channels, five[0], 1), *conv(*five, 5, 1, 2)),
                    kind.Sequential(kind.MaxPool2d(3, 1, 1), *conv(channels, pooled, 1)),
                ]
            )

        def forward(self, x: Any) -> Any:
            return torch.cat([branch(x) for branch in self.branches], dim=1)

    layers = [*conv(3, 64, 7, 2, 3), kind.MaxPool2d(3, 2, 1), *conv(64, 64, 1), *conv(64, 192, 3, 1, 1)]
    layers.append(kind.MaxPool2d(3, 2, 1))
    for name, widths in zoo.image._INCEPTION.items():
        layers.append(Block(*widths))
        if name in ("3b", "4e"):
            layers.append(kind.MaxPool2d(3, 2, 1))
    return kind.Sequential(*layers, kind.AvgPool2d(7, 1), kind.Flatten(), kind.Linear(1024, 1000))


def _their_c3d(torch: Any) -> Any:
    kind, channels, layers = torch.nn, 3, []
    for place, widths in enumerate(([64], [128], [256, 256], [512, 512], [512, 512])):
        for width in widths:
            layers += [kind.Conv3d(channels, width, 3, padding=1), kind.ReLU()]
            channels = width
        layers.append(kind.MaxPool3d(2 if place else (1, 2, 2), ceil_mode=True))
    head = [
        kind.Linear(8192, 4096),
        kind.ReLU(),
        kind.Linear(4096, 4096),
        kind.ReLU(),
        kind.Linear(4096, 101),
    ]
    return kind.Sequential(*layers, kind.Flatten(), *head)


def _their_s3d(torch: Any) -> Any:
    kind, channels, layers = torch.nn, 2, []
    for place, width in enumerate(S3D_WIDTHS):
        taps, stride = (3, 1) if place else (5, 2)
        space, time_ = (1, taps, taps), (3, 1, 1)
        half = taps // 2
        layers += [
            kind.Conv3d(channels, width, space, (1, stride, stride), (0, half, half), bias=False),
            *(kind.BatchNorm3d(width), kind.ReLU()),
            kind.Conv3d(width, width, time_, (stride, 1, 1), (1, 0, 0), bias=False),
            *(kind.BatchNorm3d(width), kind.ReLU()),
        ]
        if place < len(S3D_WIDTHS) - 1:
            layers.append(kind.MaxPool3d(2 if place else (1, 2, 2)))
        channels = width
    head = [kind.AdaptiveAvgPool3d(1), kind.Flatten(), kind.Linear(channels, N_CLASSES)]
    return kind.Sequential(*layers, *head)


def _staged(name: str, batch: tuple[int, ...], widths: Sequence[int]) -> Net:
    how = (len(batch) - 2, batch[-1], widths)
    return Net(name, batch, lambda: _stages(*how), lambda torch: _their_stages(torch, *how))


def _their_mlp(torch: Any) -> Any:
    kind = torch.nn
    return kind.Sequential(kind.Linear(16384, 256), kind.ReLU(), kind.Linear(256, N_CLASSES))


NETS = [
    _staged("frame2d", (64, 64, 64, 3), (16, 32, 64)),
    _staged("flow2d", (32, 64, 64, 20), (16, 32, 64)),
    _staged("tiny3d", (16, 16, 64, 64, 1), (8, 16, 32, 64)),
    _staged("mid3d", (8, 16, 64, 64, 3), (16, 32, 64, 64)),
    Net("lstm", (16, 32, 64), lambda: zoo.lstm_classifier(64, 128, N_CLASSES, rng=0), _their_lstm),
    Net("mlp", (32, 16384), lambda: zoo.mlp(16384, 256, N_CLASSES, rng=0), _their_mlp),
    Net("AlexNet", (8, 224, 224, 3), lambda: zoo.alexnet(dropout=0.0, rng=0), _their_alexnet, big=True),
    Net("OverFeat", (8, 231, 231, 3), lambda: zoo.overfeat(rng=0), _their_overfeat, big=True),
    Net("Inception", (8, 224, 224, 3), lambda: zoo.inception(rng=0), _their_inception, big=True),
    Net(
        "S3D",
        (4, 32, 112, 112, 2),
        lambda: zoo.s3d_small(N_CLASSES, 2, S3D_WIDTHS, dropout=0.0, rng=0),
        _their_s3d,
        big=True,
    ),
    Net("C3D", (1, 16, 112, 112, 3), lambda: zoo.c3d_full(dropout=0.0, rng=0), _their_c3d, big=True),
]


@dataclass(frozen=True)
class Layer:
    """A convolution: batch, size, channels in and out, taps, stride, padding; two or three axes."""

    batch: int
    size: tuple[int, ...]
    channels: int
    width: int
    taps: int
    stride: int = 1
    padding: int = 0

    @property
    def name(self) -> str:
        shape = "x".join(map(str, (self.batch, *self.size, self.channels)))
        taps = "x".join([str(self.taps)] * len(self.size)) + (f"/{self.stride}" if self.stride > 1 else "")
        return f"{len(self.size)}d {shape}, {taps} -> {self.width}"

    def input(self) -> np.ndarray:
        shape = (self.batch, *self.size, self.channels)
        return np.random.default_rng(0).standard_normal(shape).astype(np.float32)

    def operations(self) -> int:
        """Return the floating-point operations of a forward."""
        places = [(n + 2 * self.padding - self.taps) // self.stride + 1 for n in self.size]
        return 2 * self.batch * prod(places) * self.width * self.taps ** len(self.size) * self.channels

    def ours(self) -> nn.Module:
        kind = (nn.Conv2d, nn.Conv3d)[len(self.size) - 2]
        return kind(self.channels, self.width, self.taps, self.stride, self.padding, bias=False, rng=0)

    def theirs(self, torch: Any) -> Any:
        kind = (torch.nn.Conv2d, torch.nn.Conv3d)[len(self.size) - 2]
        return kind(self.channels, self.width, self.taps, self.stride, self.padding, bias=False)


LAYERS = [
    Layer(32, (64, 64), 1, 32, 5, padding=2),
    Layer(32, (32, 32), 32, 64, 3, padding=1),
    Layer(32, (16, 16), 64, 128, 3, padding=1),
    Layer(8, (56, 56), 64, 64, 3, padding=1),
    Layer(8, (224, 224), 3, 64, 11, 4, 2),
    Layer(8, (27, 27), 64, 192, 5, padding=2),
    Layer(8, (28, 28), 256, 128, 1),
    Layer(8, (16, 64, 64), 1, 16, 3, padding=1),
    Layer(8, (16, 32, 32), 16, 32, 3, padding=1),
    Layer(8, (8, 16, 16), 32, 64, 3, padding=1),
]


def our_step(net: nn.Module, x: np.ndarray) -> Action:
    """Return a training step: forward, backward, update."""
    targets, criterion = np.arange(len(x)) % N_CLASSES, nn.CrossEntropyLoss()
    net.get_parameters()

    def step() -> None:
        scores = net.training().forward(x)
        criterion.forward(scores, targets)
        net.zero_grad_parameters()
        net.backward(x, criterion.backward(scores, targets), input_grad=False)
        net.update_parameters(RATE)

    return step


def our_gradients(net: nn.Module, x: np.ndarray) -> Action:
    """Return forward and backward."""
    net.get_parameters()
    grad_output = np.ones_like(net.evaluate().forward(x))
    net.training()

    def gradients() -> None:
        net.forward(x)
        net.zero_grad_parameters()
        net.backward(x, grad_output, input_grad=False)

    return gradients


def our_prediction(net: nn.Module, x: np.ndarray) -> Action:
    net.evaluate()
    return lambda: net.forward(x)


def their_layouts(torch: Any, axes: int) -> list[Any]:
    """Return the layouts for arrays with that many axes between batch and channels."""
    formats = {2: torch.channels_last, 3: torch.channels_last_3d}
    return [torch.contiguous_format, *([formats[axes]] if axes in formats else [])]


def _their_input(torch: Any, x: np.ndarray, layout: Any) -> Any:
    tensor = torch.from_numpy(x)
    return tensor if x.ndim < 4 else tensor.movedim(-1, 1).contiguous(memory_format=layout)


def their_step(torch: Any, net: Any, x: np.ndarray, layout: Any) -> Action:
    net, tensor = net.to(memory_format=layout), _their_input(torch, x, layout)
    targets, criterion = torch.arange(len(x)) % N_CLASSES, torch.nn.CrossEntropyLoss()
    optimiser = torch.optim.SGD(net.parameters(), RATE)

    def step() -> None:
        optimiser.zero_grad()
        criterion(net.train()(tensor), targets).backward()
        optimiser.step()

    return step


def their_gradients(torch: Any, net: Any, x: np.ndarray, layout: Any) -> Action:
    net, tensor = net.to(memory_format=layout).train(), _their_input(torch, x, layout)
    grad_output = torch.ones_like(net(tensor))

    def gradients() -> None:
        net.zero_grad()
        net(tensor).backward(grad_output)

    return gradients


def their_prediction(torch: Any, net: Any, x: np.ndarray, layout: Any) -> Action:
    net, tensor = net.to(memory_format=layout).train(False), _their_input(torch, x, layout)

    def predict() -> Any:
        with torch.inference_mode():
            return net(tensor)

    return predict


def compiled_step(torch: Any, net: Any, x: np.ndarray, layout: Any) -> tuple[Action, float]:
    """Return a training step whose forward and backward are compiled, and the seconds that this takes."""
    net, tensor = net.to(memory_format=layout).train(), _their_input(torch, x, layout)
    targets, criterion = torch.arange(len(x)) % N_CLASSES, torch.nn.CrossEntropyLoss()
    optimiser = torch.optim.SGD(net.parameters(), RATE)
    loss = _compiled(torch, lambda tensor: criterion(net(tensor), targets))

    def step() -> None:
        optimiser.zero_grad()
        loss(tensor).backward()
        optimiser.step()

    return step, _first(step)


def compiled_gradients(torch: Any, net: Any, x: np.ndarray, layout: Any) -> tuple[Action, float]:
    """Return a forward and backward that are compiled, and the seconds that this takes."""
    net, tensor = net.to(memory_format=layout).train(), _their_input(torch, x, layout)
    forward = _compiled(torch, net)
    grad_output = torch.ones_like(forward(tensor))

    def gradients() -> None:
        net.zero_grad()
        forward(tensor).backward(grad_output)

    return gradients, _first(gradients)


def compiled_prediction(torch: Any, net: Any, x: np.ndarray, layout: Any) -> tuple[Action, float]:
    """Return a compiled prediction with frozen weights, and the seconds that this takes."""
    import torch._inductor.config as settings

    net, tensor = net.to(memory_format=layout), _their_input(torch, x, layout)
    predict_ = _compiled(torch, net.train(False))

    def predict() -> Any:
        with torch.no_grad():
            return predict_(tensor)

    with settings.patch(freezing=True):
        return predict, _first(predict)


def _compiled(torch: Any, function: Any) -> Any:
    import torch._inductor.config as settings

    # What it tells of each kernel that it tries is not for the table.
    settings.max_autotune_report_choices_stats, settings.autotune_num_choices_displayed = False, 0
    torch._dynamo.reset()
    return torch.compile(function, mode="max-autotune", dynamic=False)


def _first(action: Action) -> float:
    """Return the seconds of the first two calls; the second compiles what has turned out to vary."""
    start = time.perf_counter()
    action()
    action()
    return time.perf_counter() - start


def _exported(net: nn.Module, x: np.ndarray) -> bytes:
    """Return a net as ONNX, for inputs of this size only."""
    model = to_onnx(net.evaluate(), x)
    for dim, length in zip(model.graph.input[0].type.tensor_type.shape.dim, x.shape, strict=True):
        dim.dim_value = length
    return model.SerializeToString()


def openvino_prediction(net: nn.Module, x: np.ndarray, threads: int) -> Action:
    import openvino

    # Of AMX or bf16 units others here make no use.
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }
    model = openvino.Core().read_model(_exported(net, x))
    request = openvino.compile_model(model, "CPU", options).create_infer_request()
    return lambda: request.infer([x], share_inputs=True, share_outputs=True)


def onnxruntime_prediction(net: nn.Module, x: np.ndarray, threads: int) -> Action:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    session = onnxruntime.InferenceSession(_exported(net, x), options, ["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: x}
    return lambda: session.run(None, feed)


def our_layer(layer: Layer, backward: bool) -> Action:
    """Return the forward alone, or with the gradients of input and weights."""
    module, x = layer.ours(), layer.input()
    grad_output = np.ones_like(module.evaluate().forward(x))
    if not backward:
        return lambda: module.forward(x)
    module.training()

    def both() -> None:
        module.forward(x)
        module.zero_grad_parameters()
        module.backward(x, grad_output)

    return both


def their_layer(torch: Any, layer: Layer, backward: bool, layout: Any) -> Action:
    module = layer.theirs(torch).to(memory_format=layout)
    tensor = _their_input(torch, layer.input(), layout)
    if not backward:
        return their_prediction(torch, module, layer.input(), layout)
    grad_output = torch.ones_like(module(tensor))
    tensor.requires_grad_()

    def both() -> None:
        module.zero_grad()
        tensor.grad = None
        module(tensor).backward(grad_output)

    return both
