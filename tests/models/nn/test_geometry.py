"""Windows of all sorts: poolings and convolutions of every small geometry against PyTorch, and what is refused."""

from itertools import product

import numpy as np
import pytest

from actionbench.models import nn

SIZES, KERNELS, STRIDES, PADDINGS, DILATIONS = (1, 4, 5, 7), (1, 2, 3, 4), (1, 2), (0, 1, 2, 3), (1, 2, 3)
LARGEST = [
    how
    for how in product(SIZES, KERNELS, STRIDES, PADDINGS, DILATIONS, (False, True))
    if 2 * how[3] <= how[4] * (how[1] - 1) + 1 <= how[0] + 2 * how[3]
]


def pooled(size, kernel, stride, padding, dilation, ceil_mode):
    """A layer and its sequence of different numbers; None where a window would meet only padding."""
    x = np.random.default_rng(size).permutation(size * 3).reshape(1, size, 3).astype(np.float64)
    layer = nn.MaxPool1d(kernel, stride, padding, dilation, ceil_mode=ceil_mode)
    try:
        return layer, x, layer.forward(x)
    except ValueError as error:
        assert "meets only padding" in str(error)  # noqa: PT017 (refused or right)
        return None


def test_each_window_gives_its_gradient_to_one_number():
    for how in LARGEST:
        if found := pooled(*how):
            layer, x, y = found
            assert layer.backward(x, np.ones_like(y)).sum() == y.size, how


def test_largest_of_windows_and_their_gradients_are_pytorchs():
    torch = pytest.importorskip("torch")
    for how in LARGEST:
        if found := pooled(*how):
            layer, x, y = found
            g = np.random.default_rng(1).standard_normal(y.shape)
            _, kernel, stride, padding, dilation, ceil_mode = how
            theirs = torch.tensor(x.transpose(0, 2, 1).copy(), requires_grad=True)
            # PyTorch knows no padding of half a dilated window, and so gets a border that is never the largest.
            wide = 2 * padding > kernel
            if wide and ceil_mode:
                continue
            seen = torch.nn.functional.pad(theirs, (padding, padding), value=-np.inf) if wide else theirs
            how = kernel, stride, 0 if wide else padding, dilation, ceil_mode
            wanted = torch.nn.functional.max_pool1d(seen, *how)
            wanted.backward(torch.tensor(g.transpose(0, 2, 1).copy()))
            np.testing.assert_array_equal(y.transpose(0, 2, 1), wanted.detach().numpy(), str(how))
            got = layer.backward(x, g).transpose(0, 2, 1)
            np.testing.assert_allclose(got, theirs.grad.numpy(), atol=1e-14, err_msg=str(how))
