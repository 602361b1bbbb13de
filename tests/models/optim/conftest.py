import numpy as np
import pytest


def valley(x):
    """Rosenbrock's function of n variables, lowest (0) where all are 1."""
    bend = x[1:] - x[:-1] ** 2
    gradient = np.zeros_like(x)
    gradient[:-1] = 2 * (x[:-1] - 1) - 400 * x[:-1] * bend
    gradient[1:] += 200 * bend
    return float(100 * (bend**2).sum() + ((1 - x[:-1]) ** 2).sum()), gradient


@pytest.fixture
def rosenbrock():
    return valley
