from itertools import pairwise

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from actionbench.models import load, nn, optim, save, structure, zoo
from actionbench.models.training import Training

STEPS = [
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "asgd",
    "beta_lasso",
    "nag",
    "rmsprop",
    "rprop",
    "sgd",
]
OPTIONS = {
    "adam": {"weight_decay": 0.1, "amsgrad": True},
    "adamw": {"weight_decay": 0.5},
    "nag": {"momentum": 0.9, "weight_decay": 0.1},
    "rmsprop": {"momentum": 0.9, "centered": True},
    "sgd": {"momentum": 0.9, "weight_decay": 0.1},
    "beta_lasso": {"momentum": 0.9},
}


def blobs(n=60, length=12, seed=0):
    """Return samples of three classes that differ in the first six numbers."""
    rng = np.random.default_rng(seed)
    targets = np.arange(n) % 3
    samples = rng.standard_normal((n, length)).astype(np.float32)
    for row, target in enumerate(targets):
        samples[row, 2 * target : 2 * target + 2] += 2
    return samples, targets


def trainer(net, **options):
    samples, targets = blobs()
    plain = {"epochs": 6, "learning_rate": 0.02, "clip_norm": 0.5} | options

    def train(masks):
        how = Training(**plain)
        if masks is not None:
            method = structure.Masked(how.method, structure.flat(net, masks, True))
            how = Training(**plain | {"method": method})
        return how.fit(net, list(samples), targets, lambda sample, rng: sample, lambda sample: sample[None])

    return train


def half(net, seed=0):
    return structure.keep(structure.random(net, np.random.default_rng(seed)), 0.5)


def check_zero(net, masks):
    for path, value in structure.weights(net).items():
        assert not value[~masks[path]].any(), path
        assert np.count_nonzero(value[masks[path]]) == masks[path].sum(), path


@pytest.mark.parametrize("name", STEPS)
def test_what_is_masked_stays_zero_under_every_method(name):
    net = zoo.mlp(12, 8, 3, rng=0)
    masks, (samples, targets), criterion = half(net), blobs(), nn.CrossEntropyLoss()
    x, gradient = net.get_parameters()
    pruned = ~structure.flat(net, masks, True)
    step, state = structure.Masked(getattr(optim, name), ~pruned), dict(OPTIONS.get(name, {}))

    def opfunc(point):
        assert not point[pruned].any(), "the loss is that of the masked net"
        net.zero_grad_parameters()
        scores = net.forward(samples)
        net.backward(samples, criterion.backward(scores, targets))
        assert gradient[pruned].any()
        return criterion.forward(scores, targets), gradient

    losses = [step(opfunc, x, state)[1][0] for _ in range(20)]
    assert not x[pruned].any()
    assert losses[-1] < losses[0]


def test_methods_without_gradients_are_masked_too():
    x = np.full(3, 0.5)
    step = structure.Masked(optim.cmaes, np.array([True, False, True]))
    step(lambda x: (float(((x - 1) ** 2).sum()), None), x, {"max_eval": 200})
    assert x[1] == 0
    np.testing.assert_allclose(x[[0, 2]], 1, atol=0.05)


def test_a_masked_training_is_that_of_the_small_net():
    """Whole units masked away, the others learn what a net without those units does."""
    large, small = zoo.mlp(12, 8, 3, rng=0), zoo.mlp(12, 4, 3)
    for path, own in small.parameters().items():
        own.fill(large.parameters()[path].value[tuple(map(slice, own.value.shape))])
    masks = {path: np.ones(value.shape, bool) for path, value in structure.weights(large).items()}
    masks["1.weight"][4:], masks["3.weight"][:, 4:] = False, False
    samples, targets = blobs()
    criterion, points = nn.CrossEntropyLoss(), []
    for net in (large, small):
        x, gradient = net.get_parameters()
        mask = structure.flat(net, masks if net is large else {}, True)
        step, state = structure.Masked(optim.adamw, mask), {"weight_decay": 0.1}

        def opfunc(_, net=net, gradient=gradient):
            net.zero_grad_parameters()
            scores = net.forward(samples)
            net.backward(samples, criterion.backward(scores, targets))
            return criterion.forward(scores, targets), gradient

        points.append([step(opfunc, x, state)[1][0] for _ in range(10)])
    np.testing.assert_allclose(points[0], points[1], rtol=1e-5)


def test_masks_differ_in_what_a_checkpoint_compares():
    one, two = (repr(structure.Masked(optim.sgd, np.arange(2000) != gap)) for gap in (5, 1000))
    assert one != two
    assert one == repr(structure.Masked(optim.sgd, np.arange(2000) != 5))


