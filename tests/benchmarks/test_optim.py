"""One step of each optimiser on a million parameters; with PyTorch beside it where it is installed.

Run with ``OMP_NUM_THREADS=1 python -m pytest tests/benchmarks/test_optim.py --benchmark-only``.
"""

import numpy as np
import pytest

from actionbench.models import kernels, optim

SIZE = 10**6
# Names here and in PyTorch, and the options of both.
PAIRS = {
    "adadelta": ("Adadelta", {}),
    "adagrad": ("Adagrad", {}),
    "adam": ("Adam", {}),
    "adamax": ("Adamax", {}),
    "adamw": ("AdamW", {}),
    "asgd": ("ASGD", {}),
    "rmsprop": ("RMSprop", {}),
    "rprop": ("Rprop", {}),
    "sgd": ("SGD", {"momentum": 0.9}),
}


def target():
    return np.random.default_rng(0).standard_normal(SIZE).astype(np.float32)


@pytest.mark.parametrize("name", [*PAIRS, "beta_lasso", "nag"])
def test_step(benchmark, name):
    gradient, x, state = target(), np.zeros(SIZE, np.float32), dict(PAIRS.get(name, ("", {}))[1])
    benchmark(getattr(optim, name), lambda _: (0.0, gradient), x, state)


@pytest.mark.parametrize("name", PAIRS)
def test_step_in_pytorch(benchmark, name):
    torch = pytest.importorskip("torch", reason="PyTorch is the yardstick of these benchmarks only")
    torch.set_num_threads(kernels.default_threads())
    parameter = torch.nn.Parameter(torch.zeros(SIZE))
    parameter.grad = torch.tensor(target())
    class_name, options = PAIRS[name]
    benchmark(getattr(torch.optim, class_name)([parameter], lr=1e-3, **options).step)


# Twenty moves to the bottom of a bowl, and its axes a hundred times as steep as others.
BOWL = np.geomspace(1, 100, SIZE, dtype=np.float32)


def bowl(x, centre):
    gradient = BOWL * (x - centre)
    return float(gradient @ (x - centre)) / 2, gradient


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cg", {"max_eval": 20}),
        ("lbfgs", {"max_eval": 20, "line_search": "strong_wolfe", "n_correction": 10}),
    ],
)
def test_run(benchmark, name, options):
    centre = target()

    def run():
        getattr(optim, name)(lambda x: bowl(x, centre), np.zeros(SIZE, np.float32), dict(options))

    benchmark(run)


def test_run_in_pytorch(benchmark):
    torch = pytest.importorskip("torch", reason="PyTorch is the yardstick of these benchmarks only")
    torch.set_num_threads(kernels.default_threads())
    centre = target()

    def run():
        parameter = torch.nn.Parameter(torch.zeros(SIZE))
        optimiser = torch.optim.LBFGS(
            [parameter], max_eval=20, line_search_fn="strong_wolfe", history_size=10
        )

        def closure():
            loss, gradient = bowl(parameter.detach().numpy(), centre)
            parameter.grad = torch.from_numpy(gradient)
            return torch.tensor(loss)

        optimiser.step(closure)

    benchmark(run)


@pytest.mark.parametrize("name", ["cmaes", "de"])
def test_thousand_evaluations(benchmark, name):
    """Of next to nothing, in 20 dimensions: what the method itself costs."""
    benchmark(lambda: getattr(optim, name)(lambda x: (float(x @ x), None), np.ones(20), {"max_eval": 1000}))
