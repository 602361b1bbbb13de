"""Every argument of every module's constructor is an attribute: what is changed there counts, lasts and is shown."""

import gc
import inspect
import weakref

import numpy as np
import pytest

from actionbench.models import load, nn, save

IMAGES, WORDS = (2, 7, 6, 4), (2, 6, 4)
SHAPES = {1: (2, 9, 4), 2: (2, 9, 8, 4), 3: (2, 7, 9, 8, 4)}
# Arguments of a constructor, the shape of an input, and other values for the arguments that may change.
CONV = {"stride": 2, "padding": 1, "dilation": 2}
MAX = {"kernel_size": 2, "stride": 1, "padding": 1, "dilation": 2, "ceil_mode": True}
AVERAGE = {"kernel_size": 2, "stride": 1, "padding": 1, "ceil_mode": True, "count_include_pad": False}
CASES = {
    "Linear": ((4, 3), WORDS, {}),
    "CMul": ((4,), WORDS, {}),
    "Embedding": ((5, 3), None, {"padding_idx": 1}),
    "ConvMap2d": (([(0, 0), (3, 1)], 2), IMAGES, CONV),
    "LocallyConnected2d": ((4, 2, (7, 6), 2), IMAGES, {}),
    "LSTM": ((4, 3, 2), WORDS, {"dropout": 0.3, "last": True}),
    "GRU": ((4, 3, 2), WORDS, {"dropout": 0.3, "last": True, "reset_after": False}),
    "LocalResponseNorm": ((3,), WORDS, {"size": 5, "alpha": 0.5, "beta": 0.3, "k": 2.0}),
    "PReLU": ((4,), WORDS, {"init": 0.9}),
    "RReLU": ((), WORDS, {"lower": 0.2, "upper": 0.6}),
    "LeakyReLU": ((), WORDS, {"negative_slope": 0.3}),
    "ELU": ((), WORDS, {"alpha": 0.3}),
    "Threshold": ((0.1, 0.2), WORDS, {"threshold": 0.5, "value": 3.0}),
    "Hardtanh": ((), WORDS, {"min_val": -0.2, "max_val": 0.3}),
    "Hardshrink": ((), WORDS, {"lambd": 0.9}),
    "Softshrink": ((), WORDS, {"lambd": 0.9}),
    "Softplus": ((), WORDS, {"beta": 2.0}),
    "Softmax": ((), WORDS, {"dim": 1}),
    "Softmin": ((), WORDS, {"dim": 1}),
    "LogSoftmax": ((), WORDS, {"dim": 1}),
    "View": ((24,), WORDS, {"sizes": (4, 6)}),
    "Flatten": ((), IMAGES, {"start_dim": 2}),
    "Squeeze": ((1,), (2, 1, 1, 3), {"dim": 2}),
    "Unsqueeze": ((1,), WORDS, {"dim": 2}),
    "Transpose": (((1, 2),), IMAGES, {"pairs": ((2, 3),)}),
    "Select": ((1, 0), WORDS, {"dim": 2, "index": 1}),
    "Narrow": ((1, 0), WORDS, {"dim": 2, "start": 1, "length": 2}),
    "Mean": ((1,), WORDS, {"dim": 2, "keepdim": True}),
    "Sum": ((1,), WORDS, {"dim": 2, "keepdim": True}),
    "Max": ((1,), WORDS, {"dim": 2, "keepdim": True}),
    "Sequential": ((nn.Tanh(), nn.ReLU()), WORDS, {"modules": (nn.Tanh(),)}),
    "ConcatTable": ((nn.Tanh(), nn.ReLU()), WORDS, {"modules": (nn.Tanh(),)}),
    "Concat": ((1, nn.Tanh(), nn.ReLU()), WORDS, {"dim": 2, "modules": (nn.Tanh(),)}),
    "ParallelTable": ((nn.Tanh(), nn.ReLU()), [WORDS, WORDS], {"modules": (nn.ReLU(), nn.ReLU())}),
    "Parallel": ((1, 1, nn.Tanh(), nn.ReLU()), (2, 2, 2, 4), {"input_dim": 2, "output_dim": 2}),
    "Graph": (([(0, 1)], nn.Tanh(), nn.ReLU()), WORDS, {"edges": (), "modules": (nn.ReLU(), nn.Tanh())}),
    "Bottle": ((nn.Softmax(1),), WORDS, {"n_dims": 3}),
    "JoinTable": ((1,), [WORDS, WORDS], {"dim": 2}),
    "SplitTable": ((1,), WORDS, {"dim": 2}),
    "SelectTable": ((0,), [WORDS, WORDS], {"index": 1}),
    "NarrowTable": ((0,), [WORDS, WORDS], {"offset": 1, "length": 2}),
}
for axes, shape in SHAPES.items():
    CASES |= {
        f"Conv{axes}d": ((4, 3, 2), shape, CONV),
        f"MaxPool{axes}d": ((3,), shape, MAX),
        f"AvgPool{axes}d": ((3,), shape, AVERAGE),
        f"AdaptiveMaxPool{axes}d": ((3,), shape, {"output_size": 2}),
        f"AdaptiveAvgPool{axes}d": ((3,), shape, {"output_size": 2}),
        f"BatchNorm{axes}d": ((4,), shape, {"eps": 0.5, "momentum": 0.4}),
        f"Dropout{axes}d": ((), shape, {"p": 0.2}),
        f"ConstantPad{axes}d": ((1,), shape, {"padding": 2, "value": 3.0}),
        f"ZeroPad{axes}d": ((1,), shape, {"padding": 2}),
        f"ReflectionPad{axes}d": ((1,), shape, {"padding": 2}),
        f"ReplicationPad{axes}d": ((1,), shape, {"padding": 2}),
    }
