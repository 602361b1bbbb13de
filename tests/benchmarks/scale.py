"""Simulate what a million clips would cost, from times of single clips that are measured here.

    python tests/benchmarks/scale.py [--clips 1000000] [--json FILE] [--markdown FILE]

A clip has six seconds of 320 x 240 pixels, as those of UCF101. What is simulated is how cells share workers: each is
taken as a worker becomes free, cells of one attempt share the work on its features through the cache, and each cell
then reads all features and trains. Times of training are taken to grow with the number of clips, which holds for linear
classifiers and for epochs of a net. Clips that a look compares with each other grow with the square of their number.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import results
from stages import write_video

from actionbench.baselines.handcrafted.hog_hof_mbh_svm import HogHofMbhSvm
from actionbench.baselines.nets.mlp_pixels import MlpPixels
from actionbench.experiments.audit.near_duplicates import Fingerprint, most_similar
from actionbench.experiments.datasets.figures import Figures
from actionbench.features.cache import FeatureCache, compute, use_cache
from actionbench.features.clip import Clip, Clips
from actionbench.features.trajectories import DenseTrajectories
from actionbench.features.video import read_video

N_CLASSES = 101

#: Clusters: machines, and processors of each.
CLUSTERS = ((1, 16), (10, 32))
#: Folds: the published ones of UCF101, and one for each group.
FOLDS = (3, 25)


@dataclass
class Kind:
    """An attempt: seconds for the features of a clip, to read them, to train and predict with them; bytes of them."""

    name: str
    feature: float
    read: float
    train: float
    kept: int


def seconds(call: Callable[[], Any], times: int = 3) -> float:
    """Return the median of the wall times of some calls."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return median(taken)


def training(attempt: Callable[[], Any]) -> float:
    """Return the seconds that one more clip adds to training and prediction, with features in the cache."""
    found = []
    data = Figures(subjects=24, clips_per_subject=4)
    with tempfile.TemporaryDirectory() as folder, use_cache(FeatureCache(Path(folder), 2**40, lambda _: "")):
        for n_clips in (144, 576):
            clips, labels, groups = (part[:n_clips] for part in (data.clips, data.labels, data.groups))
            attempt().fit(clips, labels, groups)
            found.append(seconds(lambda: attempt().fit(clips, labels, groups).predict_proba(clips), 1))  # noqa: B023
    return max(found[1] - found[0], 0.0) / (576 - 144)


def kinds(clip: Clip) -> list[Kind]:
    """Measure attempts of three prices."""
    wanted = (
        ("mlp-pixels (epochs=2)", MlpPixels()._reader().small, training(lambda: MlpPixels(epochs=2))),
        ("hog-hof-mbh-svm", HogHofMbhSvm()._descriptor(), training(HogHofMbhSvm)),
        # How the words of its encoding are learned is left out.
        ("dense-trajectories, features only", DenseTrajectories(), 0.0),
    )
    found = []
    for name, feature, train in wanted:
        with tempfile.TemporaryDirectory() as folder:
            taken = seconds(lambda: feature.extract(clip))  # noqa: B023
            with use_cache(FeatureCache(Path(folder), 2**40, lambda _: "")):
                some = Clips.of([clip])
                list(compute(feature, some))
                read = seconds(lambda: list(compute(feature, some)), 20)  # noqa: B023
            kept = sum(path.stat().st_size for path in Path(folder).rglob("*.safetensors"))
        found.append(Kind(name, taken, read, train, kept))
    return found


def pair_seconds(n_clips: int = 20_000) -> float:
    """Return the seconds for each pair of clips of the search for copies."""
    rng = np.random.default_rng(0)
    # Smooth, as small pictures of scenes are.
    maps = [[cv2.resize(small, (8, 8), interpolation=cv2.INTER_CUBIC) for small in rng.standard_normal((n_clips, 4, 4))]
            for _ in range(2)]  # fmt: skip
    looks, motions = (np.reshape(some, (n_clips, 64)) for some in (maps[0], np.abs(maps[1])))
    looks = looks - looks.mean(axis=1, keepdims=True)
    looks, motions = (
        (some / np.linalg.norm(some, axis=1, keepdims=True)).astype(np.float32) for some in (looks, motions)
    )
    return seconds(lambda: most_similar(looks, motions, np.arange(n_clips)), 1) / (n_clips**2 / 2)


