import numpy as np
import pytest

from actionbench.models import optim


def test_a_right_gradient_passes(rosenbrock):
    x = np.array([-1.2, 1.0])
    difference, given, _ = optim.checkgrad(rosenbrock, x)
    assert difference < 1e-7
    np.testing.assert_allclose(given, [-215.6, -88])  # as published for this point
    np.testing.assert_array_equal(x, [-1.2, 1.0])


def test_a_wrong_gradient_shows():
    wrong, given, estimated = optim.checkgrad(lambda x: (float(x @ x), x.copy()), np.ones(2), 1e-5)
    np.testing.assert_allclose(given, 1)
    np.testing.assert_allclose(estimated, 2, rtol=1e-6)
    np.testing.assert_allclose(wrong, 1 / 3, rtol=1e-6)


def test_no_gradient_at_all_is_right_on_a_plain():
    assert optim.checkgrad(lambda x: (1.0, np.zeros(2)), np.ones(2))[0] == 0


def test_a_step_that_is_lost_in_rounding_is_refused():
    def opfunc(x):
        return float(x @ x), 2 * x

    with pytest.raises(
        ValueError, match=r"eps must change x, which is float32 up to 1.0: 1e-08 is too small"
    ):
        optim.checkgrad(opfunc, np.ones(2, np.float32), 1e-8)
    assert optim.checkgrad(opfunc, np.ones(2, np.float32), 1e-2)[0] < 1e-3
