import gc
import io
import os
import signal
import subprocess
import sys
import weakref
from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from actionbench import Clip, Clips
from actionbench.errors import ActionbenchError
from actionbench.models import checkpoint, load, nn, optim, save, zoo
from actionbench.models.training import CachedSamples, Interrupted, Training, predict_proba, progress_line

LENGTH = 6


def two_classes(n=40, seed=0):
    """Return samples whose first number tells the class, and their classes."""
    rng = np.random.default_rng(seed)
    targets = np.arange(n) % 2
    samples = rng.standard_normal((n, LENGTH)).astype(np.float32)
    samples[:, 0] += 4 * targets - 2
    return list(samples), targets


def draw(sample, rng):
    return sample + rng.normal(0, 0.1, LENGTH).astype(np.float32)


def views(sample):
    return np.stack([sample, sample])


def fit(net=None, n=40, groups=None, **options):
    samples, targets = two_classes(n)
    net = net or zoo.mlp(LENGTH, 8, 2, dropout=0.1)
    return net, Training(**{"epochs": 15, "learning_rate": 0.02} | options).fit(
        net, samples, targets, draw, views, groups
    )


def test_learns_and_logs():
    net, log = fit()
    samples, targets = two_classes(200, seed=1)
    probabilities = predict_proba(net, samples, views)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert probabilities.dtype == np.float64
    assert (probabilities.argmax(axis=1) == targets).mean() > 0.9
    assert list(log) == ["epoch", "learning_rate", "loss", "accuracy"]
    assert log["epoch"].tolist() == list(range(1, 16))
    assert log["loss"].iloc[-1] < log["loss"].iloc[0]


def test_predicts_each_sample_of_doubles_by_its_own_numbers():
    rng = np.random.default_rng(0)
    samples, net = (
        rng.standard_normal((8, 3, 4, 4, 1)),
        nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4, 2)),
    )
    net.reset(0).evaluate()
    weight, bias = (parameter.value.astype(float) for parameter in net.parameters().values())
    scores = np.exp(samples.reshape(8, 3, 2, 2, 2, 2).mean((3, 5)).reshape(8, 3, 4) @ weight.T + bias)
    wanted = (scores / scores.sum(axis=2, keepdims=True)).mean(axis=1)
    np.testing.assert_allclose(predict_proba(net, samples, lambda sample: sample), wanted, rtol=1e-5)


def weights(**options):
    net, _ = fit(**options)
    return net.get_parameters()[0]


def test_a_seed_repeats_and_another_differs():
    np.testing.assert_array_equal(weights(random_state=3), weights(random_state=3))
    assert not np.array_equal(weights(random_state=3), weights(random_state=4))


def test_one_module_learns_and_the_others_stay():
    initial, _ = fit(epochs=1, learning_rate=1e-12)
    names = list(initial.parameters())
    last = names[-1].rpartition(".")[0]
    net, log = fit(epochs=10, trained=last, learning_rate=0.05)
    before, after = initial.state_dict(), net.state_dict()
    for name in names:
        same = np.allclose(before[name], after[name], atol=1e-9)
        assert same != name.startswith(f"{last}."), name
    assert log["loss"].iloc[-1] < log["loss"].iloc[0]
    with pytest.raises(ValueError, match="the net has no module 'head' with parameters; they are "):
        fit(trained="head")


def train_volumes():
    rng = np.random.default_rng(0)
    samples = list(rng.standard_normal((6, 8, 8, 8, 1)).astype(np.float32))
    net = zoo.tiny3d(2, widths=(8, 16))
    how = Training(epochs=2, batch_size=4)
    how.fit(net, samples, np.arange(6) % 2, lambda sample, rng: sample, lambda sample: sample[None])
    return net.get_parameters()[0]


