"""What constructors are given: each wrong number is refused in a sentence that names it, and NumPy's are Python's."""

import inspect

import numpy as np
import pytest

from actionbench.models import load, nn, save
from actionbench.models.memory import check_memory, empty
from actionbench.models.nn import functional
from actionbench.models.nn.arguments import MAX_INTEGER, MAX_PIXELS, integer, per_axis, plain, real

#: Whole numbers by name: one that is right, and the smallest that is; None where any is, as axes are counted both ways.
INTEGERS = {
    "in_channels": (4, 1),
    "out_channels": (4, 1),
    "kernel_size": (2, 1),
    "stride": (1, 1),
    "padding": (1, 0),
    "dilation": (1, 1),
    "groups": (1, 1),
    "input_size": (6, 1),
    "output_size": (2, 1),
    "in_features": (4, 1),
    "out_features": (3, 1),
    "num_embeddings": (5, 1),
    "embedding_dim": (3, 1),
    "padding_idx": (1, 0),
    "num_features": (4, 1),
    "size": (3, 1),
    "hidden_size": (3, 1),
    "num_layers": (2, 1),
    "num_parameters": (4, 1),
    "n_dims": (3, 1),
    "start": (0, 0),
    "length": (1, 0),
    "offset": (0, 0),
    "sizes": (-1, -1),
    "dim": (1, None),
    "start_dim": (2, None),
    "input_dim": (1, None),
    "output_dim": (1, None),
    "index": (0, None),
}
#: Real numbers by name: one that is right, and one that is too small, if any is.
REAL = {
    "eps": (0.5, -1e-9),
    "momentum": (0.5, 1.5),
    "p": (0.25, 1.0),
    "dropout": (0.25, -0.5),
    "alpha": (0.5, None),
    "beta": (0.5, 0.0),
    "k": (2.0, None),
    "negative_slope": (0.5, None),
    "threshold": (0.5, None),
    "value": (0.5, None),
    "min_val": (-0.5, None),
    "max_val": (0.5, None),
    "lower": (0.125, None),
    "upper": (0.25, None),
    "lambd": (0.5, -0.5),
    "init": (0.5, None),
    "margin": (0.5, None),
    "label_smoothing": (0.5, 1.5),
}
OTHER = {
    "table": [(0, 0), (3, 1)],
    "pairs": (1, 2),
    "edges": [(0, 1)],
    "module": nn.Tanh(),
    "modules": nn.Tanh(),
}
KINDS = {
    kind
    for kind in vars(nn).values()
    if inspect.isclass(kind) and issubclass(kind, nn.Module) and not inspect.isabstract(kind)
}
CRITERIA = {
    kind
    for kind in vars(nn).values()
    if inspect.isclass(kind) and issubclass(kind, nn.Criterion) and not inspect.isabstract(kind)
}


def parameters(kind):
    own = list(inspect.signature(kind.__init__).parameters.values())[1:]
    return {parameter.name: parameter for parameter in own if parameter.name not in ("rng", "dtype")}


def least(kind, name):
    # Negative padding cuts.
    if name == "padding" and "Pad" in kind.__name__:
        return None
    return INTEGERS[name][1]


def right(name):
    table = INTEGERS | REAL
    return table[name][0] if name in table else OTHER[name]


def make(kind, **changes):
    """Return a module with the given arguments and what it cannot do without."""
    args, options = [], {}
    for name, own in parameters(kind).items():
        if own.kind is own.VAR_POSITIONAL:
            args += [changes.get(name, right(name))] * (2 if name == "modules" else 1)
        elif own.default is own.empty:
            args.append(changes.get(name, right(name)))
        elif name in changes:
            options[name] = changes[name]
    return kind(*args, **options)


def numbered(kinds, table):
    found = [(kind, name) for kind in kinds for name in parameters(kind) if name in table]
    return sorted(found, key=lambda case: (case[0].__name__, case[1]))


def name_of(value):
    return getattr(value, "__name__", value)


def may_be_none(kind, name):
    return parameters(kind)[name].default is None or name == "output_size"


