import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from actionbench.features.encodings import Fisher, Vlad, Words, power_normalised, sample_rows


def clusters(n=300, rng=0, dims=6):
    """Three round clusters."""
    rng = np.random.default_rng(rng)
    return np.concatenate([centre + 0.3 * rng.standard_normal((n, dims)) for centre in (-4, 0, 4)])


@given(st.lists(st.integers(0, 9), max_size=6), st.integers(0, 12))
def test_a_sample_holds_rows_of_the_stream_in_order(lengths, n):
    numbers = iter(range(100))
    arrays = [np.array([[next(numbers), 7.0] for _ in range(length)]).reshape(-1, 2) for length in lengths]
    drawn = sample_rows(iter(arrays), n, np.random.default_rng(0))
    if not lengths:
        assert drawn.shape == (0, 0)
        return
    assert drawn.shape == (min(n, sum(lengths)), 2)
    assert (np.diff(drawn[:, 0]) > 0).all()


def test_every_row_has_the_same_chance_to_be_drawn():
    arrays = [np.arange(start, stop, dtype=float)[:, None] for start, stop in ((0, 3), (3, 10), (10, 40))]
    counts = np.zeros(40)
    for seed in range(4000):
        counts[sample_rows(arrays, 10, np.random.default_rng(seed)).astype(int).ravel()] += 1
    # Binomial with 4000 draws of chance 1/4: its standard deviation is 27.
    assert np.abs(counts - 1000).max() < 5 * 27


def test_of_a_stream_only_the_sample_is_kept():
    alive = []

    class Tracked(np.ndarray):
        pass

    def stream():
        for seed in range(50):
            array = np.random.default_rng(seed).standard_normal((100, 3)).view(Tracked)
            alive.append(array)
            assert sum(len(a) for a in alive) <= 100
            yield array
            alive.clear()

    assert len(sample_rows(stream(), 20, np.random.default_rng(0))) == 20


def test_power_normalisation():
    np.testing.assert_allclose(power_normalised(np.array([4.0, -9.0])), np.array([2, -3]) / np.sqrt(13))
    np.testing.assert_array_equal(power_normalised(np.zeros((2, 3))), 0)


def test_words_are_the_clusters_and_a_clip_their_shares():
    words = Words.learn(clusters(), 3, 0)
    order = np.argsort(words.centres[:, 0])
    np.testing.assert_allclose(words.centres[order].mean(axis=1), [-4, 0, 4], atol=0.1)
    clip = np.repeat([[-4.0], [4.0], [4.0], [4.1]], 6, axis=1)
    np.testing.assert_allclose(words.encode(clip)[order], [0.25, 0, 0.75])
    np.testing.assert_array_equal(words.encode(np.empty((0, 6))), 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0.0, 300.0, -3e4])
def test_codebooks_far_from_0_are_those_near_it(offset, dtype):
    rows = (clusters() + offset).astype(dtype)
    words = Words.learn(rows, 3, 0)
    nearest = cdist(rows.astype(float), words.centres.astype(float)).argmin(axis=1)
    np.testing.assert_allclose(words.encode(rows), np.bincount(nearest, minlength=3) / len(rows))
    near, far = (
        np.abs(Fisher.learn(some, 3, 0).encode(some[:40])) for some in (rows - rows.dtype.type(offset), rows)
    )
    np.testing.assert_allclose(far, near, atol=0.03)


def test_there_are_no_more_words_than_distinct_rows():
    assert Words.learn(np.array([[1.0], [1.0], [2.0]]), 10, 0).centres.shape == (2, 1)


@pytest.fixture(scope="module")
def fisher():
    return Fisher.learn(clusters(), 3, 0)


def log_likelihood(fisher, x, means, deviations):
    densities = [
        weight * multivariate_normal(mean, np.diag(deviation**2)).pdf(x)
        for weight, mean, deviation in zip(fisher.weights, means, deviations, strict=True)
    ]
    return np.log(np.sum(densities, axis=0)).mean()


