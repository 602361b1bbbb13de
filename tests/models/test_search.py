import numpy as np
import pytest

from actionbench.models import load, nn, save, search
from actionbench.models.search import Gene, Space, Trial


def rng(seed=0):
    return np.random.default_rng(seed)


def bits(n=24):
    """Return how to draw and to mutate a string of bits, and how many of them are set."""

    def mutate(genome, generator):
        place = int(generator.integers(n))
        return (*genome[:place], 1 - genome[place], *genome[place + 1 :])

    return (lambda generator: tuple(generator.integers(2, size=n).tolist())), mutate, sum


def test_evolution_beats_random_search_of_equal_budget():
    draw, mutate, fitness = bits()
    for seed in range(5):
        evolved = search.evolve(fitness, draw, mutate, 300, rng(seed))
        drawn = search.random_search(fitness, draw, 300, rng(seed))
        assert len(evolved) == len(drawn) == 300
        assert search.best(evolved).fitness > search.best(drawn).fitness
        assert all(trial.parent == -1 for trial in drawn)


def test_a_seed_repeats_and_another_differs():
    draw, mutate, fitness = bits()
    first, second, other = (search.evolve(fitness, draw, mutate, 40, rng(seed)) for seed in (1, 1, 2))
    assert first == second != other


def test_parents_are_the_fittest_of_those_that_live_and_the_oldest_goes():
    """Replayed from the record: with a sample that surely holds all, each parent is the best of the last ten."""
    draw, mutate, fitness = bits()
    trials = search.evolve(fitness, draw, mutate, 80, rng(3), population=10, sample=400)
    for place, trial in enumerate(trials):
        if place < 10:
            assert trial.parent == -1
            continue
        assert place - 10 <= trial.parent < place, "who is older is gone"
        living = [other.fitness for other in trials[place - 10 : place]]
        assert trials[trial.parent].fitness == max(living)
        assert sum(a != b for a, b in zip(trial.genome, trials[trial.parent].genome, strict=True)) == 1


def test_a_sample_of_one_does_not_select():
    draw, mutate, fitness = bits()
    trials = search.evolve(fitness, draw, mutate, 400, rng(0), population=10, sample=1)
    assert np.mean([trial.fitness for trial in trials[200:]]) == pytest.approx(12, abs=3)


def test_time_ends_a_search_but_not_before_the_first_trial():
    draw, mutate, fitness = bits()
    assert len(search.evolve(fitness, draw, mutate, 50, rng(), seconds=0.0)) == 1
    assert len(search.random_search(fitness, draw, 50, rng(), seconds=1e9)) == 50


def test_a_fitness_that_is_no_number_never_wins():
    draw, mutate, _ = bits()
    values = iter([np.nan, 1.0, np.nan, 0.5, np.nan, 2.0] + [np.nan] * 20)
    trials = search.evolve(lambda _: next(values), draw, mutate, 12, rng(), population=3, sample=50)
    assert search.best(trials).fitness == 2.0
    assert trials[3].parent == 1
    assert search.best([Trial((), np.nan, -1)]).fitness is np.nan


@pytest.mark.parametrize("numbers", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_numbers_below_one(numbers):
    draw, mutate, fitness = bits()
    n, population, sample = numbers
    with pytest.raises(ValueError, match=r"must be 1 or more, got"):
        search.evolve(fitness, draw, mutate, n, rng(), population=population, sample=sample)


SPACE = Space((6, 8, 8, 1), 3, most_operations=5e6)


def test_each_genome_is_a_net_that_learns_and_is_saved(tmp_path):
    generator, seen = rng(5), set()
    x = generator.standard_normal((4, 6, 8, 8, 1)).astype(np.float32)
    for number in range(40):
        genome = SPACE.draw(generator)
        seen |= {gene.operation for gene in genome}
        net = SPACE.build(genome, rng(1))
        assert net.count_operations(x[:1]) <= 5e6
        scores = net.training().forward(x)
        assert scores.shape == (4, 3)
        net.backward(x, np.ones_like(scores))
        assert all(np.isfinite(own.grad).all() for own in net.parameters().values())
        assert search.read_genome(", ".join(map(str, genome))) is not None
        if number < 5:
            save(net, tmp_path / str(number))
            again = load(tmp_path / str(number))
            np.testing.assert_array_equal(again.forward(x), net.evaluate().forward(x))
    assert seen == set(search.OPERATIONS)


def test_what_is_written_is_the_same_net():
    generator = rng(2)
    for _ in range(20):
        genome = SPACE.draw(generator)
        again = search.read_genome(", ".join(map(str, genome)))
        assert SPACE.build(again).tree() == SPACE.build(genome).tree()


def test_mutations_change_one_gene_and_reach_all():
    generator, genome = rng(0), SPACE.draw(rng(1))
    seen = set()
    for _ in range(200):
        child = SPACE.mutate(genome, generator)
        assert sum(str(a) != str(b) for a, b in zip(child, genome, strict=True)) == 1
        genome = child
        seen |= {gene.operation for gene in genome}
    assert seen == set(search.OPERATIONS)


def test_behind_a_dense_layer_convolutions_are_silent():
    build = SPACE.build
    silent = build(search.read_genome("dense 8, conv 4, pool, wired 8 #1"))
    assert silent.tree() == build(search.read_genome("dense 8, none, none")).tree()
    both = build(search.read_genome("conv 4, dense 8, dense 4"))
    assert [type(module).__name__ for module in both.modules if module.is_learnt()] == [
        "Conv3d", "BatchNorm3d", "Linear", "BatchNorm1d", "Linear", "BatchNorm1d", "Linear"
    ]  # fmt: skip


def test_poolings_end_at_one_cell():
    net = SPACE.build(search.read_genome("pool, pool, pool, pool"))
    x = np.zeros((2, 6, 8, 8, 1), np.float32)
    assert net.evaluate().forward(x).shape == (2, 3)


def test_wired_stages_differ_by_their_number():
    one, same, other = (
        SPACE.build((Gene("wired", 4, n),)).find_modules(nn.Graph)[0].edges for n in (1, 1, 2)
    )
    assert one == same != other


@pytest.mark.parametrize(
    "text", ["", "conv", "conv x", "conv 0", "swim 8", "conv 8 # 2 3 4", "pool,,pool", "conv -1"]
)
def test_what_is_no_genome(text):
    with pytest.raises(ValueError, match="a gene is 'pool', 'none', .* got '"):
        search.read_genome(text)


@pytest.mark.parametrize("options", [{"n_genes": 0}, {"most_operations": 10.0}])
def test_a_space_without_nets(options):
    with pytest.raises(ValueError, match=r"there is no net of . stages for volumes of \(6, 8, 8, 1\)"):
        Space((6, 8, 8, 1), 3, **options)
