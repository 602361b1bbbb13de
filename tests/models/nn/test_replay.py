from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actionbench.models import kernels, nn, zoo
from actionbench.models.nn import replay

IMAGE, VOLUME, SEQUENCE, VECTOR = (2, 9, 8, 3), (1, 4, 8, 8, 2), (3, 7, 5), (4, 6)


def images(*modules):
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *modules)


REPLAYED = {
    "convolution, normalisation, pooling": (
        lambda: images(nn.BatchNorm2d(8), nn.MaxPool2d(2), nn.ReLU(), nn.Mean((1, 2)), nn.Linear(8, 4)),
        IMAGE,
    ),
    "layers one by one": (
        lambda: nn.Sequential(nn.ReLU(), nn.MaxPool2d(2), nn.BatchNorm2d(3), nn.Conv2d(3, 4, 2, bias=False)),
        IMAGE,
    ),
    "averages": (lambda: images(nn.AvgPool2d(2), nn.AdaptiveMaxPool2d(2), nn.AdaptiveAvgPool2d(1)), IMAGE),
    "groups and strides": (
        lambda: nn.Sequential(nn.Conv2d(4, 6, 3, stride=2, groups=2), nn.ReLU()),
        (2, 9, 8, 4),
    ),
    "shapes": (
        lambda: images(
            nn.Identity(), nn.Dropout(0.5), nn.Flatten(), nn.View(9, 8, 8), nn.Sequential(nn.ReLU())
        ),
        IMAGE,
    ),
    "volumes": (lambda: zoo.tiny3d(4, channels=2, widths=(4, 20), rng=0), VOLUME),
    "sequences": (lambda: zoo.lstm_classifier(5, 6, 4, rng=0), SEQUENCE),
    "one sequence": (lambda: zoo.lstm_classifier(5, 6, 4, rng=0), (1, 7, 5)),
    "both ways": (
        lambda: nn.Sequential(nn.LSTM(5, 6, 2, bidirectional=True, dropout=0.3, peepholes=True, rng=0)),
        SEQUENCE,
    ),
    "few vectors": (lambda: zoo.mlp(6, 30, 4, rng=0), VECTOR),
    "many vectors": (lambda: nn.Sequential(nn.Linear(6, 3, rng=0), nn.ReLU()), (50, 6)),
    "wide layer": (
        lambda: nn.Sequential(nn.Linear(600, 300, rng=0), nn.Linear(300, 2, bias=False, rng=0)),
        (20, 600),
    ),
    "one value": (lambda: nn.Sequential(nn.Linear(6, 3, rng=0)), (1, 6)),
}
OTHERS = {
    "another way of averaging": (lambda: images(nn.Mean(1)), IMAGE),
    "transfer functions": (lambda: nn.Sequential(nn.Linear(6, 3, rng=0), nn.Tanh()), VECTOR),
    "gated units": (lambda: nn.Sequential(nn.GRU(5, 6, rng=0)), SEQUENCE),
    "a layer of one's own": (lambda: nn.Sequential(Doubled(), nn.Linear(6, 3, rng=0)), VECTOR),
    "nothing": (lambda: nn.Sequential(), VECTOR),
    "the input in another shape": (lambda: nn.Sequential(nn.View(3, 2)), VECTOR),
    "two types": (
        lambda: nn.Sequential(nn.Linear(6, 3, rng=0), nn.Linear(3, 2, dtype=np.float64, rng=0)),
        VECTOR,
    ),
}


class Doubled(nn.ReLU):
    def _forward(self, x):
        return 2 * x, None