def test_rounds_drop_alike_and_what_is_gone_stays_gone():
    net = zoo.mlp(12, 8, 3)
    before, n_seen = None, 0
    for number, found in enumerate(structure.prune(trainer(net), net, structure.magnitude, 0.2, 3)):
        n_seen += 1
        assert found.density == pytest.approx(0.2 ** (number / 3))
        assert found.masks["1.weight"].sum() == round(found.density * 96)
        assert found.masks["3.weight"].all()
        check_zero(net, found.masks)
        if before is not None:
            assert not (found.masks["1.weight"] & ~before).any()
        before = found.masks["1.weight"]
        assert len(found.log) == 6
    assert n_seen == 4
    assert structure.count_parameters(net) == round(0.2 * 96) + 24 + 11


def test_pruning_rewinds_to_where_the_weights_began():
    """The first step of each round is made from the same values, those that are pruned excepted."""
    net, seen = zoo.mlp(12, 8, 3), []
    train = trainer(net, epochs=1, batch_size=60)
    watched = net.forward

    def forward(x):
        seen.append({path: value.copy() for path, value in structure.weights(net).items()})
        return watched(x)

    net.forward = forward
    masks = [found.masks for found in structure.prune(train, net, structure.magnitude, 0.3, 2)]
    assert len(seen) == 3
    for mask, values in zip(masks, seen, strict=True):
        np.testing.assert_array_equal(values["1.weight"], np.where(mask["1.weight"], seen[0]["1.weight"], 0))


def test_the_same_seed_prunes_the_same():
    states = []
    for seed in (3, 3, 4):
        net = zoo.mlp(12, 8, 3, dropout=0.2)
        list(structure.prune(trainer(net, random_state=seed), net, structure.magnitude, 0.2, 2))
        states.append(net.state_dict()["2.weight"])
    np.testing.assert_array_equal(states[0], states[1])
    assert not np.array_equal(states[0] != 0, states[2] != 0)


def test_magnitude_finds_the_inputs_that_tell_and_beats_chance():
    """Six of twelve inputs tell the class: weights on them stay, of which chance would keep half."""
    net = zoo.mlp(12, 8, 3)
    train = trainer(net, epochs=20)
    *_, last = structure.prune(train, net, structure.magnitude, 0.15, 4)
    assert last.masks["1.weight"][:, :6].sum() > 0.7 * last.masks["1.weight"].sum()
    rng = np.random.default_rng(0)
    chance = [train(structure.keep(structure.random(net, rng), 0.15))["accuracy"].iloc[-1] for _ in range(3)]
    assert last.log["accuracy"].iloc[-1] > np.mean(chance) + 0.05


@pytest.mark.parametrize("convolution", [False, True])
def test_a_pruned_net_is_saved_with_its_structure(tmp_path, convolution):
    net = zoo.tiny3d(3, widths=(2, 4)) if convolution else zoo.mlp(12, 8, 3)
    net.reset(0)
    masks = half(net)
    for path, value in structure.weights(net).items():
        value[~masks[path]] = 0
    save(net, tmp_path)
    again = load(tmp_path)
    assert structure.count_parameters(again) == structure.count_parameters(net) < net.count_parameters()
    for path, mask in structure.connections(again).items():
        np.testing.assert_array_equal(mask, masks[path])
    x, _ = again.get_parameters()
    step = structure.Masked(optim.sgd, structure.flat(again, structure.connections(again), True))
    step(lambda x: (0.0, np.ones_like(x)), x, {"learning_rate": 0.1, "weight_decay": 0.1})
    check_zero(again, masks)


def test_flat_puts_each_number_where_the_net_has_it():
    net = zoo.mlp(4, 3, 2, rng=0)
    x, _ = net.get_parameters()
    values = structure.flat(net, {path: 2 * value for path, value in structure.weights(net).items()}, 0)
    matrices = structure.flat(
        net, {path: np.ones(value.shape) for path, value in structure.weights(net).items()}, 0
    )
    np.testing.assert_array_equal(values, 2 * x * matrices)
    assert matrices.sum() == 4 * 3 + 3 * 2


@pytest.mark.parametrize("density", [0.0, -1, 1.5, np.nan])
def test_a_density_that_is_none(density):
    with pytest.raises(ValueError, match="density must be a share above 0 and up to 1, got"):
        structure.keep(structure.magnitude(zoo.mlp(4, 3, 2)), density)