def test_threads_do_not_change_a_bit(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    one = train_volumes()
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    np.testing.assert_array_equal(one, train_volumes())


def test_validation_holds_out_whole_groups_and_keeps_the_best():
    groups = np.array([f"actor{i // 8}" for i in range(40)])
    how = Training(validation=0.4)
    aside = how._hold_out(groups, np.random.default_rng(0))
    assert len(set(groups[aside])) == 2
    assert not set(groups[aside]) & set(groups[~aside])
    net, log = fit(groups=groups, validation=0.4, learning_rate=0.05, epochs=12)
    assert net.is_training is False
    best = log["validation_loss"].min()
    samples, targets = two_classes()
    aside = Training(validation=0.4)._hold_out(groups, np.random.default_rng(0))
    scores = np.stack([net.forward(views(samples[i])).mean(axis=0) for i in np.flatnonzero(aside)])
    loss = nn.CrossEntropyLoss(label_smoothing=0.1).forward(scores, targets[aside])
    np.testing.assert_allclose(loss, best, rtol=1e-5)


def test_patience_ends_the_training():
    groups = np.arange(40) % 4
    _, log = fit(groups=groups, validation=0.25, patience=1, learning_rate=10.0, epochs=200)
    assert len(log) < 200


def test_validation_without_groups():
    with pytest.raises(ValueError, match="two groups or more, got 0"):
        fit(validation=0.2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"validation": 1.0},
        {"label_smoothing": 1.0},
        {"learning_rate": 0.0},
        {"weight_decay": -0.1},
        {"clip_norm": 0.0},
        {"patience": 0, "validation": 0.5},
        {"patience": 3},
    ],
)
def test_impossible_training(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Training(**wrong)


def test_nothing_to_train_on():
    with pytest.raises(ValueError, match="no sample"):
        fit(n=0)


@pytest.mark.parametrize("n", [1, 2, 17])
def test_odd_numbers_of_samples(n):
    net, log = fit(n=n, epochs=2)
    assert np.isfinite(log["loss"]).all()
    assert np.isfinite(net.get_parameters()[0]).all()


def test_no_batch_is_a_lone_sample():
    net, _ = fit(zoo.mlp(LENGTH, 8, 2, batch_norm=True), n=17, epochs=2, batch_size=16)
    assert np.isfinite(net.get_parameters()[0]).all()


@pytest.mark.parametrize(
    ("targets", "groups", "sentence"),
    [
        (np.zeros(3, int), None, "class index from 0 for each of the 40 samples, got int64 of shape"),
        (np.zeros(40), None, "got float64 of shape"),
        (np.full(40, -1), None, "targets must be a class index from 0"),
        (np.zeros(40, int), np.zeros(39), "groups must be one for each of the 40 samples, got 39"),
    ],
)
def test_targets_and_groups_that_do_not_fit(targets, groups, sentence):
    with pytest.raises(ValueError, match=sentence):
        Training().fit(zoo.mlp(LENGTH, 2), two_classes()[0], targets, draw, views, groups)


def gradients(clip_norm):
    """Return the gradients that the method is given, one per row."""
    seen = []

    def method(opfunc, x, state):
        loss, gradient = opfunc(x)
        seen.append(gradient.astype(float))
        return x, [loss]

    fit(epochs=2, clip_norm=clip_norm, method=method)
    return np.array(seen)


def test_long_gradients_are_shortened():
    free, short = gradients(None), gradients(0.7)
    lengths = np.linalg.norm(free, axis=1)
    assert (lengths > 0.7).any()
    assert (lengths < 0.7).any()
    np.testing.assert_allclose(np.linalg.norm(short, axis=1), np.minimum(lengths, 0.7), rtol=1e-5)
    np.testing.assert_allclose(
        short * lengths[:, np.newaxis], free * np.minimum(lengths, 0.7)[:, np.newaxis], rtol=1e-4, atol=1e-7
    )


def test_rare_classes_weigh_as_much():
    samples, targets = two_classes()
    kept = (targets == 0) | (np.arange(40) < 8)
    samples = [sample * 0 for sample, keep in zip(samples, kept, strict=True) if keep]
    for balanced, share in ((True, 0.5), (False, 4 / 24)):
        net = zoo.mlp(LENGTH, 2)
        how = Training(epochs=60, label_smoothing=0, weight_decay=0, balanced=balanced, learning_rate=0.05)
        how.fit(net, samples, targets[kept], lambda sample, rng: sample, views)
        np.testing.assert_allclose(predict_proba(net, samples[:1], views)[0, 1], share, atol=0.05)


def test_more_scores_than_classes_in_the_samples():
    net, _ = fit(zoo.mlp(LENGTH, 5), label_smoothing=0.0)
    samples, targets = two_classes()
    assert (predict_proba(net, samples, views).argmax(axis=1) == targets).mean() > 0.9


def test_fewer_scores_than_classes_in_the_samples():
    with pytest.raises(ValueError, match="target 1 is none of the 1 classes"):
        fit(zoo.mlp(LENGTH, 1))


RECIPES = {
    "adamw": (
        {"label_smoothing": 0.1},
        lambda torch, groups: torch.optim.AdamW(groups, 0.01, weight_decay=0.1),
        lambda torch, method: torch.optim.lr_scheduler.OneCycleLR(method, 0.01, 30, cycle_momentum=False),
    ),
    "sgd": (
        {
            "method": optim.sgd,
            "options": {"momentum": 0.9, "dampening": 0.0, "nesterov": True},
            "schedule": optim.cosine,
            "weight_decay": 0.0,
        },
        lambda torch, groups: torch.optim.SGD(groups, 0.01, momentum=0.9, nesterov=True, weight_decay=0.0),
        lambda torch, method: torch.optim.lr_scheduler.CosineAnnealingLR(method, 30),
    ),
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_recipe_against_pytorch(recipe):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    options, make_method, make_schedule = RECIPES[recipe]
    samples, targets = two_classes(24)
    samples, targets = [sample.astype(float) for sample in samples], np.minimum(targets, np.arange(24) // 12)
    sizes = (LENGTH, 5, 2)
    net = zoo.mlp(*sizes).astype(np.float64)
    how = {"epochs": 30, "batch_size": 24, "learning_rate": 0.01, "weight_decay": 0.1, "clip_norm": 0.3}
    how |= {"label_smoothing": 0.0} | options
    start = zoo.mlp(*sizes).astype(np.float64).reset(np.random.default_rng(0)).state_dict()
    log = Training(**how).fit(net, samples, targets, lambda sample, rng: sample, views)

    layers = [torch.nn.Linear(a, b, dtype=torch.float64) for a, b in pairwise(sizes)]
    theirs = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1])
    for value, ours in zip(theirs.parameters(), start.values(), strict=True):
        value.data[...] = torch.from_numpy(ours)
    matrices, biases = (
        [v for v in theirs.parameters() if (v.ndim > 1) == wanted] for wanted in (True, False)
    )
    method = make_method(torch, [{"params": matrices}, {"params": biases, "weight_decay": 0.0}])
    schedule = make_schedule(torch, method)
    counts = np.bincount(targets)
    criterion = torch.nn.CrossEntropyLoss(
        torch.from_numpy(24 / counts / 2), label_smoothing=how["label_smoothing"]
    )
    losses = []
    for _ in range(30):
        method.zero_grad()
        loss = criterion(theirs(torch.from_numpy(np.stack(samples))), torch.from_numpy(targets))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.3)
        losses.append(loss.item())
        method.step()
        schedule.step()
    np.testing.assert_allclose(log["loss"], losses, rtol=1e-5)
    for value, ours in zip(theirs.parameters(), net.state_dict().values(), strict=True):
        np.testing.assert_allclose(ours, value.detach().numpy(), rtol=1e-4, atol=1e-6)


