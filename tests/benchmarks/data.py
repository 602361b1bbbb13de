"""Time what a data set of 10,000 short clips costs: the first plan and the next, the look, a cheap attempt, a report.

    python tests/benchmarks/data.py [--clips 10000] [--json FILE] [--markdown FILE]

The clips are named as those of UCF101: 101 classes, 25 groups in each, the three published folds. Times are of whole
commands, memory is the most that a command and its processes take together, sampled each 50 ms.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import results

from actionbench.experiments.isolation.pool import tree_bytes

MATRIX = """\
name = "size"
attempts = [{ name = "mlp-pixels", params = { epochs = 2 } }]
datasets = [{ name = "ucf101", root = "UCF-101", split = { name = "published", folds = "split 1" } }]
"""

#: What is timed: a name and a command, each once and in this order.
COMMANDS = (
    ("plan, the first time", ["plan", "size.toml"]),
    ("plan, the second time", ["plan", "size.toml"]),
    ("look, and a trivial attempt", ["run", "size.toml", "-q", "--set", 'attempts=[{name="majority"}]']),
    ("one cheap attempt", ["run", "size.toml", "-q"]),
    ("the same again", ["run", "size.toml", "-q"]),
    ("report", ["report", "-o", "page"]),
)


def names(n_clips: int) -> Iterator[str]:
    """Yield names as of UCF101; all groups have nearly the same number of clips."""
    n_groups = 101 * 25
    for index in range(n_clips):
        label, group = divmod(index % n_groups, 25)
        yield f"C{label:03d}/v_C{label:03d}_g{group + 1:02d}_c{index // n_groups + 1:02d}.avi"


def write_clip(path: Path, seed: int) -> None:
    """Write 12 frames of 64 x 48 pixels: a blob that moves over a background of its own."""
    import av

    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:48, :64].astype(np.float32)
    waves = rng.normal(size=(4, 4)).astype(np.float32)
    background = sum(a * np.sin(0.2 * b * x + 0.2 * c * y + d) for a, b, c, d in waves)
    centre, speed = rng.uniform(12, 36, 2), rng.uniform(-2, 2, 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(12):
            row, column = centre + number * speed
            blob = 90 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 30)
            image = np.clip(110 + 20 * background + blob, 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray")))
        container.mux(stream.encode())


def make_clips(root: Path, n_clips: int) -> None:
    """Write all clips."""
    paths = [root / name for name in names(n_clips)]
    with ProcessPoolExecutor() as pool:
        list(pool.map(write_clip, paths, range(n_clips), chunksize=200))


def measured(command: list[str], folder: Path) -> dict[str, float]:
    """Run a command of actionbench and return its seconds and the most memory that it takes with its processes."""
    program = str(Path(sys.executable).with_name("actionbench"))
    peak, ended = 0, threading.Event()
    start = time.perf_counter()
    environment = {**os.environ, "ACTIONBENCH_CACHE": str(folder / "cache")}
    process = subprocess.Popen(
        [program, *command], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.05):
            peak = max(peak, tree_bytes(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    output = process.communicate()[0]
    taken = time.perf_counter() - start
    ended.set()
    watcher.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{output.decode()}")
    return {"seconds": round(taken, 2), "mib": round(peak / 2**20)}


def measure(n_clips: int, folder: Path) -> dict[str, Any]:
    """Make the clips and time all commands."""
    start = time.perf_counter()
    make_clips(folder / "UCF-101", n_clips)
    print(f"{n_clips:,} clips written in {time.perf_counter() - start:.0f} s", flush=True)
    (folder / "size.toml").write_text(MATRIX)
    found = {}
    for name, command in COMMANDS:
        found[name] = measured(command, folder)
        print(f"{name:30} {found[name]['seconds']:8.2f} s {found[name]['mib']:6} MiB", flush=True)
    return {"machine": results.machine(), "clips": n_clips, "commands": found}


def markdown(content: dict[str, Any]) -> str:
    """Return the table of a result."""
    lines = [f"| {content['clips']:,} clips | seconds | MiB |", "|---|---|---|"]
    lines += [
        f"| {name} | {one['seconds']:.3g} | {one['mib']} |" for name, one in content["commands"].items()
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clips", type=int, default=10_000)
    options = results.parse(parser, markdown)
    with tempfile.TemporaryDirectory() as folder:
        results.write(options.json, measure(options.clips, Path(folder)))
