import numpy as np

from actionbench.baselines.trivial.majority import Majority
from actionbench.features.clip import Clip, Clips


def test_most_frequent_class_wins():
    clips = Clips.of([Clip(np.zeros((1, 4, 4), np.uint8), 25.0)] * 4)
    attempt = Majority().fit(clips, np.array(["b", "a", "b", "c"]))
    np.testing.assert_array_equal(attempt.predict(clips), ["b"] * 4)
    np.testing.assert_allclose(attempt.predict_proba(clips)[0], [0.25, 0.5, 0.25])
    assert attempt.explain() == "always b (50% of the training clips)"