STEPS = {"validation": 0.3, "epochs": 7, "batch_size": 8, "learning_rate": 0.05, "random_state": 5}
GROUPS = np.arange(40) // 5


def rich_net():
    """Return a net with all that a checkpoint must hold: dropout twice, running moments, several layers."""
    return zoo.mlp(LENGTH, 8, 6, 2, dropout=0.3, batch_norm=True)


def train(path=None, progress=lambda _: None, **options):
    """Return all that a training leaves behind: log, net, and the next random numbers of each generator."""
    samples, targets = two_classes()
    net, generators = rich_net(), []

    def spying(sample, rng):
        generators[:] = [rng]
        return draw(sample, rng)

    how = Training(**STEPS | options)
    log = how.fit(net, samples, targets, spying, views, GROUPS, checkpoint=path, progress=progress)
    inside = [module.rng for module in net.find_modules(nn.Dropout)]
    return SimpleNamespace(log=log, net=net, chance=[rng.random(3) for rng in generators + inside])


def assert_same(one, other):
    pd.testing.assert_frame_equal(one.log, other.log, check_exact=True)
    for left, right in zip(one.net.state_dict().values(), other.net.state_dict().values(), strict=True):
        np.testing.assert_array_equal(left, right)
    np.testing.assert_array_equal(one.chance, other.chance)