def test_a_single_layer_is_pruned():
    masks = structure.keep(structure.magnitude(zoo.mlp(10, 2)), 0.5)
    assert masks["1.weight"].sum() == 10


def loss_of(net, samples, targets):
    scores = net.evaluate().forward(samples)
    return nn.CrossEntropyLoss().forward(scores, targets)


def test_curvature_of_a_linear_net_is_that_of_its_loss():
    """There Gauss-Newton is exact: the second difference of the loss, whatever the labels are."""
    rng = np.random.default_rng(0)
    net = zoo.mlp(5, 3, rng=0).astype(np.float64)
    samples = rng.standard_normal((20, 5))
    found = structure.curvature(net, samples)["1.weight"]
    weight = net.parameters()["1.weight"].value
    for targets in (np.zeros(20, int), np.arange(20) % 3):
        wanted = np.empty_like(weight)
        for place in np.ndindex(*weight.shape):
            losses = []
            for step in (-1e-3, 0, 1e-3):
                weight[place] += step
                losses.append(loss_of(net, samples, targets))
                weight[place] -= step
            wanted[place] = (losses[0] - 2 * losses[1] + losses[2]) / 1e-6
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize(
    "make",
    [
        lambda: zoo.mlp(6, 4, 3, dropout=0.5, batch_norm=True),
        lambda: nn.Sequential(
            nn.View(1, 6, 1), nn.Conv2d(1, 2, (1, 3)), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)
        ),
    ],
    ids=["dense", "convolution"],
)
def test_curvature_is_gauss_newton(make):
    """Diagonal of Jᵀ (diag p - p pᵀ) J, with J from differences of the scores."""
    net = make().reset(1).astype(np.float64).evaluate()
    samples = np.random.default_rng(1).standard_normal((7, 6))
    scores = net.forward(samples)
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    found = structure.curvature(net, samples)
    for path, weight in structure.weights(net).items():
        wanted = np.empty(weight.shape)
        for place in np.ndindex(*weight.shape):
            weight[place] += 1e-6
            above = net.forward(samples)
            weight[place] -= 2e-6
            slope = (above - net.forward(samples)) / 2e-6
            weight[place] += 1e-6
            wanted[place] = ((p * slope**2).sum(axis=1) - (p * slope).sum(axis=1) ** 2).mean()
        np.testing.assert_allclose(found[path], wanted, rtol=1e-4, atol=1e-9)


def test_saliency_is_what_the_loss_rises_at_a_minimum():
    """At the minimum of a regression on its own probabilities the first order is gone, and labels are the net's."""
    rng = np.random.default_rng(2)
    net = zoo.mlp(4, 3, rng=2).astype(np.float64)
    samples = rng.standard_normal((200, 4))
    weight = net.parameters()["1.weight"].value
    weight *= 0.2  # near zero, where the second order is all
    p = nn.Softmax().forward(net.evaluate().forward(samples))

    def entropy():
        scores = net.forward(samples)
        return float(-(p * nn.LogSoftmax().forward(scores)).sum(axis=1).mean())

    saliency, before = structure.obd(net, samples)["1.weight"], entropy()
    for place in np.ndindex(*weight.shape):
        kept, weight[place] = weight[place], 0
        assert entropy() - before == pytest.approx(saliency[place], rel=0.05, abs=1e-7)
        weight[place] = kept


def test_curvature_leaves_no_trace():
    net = zoo.mlp(4, 3, 2, dropout=0.5, batch_norm=True).reset(0)
    before, samples = net.state_dict(), np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    first = structure.obd(net, samples)
    for path, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[path])
    assert not any(module.is_training for _, module in net.named_modules())
    for path, value in structure.obd(net, samples).items():
        np.testing.assert_array_equal(value, first[path])


def brute_locality(row, shape, scale):
    """Measure all pairs."""
    *grid, channels = shape
    places = np.stack(np.meshgrid(*map(np.arange, grid), indexing="ij"), axis=-1).reshape(-1, len(grid))
    places = np.repeat(places * np.array(scale), channels, axis=0)
    return pdist(places[row]).mean() / pdist(places).mean()