@pytest.mark.parametrize(("kind", "name"), numbered(KINDS, INTEGERS), ids=name_of)
def test_a_wrong_integer_is_refused(kind, name):
    module = make(kind)
    wrong = ["3", "abc", 2.5, np.float32(2), np.nan, True, 1j, {}, 10**30, -(10**30), 2**33]
    wrong += [] if may_be_none(kind, name) else [None]
    smallest = least(kind, name)
    wrong += [] if smallest is None else [smallest - 1, np.int64(smallest - 1), -(10**6)]
    per_axis = smallest is not None and name in (
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "output_size",
    )
    wrong += [(2,) * 7, ("3", 2), ()] if per_axis else []
    for value in wrong:
        with pytest.raises((TypeError, ValueError), match=name):
            make(kind, **{name: value})
        with pytest.raises((AttributeError, TypeError, ValueError), match=name):
            setattr(module, name, (value,) if name == "sizes" else value)


@pytest.mark.parametrize(("kind", "name"), numbered(KINDS | CRITERIA, REAL), ids=name_of)
def test_a_wrong_real_number_is_refused(kind, name):
    wrong = ["3", np.nan, 1j, None, [0.5], True]
    if REAL[name][1] is not None and (kind, name) != (nn.LocalResponseNorm, "beta"):
        wrong.append(REAL[name][1])
    for value in wrong:
        with pytest.raises((TypeError, ValueError), match=f"{name} must|the probability"):
            make(kind, **{name: value})
        if kind in KINDS:
            with pytest.raises((TypeError, ValueError), match=f"{name} must|the probability"):
                setattr(make(kind), name, value)


@pytest.mark.parametrize("kind", sorted(KINDS, key=name_of), ids=name_of)
@pytest.mark.parametrize("kind_of_integer", [np.int64, np.int32, np.int8])
def test_numbers_of_numpy_are_taken_and_kept_as_pythons(kind, kind_of_integer, tmp_path):
    integers = {name: INTEGERS[name][0] for name in parameters(kind) if name in INTEGERS}
    real = {name: REAL[name][0] for name in parameters(kind) if name in REAL}
    wanted = make(kind, **integers, **real)
    numbers = {name: kind_of_integer(value) for name, value in integers.items()}
    numbers |= {name: np.float32(value) for name, value in real.items()}
    module = make(kind, **numbers)
    assert repr(module) == repr(wanted)
    assert module.arguments() == wanted.arguments() or "table" in module.arguments()
    save(module, tmp_path)
    assert repr(load(tmp_path)) == repr(wanted)


def test_every_argument_is_known_here():
    flags = {"bias", "affine", "ceil_mode", "count_include_pad", "keepdim", "bidirectional", "peepholes"}
    flags |= {"recurrent_bias", "reset_after", "last"}
    names = {name for kind in KINDS for name in parameters(kind)}
    assert names - flags - INTEGERS.keys() - REAL.keys() == OTHER.keys()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.Conv2d(1, 1, 0), "kernel_size must be an integer of 1 or more, got 0"),
        (lambda: nn.Conv2d(1, 1, "3"), "kernel_size must be an integer, got '3'"),
        (lambda: nn.Conv2d(1, 1, (3, 2.0)), "kernel_size must be an integer, got 2.0"),
        (lambda: nn.Conv2d(1, 1, (3, 3, 3)), r"kernel_size must be one integer or 2, got \(3, 3, 3\)"),
        (lambda: nn.MaxPool1d(2, dilation=0), "dilation must be an integer of 1 or more, got 0"),
        (lambda: nn.MaxPool2d(2, padding=-1), "padding must be an integer of 0 or more, got -1"),
        (lambda: nn.AvgPool3d(10**9), "kernel_size must be an integer of at most 16777216"),
        (lambda: nn.AdaptiveMaxPool2d(10**9), "output_size must be an integer of at most 16777216"),
        (lambda: nn.AdaptiveMaxPool2d((2, 2, 2)), "output_size must be one integer or 2"),
        (lambda: nn.Transpose(1, 2), "pairs must be pairs of axes"),
        (lambda: nn.Transpose((1, 2, 3)), "pairs must be pairs of axes"),
        (lambda: nn.Transpose((1, "2")), "pairs must be an integer, got '2'"),
        (lambda: nn.Sum(()), r"dim must be an axis or different ones, got \(\)"),
        (lambda: nn.Mean((1, 1)), "different ones"),
        (lambda: nn.Graph([(0, "1")], nn.Tanh(), nn.Tanh()), "edges must be an integer, got '1'"),
        (lambda: nn.Graph([(-1, 1)], nn.Tanh(), nn.Tanh()), "edges must be an integer of 0 or more"),
        (lambda: nn.Sequential(nn.Tanh(), 3), "modules must be modules, got int"),
        (lambda: nn.Sequential().add(np.tanh), "modules must be modules, got ufunc"),
        (lambda: nn.ConvMap2d([(0, 10**9)], 2), "connection table"),
        (lambda: nn.ConvMap2d([(0.0, 1.0)], 2), "connection table"),
        (lambda: nn.Linear(2, 3, dtype=int), "dtype must be a floating-point type, .* got int64"),
        (lambda: nn.MSELoss().__class__("max"), "reduction"),
        (lambda: nn.MultiCriterion([nn.MSELoss()], ["1"]), "weights must be a number, got '1'"),
        (lambda: nn.NLLLoss(ignore_index=0.5), "ignore_index must be an integer, got 0.5"),
        (lambda: nn.connections.full(0, 2), "n_in must be an integer of 1 or more, got 0"),
        (lambda: nn.connections.one_to_one(-1), "n must be an integer of 1 or more, got -1"),
        (lambda: nn.connections.random(2, 2.5, 1), "n_out must be an integer, got 2.5"),
    ],
)
def test_what_is_wrong_is_said(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Linear(2**30, 2**30),
        lambda: nn.Conv3d(2**20, 2**20, 2**20),
        lambda: nn.Embedding(MAX_INTEGER, MAX_INTEGER),
        lambda: nn.LSTM(4, 2**30),
        lambda: nn.LocallyConnected2d(2, 2, 2**20, 3),
        lambda: nn.AdaptiveAvgPool3d(MAX_PIXELS).forward(np.zeros((1, 2, 2, 2, 1), np.float32)),
        lambda: nn.AdaptiveMaxPool2d(MAX_PIXELS).forward(np.zeros((1, 2, 2, 1), np.float32)),
        lambda: nn.ZeroPad2d(MAX_PIXELS).forward(np.zeros((1, 2, 2, 1))),
        lambda: nn.ReplicationPad3d(MAX_PIXELS).forward(np.zeros((1, 2, 2, 2, 1))),
        lambda: nn.Conv2d(1, 1, 2, padding=MAX_PIXELS).forward(np.zeros((1, 2, 2, 1))),
        lambda: empty((2**40, 2**20), np.float32),
        lambda: check_memory((2**40, 2**20), np.float32),
    ],
)
def test_what_no_machine_can_hold_is_refused_before_it_is_made(make):
    with pytest.raises(ValueError, match=r"takes .* GiB, and there are"):
        make()