def stop(epoch, batch=None, action=None):
    """Return a progress that raises an interrupt, or does another thing, after a batch or the whole of an epoch."""

    def progress(now):
        if (now.epoch, now.batch) == (epoch, batch or now.n_batches):
            if action is None:
                raise KeyboardInterrupt
            action()

    return progress


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"validation": 0.0},
        {"patience": 2, "epochs": 20},
        {"method": optim.sgd, "options": {"momentum": 0.9}, "schedule": partial(optim.cosine, warm_up=4)},
    ],
    ids=["validation", "plain", "patience", "sgd"],
)
def test_a_stopped_training_goes_on_with_the_same_bits(tmp_path, options):
    whole = train(**options)
    assert_same(train(tmp_path / "never stopped", **options), whole)
    for epoch in (1, 4):
        for batch in (1, None):
            path = tmp_path / f"{epoch} {batch}"
            with pytest.raises(Interrupted):
                train(path, stop(epoch, batch), **options)
            assert path.exists() == (epoch > 1 or batch is None)
            assert_same(train(path, **options), whole)


def test_a_training_stopped_many_times(tmp_path):
    for epoch in range(1, 8):
        with pytest.raises(Interrupted):
            train(tmp_path / "state", stop(epoch, 3))
    assert_same(train(tmp_path / "state"), train())


def test_a_finished_training_is_not_trained_again(tmp_path):
    with pytest.raises(Interrupted):
        train(tmp_path / "state", stop(7))
    first = train()
    before = (tmp_path / "state").read_bytes()
    told = []
    again = train(tmp_path / "state", told.append)
    assert not told
    assert (tmp_path / "state").read_bytes() == before
    pd.testing.assert_frame_equal(again.log, first.log, check_exact=True)
    np.testing.assert_array_equal(again.net.get_parameters()[0], first.net.get_parameters()[0])
    np.testing.assert_array_equal(again.chance, first.chance[1:])
    assert again.net.is_training is False


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def killed_in_an_epoch(path):
    """Be killed between two mini-batches."""
    train(path, stop(4, 2, die))


def killed_in_a_write(path):
    """Be killed when the next checkpoint is written, but not yet named."""

    def prepare():
        os.replace = lambda *_: die()

    train(path, stop(4, 2, prepare))


@pytest.mark.parametrize("how", [killed_in_an_epoch, killed_in_a_write])
def test_a_killed_training_goes_on_with_the_same_bits(tmp_path, how):
    path = tmp_path / "state"
    code = "import runpy, sys; runpy.run_path(sys.argv[1])[sys.argv[2]](sys.argv[3])"
    ended = subprocess.run([sys.executable, "-c", code, __file__, how.__name__, path], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert len(checkpoint.read(path)["rows"]) == 3
    assert_same(train(path), train())
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"epochs": 8}, "epochs"),
        ({"random_state": 6}, "random_state, held-out samples"),
        ({"method": optim.sgd}, "method"),
        ({"options": {"beta1": 0.8}}, "options"),
        ({"schedule": optim.cosine}, "schedule"),
    ],
)
def test_a_checkpoint_of_another_training(tmp_path, options, what):
    train(tmp_path / "state")
    with pytest.raises(ValueError, match=f"state: is the checkpoint of a training with other {what}; train"):
        train(tmp_path / "state", **options)