@pytest.mark.parametrize(
    ("shape", "scale"),
    [
        ((7, 1), (1,)),
        ((5, 6, 1), (1, 1)),
        ((4, 3, 2), (1, 2)),
        ((3, 4, 5, 2), (1, 1, 1)),
        ((3, 4, 5, 1), (1, 0, 0)),
        ((3, 4, 5, 2), (0, 1, 1)),
        ((3, 2, 4, 1), (2.5, 1, 1)),
    ],
)
def test_locality_against_all_pairs(shape, scale):
    rng = np.random.default_rng(0)
    mask = rng.random((6, int(np.prod(shape)))) < rng.uniform(0.4, 0.9, (6, 1))
    wanted = [brute_locality(row, shape, scale) for row in mask]
    np.testing.assert_allclose(structure.locality(mask, shape, scale), wanted, rtol=1e-9)


def test_locality_of_patches_of_chance_and_of_none():
    patch = np.zeros((8, 8), bool)
    patch[2:5, 3:6] = True
    rng = np.random.default_rng(0)
    rows = np.stack(
        [patch.ravel(), rng.permutation(patch.ravel()), np.zeros(64, bool), np.eye(64, dtype=bool)[3]]
    )
    near, far, none, one = structure.locality(rows, (8, 8, 1))
    assert near < 0.45 < 0.7 < far < 1.3
    assert np.isnan([none, one]).all()
    many = np.tile(patch.ravel(), (500, 1))
    assert structure.chance_locality(many, (8, 8, 1), rng).mean() == pytest.approx(1, abs=0.02)
    np.testing.assert_array_equal(np.isnan(structure.locality(np.ones((2, 3), bool), (1, 1, 3))), True)


def test_what_units_share_is_told_from_what_is_theirs():
    rng = np.random.default_rng(0)
    patches = np.zeros((200, 8, 8), bool)
    for patch in patches:
        top, left = rng.integers(6, size=2)
        patch[top : top + 3, left : left + 3] = True
    middle = np.zeros((200, 8, 8), bool)
    middle[:, 2:6, 2:6] = rng.random((200, 4, 4)) < 0.6
    own, common = (mask.reshape(200, -1) for mask in (patches, middle))
    assert np.nanmean(structure.locality(own, (8, 8, 1))) < 0.45
    assert structure.shared_locality(own, (8, 8, 1)) > 0.8
    assert structure.shared_locality(common, (8, 8, 1)) == pytest.approx(
        np.nanmean(structure.locality(common, (8, 8, 1))), rel=0.03
    )


@pytest.mark.parametrize("scale", [(1, 1, 1), (0, 1, 1), (2, 0, 0)])
def test_shared_locality_against_all_pairs(scale):
    rng, shape = np.random.default_rng(1), (2, 3, 4, 2)
    mask = rng.random((9, 48)) < rng.random(48)
    places = np.stack(np.meshgrid(*map(np.arange, shape[:3]), indexing="ij"), axis=-1).reshape(-1, 3)
    places, popularity = np.repeat(places * np.array(scale), 2, axis=0), mask.sum(axis=0)
    one, other = np.triu_indices(48, 1)
    wanted = np.average(pdist(places), weights=popularity[one] * popularity[other]) / pdist(places).mean()
    assert structure.shared_locality(mask, shape, scale) == pytest.approx(wanted)


def test_shared_locality_of_nothing():
    assert np.isnan(structure.shared_locality(np.zeros((3, 4), bool), (4, 1)))
    assert np.isnan(structure.shared_locality(np.eye(4, dtype=bool)[:1], (4, 1)))


def test_a_patch_of_video_is_local_in_space_and_wide_in_time():
    tube = np.zeros((6, 8, 8, 1), bool)
    tube[:, 2:4, 2:4] = True
    row = tube.reshape(1, -1)
    space, time = (structure.locality(row, tube.shape[0:], scale) for scale in ((0, 1, 1), (1, 0, 0)))
    assert space[0] < 0.3
    assert time[0] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(("shape", "scale"), [((3, 3, 1), None), ((2, 4, 1), (1,))])
def test_locality_of_another_shape(shape, scale):
    with pytest.raises(ValueError, match=r"a column for each number of \(., ., 1\)"):
        structure.locality(np.ones((2, 8), bool), shape, scale)