def simulate(kinds: list[Kind], n_clips: int, n_workers: int, n_folds: int) -> float:
    """Return the seconds until the cells of all attempts and folds have ended."""
    waiting = [kind for _ in range(n_folds) for kind in kinds]
    left = {kind.name: kind.feature * n_clips for kind in kinds}
    computing: list[Kind] = []
    training: list[tuple[float, Kind]] = []
    now = 0.0
    while waiting or computing or training:
        while waiting and len(computing) + len(training) < n_workers:
            computing.append(waiting.pop(0))
        shares = {kind.name: sum(other.name == kind.name for other in computing) for kind in computing}
        ends = [now + left[name] / share for name, share in shares.items()] + [end for end, _ in training]
        then = min(ends)
        for name, share in shares.items():
            left[name] = max(0.0, left[name] - share * (then - now))
        now = then
        ready = [kind for kind in computing if left[kind.name] <= 1e-6]
        computing = [kind for kind in computing if left[kind.name] > 1e-6]
        training = [(end, kind) for end, kind in training if end > now + 1e-9]
        training += [(now + (kind.read + kind.train) * n_clips, kind) for kind in ready]
    return now


def measure(n_clips: int) -> dict[str, Any]:
    """Measure single clips, and simulate the rest."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clip.avi")
        write_video(path, "mpeg4", n_frames=150)
        look = seconds(lambda: Fingerprint.of(read_video(path, color="grey")))
        clip = read_video(path, color="grey")
        size = path.stat().st_size
    measured = kinds(clip)
    pairs = pair_seconds()
    hours = {
        f"{machines} x {cores}": {
            "look": look * n_clips / cores / 3600,
            "copies": pairs * n_clips**2 / 2 / 3600,
            **{f"{n} folds": simulate(measured, n_clips, machines * cores, n) / 3600 for n in FOLDS},
        }
        for machines, cores in CLUSTERS
    }
    return {
        "machine": results.machine(),
        "clips": n_clips,
        "look_ms": 1e3 * look,
        "pair_ns": 1e9 * pairs,
        "clip_bytes": size,
        "kinds": [asdict(kind) for kind in measured],
        "hours": hours,
    }


def markdown(content: dict[str, Any]) -> str:
    """Return the tables of a result."""
    n_clips = content["clips"]
    lines = [f"{results.in_words(content['machine'])}.", ""]
    lines += ["| for each clip | ms | KiB kept |", "|---|---|---|"]
    lines.append(f"| look | {content['look_ms']:.3g} | |")
    for kind in content["kinds"]:
        lines.append(
            f"| {kind['name']}: features | {1e3 * kind['feature']:.3g} | {kind['kept'] / 2**10:.3g} |"
        )
        if kind["train"]:
            lines.append(
                f"| {kind['name']}: reading, training, predicting | {1e3 * (kind['read'] + kind['train']):.2g} | |"
            )
    head = " | ".join(f"{name}, h" for name in next(iter(content["hours"].values())))
    lines += [
        f"| search for copies, each pair | {1e-6 * content['pair_ns']:.2g} | |",
        "",
        f"| {n_clips:,} clips, {len(content['kinds'])} attempts | {head} |",
        "|---|" + "---|" * (2 + len(FOLDS)),
    ]
    for name, parts in content["hours"].items():
        lines.append(f"| {name} processors | {' | '.join(f'{part:.3g}' for part in parts.values())} |")
    features = sum(kind["kept"] for kind in content["kinds"]) * n_clips
    probabilities = 8 * n_clips * N_CLASSES * len(content["kinds"])
    lines += [
        "",
        f"Disk: {features / 2**30:,.0f} GiB of features, {probabilities / 2**30:.2g} GiB of probabilities.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clips", type=int, default=1_000_000)
    options = results.parse(parser, markdown)
    found = measure(options.clips)
    results.write(options.json, found)
    print(markdown(found), end="")