@pytest.mark.parametrize(
    ("net", "n", "what"),
    [
        (lambda: zoo.mlp(LENGTH, 9, 2), 40, "net"),
        (lambda: zoo.mlp(LENGTH, 8, 2, dropout=0.2), 40, "net"),
        (lambda: zoo.mlp(LENGTH, 8, 2).astype(np.float64), 40, "net"),
        (lambda: zoo.mlp(LENGTH, 8, 2), 38, "number of samples, targets"),
    ],
)
def test_a_checkpoint_of_another_net_or_other_data(tmp_path, net, n, what):
    def go(net, n):
        samples, targets = two_classes(n)
        Training(epochs=1).fit(net, samples, targets, draw, views, checkpoint=tmp_path / "state")

    go(zoo.mlp(LENGTH, 8, 2), 40)
    with pytest.raises(ValueError, match=f"with other {what}; train"):
        go(net(), n)


def test_a_damaged_checkpoint(tmp_path):
    (tmp_path / "state").write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match="state: is damaged or no checkpoint"):
        train(tmp_path / "state")
    checkpoint.write(tmp_path / "state", {"something": "else"})
    with pytest.raises(ValueError, match="with other epochs, batch_size"):
        train(tmp_path / "state")


def test_a_checkpoint_in_no_folder(tmp_path):
    with pytest.raises(ValueError, match="nowhere is not a folder"):
        train(tmp_path / "nowhere" / "state")


@pytest.mark.parametrize("validation", [0.0, 0.3])
def test_an_interrupt_keeps_the_best(validation):
    samples, targets = two_classes()
    net, states = rich_net(), []

    def progress(now):
        if now.batch == now.n_batches:
            states.append(net.state_dict())
        if now.epoch == 6 and now.batch == 2:
            raise KeyboardInterrupt

    how = Training(**STEPS | {"validation": validation})
    with pytest.raises(KeyboardInterrupt, match="after 5 finished epochs") as caught:
        how.fit(net, samples, targets, draw, views, GROUPS, progress=progress)
    log = caught.value.log
    assert log["epoch"].tolist() == [1, 2, 3, 4, 5]
    assert net.is_training is False
    best = int(log["validation_loss"].argmin()) if validation else 4
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, states[best][name])
    assert np.isfinite(predict_proba(net, samples, views)).all()


def test_an_interrupt_before_an_epoch_has_ended():
    samples, targets = two_classes()
    net = rich_net()
    with pytest.raises(Interrupted) as caught:
        Training(batch_size=8).fit(net, samples, targets, draw, views, progress=stop(1, 2))
    assert list(caught.value.log) == ["epoch", "learning_rate", "loss", "accuracy"]
    assert caught.value.log.empty
    start = rich_net().reset(np.random.default_rng(0))
    for name, value in start.state_dict().items():
        np.testing.assert_array_equal(net.state_dict()[name], value)


class Read:
    """A sample that can be counted while it lives."""

    def __init__(self, frames):
        self.frames = frames


def counted(n):
    """Return lazy samples, and what counts those that live and how often each was read."""
    alive, reads, most = weakref.WeakSet(), [0] * n, [0]

    class Counted:
        def __len__(self):
            return n

        def __getitem__(self, index):
            if not 0 <= index < n:
                raise IndexError(index)
            reads[index] += 1
            sample = Read(two_classes(n)[0][index])
            alive.add(sample)
            most[0] = max(most[0], len(alive))
            return sample

    return Counted(), reads, most


def test_lazy_samples_are_read_when_needed_and_not_kept():
    samples, reads, most = counted(40)
    net = zoo.mlp(LENGTH, 2)
    how = Training(epochs=3, batch_size=16, validation=0.25)
    gc.collect()
    how.fit(
        net,
        samples,
        np.arange(40) % 2,
        lambda s, rng: s.frames,
        lambda s: s.frames[np.newaxis],
        np.arange(40) // 5,
    )
    predict_proba(net, samples, lambda s: s.frames[np.newaxis])
    assert reads == [4] * 40
    assert most[0] <= 2


