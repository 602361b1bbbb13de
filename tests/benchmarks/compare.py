"""Nets and layers beside those of others: ``make bench``.

Every figure is a median over calls that take turns in one process, with equal threads; a ratio above 1 means that ours
is faster, or needs less memory. PyTorch's net runs in both of its layouts, and the faster one counts; small nets also
compiled (``torch.compile``, ``max-autotune``, for predictions with frozen weights), and their predictions in OpenVINO
and ONNX Runtime. Operations are those of the definition: two for each product of a forward, three times as many with
the way back. A kernel that saves products can so pass the peak.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import geometric_mean, median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import peers
import results
from peers import LAYERS, NETS, Action, Net

from actionbench.models import kernels

SMALL, BIG = [net for net in NETS if not net.big], [net for net in NETS if net.big]
SECTIONS = {
    "steps": "Training step: forward, backward, update",
    "predictions": "Prediction of one clip",
    "big": "Large nets: forward and backward",
    "layers": "Layers",
    "threads": "Two threads beside one, both ours",
    "memory": "Memory: the most that five training steps and making the net add to the process",
}


#: Peers by the packages that they need; how to install one is said where it is missing.
EAGER, COMPILED, OPENVINO, ONNX_RUNTIME = "PyTorch", "torch.compile", "OpenVINO", "ONNX Runtime"
PACKAGES = {OPENVINO: "openvino", ONNX_RUNTIME: "onnxruntime"}
ONE_THREAD = "1 thread"
# What is left of a ratio where `fallen` does not tell of it.
_KEPT = 0.85

# First quartile, median and third quartile.
Spread = tuple[float, float, float]


@dataclass
class Row:
    """One comparison; times in ms, memory in MiB."""

    section: str
    name: str
    ours: Spread
    peers: dict[str, Spread]
    gflops: float | None = None
    share_of_peak: float | None = None
    compile_seconds: float | None = None

    def ratios(self) -> dict[str, float]:
        """Return by which factor each peer takes longer."""
        return {name: spread[1] / self.ours[1] for name, spread in self.peers.items()}

    @property
    def ratio(self) -> float:
        """That to the fastest peer."""
        return min(self.ratios().values())


def alternate(actions: list[Action], rounds: int, seconds: float = 0.15) -> list[list[float]]:
    """Return the times in ms of actions that take turns.

    Each turn begins with calls that do not count: the threads of the other library go on waiting for work for a while,
    and caches are cold.
    """
    times: list[list[float]] = [[] for _ in actions]
    for _ in range(rounds):
        for action, kept in zip(actions, times, strict=True):
            for counts, limit in ((False, 0.04), (True, seconds)):
                end = time.perf_counter() + limit
                while True:
                    start = time.perf_counter()
                    action()
                    now = time.perf_counter()
                    if counts:
                        kept.append(1e3 * (now - start))
                    if now > end:
                        break
    return times


def spread(times: list[float]) -> Spread:
    low, _, high = quantiles(times * 2, n=4)
    return low, median(times), high


def measured_peak(threads: int) -> float:
    """Return the most GFLOP/s that this machine reaches in registers."""
    busy, rates = kernels.of(np.dtype(np.float32)).keep_busy, []
    for _ in range(30):
        start = time.perf_counter()
        operations = busy(200_000, threads)
        rates.append(operations / (time.perf_counter() - start) / 1e9)
    return max(rates)


@dataclass
class Bench:
    """What is measured, and how.

    Attributes
    ----------
    torch : module
        PyTorch.
    peak : float
        GFLOP/s of this machine.
    rounds, threads : int
        Turns of each side, and threads of each.
    peers : list of str
        Those beside PyTorch that are measured.
    names : set of str, optional
        The only nets that are measured.
    """

    torch: Any
    peak: float
    rounds: int
    threads: int
    peers: list[str]
    names: set[str] | None = None

    def rows(self, section: str) -> Iterator[Row]:
        """Measure a section."""
        sections = {"layers": self._layers, "threads": self._threads, "memory": self._memory}
        yield from sections[section]() if section in sections else self._nets(section)

    def _compare(self, actions: list[tuple[str, Action]]) -> tuple[Spread, dict[str, Spread]]:
        """Time ours, which is the first, and those of peers, of which the fastest of a name counts."""
        first, *others = alternate([action for _, action in actions], self.rounds)
        found: dict[str, list[float]] = {}
        for (name, _), times in zip(actions[1:], others, strict=True):
            found[name] = min(found.get(name, times), times, key=median)
        return spread(first), {name: spread(times) for name, times in found.items()}

    def _rate(self, ours: Spread, operations: int) -> dict[str, float]:
        gflops = operations / ours[1] / 1e6
        return {"gflops": gflops, "share_of_peak": gflops / self.peak}

    def _wanted(self, nets: list[Net]) -> list[Net]:
        return [net for net in nets if self.names is None or net.name in self.names]

    def _nets(self, section: str) -> Iterator[Row]:
        kind = {"steps": "step", "predictions": "prediction", "big": "gradients"}[section]
        for net in self._wanted(BIG if section == "big" else SMALL):
            x = net.input(1 if section == "predictions" else None)
            operations = net.ours().count_operations(net.input(1)) * len(x)
            actions = [("ours", getattr(peers, f"our_{kind}")(net.ours(), x))]
            seconds = None
            for layout in peers.their_layouts(self.torch, x.ndim - 2):
                how = self.torch, net.theirs(self.torch), x, layout
                actions.append((EAGER, getattr(peers, f"their_{kind}")(*how)))
                if COMPILED in self.peers:
                    how = self.torch, net.theirs(self.torch), x, layout
                    action, taken = getattr(peers, f"compiled_{kind}")(*how)
                    actions.append((COMPILED, action))
                    seconds = max(seconds or 0.0, taken)
            if section == "predictions":
                for name, package in PACKAGES.items():
                    if name in self.peers:
                        make = getattr(peers, f"{package}_prediction")
                        actions.append((name, make(net.ours(), x, self.threads)))
            ours, theirs = self._compare(actions)
            rate = self._rate(ours, operations * (1 if section == "predictions" else 3))
            yield Row(section, net.name, ours, theirs, **rate, compile_seconds=seconds)

    def _layers(self) -> Iterator[Row]:
        for layer in LAYERS:
            for backward in (False, True):
                layouts = peers.their_layouts(self.torch, len(layer.size))
                theirs = [
                    (EAGER, peers.their_layer(self.torch, layer, backward, layout)) for layout in layouts
                ]
                ours, others = self._compare([("ours", peers.our_layer(layer, backward)), *theirs])
                name = f"{layer.name}, {'forward and backward' if backward else 'forward'}"
                yield Row(
                    "layers",
                    name,
                    ours,
                    others,
                    **self._rate(ours, layer.operations() * (3 if backward else 1)),
                )

    def _threads(self) -> Iterator[Row]:
        """Compare two threads with one, here only."""
        for net in self._wanted([net for net in SMALL if "3d" in net.name]):
            for kind, make in (("step", peers.our_step), ("prediction", peers.our_prediction)):
                action = make(net.ours(), net.input(1 if kind == "prediction" else None))
                actions = [("ours", with_threads(2, action)), (ONE_THREAD, with_threads(1, action))]
                yield Row("threads", f"{net.name}, {kind}, 2 threads : 1", *self._compare(actions))

    def _memory(self) -> Iterator[Row]:
        for net in self._wanted(NETS):
            ours, *theirs = (measure_memory(net.name, who, self.threads) for who in ("ours", "0", "1"))
            yield Row("memory", net.name, (ours,) * 3, {EAGER: (min(theirs),) * 3})


def with_threads(n: int, action: Action) -> Action:
    def run() -> None:
        os.environ["OMP_NUM_THREADS"] = str(n)
        action()

    return run


def measure_memory(name: str, who: str, threads: int) -> float:
    """Return what a training step needs at most, in MiB, measured in a process of its own."""
    command = [sys.executable, __file__, "--memory-of", name, who, "--threads", str(threads)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def memory_of(name: str, who: str, threads: int) -> float:
    """Return by how much steps of this process raise its resident memory, net and data included."""
    (net,) = (net for net in NETS if net.name == name)
    make = "gradients" if net.big else "step"
    if who != "ours":
        torch = load_torch(threads)

    def steps() -> None:
        x = net.input()
        if who == "ours":
            action = getattr(peers, f"our_{make}")(net.ours(), x)
        else:
            layouts = peers.their_layouts(torch, x.ndim - 2)
            layout = layouts[min(int(who), len(layouts) - 1)]
            action = getattr(peers, f"their_{make}")(torch, net.theirs(torch), x, layout)
        for _ in range(5):
            action()

    return added_memory(steps)


def added_memory(action: Action) -> float:
    """Return by how much an action raises the resident memory of this process at most, in MiB."""
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    action()
    return resident("VmHWM") - before


def resident(kind: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(kind))


def load_torch(threads: int) -> Any:
    try:
        import torch
    except ImportError:
        sys.exit("make bench compares with PyTorch, which is missing: pip install torch==2.13.0")
    torch.set_num_threads(threads)
    return torch


def fallen(rows: list[Row], before: list[Row]) -> dict[tuple[str, str], str]:
    """Return a sentence for each row with a ratio that is more than 15 % below the one before."""
    known = {(entry.section, entry.name): entry.ratios() for entry in before}
    found = {}
    for entry in rows:
        then = known.get((entry.section, entry.name), {})
        for name, ratio in entry.ratios().items():
            if ratio < _KEPT * then.get(name, 0):
                found[entry.section, entry.name] = (
                    f"{entry.section}, {entry.name}: {ratio:.2f} times as fast as {name}, it was {then[name]:.2f}"
                )
    return found


def missing_peers() -> dict[str, str]:
    """Return how to install the peers that are missing."""
    return {
        name: f"pip install {package}" for name, package in PACKAGES.items() if find_spec(package) is None
    }


def show(entry: Row) -> None:
    unit = "MiB" if entry.section == "memory" else "ms"
    sides = {"ours": entry.ours, **entry.peers}
    figures = ", ".join(f"{name} {s[1]:.3f} [{s[0]:.3f}, {s[2]:.3f}]" for name, s in sides.items())
    peak = f", {entry.gflops:.0f} GFLOP/s ({entry.share_of_peak:.0%})" if entry.gflops else ""
    seconds = f", compiled in {entry.compile_seconds:.0f} s" if entry.compile_seconds else ""
    print(f"{entry.name:45s} {entry.ratio:6.2f}   {figures} {unit}{peak}{seconds}", flush=True)


def summary(rows: list[Row]) -> dict[str, dict[str, dict[str, float]]]:
    """Return geometric mean and smallest of the ratios of each section, by peer and to the fastest."""
    result: dict[str, dict[str, dict[str, float]]] = {}
    for section in SECTIONS:
        by_peer: dict[str, list[float]] = {}
        for entry in rows:
            if entry.section == section:
                ratios = entry.ratios()
                for name, ratio in (
                    ratios | ({"the fastest": entry.ratio} if len(ratios) > 1 else {})
                ).items():
                    by_peer.setdefault(name, []).append(ratio)
        if by_peer:
            result[section] = {
                name: {"geometric mean": geometric_mean(ratios), "smallest": min(ratios)}
                for name, ratios in by_peer.items()
            }
    return result


def in_words(means: dict[str, dict[str, float]]) -> str:
    return "; ".join(
        f"{name} {', '.join(f'{key} {value:.2f}' for key, value in values.items())}"
        for name, values in means.items()
    )


def markdown(content: dict[str, Any]) -> str:
    """Return the tables of a result, as `main` writes it, for a document."""
    lines = [f"{results.in_words(content['machine'])}."]
    everything = [Row(**entry) for entry in content["rows"]]
    for section, title in SECTIONS.items():
        rows = [entry for entry in everything if entry.section == section]
        if not rows:
            continue
        unit = "MiB" if section == "memory" else "ms"
        names = list(rows[0].peers)
        several = ["the fastest"] if len(names) > 1 else []
        lines += ["", f"### {title}", "", f"Ratios: {in_words(content['summary'][section])}.", ""]
        heads = [
            f"ours, {unit}",
            *(f"{name}, {unit}" for name in names),
            *(f"{name} : ours" for name in names),
        ]
        heads += [*(f"{name} : ours" for name in several), "GFLOP/s", "of the peak"]
        compiles = any(entry.compile_seconds for entry in rows)
        heads += ["compiled in"] * compiles
        lines += [f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
        for entry in rows:
            sides = [entry.ours, *(entry.peers[name] for name in names)]
            cells = [f"{s[1]:.3g} [{s[0]:.3g}, {s[2]:.3g}]" for s in sides]
            cells += [f"{entry.ratios()[name]:.2f}" for name in names]
            cells += [f"{entry.ratio:.2f}"] * len(several)
            cells += [f"{entry.gflops:.0f}", f"{entry.share_of_peak:.0%}"] if entry.gflops else ["", ""]
            cells += [f"{entry.compile_seconds:.0f} s" if entry.compile_seconds else ""] * compiles
            lines.append(f"| {entry.name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", help=f"which of {', '.join(SECTIONS)}; all by default")
    parser.add_argument("--threads", type=int, default=kernels.default_threads())
    parser.add_argument("--rounds", type=int, default=7, help="turns of each side")
    parser.add_argument(
        "--no-compile", action="store_true", help="leave torch.compile out, which takes minutes"
    )
    parser.add_argument(
        "--against",
        type=Path,
        nargs="+",
        default=[],
        help="files of --json; end with 1 where a ratio is 15 %% below that of the same instruction set",
    )
    parser.add_argument("--names", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--memory-of", nargs=2, help=argparse.SUPPRESS)
    options = results.parse(parser, markdown)
    if unknown := set(options.sections) - set(SECTIONS):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    if options.memory_of:
        print(memory_of(*options.memory_of, options.threads))
        return
    before = same_set([results.read(path) for path in options.against])
    torch, sections = load_torch(options.threads), options.sections or list(SECTIONS)
    peak = measured_peak(options.threads)
    missing = missing_peers()
    present = [name for name in (COMPILED, *PACKAGES) if name not in missing]
    if options.no_compile:
        present.remove(COMPILED)
    for name, command in missing.items():
        print(f"{name} is missing: {command}")
    machine = results.machine(
        cores=os.cpu_count(),
        threads=options.threads,
        torch=torch.__version__,
        **{package: "missing" if name in missing else version(package) for name, package in PACKAGES.items()},
        **{"instruction set": kernels.INSTRUCTION_SET, "peak GFLOP/s": round(peak, 1)},
    )
    print(results.in_words(machine))
    names = set(options.names) if options.names else None
    bench = Bench(torch, peak, options.rounds, options.threads, present, names)
    rows: list[Row] = []
    for section in sections:
        print(f"\n{SECTIONS[section]}: ratio to the fastest, medians [quartiles]", flush=True)
        for entry in bench.rows(section):
            rows.append(entry)
            show(entry)
    means = summary(rows)
    print()
    for section, values in means.items():
        print(f"{section}: {in_words(values)}")
    results.write(
        options.json, {"machine": machine, "summary": means, "rows": [asdict(entry) for entry in rows]}
    )
    if before and (worse := still_fallen(rows, before, partial(in_another_process, options))):
        sys.exit("\n".join(worse))


def same_set(known: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the result that was measured with the instruction set of this process; end where there is none."""
    if not known:
        return None
    sets = {content["machine"]["instruction set"]: content for content in known}
    if kernels.INSTRUCTION_SET not in sets:
        sys.exit(
            f"--against: there is no result for {kernels.INSTRUCTION_SET}, only for {', '.join(sorted(sets))}; "
            "`make bench` makes one"
        )
    return sets[kernels.INSTRUCTION_SET]


# Processes that measure once more what has fallen.
_MORE_PROCESSES = 3


def still_fallen(
    rows: list[Row], content: dict[str, Any], again: Callable[[str, str], list[Row]]
) -> list[str]:
    """Return what has fallen below a result each time that ``again`` measures it, as machines are noisy."""
    before = [Row(**entry) for entry in content["rows"]]
    worse = fallen(rows, before)
    for _ in range(_MORE_PROCESSES):
        measured = [entry for section, name in worse for entry in again(section, name) if entry.name == name]
        worse = fallen(measured, before)
    return list(worse.values())


def in_another_process(options: argparse.Namespace, section: str, name: str) -> list[Row]:
    """Measure a row anew: how two threads share the processors may stay the same as long as a process lives."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "rows.json"
        command = [sys.executable, __file__, section, "--no-compile", "--threads", str(options.threads)]
        command += ["--rounds", str(2 * options.rounds), "--names", name.split(",")[0], "--json", str(file)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return [Row(**entry) for entry in results.read(file)["rows"]]


if __name__ == "__main__":
    main()