def test_a_fisher_vector_is_the_gradient_of_the_likelihood(fisher):
    """By differences of SciPy's densities, in units of the diagonal Fisher information."""
    x = clusters(5, rng=1) + 0.2
    reduced = (x - fisher.offset) @ fisher.basis.T
    deviations = np.sqrt(fisher.variances)
    parts = []
    for which, scale in ((0, 1.0), (1, 2.0)):
        gradient = np.zeros_like(fisher.means)
        for at in np.ndindex(gradient.shape):
            pair = []
            for sign in (1, -1):
                values = [fisher.means.copy(), deviations.copy()]
                values[which][at] += sign * 1e-5
                pair.append(log_likelihood(fisher, reduced, *values))
            gradient[at] = (pair[0] - pair[1]) / 2e-5
        parts.append(gradient * deviations / np.sqrt(scale * fisher.weights[:, None]))
    wanted = power_normalised(np.concatenate([part.ravel() for part in parts]))
    np.testing.assert_allclose(fisher.encode(x), wanted, atol=2e-4)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_mixture_is_that_of_scikit_learn(dtype):
    fisher = Fisher.learn(clusters().astype(dtype), 3, 0)
    reduced = (clusters() - fisher.offset) @ fisher.basis.T.astype(np.float64)
    # So that no component is a point.
    least = 1e-4 * reduced.var(axis=0).mean()
    other = GaussianMixture(3, covariance_type="diag", reg_covar=least, tol=1e-2, random_state=0).fit(reduced)
    ours, theirs = np.argsort(fisher.means[:, 0]), np.argsort(other.means_[:, 0])
    assert fisher.weights.dtype == dtype
    np.testing.assert_allclose(fisher.weights[ours], other.weights_[theirs], atol=1e-5)
    np.testing.assert_allclose(fisher.means[ours], other.means_[theirs], atol=1e-3)
    np.testing.assert_allclose(fisher.variances[ours], other.covariances_[theirs], rtol=1e-3)


def test_overlapping_components_reach_the_likelihood_of_scikit_learn():
    x = np.random.default_rng(3).gamma(2.0, size=(2000, 8)).astype(np.float32)
    fisher = Fisher.learn(x, 4, 0)
    reduced = ((x - fisher.offset) @ fisher.basis.T).astype(np.float64)
    other = GaussianMixture(4, covariance_type="diag", tol=1e-2, random_state=0).fit(reduced)
    fisher_likelihood = log_likelihood(fisher, reduced, fisher.means, np.sqrt(fisher.variances))
    assert fisher_likelihood > other.score(reduced) - 0.05


def test_a_fisher_vector_of_nothing_is_zero(fisher):
    np.testing.assert_array_equal(fisher.encode(np.empty((0, 6))), 0)
    assert fisher.encode(np.empty((0, 6))).shape == (18,)


def test_fisher_vectors_do_not_depend_on_how_often_a_clip_is_repeated(fisher):
    x = clusters(4, rng=2)
    np.testing.assert_allclose(fisher.encode(np.tile(x, (3, 1))), fisher.encode(x), atol=1e-12)


@pytest.mark.parametrize("n", [0, 1, 2, 15])
def test_a_small_sample_gives_a_small_mixture(n):
    fisher = Fisher.learn(clusters()[:n], 8, 0)
    assert len(fisher.weights) == max(n // 10, 1)
    assert np.isfinite(fisher.encode(clusters(2))).all()
    assert np.isfinite(Vlad.learn(clusters()[:n], 8, 0).encode(clusters(2))).all()
    assert Words.learn(clusters()[:n], 8, 0).encode(clusters(2)).sum() == pytest.approx(1)


def test_vlad_by_hand():
    vlad = Vlad(np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 50.0]]))
    x = np.array([[1.0, 0.0], [2.0, 4.0], [10.0, -3.0]])
    sums = np.array([[3, 4], [0, -3], [0, 0]]) / np.array([[5], [3], [1]])
    np.testing.assert_allclose(vlad.encode(x), power_normalised(sums.ravel()))
    np.testing.assert_array_equal(vlad.encode(np.empty((0, 2))), np.zeros(6))


@pytest.mark.parametrize("kind", [Words, Fisher, Vlad])
def test_the_same_seed_gives_the_same_encoding(kind):
    one, other = (kind.learn(clusters(), 4, 5) for _ in range(2))
    for name, array in vars(one).items():
        np.testing.assert_array_equal(array, vars(other)[name])
