import numpy as np

from actionbench.baselines.trivial.chance import Chance
from actionbench.features.clip import Clip, Clips


def test_guesses_are_even_and_differ_by_seed():
    rng = np.random.default_rng(0)
    clips = Clips.of([Clip(rng.integers(0, 256, (1, 4, 4)).astype(np.uint8), 25.0) for _ in range(600)])
    labels = np.array(list("abcd") * 150)
    guesses = [Chance(random_state=seed).fit(clips, labels).predict(clips) for seed in (0, 1)]
    for guess in guesses:
        counts = np.unique(guess, return_counts=True)[1]
        # Four standard deviations of a binomial count.
        assert np.abs(counts - 150).max() < 4 * np.sqrt(600 * 0.25 * 0.75)
        assert abs(np.mean(guess == labels) - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 600)
    assert abs(np.mean(guesses[0] == guesses[1]) - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 600)


def test_probabilities_are_nearly_even():
    clips = Clips.of([Clip(np.zeros((1, 4, 4), np.uint8), 25.0)] * 2)
    found = Chance().fit(clips, np.array(["a", "b"])).predict_proba(clips)
    np.testing.assert_allclose(found, 0.5, atol=0.01)
