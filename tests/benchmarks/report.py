"""Time the report, and weigh its page: ``make bench-report``.

    python tests/benchmarks/report.py [--json FILE]

A usual matrix has 30 attempts on 5 data sets of 25 people, 10 classes and 600 clips, one fold each person; every
attempt explains itself in words and a picture, clips have three conditions, and hard clips film strips. The large store
is that of ``make bench-harness``: 100 attempts on 10 data sets, 100 cells each.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import results
from harness import large_store

from actionbench.experiments.store import Store
from actionbench.experiments.store.provenance import collect
from actionbench.experiments.store.schema import CellRecord

FAMILIES = ("rules", "features", "dense", "convnet")
N_ATTEMPTS, N_DATASETS, N_GROUPS, N_CLASSES = 30, 5, 25, 10


def picture(kind: str, width: int, height: int, rng: np.random.Generator) -> bytes:
    """Return smooth noise, which is about as large as a drawing or a strip of frames."""
    from PIL import Image

    file = io.BytesIO()
    small = Image.fromarray(rng.integers(0, 255, (8, 40, 3), dtype=np.uint8))
    small.resize((width, height)).save(file, kind, quality=60)
    return file.getvalue()


def usual_store(path: Path) -> None:
    """Write the store of a usual matrix."""
    rng = np.random.default_rng(0)
    classes = [f"action-{number}" for number in range(N_CLASSES)]
    clips = pd.MultiIndex.from_product([range(N_GROUPS), classes, range(4)]).to_frame(index=False)
    table = pd.DataFrame(
        {
            "clip": [
                f"person{person:02}/{label}_{take}.avi"
                for person, label, take in clips.itertuples(index=False)
            ],
            "label": clips[1],
            "group": clips[0].map("person{:02}".format),
            "scenario": np.resize(["outdoors", "scale", "clothes", "indoors"], len(clips)),
            "direction": rng.choice(["left", "right"], len(clips)),
            "speed": rng.random(len(clips)),
        }
    )
    labels = clips[1].map(classes.index).to_numpy()
    with Store.open(path) as store:
        store.connection.execute("PRAGMA synchronous = OFF")
        run = store.begin_run("usual", {"name": "usual"}, collect())
        for dataset in range(N_DATASETS):
            number = store.add_dataset(
                dataset=f"data set {dataset}",
                split="leave-one-group-out",
                fingerprint=str(dataset),
                groups_known=True,
                classes=classes,
                warnings=[],
                table=table,
            )
            hardness = rng.random(len(labels))
            for attempt in range(N_ATTEMPTS):
                skill = 0.15 + 0.8 * attempt / N_ATTEMPTS
                right = hardness + 0.3 * rng.standard_normal(len(labels)) < skill
                predicted = np.where(right, labels, rng.integers(N_CLASSES, size=len(labels)))
                for fold in range(N_GROUPS):
                    store.add_cell(run, _cell(number, dataset, attempt, fold, predicted, table, rng))
            strip = picture("WEBP", 680, 64, rng)
            store.add_thumbnails(number, dict.fromkeys(range(len(labels)), strip))
        store.end_run(run)


def _cell(
    number: int,
    dataset: int,
    attempt: int,
    fold: int,
    predicted: np.ndarray,
    table: pd.DataFrame,
    rng: np.random.Generator,
) -> CellRecord:
    where = np.flatnonzero(table["group"] == f"person{fold:02}")
    cell = CellRecord(
        f"{dataset}-{attempt}-{fold}",
        number,
        f"attempt-{attempt:02}",
        FAMILIES[attempt % len(FAMILIES)],
        {},
        0,
        fold,
        f"person{fold:02}",
        "code",
        960,
        len(where),
    )
    cell.n_train_groups = N_GROUPS - 1
    cell.positions = where.astype(np.int32)
    cell.probabilities = np.eye(N_CLASSES)[predicted[where]]
    cell.fit_seconds, cell.predict_seconds = float(rng.exponential(attempt + 1)), float(rng.exponential())
    cell.peak_memory_bytes, cell.n_parameters = int(2**27 * (1 + rng.random())), 10 ** (attempt % 6)
    cell.operations = 10 ** (3 + attempt % 5)
    cell.latencies = rng.exponential(attempt + 1, 20).astype(np.float32)
    if fold == 0:
        cell.artifacts = {
            "explain.txt": b"weight 0.25 of a word\n" * 100,
            "weights.png": picture("PNG", 640, 240, rng),
        }
    return cell


def measured(store: Path) -> dict[str, float]:
    """Return the seconds of ``actionbench report``, on all processors and on one, and the megabytes of the page."""
    program, folder, found = Path(sys.executable).with_name("actionbench"), store.with_name("report"), {}
    for name, limit in (("all processors, s", {}), ("one processor, s", {"LOKY_MAX_CPU_COUNT": "1"})):
        begun = perf_counter()
        command = [program, "report", store, "-o", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **limit})
        found[name] = perf_counter() - begun
    found["page, MB"] = (folder / "index.html").stat().st_size / 1e6
    found["files"] = float(sum(path.is_file() for path in folder.rglob("*")))
    shutil.rmtree(folder)
    return found


def markdown(content: dict[str, Any]) -> str:
    """Return the table of a result."""
    stores = [name for name in content if name != "machine"]
    lines = [f"{results.in_words(content['machine'])}.", "", f"| | {' | '.join(stores)} |"]
    lines += [f"|---|{'--:|' * len(stores)}"]
    for what in content[stores[0]]:
        values = (content[store][what] for store in stores)
        lines.append(f"| {what} | {' | '.join(f'{value:.3g}' for value in values)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options = results.parse(parser, markdown)
    place = Path(tempfile.mkdtemp(prefix="actionbench-report-"))
    try:
        found: dict[str, Any] = {"machine": results.machine(cores=os.cpu_count())}
        usual_store(place / "usual.sqlite")
        found["usual matrix"] = measured(place / "usual.sqlite")
        found["100,000 cells"] = measured(large_store(place / "large"))
    finally:
        shutil.rmtree(place)
    print(markdown(found), end="")
    results.write(options.json, found)


if __name__ == "__main__":
    main()
