"""Motion for nothing: vectors of the codec, and gradients of changes, against optical flow: ``make bench-motion``.

Weizmann of ``ACTIONBENCH_DATA`` is encoded as H.264 by `write_video`. Each row is `hog-hof-mbh-svm`, leaving one person
out, with an interval of the bootstrap over people. Frames per second are those of decoding and describing all clips,
by the CPU time of one thread, which other work on the machine changes less than wall time.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from time import process_time

import cv2
import numpy as np
import results

from actionbench.baselines.handcrafted.hog_hof_mbh_svm import HogHofMbhSvm
from actionbench.experiments.datasets.folder import Folder
from actionbench.features import video
from actionbench.reports.statistics.intervals import bootstrap_interval

ROWS = ("mbh dis", "mbh codec", "hmg codec", "mbh+hmg codec", "hog+hof+mbh dis", "hog+hof+mbh codec")


def encode(source: Path, target: Path) -> None:
    """Write all clips as H.264, those that are not there yet."""
    for path in sorted(source.glob("*/*.avi")):
        written = target / path.parent.name / f"{path.stem}.mp4"
        if not written.exists():
            written.parent.mkdir(parents=True, exist_ok=True)
            clip = video.read_video(path)
            video.write_video(written, clip.frames, clip.fps)


def measure(row: str, data: Folder, n_frames: int) -> dict[str, float]:
    """Return accuracy, its interval, and frames per second of a row."""
    channels, flow = row.split()
    attempt = HogHofMbhSvm(channels=channels, flow=flow)  # type: ignore[arg-type]
    correct = np.zeros(len(data.labels), bool)
    began = process_time()
    vectors = attempt._vectors(data.clips)
    seconds = process_time() - began
    places = {fingerprint: place for place, fingerprint in enumerate(data.clips.fingerprints)}
    attempt._vectors = lambda clips: vectors[[places[one] for one in clips.fingerprints]]  # type: ignore[method-assign]
    for group in np.unique(data.groups):
        test = np.flatnonzero(data.groups == group)
        train = np.flatnonzero(data.groups != group)
        attempt.fit(data.clips[train], data.labels[train], data.groups[train])
        correct[test] = attempt.predict(data.clips[test]) == data.labels[test]
    low, high = bootstrap_interval(correct, data.groups)
    return {"accuracy": correct.mean(), "low": low, "high": high, "fps": n_frames / seconds}


def reading_cost(data: Folder) -> float:
    """Return by which share reading takes longer as vectors are exported and kept."""
    paths = [data.path(index) for index in range(0, len(data.labels), 6)]
    seconds, export = dict[bool, float](), video._EXPORT_VECTORS
    for keeps in (False, True, False, True, False, True):
        video._EXPORT_VECTORS = export if keeps else 0
        began = process_time()
        for path in paths:
            video.read_video(path, color="grey")
        seconds[keeps] = min(seconds.get(keeps, np.inf), process_time() - began)
    return seconds[True] / seconds[False] - 1


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("rows", nargs="*", help=f"of {', '.join(ROWS)}; all by default")
    parser.add_argument("--clips", type=Path, help="where the encoded clips are kept; by default nowhere")
    given = results.parse(parser)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as here:
        clips = given.clips or Path(here) / "clips"
        encode(Path(os.environ["ACTIONBENCH_DATA"]) / "weizmann", clips)
        data, found = Folder(clips, groups="(?P<group>[a-z]+)_"), {}
        n_frames = sum(len(clip) for clip in data.clips)
        print("| channels | flow | accuracy | frames a second |\n|---|---|---|---:|")
        for row in given.rows or ROWS:
            one = found[row] = measure(row, data, n_frames)
            shares = "{accuracy:.1%} [{low:.1%}, {high:.1%}]".format(**one).replace("%", "")
            print(f"| {' | '.join(row.split())} | {shares} | {one['fps']:,.0f} |", flush=True)
        cost = reading_cost(data)
    print(f"\nReading takes {100 * cost:.0f} % longer with vectors than without.")
    results.write(given.json, {**found, "reading": {"cost": cost}})


if __name__ == "__main__":
    main()
