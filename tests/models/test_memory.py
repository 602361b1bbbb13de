"""Memory that is used again, and never while anybody sees it."""

import gc
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionbench.models import memory, nn

LARGE = 2**18
VIEWS = (
    lambda a: a,
    lambda a: a.reshape(-1),
    lambda a: a.reshape(-1)[5:].reshape(-1, 1),
    lambda a: a[::2].T,
    lambda a: a.view(np.int32),
    lambda a: np.asarray(memoryview(a)),
)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 9)), max_size=40))
def test_what_is_seen_is_not_used_again(steps):
    """Hold views of arrays, let go of some, and see that those held keep what was written."""
    pool, held = memory.Pool(), []
    for place, (kind, size, gone) in enumerate(steps):
        array = pool.empty((LARGE * (size + 1) // 8, 2), np.float32)
        array.fill(place)
        held.append((VIEWS[kind](array), VIEWS[kind](np.full(array.shape, place, np.float32))))
        del array
        if held and gone < len(held):
            del held[gone]
        assert all(got.flat[k] == wanted.flat[k] for got, wanted in held for k in (0, -1))
    held.clear()
    assert pool.live == 0


def test_memory_is_used_again():
    pool = memory.Pool()
    first = pool.empty((LARGE,), np.float32)
    place = first.ctypes.data
    view = first[10:].reshape(-1, 2)
    del first
    assert pool.empty((LARGE,), np.float32).ctypes.data != place
    del view
    # What was let go last is taken first, also for an array of another type that is not much smaller.
    assert pool.empty((LARGE // 4,), np.float64).ctypes.data == place


def test_the_smallest_memory_that_fits_is_taken():
    pool = memory.Pool()
    arrays = [pool.empty((size * LARGE,), np.uint8) for size in (5, 9, 7, 6)]
    places = [array.ctypes.data for array in arrays]
    del arrays
    six, seven, small = (pool.empty((size * LARGE,), np.uint8) for size in (6, 6, 2))
    assert [six.ctypes.data, seven.ctypes.data] == [places[3], places[2]]
    assert small.ctypes.data not in places


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 12)), max_size=60))
def test_it_holds_little_more_than_was_ever_needed(steps):
    pool, held, most = memory.Pool(), [], 0
    for size, gone in steps:
        held.append(pool.empty((size, LARGE), np.uint8))
        most = max(most, pool.live)
        if gone < len(held):
            del held[gone]
        assert sum(array.nbytes for array in held) <= pool.live
        assert pool.live + pool.kept <= 1.25 * most
    held.clear()
    assert pool.live == 0


def test_what_waits_makes_room_for_what_can_stand_in_for_it():
    pool = memory.Pool()
    for sizes in ((2, 5, 30), (10,)):
        arrays = [pool.empty((size * LARGE,), np.uint8) for size in sizes]
        del arrays
    # 37 and a quarter more are less than 47: of 2 and 5, which 10 can stand in for, the larger one goes.
    assert pool.kept == (2 + 30 + 10) * LARGE


def test_small_arrays_are_numpys_own():
    assert memory.Pool().empty((3, 4), np.float64).flags.owndata


@pytest.mark.parametrize("shape", [(0, 5), (), (7,)])
def test_shapes_and_types(shape):
    array = memory.empty(shape, "float32")
    assert array.shape == shape
    assert array.dtype == np.float32


def test_threads_share_a_pool():
    pool, wrong = memory.Pool(), []

    def work(number):
        for round_ in range(300):
            array = pool.empty((LARGE // 4 + 100 * (round_ % 5),), np.int32)
            array.fill(1000 * number + round_)
            if (array != 1000 * number + round_).any():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert pool.live == 0


def test_outputs_stay_when_the_net_goes_on():
    net = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)).reset(0).evaluate()
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal((2, 64, 64, 3)).astype(np.float32) for _ in range(6)]
    outputs = [net.forward(x) for x in inputs]
    copies = [y.copy() for y in outputs]
    for x in inputs:
        net.forward(x)
    gc.collect()
    for y, copy in zip(outputs, copies, strict=True):
        np.testing.assert_array_equal(y, copy)


def peak_of(code):
    """Return by how many MiB code raises what a process of its own needs at most."""
    program = f"""
import numpy as np
from actionbench.models import nn
def peak():
    # What getrusage says may be the peak of the process that started this one.
    (line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(line.split()[1])
nn.Conv2d(64, 64, 3, padding=1).forward(np.zeros((8, 8, 8, 64), np.float32))
before = peak()
{code}
print((peak() - before) / 1024)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return float(done.stdout)


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@on_linux
def test_a_net_needs_its_parameters_once_until_there_are_gradients():
    make = "net = nn.Sequential(*[nn.Linear(2048, 2048) for _ in range(8)]).reset(0)"
    assert peak_of(make) < 1.2 * 128
    assert peak_of(f"{make}; net.get_parameters()") < 1.4 * 128
    assert peak_of(f"{make}; net.clone()") < 2.2 * 128


@on_linux
def test_kernels_do_not_keep_a_block_of_each_size():
    # The filters of the last layer take 38 MiB, those of all 244.
    layers = "nn.Conv2d(64, 512 * n, 5, padding=2).evaluate().forward(x); gc.collect()"
    code = f"import gc\nx = np.zeros((1, 8, 8, 64), np.float32)\nfor n in range(1, 13): {layers}"
    assert peak_of(code) < 150