def test_held_samples_are_bounded():
    samples, reads, most = counted(40)
    held = CachedSamples(samples, lambda sample: sample.frames.nbytes, 10 * 4 * LENGTH + 1)
    assert len(held) == 40
    for _ in range(3):
        for index in range(40):
            np.testing.assert_array_equal(held[index].frames, two_classes()[0][index])
    assert reads == [1] * 10 + [3] * 30
    assert most[0] <= 12


def test_clips_are_samples():
    rng = np.random.default_rng(0)
    clips = Clips.of([Clip(rng.integers(0, 256, (2, 3, 4), dtype=np.uint8), 25.0) for _ in range(5)])

    def small(clip, rng=None):
        return clip.frames.ravel().astype(np.float32) / 255

    net = zoo.mlp(24, 2)
    log = Training(epochs=2).fit(net, clips, np.arange(5) % 2, small, lambda clip: small(clip)[np.newaxis])
    assert len(log) == 2


def test_tells_how_far_it_is():
    told = []
    done = train(progress=told.append)
    n = told[0].n_batches
    assert [(now.epoch, now.batch) for now in told] == [(e, b) for e in range(1, 8) for b in range(1, n + 1)]
    assert [now.loss for now in told[n - 1 :: n]] == done.log["loss"].tolist()
    assert [now.validation_loss for now in told[n - 1 :: n]] == done.log["validation_loss"].tolist()
    assert told[0].validation_loss is None
    assert np.all(np.diff([now.share for now in told]) > 0)
    assert all(now.seconds_left > 0 for now in told[:-1])
    assert (told[-1].share, told[-1].seconds_left) == (1, 0)


def test_is_quiet_by_default(capfd):
    train()
    assert capfd.readouterr() == ("", "")


def test_a_line_per_epoch(capsys):
    with progress_line() as progress:
        log = train(progress=progress).log
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 7
    assert lines[2].startswith(
        f"epoch 3/7: loss {log['loss'][2]:.4g}, validation loss {log['validation_loss'][2]:.4g}, 0:0"
    )
    assert lines[-1].endswith("0:00:00 left")


def test_a_bar_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress_line() as progress:
        train(progress=progress)
    assert "epoch 7/7: loss" in terminal.getvalue()
    assert "━" in terminal.getvalue()


def separable(n=24):
    x = np.random.default_rng(0).standard_normal((n, 3)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(int)


def fit_on(x, y, net=None, **how):
    more = {name: how.pop(name) for name in ("initial", "groups") if name in how}
    net = (
        nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2)) if net is None else net
    )
    how = {"epochs": 2, "batch_size": 8} | how
    return net, Training(**how).fit(net, x, y, lambda s, rng: s, lambda s: s[None], **more)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_not_finite_ends_the_training(bad):
    x, y = separable()
    x[17, 1] = bad
    with pytest.raises(
        ActionbenchError, match=r"epoch 1, batch \d: the input of sample 17 has values that are not"
    ):
        fit_on(x, y)


def test_a_sum_that_overflows_is_no_sample_that_is_not_finite():
    x, y = separable()
    x[:, 2] = 3e38
    # Whether the training diverges hangs on the order of sums, which instruction sets do not share.
    said = ""
    try:
        fit_on(x, y)
    except ActionbenchError as error:
        said = str(error)
    assert "sample" not in said


def test_a_held_out_sample_that_is_not_finite_ends_the_training():
    x, y = separable()
    x[:] = np.nan
    with pytest.raises(ActionbenchError, match="epoch 1, batch 1"):
        fit_on(x, y, validation=0.5, groups=np.arange(24) % 2)
    x, y = separable()
    views = iter([np.nan] * 24)
    with pytest.raises(ActionbenchError, match="the validation loss is no longer finite"):
        Training(epochs=1, validation=0.5).fit(
            nn.Linear(3, 2), x, y, lambda s, rng: s, lambda s: s[None] * next(views), np.arange(24) % 2
        )


def test_divergence_ends_the_training_and_leaves_the_last_finite_parameters():
    x, y = separable()
    net = nn.Linear(3, 2)
    with (
        pytest.raises(
            ActionbenchError, match=r"epoch \d+, batch \d: .* try a learning_rate below 3e\+38, a clip_norm"
        ),
        np.errstate(all="ignore"),
    ):
        fit_on(x, y, net, method="sgd", learning_rate=3e38, weight_decay=0, clip_norm=None, epochs=9)
    assert all(np.isfinite(value).all() for value in net.state_dict().values())


