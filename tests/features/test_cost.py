import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from actionbench.features.cost import EnergyMeter, Stopwatch, _MemoryMeter, peak_memory_bytes


def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def between(before, inside, after, found):
    """Return whether something was measured that the clocks of Python allow, read outside and inside of it."""
    return inside[1] - inside[0] <= found <= after - before


@pytest.mark.parametrize("do", [time.sleep, burn])
def test_both_clocks_are_those_of_python(do):
    clocks = (time.perf_counter, time.process_time)
    before = [clock() for clock in clocks]
    with Stopwatch() as watch:
        begun = [clock() for clock in clocks]
        do(0.2)
        ended = [clock() for clock in clocks]
    after = [clock() for clock in clocks]
    assert between(before[0], (begun[0], ended[0]), after[0], watch.seconds)
    # The kernel adds up user and system time, each of which it may round to a tick.
    assert between(before[1] - 0.02, (begun[1] + 0.02, ended[1]), after[1] + 0.02, watch.cpu_seconds)


def test_the_work_of_a_child_is_counted():
    code = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    with Stopwatch() as watch:
        subprocess.run([sys.executable, "-c", code], check=True)
    assert watch.cpu_seconds >= 0.3


def test_peak_memory_remembers_what_is_gone():
    before = psutil.Process().memory_info().rss
    array = np.ones(200_000_000, np.uint8)
    del array
    assert peak_memory_bytes() >= before + 190_000_000


def counter(folder, number, energy, size=1000):
    zone = folder / f"intel-rapl:{number}"
    zone.mkdir(exist_ok=True)
    (zone / "energy_uj").write_text(f"{energy}\n")
    (zone / "max_energy_range_uj").write_text(f"{size - 1}\n")


def test_energy_is_the_sum_over_packages_and_survives_a_counter_that_runs_over(tmp_path):
    counter(tmp_path, 0, 900)
    counter(tmp_path, 1, 100)
    # Part of package 0, which would count twice.
    counter(tmp_path, "0:0", 0)
    meter = EnergyMeter(tmp_path)
    counter(tmp_path, 0, 50)
    counter(tmp_path, 1, 400)
    counter(tmp_path, "0:0", 999)
    assert meter.joules() == (150 + 300) / 1e6


def test_energy_that_cannot_be_read_is_not_known(tmp_path):
    assert EnergyMeter(tmp_path / "none").joules() is None
    (tmp_path / "intel-rapl:0").mkdir()
    assert EnergyMeter(tmp_path).joules() is None


@pytest.mark.parametrize("can_begin_anew", [True, False])
def test_memory_of_blocks_in_each_other(monkeypatch, tmp_path, can_begin_anew):
    if not can_begin_anew:
        monkeypatch.setattr("actionbench.features.cost._CLEAR_REFS", tmp_path / "no" / "folder")
    monkeypatch.setattr(_MemoryMeter, "retained", 0)
    # More than this process has had before.
    size = peak_memory_bytes() - psutil.Process().memory_info().rss + (300 << 20)
    with _MemoryMeter() as outer:
        with _MemoryMeter() as inner:
            np.ones(size, np.uint8)
        held = np.ones(size // 2, np.uint8)
    with _MemoryMeter() as later:
        np.ones(size // 4, np.uint8)
    assert inner.bytes == pytest.approx(size, abs=20 << 20)
    assert outer.bytes == pytest.approx(size, abs=20 << 20)
    # What is held on is needed by what comes later, too.
    own = size // 4 if can_begin_anew else 0
    assert later.bytes == pytest.approx(size // 2 + own, abs=20 << 20)
    assert _MemoryMeter.retained == pytest.approx(size // 2, abs=20 << 20)
    assert peak_memory_bytes() > size
    del held