def values(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def plain(net, x):
    """What the modules make of an input, one after the other or as blocks, never replayed."""
    return net.clone()._predict(x)


@pytest.fixture
def runs(monkeypatch):
    """The forwards that run through the modules."""
    forwards = []
    run = nn.Sequential._run
    monkeypatch.setattr(nn.Sequential, "_run", lambda net, x: forwards.append(net) or run(net, x))
    return forwards


def forwards_of(net, runs):
    return sum(one is net for one in runs)


@pytest.mark.parametrize("name", REPLAYED)
def test_a_forward_that_comes_a_third_time_is_replayed_and_gives_the_same_bits(name, runs):
    make, shape = REPLAYED[name]
    net = make().reset(0).evaluate()
    inputs = [values(shape, seed) for seed in range(5)]
    wanted = [plain(net, x) for x in inputs]
    for x, right in zip(inputs, wanted, strict=True):
        np.testing.assert_array_equal(net.forward(x), right)
    assert forwards_of(net, runs) == 2


@pytest.mark.parametrize("name", OTHERS)
def test_what_cannot_be_replayed_runs(name, runs):
    make, shape = OTHERS[name]
    net = make().evaluate()
    inputs = [values(shape, seed) for seed in range(4)]
    wanted = [plain(net, x) for x in inputs]
    for x, right in zip(inputs, wanted, strict=True):
        np.testing.assert_array_equal(net.forward(x), right)
    # One more if it was traced in vain.
    assert forwards_of(net, runs) in (4, 5)


def test_a_module_with_a_method_of_its_own_is_not_replayed():
    net = zoo.mlp(6, 30, 4, rng=0).evaluate()
    last, called = net.modules[-1], []

    def forward(x):
        # What is done depends on how often it was.
        called.append(x)
        return type(last)._forward(last, x) if len(called) < 4 else (x, None)

    last._forward = forward
    shapes = [net.forward(values(VECTOR, seed)).shape for seed in range(6)]
    assert shapes == 3 * [(4, 4)] + 3 * [(4, 30)]


def test_an_output_stays_when_others_follow():
    net = zoo.mlp(6, 30, 4, rng=0).evaluate()
    outputs = [net.forward(values(VECTOR, seed)) for seed in range(5)]
    for seed, output in enumerate(outputs):
        np.testing.assert_array_equal(output, plain(net, values(VECTOR, seed)))


def set_weight(net):
    net[0].weight.value = net[0].weight.value + 1


def set_values(net):
    net[0].weight.value[...] += 1


def set_buffer(net):
    net[1].running_mean = net[1].running_mean + 1


def set_option(net):
    net[1].eps = 0.5


def set_method(net):
    net[3]._function = lambda x: np.where(x > 0.5, x, 0)


def set_padding(net):
    net[0].padding = 0


def add_module(net):
    net.add(nn.Mean((1, 2)).evaluate())


def replace_module(net):
    net[3] = nn.Identity().evaluate()


def share(net):
    net.share(images(nn.BatchNorm2d(8), nn.MaxPool2d(2), nn.ReLU()).reset(1), "weight")


def load(net):
    net.load_state_dict(net.clone().reset(3).state_dict())


def learn(net):
    x = values(IMAGE)
    y = net.training().forward(x)
    net.backward(x, y)
    net.update_parameters(0.1)
    net.evaluate()


@pytest.mark.parametrize(
    "change",
    [
        set_weight,
        set_values,
        set_buffer,
        set_option,
        set_method,
        set_padding,
        add_module,
        replace_module,
        share,
        load,
        learn,
    ],
    ids=lambda change: change.__name__,
)
def test_a_change_of_the_net_counts_at_once(change):
    net = images(nn.BatchNorm2d(8), nn.MaxPool2d(2), nn.ReLU()).reset(0).evaluate()
    x = values(IMAGE)
    before = [net.forward(x) for _ in range(3)][-1]
    change(net)
    right = plain(net, x)
    assert not np.array_equal(before, right)
    for _ in range(4):
        np.testing.assert_array_equal(net.forward(x), right)


def test_a_part_in_training_is_not_replayed(runs):
    net = images(nn.Dropout(0.5)).reset(0).evaluate()
    net[1].is_training = True
    x = values(IMAGE)
    assert len({net.forward(x).tobytes() for _ in range(4)}) == 4
    assert forwards_of(net, runs) == 4


def test_inputs_that_are_not_replayed(runs):
    net = zoo.mlp(6, 30, 4, rng=0).evaluate()
    large = values((replay._MAX_BYTES // 24 + 1, 6))
    wide = values((4, 12))
    inputs = (
        *(large, values((0, 6)), values(VECTOR).astype(float), np.ones(VECTOR, np.uint8)),
        *(wide[:, ::2], np.asfortranarray(wide[:, :6]), wide[:, 5::-1], wide[::-1, 6:]),
    )
    for x in inputs:
        right = plain(net, x)
        for _ in range(3):
            np.testing.assert_array_equal(net.forward(x), right)
    # Those of another type were traced in vain.
    assert forwards_of(net, runs) == 3 * len(inputs) + 2


def test_a_read_only_input_is_replayed(runs):
    net = zoo.mlp(6, 30, 4, rng=0).evaluate()
    x = values(VECTOR)
    x.flags.writeable = False
    assert len({net.forward(x).tobytes() for _ in range(4)}) == 1
    assert forwards_of(net, runs) == 2


def test_a_wrong_input_is_refused_as_ever():
    net = zoo.mlp(6, 30, 4, rng=0).evaluate()
    for _ in range(3):
        net.forward(values(VECTOR))
    with pytest.raises(ValueError, match="expects"):
        net.forward(values((4, 7)))
    np.testing.assert_array_equal(net.forward(values(VECTOR)), plain(net, values(VECTOR)))


def test_an_error_on_the_way_ends_the_trace():
    net = zoo.mlp(6, 30, 4, rng=0).evaluate()
    for _ in range(2):
        with pytest.raises(ValueError, match="expects"):
            net.forward(values((4, 7)))
    assert replay._active.trace is None


def test_threads_share_a_net():
    net = zoo.tiny3d(4, channels=2, widths=(4, 20), rng=0).evaluate()
    inputs = [values(VOLUME, seed) for seed in range(40)]
    wanted = [plain(net, x) for x in inputs]
    with ThreadPoolExecutor(4) as threads:
        for got, right in zip(threads.map(net.forward, inputs * 5), wanted * 5, strict=True):
            np.testing.assert_array_equal(got, right)


def test_each_module_is_a_step_of_trace():
    net = images(nn.BatchNorm2d(8), nn.ReLU()).reset(0).evaluate()
    for _ in range(3):
        net.forward(values(IMAGE))
    assert len(net.trace(values(IMAGE))) == 4


def test_a_copy_holds_nothing_that_is_replayed():
    net = zoo.mlp(6, 30, 4, rng=0).evaluate()
    for _ in range(3):
        net.forward(values(VECTOR))
    twin = net.clone()
    twin[1].weight.value[...] = 0
    np.testing.assert_array_equal(twin.forward(values(VECTOR)), plain(twin, values(VECTOR)))
    assert not np.array_equal(twin.forward(values(VECTOR)), net.forward(values(VECTOR)))


def test_other_kernels_are_traced_anew(monkeypatch):
    net = zoo.tiny3d(4, channels=2, widths=(4, 20), rng=0).evaluate()
    for _ in range(3):
        net.forward(values(VOLUME))
    for name in kernels.usable():
        monkeypatch.setattr(kernels, "INSTRUCTION_SET", name)
        np.testing.assert_array_equal(net.forward(values(VOLUME)), plain(net, values(VOLUME)))


BEFORE = {
    "average pooling": (nn.AvgPool2d(2), lambda x: x.reshape(1, 2, 2, 2, 2, 1).mean((2, 4))),
    "largest of windows": (nn.MaxPool2d(2), lambda x: x.reshape(1, 2, 2, 2, 2, 1).max((2, 4))),
    "rectifier": (nn.ReLU(), lambda x: np.maximum(x, 0)),
    "mean": (nn.Mean((1, 2), keepdim=True), lambda x: x.mean((1, 2), keepdims=True)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "kind", [nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.LSTM], ids=lambda kind: kind.__name__
)
@pytest.mark.parametrize("name", BEFORE)
def test_what_makes_values_of_another_type_before_a_layer_gives_those_of_this_input(name, kind, dtype):
    """NumPy's default is double precision, that of nets single: the layer converts what comes to it."""
    first, reference = BEFORE[name]
    last, follow = LAYERS[kind]()
    net = nn.Sequential(*(first, nn.View(-1, 1)) if kind is nn.LSTM else (first,), last).evaluate()
    for seed in range(5):
        x = np.random.default_rng(seed).standard_normal((1, 4, 4, 1)).astype(dtype)
        before = reference(x.astype(float))
        wanted = follow(before.reshape(1, -1, 1) if kind is nn.LSTM else before)
        np.testing.assert_allclose(net.forward(x), wanted, rtol=1e-5, atol=1e-6)


def affine(layer):
    return lambda x: x * float(layer.weight.value.ravel()[0]) + float(layer.bias.value[0])


def one_normalisation():
    layer = nn.BatchNorm2d(1)
    layer.running_mean[...], layer.running_var[...] = 0.25, 4.0
    return layer, lambda x: (x - 0.25) / np.sqrt(4.0 + 1e-5)


def one_lstm():
    layer = nn.LSTM(1, 1, rng=0)

    def follow(x):
        w, u, b = (
            getattr(layer, f"{name}_l0").value.ravel().astype(float)
            for name in ("weight_ih", "weight_hh", "bias_ih")
        )
        b, states, h, c = b + layer.bias_hh_l0.value, [], 0.0, 0.0
        for value in x.ravel():
            i, f, g, o = w * value + u * h + b
            c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
            h = np.tanh(c) / (1 + np.exp(-o))
            states.append(h)
        return np.reshape(states, x.shape)

    return layer, follow


def one_by_one(layer):
    return layer, affine(layer)


LAYERS = {
    nn.Conv2d: lambda: one_by_one(nn.Conv2d(1, 1, 1, rng=0)),
    nn.Linear: lambda: one_by_one(nn.Linear(1, 1, rng=0)),
    nn.BatchNorm2d: one_normalisation,
    nn.LSTM: one_lstm,
}


class Careless(nn.ReLU):
    """Declares itself replayable, and makes values in a way that no trace sees."""

    replayable = True

    def __init__(self, careless):
        super().__init__()
        self.careless = careless

    def _forward(self, x):
        return self.careless(x), None


def in_place(x):
    y = nn.functional.rectifier(x)
    y -= 1
    return y


def in_place_of_a_view(x):
    y = nn.functional.rectifier(x)
    y[:, ::2] = 3
    return y


def into_the_input(x):
    if x.flags.writeable:
        return x + 1
    x += 1
    return x


def half_past_run(x):
    y, half = np.empty_like(x), x.shape[-1] // 2
    replay.run(np.copyto, y[..., :half], x[..., :half], writes=(y[..., :half],))
    y[..., half:] = x[..., half:]
    return y


def flipped(x):
    replay.run(np.negative, x, x, writes=(), changes=(x,))
    return x


CARELESS = {
    "copy": lambda x: x.copy(),
    "another type": lambda x: np.asarray(x, np.float64),
    "another type and back": lambda x: x.astype(np.float64).astype(x.dtype),
    "arithmetic": lambda x: 2 * x - 1,
    "picked": lambda x: x[:, np.arange(x.shape[1])[::-1]],
    "moved": lambda x: np.ascontiguousarray(x[:, ::-1]),
    "frozen": lambda x: np.frombuffer((2 * x).tobytes(), x.dtype).reshape(x.shape),
    "copy of what a kernel made": lambda x: nn.functional.rectifier(x) - 1,
    "in place": in_place,
    "in place of a view": in_place_of_a_view,
    "into the input": into_the_input,
    "half past run": half_past_run,
    "flipped in place": flipped,
}


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("name", CARELESS)
def test_values_that_no_call_made_are_never_replayed(name, index):
    modules = [nn.Linear(6, 6, rng=0), nn.Linear(6, 6, rng=1)]
    modules.insert(index, Careless(CARELESS[name]))
    net = nn.Sequential(*modules).evaluate()
    for seed in range(6):
        x = values(VECTOR, seed)
        right = plain(net, x.copy())
        np.testing.assert_array_equal(net.forward(x), right)


def test_an_output_that_was_traced_in_vain_can_be_written():
    net = nn.Sequential(nn.Linear(6, 6, rng=0), Careless(lambda x: x - 1), nn.Linear(6, 3, rng=0)).evaluate()
    for seed in range(4):
        y = net.forward(values(VECTOR, seed))
        y += 1


def test_a_constant_cannot_be_changed():
    """The table of windows is kept for all nets."""
    pooled = nn.functional.max_pool3d(values((1, 1, 4, 4, 1)), (1, 2, 2), (1, 2, 2))
    with pytest.raises(ValueError, match="read-only"):
        pooled.spans[0] = 0


@pytest.mark.parametrize(
    "layer", [nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.AvgPool2d(2)], ids=lambda m: type(m).__name__
)
def test_options_of_a_layer_are_set_as_a_whole(layer):
    """A change inside would not be seen."""
    with pytest.raises(TypeError, match="item assignment"):
        layer.how["padding"] = (0, 1, 1)
    layer.padding = 1
    assert layer.clone().how["padding"] == (0, 1, 1)


def test_a_parameter_that_is_gone_is_missed():
    net = zoo.mlp(6, 30, 4, rng=0).evaluate()
    for _ in range(3):
        net.forward(values(VECTOR))
    del net[1].bias
    with pytest.raises(AttributeError, match="bias"):
        net.forward(values(VECTOR))


def test_threads_that_change_nets_miss_no_change():
    """Each thread changes and asks a net of its own; none sees an outdated replay."""

    def work(seed):
        net = nn.Sequential(nn.Linear(6, 3, rng=seed)).evaluate()
        for step in range(60):
            net[0].bias.value = np.full(3, step, np.float32)
            for _ in range(4):
                x = values(VECTOR, step)
                np.testing.assert_array_equal(net.forward(x), plain(net, x))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))


@st.composite
def nets(draw, shape=None, depth=0):
    """A net for images (N, H, W, 4) of 8 x 6, with layers that are replayed and others."""
    shape = (8, 6, 4) if shape is None else shape
    modules = []
    for _ in range(draw(st.integers(1, 5))):
        options = ["ReLU", "Identity", "Dropout", "Tanh", "Flatten", "Doubled", "Linear"]
        options += {3: ["Conv2d", "BatchNorm2d", "pool", "adaptive", "Mean", "part", "Transpose"]}.get(
            len(shape), []
        )
        options += {2: ["LSTM", "Conv1d", "BatchNorm1d", "Mean1"]}.get(len(shape), [])
        options += ["Sequential"] if depth < 2 else []
        module, shape = draw_module(draw, draw(st.sampled_from(options)), shape, depth)
        modules.append(module)
    return nn.Sequential(*modules)


def draw_module(draw, name, shape, depth):
    """Return a layer and what it makes of the shape of a sample."""
    channels, few = shape[-1], draw(st.integers(1, 3))
    same = {
        "ReLU": nn.ReLU,
        "Identity": nn.Identity,
        "Dropout": nn.Dropout,
        "Tanh": nn.Tanh,
        "Doubled": Doubled,
        "BatchNorm2d": lambda: nn.BatchNorm2d(channels),
        "BatchNorm1d": lambda: nn.BatchNorm1d(channels),
    }
    made = {
        "Flatten": lambda: nn.Flatten(),
        "Linear": lambda: nn.Linear(channels, 4 * few, bias=draw(st.booleans())),
        "Conv1d": lambda: nn.Conv1d(channels, 4 * few, 3, padding=1),
        "Conv2d": lambda: nn.Conv2d(
            channels,
            4 * few,
            min(few, *shape[:2]),
            draw(st.integers(1, 2)),
            groups=draw(st.sampled_from([1, 1, 2])),
        ),
        "pool": lambda: draw(st.sampled_from([nn.MaxPool2d, nn.AvgPool2d]))(min(2, *shape[:2])),
        "adaptive": lambda: draw(st.sampled_from([nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d]))(few),
        "Mean": lambda: nn.Mean(draw(st.sampled_from([(1, 2), 1, 2]))),
        "Mean1": lambda: nn.Mean(1),
        "part": lambda: nn.Narrow(1, 0),
        "Transpose": lambda: nn.Transpose((1, 2)),
        "LSTM": lambda: nn.LSTM(channels, few, last=draw(st.booleans())),
        "Sequential": lambda: draw(nets(shape, depth + 1)),
    }
    if name in same:
        return same[name](), shape
    if name.startswith("Conv") and channels % 2:
        return nn.ReLU(), shape
    module = made[name]()
    return module, module.clone().evaluate()._predict(np.ones((1, *shape), np.float32)).shape[1:]


LAYOUTS = ["as it is", "F", "strided", "reversed", "read-only", "own", "double", "bytes"]
CHANGES = ["nothing", "in place", "anew", "flat", "type", "learn", "state", "add", "buffer"]


def laid_out(way, x, net):
    """Return an input of the same shape: another type, another layout, or memory of the net itself."""
    if way == "strided":
        x = np.repeat(x, 2, axis=-1)[..., ::2]
    elif way == "reversed":
        x = x[:, ::-1]
    elif way == "read-only":
        x.flags.writeable = False
    elif way == "own" and (flat := net.get_parameters()[0]).size >= x.size and flat.dtype == x.dtype:
        x = flat[: x.size].reshape(x.shape)
    elif way == "F":
        x = np.asfortranarray(x)
    return x.astype({"double": np.float64, "bytes": np.uint8}.get(way, x.dtype), copy=False)


def changed(draw, net):
    """Change the net in one way."""
    parameters = list(net.parameters().values())
    way = draw(st.sampled_from(CHANGES))
    if way == "in place" and parameters:
        draw(st.sampled_from(parameters)).value[...] *= 0.5
    elif way == "anew" and parameters:
        parameter = draw(st.sampled_from(parameters))
        parameter.value = np.asfortranarray(parameter.value + 1)
    elif way == "flat":
        net.get_parameters()[0][...] *= 0.75
    elif way == "type":
        net.astype(draw(st.sampled_from([np.float32, np.float64])))
    elif way == "state":
        net.load_state_dict({name: value + 1 for name, value in net.state_dict().items()})
    elif way == "add":
        # Another mode would take another way, with other rounding.
        net.add(nn.ReLU().evaluate())
    elif way == "buffer":
        for buffer in net.buffers().values():
            buffer[...] += 0.5
    elif way == "learn":
        net.training()
        net.evaluate()


def outcome(forward, x):
    try:
        return forward(x)
    except (ValueError, TypeError) as error:
        return type(error)


def check_one(net, x):
    before, right, got = x.copy(), outcome(net._predict, x), outcome(net.forward, x)
    np.testing.assert_array_equal(got, right)
    assert getattr(got, "dtype", got) == getattr(right, "dtype", right)
    np.testing.assert_array_equal(x, before)
    if isinstance(got, np.ndarray) and got.flags.writeable and not np.may_share_memory(got, x):
        got.fill(7)  # an output is the caller's


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_what_is_replayed_is_what_the_plain_way_gives(data):
    net = data.draw(nets()).reset(0).evaluate()
    for _ in range(data.draw(st.integers(1, 4))):
        changed(data.draw, net)
        shape, way = (data.draw(st.sampled_from([1, 3])), 8, 6, 4), data.draw(st.sampled_from(LAYOUTS))
        for x in np.random.default_rng(data.draw(st.integers(0, 99))).standard_normal((3, *shape)):
            if data.draw(st.integers(0, 7)) == 0:
                changed(data.draw, net)
            check_one(net, laid_out(way, 9 * x.astype(net.get_parameters()[0].dtype), net))


def test_an_input_whose_values_are_not_aligned_is_not_replayed(runs):
    net = zoo.mlp(6, 30, 4, rng=0).evaluate()
    x = values(VECTOR)
    unaligned = np.frombuffer(b"." + x.tobytes(), np.float32, offset=1).reshape(VECTOR)
    for _ in range(4):
        assert type(outcome(net.forward, unaligned)) is type(outcome(net._predict, unaligned))
        np.testing.assert_array_equal(net.forward(x), plain(net, x))


def both(x):
    out = np.empty((len(x), 2 * x.shape[1]), x.dtype)
    replay.run(np.concatenate, [x, x], 1, out, writes=(out,))
    return out


def test_views_of_the_input_in_lists_and_of_other_layouts():
    nets = [
        nn.Sequential(Careless(both), nn.Linear(12, 3, rng=0)),
        nn.Sequential(Careless(lambda x: x[::-1, ::-1]), nn.Linear(6, 3, rng=0)),
        nn.Sequential(Careless(lambda x: x[1:, 2:]), nn.Linear(4, 3, rng=0)),
    ]
    for net in nets:
        net.evaluate()
        for seed in range(5):
            x = values(VECTOR, seed)
            np.testing.assert_array_equal(net.forward(x), plain(net, x))
