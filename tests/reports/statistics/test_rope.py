"""Regions of practical equivalence, against the definition and a beta distribution."""

import numpy as np
import pytest
from scipy import stats

from actionbench.errors import ActionbenchError
from actionbench.reports.statistics.rope import sign_rope, signed_rank_rope


def rope_by_loops(first, second, rope, weights):
    """Return the share of draws that each side wins, from the definition."""
    values, won = [0.0, *(second - first)], np.zeros(3)
    for row in weights:
        sides = np.zeros(3)
        for a, one in enumerate(values):
            for b, other in enumerate(values):
                mean = (one + other) / 2
                sides[0 if mean < -rope else 2 if mean > rope else 1] += row[a] * row[b]
        won[np.argmax(sides)] += 1
    return won / len(weights)


def test_the_bayesian_signed_rank_test_against_its_definition():
    rng = np.random.default_rng(5)
    first, second = rng.normal(80, 6, 12), rng.normal(81, 6, 12)
    found = signed_rank_rope(first, second, 1.0)
    weights = rng.dirichlet([0.5] + [1] * 12, size=4000)
    np.testing.assert_allclose(found, rope_by_loops(first, second, 1.0, weights), atol=0.025)
    assert found.sum() == pytest.approx(1)
    turned = signed_rank_rope(second, first, 1.0)
    np.testing.assert_allclose(turned, found[::-1], atol=0.01)
    assert signed_rank_rope(first, second)["rope"] == 0
    # What is the same is on neither side.
    for method in (signed_rank_rope, sign_rope):
        np.testing.assert_allclose(method(first, first), [0.5, 0, 0.5], atol=0.01)
        np.testing.assert_array_equal(method(first, first, 0.5), [0, 1, 0])


def test_the_bayesian_sign_test_against_beta():
    """Without a region the share of the second is a beta variate; it wins where that is above a half."""
    first, second = np.zeros(9), np.array([1, 1, 1, 1, 1, 1, -1, -1, -1.0])
    wanted = stats.beta.sf(0.5, 6 + 1e-4, 3 + 1e-4)
    assert sign_rope(first, second)["second"] == pytest.approx(wanted, abs=0.01)
    assert sign_rope(first, second, 2.0)["rope"] > 0.99


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: signed_rank_rope([1, 2], [1]), r"shapes \(2,\) and \(1,\)"),
        (lambda: signed_rank_rope([1], [2], -1), "must not be negative"),
        (lambda: sign_rope([1], [2], -1), "must not be negative"),
        (lambda: sign_rope([1, np.nan], [2, 3]), r"leave out data sets .*; got nan at position 1"),
        (lambda: signed_rank_rope([1, 2], [2, np.nan]), "leave out data sets"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ActionbenchError, match=message):
        call()
