"""Nets and layers beside PyTorch's: ``make bench``.

Every figure is a median over calls that take turns in one process, with equal threads; a ratio above 1 means that ours
is faster, or needs less memory. PyTorch's net runs in both of its layouts, and the faster one counts. Operations are
those of the definition: two for each product of a forward, three times as many with the way back. A kernel that saves
products can so pass the peak.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import geometric_mean, median, quantiles
from typing import Any

import numpy as np
import peers
import results
from peers import LAYERS, NETS, Action

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


@dataclass
class Row:
    """One comparison; times in ms, memory in MiB."""

    section: str
    name: str
    ours: float
    theirs: float
    spread: tuple[float, float, float, float]
    gflops: float | None = None
    share_of_peak: float | None = None
    ratio: float = field(init=False)

    def __post_init__(self) -> None:
        self.ratio = self.theirs / self.ours


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


def row(section: str, name: str, times: list[list[float]], operations: int = 0, peak: float = 0.0) -> Row:
    """Compare the first action with the fastest of the others."""
    best = min(times[1:], key=median)
    quartiles = [q for kept in (times[0], best) for q in quantiles(kept * 2, n=4)[::2]]
    gflops = operations / median(times[0]) / 1e6 if operations else None
    share = gflops / peak if gflops and peak else None
    return Row(section, name, median(times[0]), median(best), tuple(quartiles), gflops, share)


def measured_peak(threads: int) -> float:
    """Return the most GFLOP/s that this machine reaches in registers."""
    busy, rates = kernels.of(np.dtype(np.float32)).keep_busy, []
    for _ in range(30):
        start = time.perf_counter()
        operations = busy(200_000, threads)
        rates.append(operations / (time.perf_counter() - start) / 1e9)
    return max(rates)


def compare_nets(torch: Any, section: str, peak: float, rounds: int) -> Iterator[Row]:
    kind = {"steps": "step", "predictions": "prediction", "big": "gradients"}[section]
    for net in BIG if section == "big" else SMALL:
        x = net.input(1 if section == "predictions" else None)
        operations = (
            net.ours().count_operations(net.input(1)) * len(x) * (1 if section == "predictions" else 3)
        )
        make_ours, make_theirs = getattr(peers, f"our_{kind}"), getattr(peers, f"their_{kind}")
        actions = [make_ours(net.ours(), x)]
        for layout in peers.their_layouts(torch, x.ndim - 2):
            actions.append(make_theirs(torch, net.theirs(torch), x, layout))
        times = alternate(actions, rounds)
        yield row(section, net.name, times, operations, peak)


def compare_layers(torch: Any, peak: float, rounds: int) -> Iterator[Row]:
    for layer in LAYERS:
        for backward in (False, True):
            layouts = peers.their_layouts(torch, len(layer.size))
            theirs = [peers.their_layer(torch, layer, backward, layout) for layout in layouts]
            times = alternate([peers.our_layer(layer, backward), *theirs], rounds)
            name = f"{layer.name}, {'forward and backward' if backward else 'forward'}"
            yield row("layers", name, times, layer.operations() * (3 if backward else 1), peak)


def compare_threads(rounds: int) -> Iterator[Row]:
    """Compare two threads with one, here only."""
    for net in SMALL:
        for kind, make in (("step", peers.our_step), ("prediction", peers.our_prediction)):
            if "3d" in net.name:
                action = make(net.ours(), net.input(1 if kind == "prediction" else None))
                actions = [with_threads(n, action) for n in (2, 1)]
                yield row("threads", f"{net.name}, {kind}, 2 threads : 1", alternate(actions, rounds))


def with_threads(n: int, action: Action) -> Action:
    def run() -> None:
        os.environ["OMP_NUM_THREADS"] = str(n)
        action()

    return run


def compare_memory(threads: int) -> Iterator[Row]:
    for net in NETS:
        ours, *theirs = (measure_memory(net.name, who, threads) for who in ("ours", "0", "1"))
        best = min(theirs)
        yield Row("memory", net.name, ours, best, (ours, ours, best, best))


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


def show(entry: Row) -> None:
    low, high, their_low, their_high = entry.spread
    unit = "MiB" if entry.section == "memory" else "ms"
    own = f"{entry.ours:9.3f} [{low:.3f}, {high:.3f}]"
    theirs = f"{entry.theirs:9.3f} [{their_low:.3f}, {their_high:.3f}]"
    rate = f"{entry.gflops:5.0f} GFLOP/s {entry.share_of_peak:4.0%}" if entry.gflops else ""
    print(f"{entry.name:45s} {entry.ratio:6.2f}   {own:32s} {theirs:32s} {unit}  {rate}", flush=True)


def summary(rows: list[Row]) -> dict[str, dict[str, float]]:
    """Return geometric mean and smallest of the ratios of each section."""
    result = {}
    for section in SECTIONS:
        ratios = [entry.ratio for entry in rows if entry.section == section]
        if ratios:
            result[section] = {"geometric mean": geometric_mean(ratios), "smallest": min(ratios)}
    return result


def markdown(content: dict[str, Any]) -> str:
    """Return the tables of a result, as `main` writes it, for a document."""
    lines = [f"{results.in_words(content['machine'])}."]
    for section, title in SECTIONS.items():
        rows = [Row(**{key: entry[key] for key in entry if key != "ratio"}) for entry in content["rows"]]
        rows = [entry for entry in rows if entry.section == section]
        if not rows:
            continue
        unit, other = (
            ("MiB" if section == "memory" else "ms"),
            ("1 thread" if section == "threads" else "PyTorch"),
        )
        means = ", ".join(f"{key} {value:.2f}" for key, value in content["summary"][section].items())
        lines += ["", f"### {title}", "", f"Ratio: {means}.", ""]
        lines += [
            f"| | ratio | ours, {unit} | {other}, {unit} | GFLOP/s | of the peak |",
            "|---|---|---|---|---|---|",
        ]
        for entry in rows:
            spread = [f"{value:.3g}" for value in entry.spread]
            rate = f"{entry.gflops:.0f} | {entry.share_of_peak:.0%}" if entry.gflops else " | "
            own = f"{entry.ours:.3g} [{spread[0]}, {spread[1]}]"
            theirs = f"{entry.theirs:.3g} [{spread[2]}, {spread[3]}]"
            lines.append(f"| {entry.name} | {entry.ratio:.2f} | {own} | {theirs} | {rate} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", help=f"which of {', '.join(SECTIONS)}; all by default")
    parser.add_argument("--threads", type=int, default=kernels.default_threads())
    parser.add_argument("--rounds", type=int, default=7, help="turns of each side")
    parser.add_argument("--memory-of", nargs=2, help=argparse.SUPPRESS)
    options = results.parse(parser, markdown)
    if unknown := set(options.sections) - set(SECTIONS):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    if options.memory_of:
        print(memory_of(*options.memory_of, options.threads))
        return
    torch, sections = load_torch(options.threads), options.sections or list(SECTIONS)
    peak = measured_peak(options.threads)
    machine = results.machine(
        cores=os.cpu_count(),
        threads=options.threads,
        torch=torch.__version__,
        **{"instruction set": kernels.INSTRUCTION_SET, "peak GFLOP/s": round(peak, 1)},
    )
    print(results.in_words(machine))
    rows: list[Row] = []
    for section in sections:
        print(f"\n{SECTIONS[section]}: ratio, ours and PyTorch's median [quartiles]", flush=True)
        for entry in {
            "layers": lambda: compare_layers(torch, peak, options.rounds),
            "threads": lambda: compare_threads(options.rounds),
            "memory": lambda: compare_memory(options.threads),
        }.get(
            section,
            lambda section=section: compare_nets(torch, section, peak, options.rounds),
        )():
            rows.append(entry)
            show(entry)
    means = summary(rows)
    print()
    for section, values in means.items():
        print(section, ", ".join(f"{key} {value:.2f}" for key, value in values.items()))
    results.write(
        options.json, {"machine": machine, "summary": means, "rows": [asdict(entry) for entry in rows]}
    )


if __name__ == "__main__":
    main()