def test_effective_density_counts_ways():
    """Against the number of ways through each weight, by products of matrices."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        sizes = (7, 5, 4, 3)
        layers = [rng.random((n_out, n_in)) < 0.3 for n_in, n_out in pairwise(sizes)]
        n = 0
        for place, mask in enumerate(layers):
            before, behind = np.ones(sizes[0]), np.ones(sizes[-1])
            for other in layers[:place]:
                before = other @ before
            for other in layers[:place:-1]:
                behind = behind @ other
            n += np.count_nonzero(mask * np.outer(behind, before))
        assert structure.effective_density(layers) == pytest.approx(n / sum(mask.size for mask in layers))


def test_sizes_of_convolutions_count_as_weights():
    net = zoo.tiny3d(3, widths=(2, 4))
    assert {path: value.ndim for path, value in structure.weights(net).items()} == {
        "0.weight": 5,
        "4.weight": 5,
        "9.weight": 2,
    }
    assert structure.keep(structure.magnitude(net), 0.25)["4.weight"].sum() == round(27 * 2 * 4 / 4)


def pruning(**options):
    plain = {"epochs": 3, "learning_rate": 0.02, "density": 0.2, "rounds": 2}
    return structure.Pruning(**plain | options)


def fit(how, net=None, **more):
    net = net or zoo.mlp(12, 8, 3, dropout=0.1)
    samples, targets = blobs()
    log = how.fit(
        net, list(samples), targets, lambda sample, rng: sample, lambda sample: sample[None], **more
    )
    return net, log


@pytest.mark.parametrize("criterion", ["magnitude", "obd", "random"])
def test_a_training_that_prunes(criterion):
    net, log = fit(
        pruning(criterion=criterion, measure=lambda net: {"left": structure.count_parameters(net)})
    )
    assert np.count_nonzero(net.parameters()["2.weight"].value) == round(0.2 * 96)
    densities = [0.2] if criterion == "random" else [1.0, 0.2**0.5, 0.2]
    np.testing.assert_allclose(log["density"], np.repeat(densities, 3))
    assert log["epoch"].tolist() == list(range(1, 3 * len(densities) + 1))
    np.testing.assert_array_equal(log["left"], [round(96 * d) + 24 + 11 for d in log["density"]])
    assert not any(module.is_training for _, module in net.named_modules())


def test_a_density_of_one_is_plain_training():
    net, log = fit(pruning(density=1.0))
    plain, wanted = fit(Training(epochs=3, learning_rate=0.02))
    np.testing.assert_array_equal(net.get_parameters()[0], plain.get_parameters()[0])
    assert log["loss"].tolist() == wanted["loss"].tolist()


def test_pruning_begins_with_the_net_that_it_is_given():
    start = zoo.mlp(12, 8, 3, dropout=0.1).reset(5)
    net, _ = fit(pruning(density=1.0), initial=start)
    plain, _ = fit(Training(epochs=3, learning_rate=0.02), initial=start)
    np.testing.assert_array_equal(net.get_parameters()[0], plain.get_parameters()[0])
    other, _ = fit(pruning(density=1.0))
    assert not np.array_equal(net.get_parameters()[0], other.get_parameters()[0])


def test_optimal_brain_damage_keeps_other_weights_than_magnitude():
    kept = [
        fit(pruning(criterion=name))[0].parameters()["2.weight"].value != 0 for name in ("magnitude", "obd")
    ]
    assert not np.array_equal(*kept)


def test_the_random_control_does_not_follow_the_initial_values():
    """A mask from the very numbers of the weights would keep the large ones."""
    net = zoo.mlp(400, 50, 3).reset(np.random.default_rng(7))
    initial = np.abs(net.parameters()["1.weight"].value)
    mask = structure.keep(structure.random(net, np.random.default_rng([7, 1])), 0.5)["1.weight"]
    assert initial[mask].mean() == pytest.approx(initial[~mask].mean(), rel=0.03)


def test_pruning_goes_on_from_its_checkpoints(tmp_path):
    whole, log = fit(pruning())
    stopped = pruning()

    def stop(now):
        stop.n += 1
        if stop.n == 17:  # in the second of three trainings of 12 batches
            raise KeyboardInterrupt

    stop.n = 0
    with pytest.raises(KeyboardInterrupt):
        fit(stopped, checkpoint=tmp_path / "half", progress=stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["half.0", "half.1"]
    net, again = fit(stopped, checkpoint=tmp_path / "half")
    np.testing.assert_array_equal(net.get_parameters()[0], whole.get_parameters()[0])
    assert again["loss"].tolist() == log["loss"].tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"density": 0.0}, "density must be a share above 0 and up to 1, got 0.0"),
        ({"rounds": 0}, "rounds must be 1 or more, got 0"),
        ({"criterion": "size"}, "criterion must be one of magnitude, obd, random, got 'size'"),
        ({"epochs": 0}, "epochs must be an integer of 1 or more"),
    ],
)
def test_a_pruning_that_makes_no_sense(options, message):
    with pytest.raises(ValueError, match=message):
        pruning(**options)
