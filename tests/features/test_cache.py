import multiprocessing
import os
import signal
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actionbench.features.cache import FeatureCache, compute, compute_one, temporary_cache, use_cache
from actionbench.features.clip import Clip, Clips
from actionbench.features.cost import Cost, _MemoryMeter, track_costs

CALLS: list[str] = []


@dataclass(frozen=True)
class Mean:
    factor: float = 1.0

    def extract(self, clip):
        CALLS.append("mean")
        return {"mean": np.array([self.factor * clip.frames.mean()]), "length": np.array(len(clip))}


@dataclass(frozen=True)
class Slow:
    """Takes a tenth of a second, and leaves a line in a file for each time."""

    log: str
    seconds: float = 0.1

    def extract(self, clip):
        with open(self.log, "a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(self.seconds)
        return {"value": clip.frames[0, 0, :1].copy()}


@dataclass(frozen=True)
class Twofold:
    """Rests on another feature."""

    log: str

    def extract(self, clip):
        return {"value": 2 * compute_one(Slow(self.log), clip)["value"]}


@pytest.fixture(autouse=True)
def calls():
    CALLS.clear()
    return CALLS


def clips(*values):
    return Clips.of([Clip(np.full((3, 4, 5), value, np.uint8), 25.0) for value in values])


def cache_at(folder, limit=2**30, code="code"):
    return FeatureCache(Path(folder), limit, lambda cls: code)


def means(feature, some, cache):
    with use_cache(cache):
        return [float(arrays["mean"][0]) for arrays in compute(feature, some)]


def test_without_a_cache_everything_is_computed(calls):
    assert means(Mean(), clips(1, 2), None) == [1, 2]
    assert means(Mean(), clips(1, 2), None) == [1, 2]
    assert len(calls) == 4


def test_inside_of_one_piece_of_work_nothing_is_computed_twice(tmp_path, calls):
    some = clips(1, 2)
    with temporary_cache():
        for _ in range(3):
            assert [float(found["mean"][0]) for found in compute(Mean(), some)] == [1, 2]
    assert len(calls) == 2
    # A cache that is in use serves this as well.
    with use_cache(cache_at(tmp_path)), temporary_cache():
        list(compute(Mean(), some))
    assert means(Mean(), some, cache_at(tmp_path)) == [1, 2]
    assert len(calls) == 4


def test_a_folder_is_made_only_for_a_feature(tmp_path, monkeypatch, calls):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with use_cache(None), temporary_cache():
        assert list(tmp_path.iterdir()) == []
        list(compute(Mean(), clips(1, 2)))
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_feature_is_computed_once_for_each_clip(tmp_path, calls):
    some = clips(1, 2)
    assert means(Mean(), some, cache_at(tmp_path)) == [1, 2]
    assert means(Mean(), some[[1, 0, 1]], cache_at(tmp_path)) == [2, 1, 2]
    assert len(calls) == 2


def test_what_is_kept_has_the_same_bits_types_and_shapes(tmp_path):
    @dataclass(frozen=True)
    class Many:
        def extract(self, clip):
            rng = np.random.default_rng(0)
            return {
                "double": rng.standard_normal((2, 3)),
                "half": rng.standard_normal(4).astype(np.float16),
                "turned": rng.standard_normal((3, 2)).astype(np.float32).T,
                "mask": np.array([True, False]),
                "nothing": np.empty((0, 7), np.float32),
                "number": np.array(3),
            }

    cache, some = cache_at(tmp_path), clips(1)
    with use_cache(cache):
        (fresh,), (kept,) = compute(Many(), some), compute(Many(), some)
    assert fresh.keys() == kept.keys()
    for name, array in fresh.items():
        np.testing.assert_array_equal(kept[name], array)
        assert kept[name].dtype == array.dtype
        assert kept[name].shape == array.shape


def test_parameters_clips_and_code_have_entries_of_their_own(tmp_path, calls):
    cache = cache_at(tmp_path)
    assert means(Mean(), clips(3), cache) == [3]
    assert means(Mean(2.0), clips(3), cache) == [6]
    assert means(Mean(), clips(4), cache) == [4]
    assert means(Mean(), clips(3), cache_at(tmp_path, code="other")) == [3]
    faster = Clips.of([Clip(clips(3)[0].frames, 50.0)])
    assert means(Mean(), faster, cache) == [3]
    assert len(calls) == 5


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on only while somebody sleeps."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.append(now.pop() + seconds))
    return now


class Source:
    """One clip, which takes a second to decode."""

    def __init__(self):
        self.loads = 0

    def __len__(self):
        return 1

    def load(self, index):
        self.loads += 1
        time.sleep(1)
        return clips(7)[0]

    def clip_name(self, index):
        return "7"

    def fingerprint(self, index):
        return "seven"


def test_a_kept_feature_needs_no_decoding(tmp_path, clock):
    source = Source()
    for _ in range(3):
        assert means(Mean(), Clips(source), cache_at(tmp_path)) == [7]
    assert source.loads == 1


@dataclass(frozen=True)
class OfMean:
    """Needs another feature alone."""

    def extract(self, clip):
        return {"mean": compute_one(Mean(), clip)["mean"]}


@dataclass(frozen=True)
class OfBoth:
    """Needs another feature, and frames."""

    def extract(self, clip):
        return {"mean": compute_one(Mean(), clip)["mean"] + clip.frames.mean() + len(replace(clip, fps=50.0))}


@pytest.mark.parametrize(
    ("features", "loads", "calls_of_mean"),
    [
        ([Mean(), OfMean()], 1, 1),
        ([OfMean(), Mean()], 1, 1),
        ([OfMean(), OfBoth()], 2, 1),
        ([OfBoth(), OfMean(), Mean()], 1, 1),
        ([OfBoth()], 1, 1),
    ],
)
def test_features_of_features_need_no_decoding_and_are_charged_one(
    tmp_path, clock, calls, features, loads, calls_of_mean
):
    source, expected = Source(), {Mean(): 7, OfMean(): 7, OfBoth(): 17}
    for number in range(2):
        with use_cache(cache_at(tmp_path)), track_costs() as costs:
            begun = clock[0]
            for feature in features:
                assert means(feature, Clips(source), cache_at(tmp_path)) == [expected[feature]]
            assert clock[0] - begun + costs.correction[0] == pytest.approx(1), number
    assert (source.loads, len(calls)) == (loads, calls_of_mean)


def charged(clock, folder, *features):
    """Return the seconds that features of a clip took, and those that they are charged, read one after the other."""
    begun = clock[0]
    with use_cache(folder and cache_at(folder)), temporary_cache(), track_costs() as costs:
        for feature in features:
            list(compute(feature, clips(1)))
    return clock[0] - begun, clock[0] - begun + costs.correction[0]


def test_what_is_charged_is_what_it_cost_steps_included(tmp_path, clock):
    log = str(tmp_path / "log")
    feature, step, cache = Twofold(log), Slow(log), tmp_path / "cache"

    # Another feature that finds the step there is charged as if it had computed it.
    @dataclass(frozen=True)
    class Fourfold(Twofold):
        pass

    for folder in (None, tmp_path / "other"):
        assert charged(clock, folder, feature) == (pytest.approx(0.1), pytest.approx(0.1))
    assert charged(clock, cache, feature) == (pytest.approx(0.1), pytest.approx(0.1))
    for features in (
        [feature],
        [step],
        [feature] * 3,
        [feature, step, feature],
        [step, feature],
        [Fourfold(log)],
        [Fourfold(log), feature],
    ):
        assert charged(clock, cache, *features) == (pytest.approx(0), pytest.approx(0.1)), features
    assert len((tmp_path / "log").read_text().split()) == 3


def test_finding_and_keeping_is_not_charged(tmp_path, clock, monkeypatch):
    cache, feature = tmp_path / "cache", Slow(str(tmp_path / "log"))
    for name in ("_read", "_write"):
        plain = getattr(FeatureCache, name)

        def slow(*args, plain=plain):
            clock[0] += 7
            return plain(*args)

        monkeypatch.setattr(FeatureCache, name, slow)
    assert charged(clock, cache, feature, feature) == (pytest.approx(28.1), pytest.approx(0.1))
    assert charged(clock, cache, feature, feature) == (pytest.approx(14), pytest.approx(0.1))


@dataclass(frozen=True)
class Large:
    """Needs much memory for a moment."""

    megabytes: int = 150

    def extract(self, clip):
        return {"value": np.ones(self.megabytes << 20, np.uint8)[:1].copy()}


@dataclass(frozen=True)
class OnLarge:
    def extract(self, clip):
        return {"value": compute_one(Large(), clip)["value"]}


def test_the_memory_that_a_feature_needed_is_charged_as_well(tmp_path):
    some, cache = clips(1), tmp_path / "cache"
    with use_cache(cache_at(cache)), track_costs() as costs:
        list(compute(OnLarge(), some))
    # What is measured already is not added.
    assert costs.memory_bytes == 0
    for feature in (OnLarge(), Large()):
        before = psutil.Process().memory_info().rss
        with use_cache(cache_at(cache)), track_costs() as costs:
            list(compute(feature, some))
        assert costs.memory_bytes == pytest.approx(before + (150 << 20), abs=20 << 20)


LIBRARY = []


@dataclass(frozen=True)
class Loading:
    """Leaves behind what everything later rests on, as the first import of a library does."""

    def extract(self, clip):
        LIBRARY.append(np.ones(60 << 20, np.uint8))
        return {"value": np.ones(1)}


def test_what_an_earlier_feature_loaded_is_charged_where_nothing_was_loaded(tmp_path, monkeypatch):
    some = clips(1)
    with use_cache(cache_at(tmp_path)), track_costs() as costs:
        for feature in (Loading(), Large()):
            list(compute(feature, some))
    # Another process has loaded nothing.
    LIBRARY.clear()
    monkeypatch.setattr(_MemoryMeter, "retained", 0)
    before = psutil.Process().memory_info().rss
    with use_cache(cache_at(tmp_path)), track_costs() as costs:
        list(compute(Large(), some))
    assert costs.memory_bytes == pytest.approx(before + (210 << 20), abs=20 << 20)


@pytest.mark.parametrize("damage", [b"", b"no tensors", None])
def test_a_damaged_entry_is_computed_anew(tmp_path, calls, damage):
    some = clips(5)
    means(Mean(), some, cache_at(tmp_path))
    (entry,) = tmp_path.rglob("*.safetensors")
    entry.write_bytes(entry.read_bytes()[:-3] if damage is None else damage)
    assert means(Mean(), some, cache_at(tmp_path)) == [5]
    assert means(Mean(), some, cache_at(tmp_path)) == [5]
    assert len(calls) == 2


def test_the_least_recently_used_entries_go_when_it_is_full(tmp_path, calls):
    some = clips(*range(20))
    means(Mean(), some[:10], cache_at(tmp_path))
    entries = list(tmp_path.rglob("*.safetensors"))
    size = entries[0].stat().st_size
    for entry in entries:
        os.utime(entry, (1, 1))
    small = cache_at(tmp_path, limit=12 * size)
    means(Mean(), some[:3], small)  # used again
    means(Mean(), some[10:15], small)
    left = list(tmp_path.rglob("*.safetensors"))
    assert sum(entry.stat().st_size for entry in left) <= 12 * size
    calls.clear()
    means(Mean(), some[[0, 1, 2, 14]], small)
    assert not calls


@dataclass(frozen=True)
class Bulky:
    def extract(self, clip):
        CALLS.append("large")
        return {"frames": np.zeros(2**16)}


@dataclass(frozen=True)
class OfBulky:
    """A small feature of a large one, as descriptors are of optical flow."""

    def extract(self, clip):
        CALLS.append("small")
        return {"mean": np.array([compute_one(Bulky(), clip)["frames"].mean()])}


def test_large_entries_go_before_small_ones_that_are_made_of_them(tmp_path, calls):
    """Of clips whose large features do not all fit, no small one is computed twice."""
    some, cache = clips(*range(12)), cache_at(tmp_path, limit=2**21)
    for _ in range(3):
        means(OfBulky(), some, cache)
    assert calls.count("small") == 12
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= 2**21


def test_nothing_but_entries_is_left_behind(tmp_path):
    means(Mean(), clips(1, 2), cache_at(tmp_path))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.suffix for path in files] == [".safetensors"] * 2