X, TAPS = np.zeros((1, 2, 2, 2, 2), np.float32), np.zeros((1, 1, 1, 2, 2), np.float32)


@pytest.mark.parametrize("wrong", [(0, 1, 1), (1, -1, 1), (1, 1)])
@pytest.mark.parametrize(
    "call",
    [
        lambda n: functional.conv3d(X, TAPS, stride=n),
        lambda n: functional.conv3d(X, TAPS, dilation=n),
        lambda n: functional.conv3d(X, TAPS, pool=n),
        lambda n: functional.max_pool3d(X, n, (1, 1, 1)),
        lambda n: functional.max_pool3d(X, (1, 1, 1), n),
        lambda n: functional.max_pool3d(X, (1, 1, 1), (1, 1, 1), dilation=n),
        lambda n: functional.avg_pool3d(X, n, (1, 1, 1)),
        lambda n: functional.avg_pool3d(X, (1, 1, 1), n),
        lambda n: functional.conv3d_input_gradient(X, TAPS, (2, 2, 2), stride=n),
        lambda n: functional.conv3d_input_gradient(X, TAPS, (2, 2, 2), dilation=n),
        lambda n: functional.conv3d_input_gradient(X, TAPS, n),
        lambda n: functional.conv3d_weight_gradient(X, X, n),
        lambda n: functional.conv3d_weight_gradient(X, X, (1, 1, 1), stride=n),
        lambda n: functional.conv3d_weight_gradient(X, X, (1, 1, 1), dilation=n),
        lambda n: functional.adaptive_avg_pool3d(X, n),
        lambda n: functional.adaptive_max_pool3d(X, n),
    ],
)
def test_functions_refuse_wrong_geometry(call, wrong):
    with pytest.raises(ValueError, match=r"must|does not fit|expects"):
        call(wrong)


def test_helpers():
    assert integer("n", np.uint8(3)) == 3
    assert per_axis("n", np.array([2, 3]), 2) == (2, 3)
    assert real("x", np.float32(0.5), 0, 1) == 0.5
    assert plain((np.int8(1), [np.float64(2.0)], "a")) == (1, [2.0], "a")
    with pytest.raises(ValueError, match="x must be a number from 0 to 1, got 2"):
        real("x", 2, 0, 1)