METHODS = [name for name in optim.__all__ if hasattr(getattr(optim, name), "options")]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_trains_with_nothing_but_its_name(name):
    x, y = separable()
    # From losses alone a run is long.
    options = {"max_eval": 30} if name in ("cmaes", "de") else {}
    _, log = fit_on(x, y, method=name, options=options)
    assert np.isfinite(log["loss"]).all()
    assert np.isnan(log["learning_rate"]).all() == ("learning_rate" not in getattr(optim, name).options)


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"epochs": 2.5}, "epochs must be an integer of 1 or more, got 2.5"),
        ({"epochs": True}, "epochs must be an integer of 1 or more, got True"),
        ({"batch_size": 2.5}, "batch_size must be an integer"),
        ({"patience": 1.5, "validation": 0.2}, "patience must be an integer"),
        ({"random_state": 0.5}, "random_state must be an integer of 0 or more"),
        ({"random_state": -1}, "random_state must be an integer of 0 or more"),
        ({"balanced": "no"}, "balanced must be True or False"),
        ({"learning_rate": np.inf}, "both finite"),
        ({"weight_decay": np.nan}, "both finite"),
        ({"method": "rprob"}, "optim has no method 'rprob'; did you mean 'rprop'"),
        (
            {"method": "rprop", "weight_decay": 0.1, "learning_rate": 0.1},
            "rprop has no learning_rate, leave it out",
        ),
        ({"method": "cg", "weight_decay": 0.1}, "cg has no weight_decay, leave it out"),
        (
            {"options": {"momentom": 0.9}, "method": "sgd"},
            "sgd has no option 'momentom'; did you mean 'momentum'",
        ),
        ({"options": {"learning_rate": 0.9}}, "learning_rate and schedule"),
    ],
)
def test_what_makes_no_sense_is_refused_before_it_trains(how, sentence):
    with pytest.raises(ValueError, match=sentence):
        Training(**how)


def test_whole_numbers_of_numpy_are_whole():
    assert Training(epochs=np.int64(2), random_state=np.uint8(3)).epochs == 2


def test_a_loaded_net_is_not_silently_begun_anew(tmp_path):
    x, y = separable()
    net, _ = fit_on(x, y)
    save(net, tmp_path)
    for loaded in (load(tmp_path), nn.Sequential(*net.clone().modules).load_state_dict(net.state_dict())):
        with pytest.raises(ValueError, match="give initial=net to go on"):
            fit_on(x, y, loaded)
    fit_on(x, y, loaded.reset())


def test_fine_tuning_begins_where_the_net_stands_and_leaves_frozen_parts(tmp_path):
    x, y = separable()
    save(fit_on(x, y)[0], tmp_path)
    net = load(tmp_path)
    net[3] = nn.Linear(4, 2, rng=1)
    before = net.state_dict()
    _, log = fit_on(x, y, net, initial=net, trained="3", epochs=1, batch_size=24, weight_decay=0)
    after = net.state_dict()
    assert {name for name in before if not np.array_equal(before[name], after[name])} == {
        "3.weight",
        "3.bias",
    }
    # The first loss is that of the net as it stood, its frozen normalisation in evaluation.
    kept = load(tmp_path)
    kept[3] = nn.Linear(4, 2, rng=1).evaluate()
    weights = 24 / np.bincount(y) / 2
    wanted = nn.CrossEntropyLoss(weights, 0.1).forward(kept.forward(x), y)
    np.testing.assert_allclose(log["loss"], wanted, rtol=1e-5)


def test_a_training_may_begin_with_another_nets_parameters():
    x, y = separable()
    one, _ = fit_on(x, y)
    two, _ = fit_on(x, y, one.clone(), initial=one, epochs=1, learning_rate=1e-12, weight_decay=0)
    np.testing.assert_allclose(two[0].weight.value, one[0].weight.value, rtol=1e-6)
