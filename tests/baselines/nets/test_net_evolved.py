import io

import numpy as np
import pytest
from sklearn.base import clone

from actionbench.baselines.base import Attempt
from actionbench.baselines.nets.net_evolved import NetEvolved
from actionbench.models import search

SMALL = {"epochs": 3, "frames": 4, "size": 8, "evaluations": 6, "population": 3, "search_epochs": 1}


@pytest.fixture(scope="module")
def evolved(figures):
    return NetEvolved(**SMALL).fit(*figures)


def test_the_best_on_groups_held_out_is_trained(evolved):
    fitness, genomes = evolved.trials_["fitness"], evolved.trials_["genome"]
    assert len(fitness) == len(genomes) == 6
    assert evolved.genome_ == genomes[int(np.argmax(fitness))]
    assert evolved.trials_["parent"][:3] == [-1] * 3
    assert all(parent >= 0 for parent in evolved.trials_["parent"][3:])
    wanted = search.Space((4, 8, 8, 2), 3).build(search.read_genome(evolved.genome_))
    assert evolved.net().tree() == wanted.tree()


def test_who_judges_taught_nothing(figures, monkeypatch):
    """Each candidate learns from some people and is judged by others, all of them training groups."""
    clips, labels, groups = figures
    seen = []
    loss = NetEvolved._loss

    def watched(self, net, samples, targets, train, held):
        seen.append((set(groups[train]), set(groups[held])))
        return loss(self, net, samples, targets, train, held)

    monkeypatch.setattr(NetEvolved, "_loss", watched)
    NetEvolved(**SMALL | {"evaluations": 2}).fit(clips, labels, groups)
    for taught, judges in seen:
        assert taught | judges == set(groups)
        assert not taught & judges
    assert len(seen) == 2


def test_a_seed_repeats_and_random_search_has_no_parents(figures, evolved):
    again = clone(evolved).fit(*figures)
    assert again.trials_ == evolved.trials_
    np.testing.assert_array_equal(again.predict_proba(figures[0][:3]), evolved.predict_proba(figures[0][:3]))
    control = clone(evolved).set_params(method="random").fit(*figures)
    assert control.trials_["parent"] == [-1] * 6
    assert control.trials_["genome"][:3] == evolved.trials_["genome"][:3]


def test_saved_with_its_genome(figures, evolved, tmp_path):
    evolved.save(tmp_path)
    loaded = Attempt.load(tmp_path)
    assert (loaded.genome_, loaded.trials_) == (evolved.genome_, evolved.trials_)
    assert loaded.explain() == evolved.explain()
    np.testing.assert_array_equal(loaded.predict_proba(figures[0][:3]), evolved.predict_proba(figures[0][:3]))


def test_what_it_says_and_shows(evolved):
    said = evolved.explain()
    assert f"Genome: {evolved.genome_}. It had the lowest loss of 6 candidates of evolution" in said
    assert {"loss", "graph", "search"} <= set(said.figures)
    for figure in said.figures.values():
        figure.savefig(io.BytesIO(), format="png")
        assert figure.axes[0].get_title()


@pytest.mark.parametrize("genome", ["pool, none", "pool, dense 4", "wired 4 #3, pool", "none"])
def test_every_kind_of_net_is_pictured(figures, evolved, genome, monkeypatch):
    monkeypatch.setattr(search, "best", lambda _: search.Trial(search.read_genome(genome), 0.0, -1))
    attempt = clone(evolved).set_params(evaluations=1, epochs=1).fit(*figures)
    assert attempt.genome_ == genome
    assert "graph" in attempt.explain().figures


def test_time_ends_the_search(figures, evolved):
    attempt = clone(evolved).set_params(seconds=0.0).fit(*figures)
    assert len(attempt.trials_["genome"]) == 1


def test_too_few_to_hold_out(figures):
    clips, labels, groups = (part[:3] for part in figures)
    attempt = NetEvolved(**SMALL).fit(clips, labels, groups)
    assert attempt.trials_ == {"genome": [], "fitness": [], "parent": []}
    assert "too few clips or groups for a search" in attempt.explain()


def test_a_method_that_is_none(figures):
    with pytest.raises(ValueError, match="method must be one of evolution, random, got 'genetic'"):
        NetEvolved(method="genetic").fit(*figures)