CASES["Dropout"] = ((), WORDS, {"p": 0.2})
#: Modules with neither argument nor such of the class that they are derived from.
ALONE = {"ReLU", "Tanh", "Sigmoid", "LogSigmoid", "Softsign", "Tanhshrink", "Identity"}
ALONE |= {"FlattenTable", "CAddTable", "CMulTable", "ReLU6", "SELU"}


def arguments(kind):
    parameters = inspect.signature(kind.__init__).parameters
    return [name for name in list(parameters)[1:] if name not in ("rng", "dtype")]


def given(shape, seed=0):
    if isinstance(shape, list):
        return [given(part, seed + place) for place, part in enumerate(shape)]
    rng = np.random.default_rng(seed)
    return rng.integers(0, 5, (2, 3)) if shape is None else rng.standard_normal(shape).astype(np.float32)


def assert_same(one, other):
    if isinstance(one, list):
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        np.testing.assert_array_equal(one, other)


CHANGES = [
    (name, argument, value) for name, (_, _, changes) in CASES.items() for argument, value in changes.items()
]


@pytest.mark.parametrize(("name", "argument", "value"), CHANGES, ids=lambda value: str(value)[:20])
def test_a_changed_attribute_is_that_of_a_module_made_so(name, argument, value, tmp_path):
    args, shape, _ = CASES[name]
    kind, x = getattr(nn, name), given(shape)
    changed = kind(*args).reset(0).evaluate()
    setattr(changed, argument, value)
    wanted = kind.make(kind(*args).arguments() | {argument: value})
    wanted.load_state_dict(changed.state_dict()).evaluate()
    save(changed, tmp_path)
    loaded = load(tmp_path)
    for module in (changed, changed.clone(), loaded):
        assert_same(module.forward(x), wanted.forward(x))
    alike = kind.make(changed.arguments())
    assert repr(changed) == repr(changed.clone()) == repr(loaded) == repr(alike.evaluate())
    assert repr(changed) != repr(kind(*args))


def fixed():
    return [
        (name, argument)
        for name, (_, _, changes) in CASES.items()
        for argument in arguments(getattr(nn, name))
        if argument not in changes
        if (name, argument) != ("Parallel", "modules")
        if argument != "bias" or name in ("LSTM", "GRU")
    ]


@pytest.mark.parametrize(
    ("name", "argument"), [*fixed(), ("ReLU6", "max_val"), ("SELU", "alpha"), ("ZeroPad2d", "value")]
)
def test_an_attribute_that_shapes_the_parameters_stays(name, argument):
    module = getattr(nn, name)(*CASES.get(name, ((),))[0])
    with pytest.raises(AttributeError, match=f"{argument} of a {name} cannot be changed; make a new one"):
        setattr(module, argument, 9)


@pytest.mark.parametrize("name", ["Linear", "Conv2d", "ConvMap2d", "LocallyConnected2d"])
def test_a_bias_that_is_taken_away_does_not_come_back(name, tmp_path):
    args, shape, _ = CASES[name]
    layer, x = getattr(nn, name)(*args).evaluate(), given(shape)
    layer.bias = None
    save(layer, tmp_path)
    assert_same(load(tmp_path).forward(x), layer.forward(x))
    assert "bias=False" in repr(layer)


def test_every_module_is_looked_at():
    kinds = {kind for kind in vars(nn).values() if isinstance(kind, type) and issubclass(kind, nn.Module)}
    names = {kind.__name__ for kind in kinds - {nn.Module, nn.Function, nn.Container}}
    assert names == CASES.keys() | ALONE
    assert not any(arguments(getattr(nn, name)) for name in ALONE)


class Scaled(nn.Function):
    def __init__(self, rate, inner):
        super().__init__()
        self.factor, self.net = rate, inner

    def _forward(self, x):
        return self.factor * self.net.forward(x), None

    def _input_gradient(self, context, grad_output):
        return self.factor * grad_output


def test_a_layer_of_another_name_for_an_argument_lasts_too(tmp_path):
    layer, x = Scaled(2.0, nn.Tanh()).evaluate(), given(WORDS)
    layer.factor, layer.net = 0.5, nn.Identity()
    save(layer, tmp_path)
    np.testing.assert_array_equal(load(tmp_path).forward(x), 0.5 * x)


@pytest.mark.parametrize(
    "make", [lambda head: nn.Sequential(nn.ReLU(), head), nn.Bottle, lambda head: Scaled(1.0, head)]
)
def test_a_replaced_head_is_gone(make, tmp_path):
    old, new = nn.Linear(4, 300), nn.Linear(4, 2)
    net, x = make(old).evaluate(), given((3, 4))
    for _ in range(4):
        net.forward(x)
    gone = weakref.ref(old)
    if isinstance(net, Scaled):
        net.net = new
    else:
        net[-1] = new
    del old
    gc.collect()
    assert gone() is None
    save(net, tmp_path)
    assert load(tmp_path).count_parameters() == net.clone().count_parameters() == 10
    np.testing.assert_array_equal(load(tmp_path).forward(x), net.evaluate().forward(x))


def test_each_parameter_keeps_its_type(tmp_path):
    net = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2).astype(np.float64), nn.Linear(2, 2)).evaluate()
    save(net, tmp_path)
    loaded = load(tmp_path)
    assert [p.value.dtype for p in loaded.parameters().values()] == [
        p.value.dtype for p in net.parameters().values()
    ]
    assert_same(loaded.forward(given(WORDS)), net.forward(given(WORDS)))
