import io

import numpy as np
import pytest
from sklearn.base import clone

from actionbench.baselines.base import Attempt
from actionbench.baselines.nets.mlp_flow import MlpFlow
from actionbench.baselines.nets.mlp_pruned import MlpPruned
from actionbench.baselines.nets.mlp_sparse import MlpSparse
from actionbench.models import structure

SMALL = {"epochs": 4, "frames": 4, "size": 8, "hidden": (16,)}


def fit(figures, attempt):
    return attempt.fit(*(part[:9] for part in figures))


@pytest.fixture(scope="module")
def pruned(figures):
    return fit(figures, MlpPruned(density=0.1, rounds=3, **SMALL))


def test_a_tenth_is_left_and_saved(pruned, tmp_path):
    pruned.save(tmp_path)
    for attempt in (pruned, Attempt.load(tmp_path)):
        masks = structure.connections(attempt.net())
        n_in = 4 * 8 * 8 * 2
        assert masks["2.weight"].sum() == round(0.1 * 16 * n_in)
        assert masks["5.weight"].all()
        assert attempt.count()["parameters"] == round(0.1 * 16 * n_in) + 16 + 3 * 16 + 3
        assert attempt.explain() == pruned.explain()


def test_rounds_are_in_the_log(pruned):
    np.testing.assert_allclose(np.unique(pruned.curve_["density"]), 0.1 ** (np.arange(3, -1, -1) / 3))
    dense = pruned.curve_["density"] == 1
    np.testing.assert_allclose(pruned.curve_["space"][dense], 1)
    assert np.isfinite(pruned.curve_["chance time"]).all()
    assert np.isfinite(pruned.curve_["shared space"]).all()


def test_dense_is_the_net_that_is_not_pruned(figures):
    clips = figures[0][9:12]
    dense, plain = fit(figures, MlpPruned(density=1.0, **SMALL)), fit(figures, MlpFlow(**SMALL))
    np.testing.assert_array_equal(dense.predict_proba(clips), plain.predict_proba(clips))
    assert dense.count() == plain.count()


@pytest.mark.parametrize("criterion", ["magnitude", "obd", "random"])
def test_criteria_keep_as_many_and_not_the_same(figures, pruned, criterion):
    attempt = fit(figures, clone(pruned).set_params(criterion=criterion))
    mask, other = (structure.connections(each.net())["2.weight"] for each in (attempt, pruned))
    assert mask.sum() == other.sum()
    assert np.array_equal(mask, other) == (criterion == "magnitude")


def test_what_it_says_and_shows(pruned):
    said = pruned.explain()
    masks = structure.connections(pruned.net())
    total = sum(mask.size for mask in masks.values())
    left = sum(int(mask.sum()) for mask in masks.values())
    assert f"{left:,} of {total:,} weights are nonzero ({left / total:.1%})" in said
    local = structure.locality(masks["2.weight"], (4, 8, 8, 2), (0, 1, 1))
    assert f"{np.nanmean(local):.2f} times as far apart in space" in said
    assert set(said.figures) == {"loss", "first-layer", "connectivity", "locality"}
    for figure in said.figures.values():
        figure.savefig(io.BytesIO(), format="png")
        assert figure.axes[0].get_title()
        assert figure.axes[0].get_xlabel()
        assert figure.axes[0].get_ylabel()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"density": 2.0}, "density must be a share"),
        ({"criterion": "hessian"}, "criterion must be one of magnitude, obd, random, got 'hessian'"),
    ],
)
def test_what_is_refused(figures, options, message):
    with pytest.raises(ValueError, match=message):
        fit(figures, MlpPruned(**SMALL | options))


def test_a_stronger_penalty_leaves_less(figures):
    left = []
    for strength in (0.0, 1e-4, 4e-4):
        attempt = fit(figures, MlpSparse(strength=strength, **SMALL | {"epochs": 20}))
        left.append(attempt.count()["parameters"])
        values = np.abs(next(iter(structure.weights(attempt.net()).values())))
        assert not ((values > 0) & (values < np.float32(50 * strength))).any()
    assert left[0] == MlpFlow(**SMALL)._untrained(3).count_parameters()
    assert left[0] > left[1] > left[2]


def test_a_net_that_lost_everything_still_speaks(figures, tmp_path):
    attempt = fit(figures, MlpSparse(strength=1.0, **SMALL))
    said = attempt.explain()
    assert "0 of 16 units of the first layer have inputs" in said
    attempt.save(tmp_path)
    assert MlpSparse.load(tmp_path).explain() == said
    for figure in said.figures.values():
        figure.savefig(io.BytesIO(), format="png")