def test_a_folder_that_cannot_be_written_costs_a_warning_only(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    cache = cache_at(tmp_path)
    monkeypatch.setattr("actionbench.features.cache.save_file", full)
    with pytest.warns(RuntimeWarning, match="could not be cached .*No space left"):
        assert means(Mean(), clips(1), cache) == [1]


def test_an_error_of_a_feature_leaves_nothing(tmp_path):
    @dataclass(frozen=True)
    class Failing:
        def extract(self, clip):
            raise ValueError("no")

    with use_cache(cache_at(tmp_path)), pytest.raises(ValueError, match="no"):
        list(compute(Failing(), clips(1)))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def _work(folder, log, values):
    with use_cache(cache_at(folder)):
        for arrays in compute(Slow(log), clips(*values)):
            assert len(arrays["value"])


def test_who_waits_for_another_is_charged_what_it_cost(tmp_path, monkeypatch, clock):
    """The entry appears while the lock is waited for."""
    cache = cache_at(tmp_path)

    @contextmanager
    def locked(path, wait):
        clock[0] += 8.0
        costs = {path.stem: Cost(10.0, 9.0, 100.0, 0)}
        cache._write(path.with_suffix(".safetensors"), {"mean": np.ones(1)}, costs)
        yield True

    path = cache._path(Mean(), clips(1).fingerprints[0])
    path.parent.mkdir()
    monkeypatch.setattr("actionbench.features.cache._locked", locked)
    with track_costs() as costs:
        assert means(Mean(), clips(1), cache) == [1]
    assert costs.correction[0] == pytest.approx(2.0)
    assert costs.correction[1] == pytest.approx(9.0, abs=0.1)


def test_of_several_processes_one_computes_and_the_others_wait(tmp_path):
    context = multiprocessing.get_context("spawn")
    log, folder = str(tmp_path / "log"), str(tmp_path / "cache")
    workers = [context.Process(target=_work, args=(folder, log, [1, 2, 3])) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert len(Path(log).read_text().split()) == 3


def _values(folder, log, values, barrier, found):
    barrier.wait(60)
    with use_cache(cache_at(folder)):
        found.put([int(arrays["value"][0]) for arrays in compute(Slow(log), clips(*values))])


def test_several_processes_share_the_work(tmp_path):
    """Each clip is computed once, by some of them, and each process gets all, in its own order."""
    context = multiprocessing.get_context("fork")
    log, barrier, found = str(tmp_path / "log"), context.Barrier(3), context.Queue()
    orders = [list(range(12)), list(range(12)), [11, 3, 7, 0]]
    workers = [
        context.Process(target=_values, args=(str(tmp_path / "cache"), log, order, barrier, found))
        for order in orders
    ]
    for worker in workers:
        worker.start()
    assert sorted(found.get(timeout=60) for _ in workers) == sorted(orders)
    for worker in workers:
        worker.join(60)
    computed = Path(log).read_text().split()
    assert len(computed) == 12
    assert len(set(computed)) >= 2


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(st.integers(0, 5), max_size=8),
    busy=st.lists(st.integers(0, 5), max_size=40),
)
def test_what_others_compute_changes_nothing(tmp_path_factory, values, busy):
    """Whichever entries another process is computing whenever this one asks, all come, in order, each computed once."""
    CALLS.clear()
    cache, asked = cache_at(tmp_path_factory.mktemp("cache")), iter(busy)
    plain = cache._get

    def get(feature, fingerprint, load, *, wait):
        held = next(asked, None)
        if not wait and held is not None and fingerprint == clips(held).fingerprints[0]:
            return None
        return plain(feature, fingerprint, load, wait=wait)

    cache._get = get
    assert means(Mean(), clips(*values), cache) == values
    assert len(CALLS) == len(set(values))


def test_a_process_that_dies_while_computing_holds_nobody_up(tmp_path):
    context = multiprocessing.get_context("spawn")
    log, folder = tmp_path / "log", tmp_path / "cache"

    worker = context.Process(target=_die, args=(str(folder), str(log)))
    worker.start()
    worker.join(60)
    assert worker.exitcode == -signal.SIGKILL
    with use_cache(cache_at(folder)):
        (arrays,) = compute(Slow(str(log)), clips(1))
    assert arrays["value"] == 1
    assert len(log.read_text().split()) == 2


@dataclass(frozen=True)
class _Deadly:
    log: str
    seconds: float = 0.1

    def extract(self, clip):
        with open(self.log, "a") as file:
            file.write("dies\n")
        os.kill(os.getpid(), signal.SIGKILL)


def _die(folder, log):
    cache = cache_at(folder)
    # Under the name of the feature that the other process computes.
    path = cache._path(Slow(log), clips(1).fingerprints[0])
    cache._path = lambda feature, fingerprint: path
    with use_cache(cache):
        list(compute(_Deadly(log), clips(1)))
