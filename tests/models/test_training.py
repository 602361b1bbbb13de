import numpy as np
import pytest

from actionbench.models import nn, zoo
from actionbench.models.training import Training, predict_proba

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


def weights(**options):
    net, _ = fit(**options)
    return net.get_parameters()[0]


def test_a_seed_repeats_and_another_differs():
    np.testing.assert_array_equal(weights(random_state=3), weights(random_state=3))
    assert not np.array_equal(weights(random_state=3), weights(random_state=4))


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


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch_size": 0}, {"validation": 1.0}])
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


def test_long_gradients_are_shortened():
    before = weights(epochs=1, batch_size=64, clip_norm=None, learning_rate=1e-3)
    after = weights(epochs=1, batch_size=64, clip_norm=1e-12, learning_rate=1e-3)
    start = zoo.mlp(LENGTH, 8, 2, dropout=0.1).reset(np.random.default_rng(0)).get_parameters()[0]
    assert np.abs(after - start).max() < np.abs(before - start).max() / 10


def test_rare_classes_weigh_as_much():
    samples, targets = two_classes()
    kept = (targets == 0) | (np.arange(40) < 8)
    samples = [sample * 0 for sample, keep in zip(samples, kept, strict=True) if keep]
    for balanced, share in ((True, 0.5), (False, 4 / 24)):
        net = zoo.mlp(LENGTH, 2)
        how = Training(epochs=60, label_smoothing=0, weight_decay=0, balanced=balanced, learning_rate=0.05)
        how.fit(net, samples, targets[kept], lambda sample, rng: sample, views)
        np.testing.assert_allclose(predict_proba(net, samples[:1], views)[0, 1], share, atol=0.05)
