"""Frames per second and memory of each stage from a file to a vector, beside scikit-image and OpenCV.

``make bench-features``. Frames per second are medians over calls that take turns in one process, on one thread. A ratio
above 1 means that ours is faster. Memory is the most that one call adds to a process of its own, its result included.
Frames are 160 x 120, grey; those that are decoded from files 320 x 240.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from unittest.mock import patch

import av
import cv2
import numpy as np
import results
import skimage
from compare import added_memory, alternate
from skimage.feature import hog as skimage_hog

import actionbench.features.trajectories as module
from actionbench.experiments.datasets.figures import Figures
from actionbench.features.camera import camera_motion, ground_flow
from actionbench.features.clip import Clip
from actionbench.features.descriptors import GridDescriptor
from actionbench.features.encodings import Fisher, Vlad, Words
from actionbench.features.flow import optical_flow, working_frames
from actionbench.features.histograms import frame_grid, hof, hog, mbh
from actionbench.features.history import MotionHistory
from actionbench.features.hog3d import Hog3d
from actionbench.features.interest_points import InterestPoints
from actionbench.features.motion import observe
from actionbench.features.quantities import QUANTITIES, measure
from actionbench.features.regions import main_tracks
from actionbench.features.similarity import repetition
from actionbench.features.texture import LbpTop
from actionbench.features.trajectories import DenseTrajectories
from actionbench.features.video import read_video
from actionbench.features.video import write_video as save_video

Action = Callable[[], Any]


@dataclass
class Stage:
    """One stage, and the peer if there is one, in frames per second; memory in MiB where a stage is one call."""

    name: str
    ours: float
    theirs: float | None = None
    peer: str = ""
    memory: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.ours / self.theirs if self.theirs else None


def write_video(path: Path, codec: str, n_frames: int = 50) -> None:
    """Write noise that moves, 320 x 240, as small videos of the web have it."""
    rng = np.random.default_rng(0)
    scene = cv2.GaussianBlur(
        rng.integers(0, 256, (240 + n_frames, 320 + n_frames, 3), dtype=np.uint8), (0, 0), 3
    )
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(n_frames):
            image = np.ascontiguousarray(scene[number : number + 240, number : number + 320])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def decode_plainly(path: Path) -> None:
    """Decode with PyAV and let it convert each frame."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for frame in container.decode(stream):
            frame.to_ndarray(format="gray")


def decoding(rounds: int) -> Iterator[Stage]:
    """Time decoding of files beside PyAV's own conversion to grey."""
    with tempfile.TemporaryDirectory() as folder:
        for codec, ending in (("mpeg4", "avi"), ("libx264", "mp4")):
            path = Path(folder, f"video.{ending}")
            write_video(path, codec)
            ours, theirs = partial(read_video, path, color="grey"), partial(decode_plainly, path)
            times = alternate([ours, theirs], rounds)
            yield Stage(f"decoding {codec}", *(1000 * 50 / median(kept) for kept in times), "PyAV, converted")


def pipeline(rounds: int) -> Iterator[Stage]:
    """Time the way from a file to the vector of ``hog-hof-mbh-svm``, in one process and in two at a time."""
    clip = Figures(height=144, width=180, frames=60).load(0)
    repeats = 5
    with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("fork").Pool(2) as pool:
        path = Path(folder, "clip.mp4")
        save_video(path, np.repeat(clip.grey()[..., np.newaxis], 3, axis=3), clip.fps)
        describe = partial(_describe, path, repeats)
        times = alternate([partial(pool.map, describe, range(count)) for count in (2, 1)], rounds)
    two, one = (
        1000 * count * repeats * len(clip) / median(kept) for count, kept in zip((2, 1), times, strict=True)
    )
    yield Stage("file of 180 x 144 to HOG, HOF, MBH, two at once", two, one, "one process")


def _describe(path: Path, repeats: int, _: int) -> None:
    for _ in range(repeats):
        GridDescriptor(("hog", "hof", "mbh")).extract(read_video(path, color="grey"))


#: Name, ours, frames, the name of the peer and the peer.
Row = tuple[str, Action, int, str, Action | None]


def rows() -> list[Row]:
    """Return the stages from frames to a vector, on one clip of the built-in data set."""
    clip = Figures(height=120, width=160, frames=48).load(0)
    n = len(clip)
    frames, fps = working_frames(clip)
    flow = optical_flow(frames)
    ground = ground_flow(frames, flow)
    motion = observe(clip)
    whole = frame_grid(np.tile([0.0, 0.0, 120, 160], (n, 1)), (120, 160), (15, 20))
    between = whole[0][:-1], whole[1][:-1]
    grid = GridDescriptor(("hog", "hof", "mbh"))
    rng = np.random.default_rng(0)
    sample, local = rng.standard_normal((5000, 96)), rng.standard_normal((1000, 96)).astype(np.float32)
    words, fisher, vlad = Words.learn(sample, 1000, 0), Fisher.learn(sample, 32, 0), Vlad.learn(sample, 32, 0)

    def their_hog() -> None:
        for frame in frames:
            skimage_hog(frame, orientations=8, pixels_per_cell=(8, 8), cells_per_block=(1, 1))

    def farneback() -> None:
        for one, other in pairwise(frames):
            cv2.calcOpticalFlowFarneback(one, other, None, 0.5, 3, 15, 3, 5, 1.2, 0)

    medium = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def dis() -> None:
        for one, other in pairwise(frames):
            medium.calc(one, other, None)

    found: list[tuple[str, Action, str, Action | None]] = [
        ("HOG, cells of 8 x 8", lambda: hog(frames, whole), "scikit-image hog", their_hog),
        ("HOF, cells of 8 x 8", lambda: hof(flow, between), "", None),
        ("MBH, cells of 8 x 8", lambda: mbh(flow, between), "", None),
        ("flow, DIS", lambda: optical_flow(frames), "OpenCV DIS, medium", dis),
        ("flow, DIS to full resolution", lambda: optical_flow(frames, finest=0), "", None),
        (
            "flow, Farneback",
            lambda: optical_flow(frames, "farneback"),
            "OpenCV Farneback, default",
            farneback,
        ),
        ("motion of the camera", lambda: camera_motion(frames, flow), "", None),
        ("main moving region", lambda: main_tracks(frames, fps, ground), "", None),
        ("flow and region together", lambda: observe(clip), "", None),
        ("grid of HOG, HOF, MBH from these", lambda: grid.describe(motion), "", None),
        (f"{len(QUANTITIES)} quantities from these", lambda: measure(motion), "", None),
        ("self-similarity among them", lambda: repetition(motion), "", None),
        ("HOG3D from flow and region", lambda: Hog3d().describe(motion), "", None),
        ("interest points, same", lambda: InterestPoints().describe(motion), "", None),
        ("LBP-TOP, same", lambda: LbpTop().describe(motion), "", None),
        ("motion history, same", lambda: MotionHistory().describe(motion), "", None),
        ("1000 words, 1000 descriptors a clip", lambda: words.encode(local), "", None),
        ("Fisher vector of 32, same", lambda: fisher.encode(local), "", None),
        ("VLAD of 32, same", lambda: vlad.encode(local), "", None),
    ]
    return [(name, ours, n, peer, theirs) for name, ours, peer, theirs in found]


def stages(rounds: int) -> Iterator[Stage]:
    """Time each stage."""
    # Memory that is freed goes back to the system at once.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
    command = [sys.executable, __file__, "--memory"]
    memory = json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    yield from decoding(rounds)
    for name, ours, n, peer, theirs in rows():
        times = alternate([ours, *([theirs] if theirs else [])], rounds)
        mine, *others = [1000 * n / median(kept) for kept in times]
        yield Stage(name, mine, others[0] if others else None, peer, memory[name])
    yield from pipeline(rounds)
    for stage in trajectories(rounds):
        yield replace(stage, memory=memory.get(stage.name))


def memory() -> dict[str, float]:
    """Return by how much one call of each stage raises the resident memory of this process."""
    found = {}
    for name, ours, *_ in [*rows(), (TRAJECTORIES, lambda: DenseTrajectories().extract(moving()))]:
        # What is imported and learned once does not count.
        ours()
        found[name] = added_memory(ours)
    return found


#: What a part of the dense trajectories is called, where it is, and the name of its function.
PARTS = (
    ("flow", module, "optical_flow"),
    ("motion of the camera", module, "camera_motion"),
    ("median of the flow", module, "_smoothed"),
    ("scales", module._Level, "joined"),
    ("tracks", DenseTrajectories, "_tracked"),
    ("histograms", DenseTrajectories, "_described"),
)


TRAJECTORIES = "dense trajectories, 320 x 240"


@cache
def moving() -> Clip:
    """Draw somebody before a camera that moves."""
    return Figures(height=240, width=320, frames=61, jitter=2.0, zoom=0.2, clutter=2.0).load(0)


def trajectories(rounds: int) -> Iterator[Stage]:
    """Time dense trajectories of 320 x 240 pixels before a moving camera, and what they consist of."""
    clip = moving()
    spent: dict[str, list[float]] = {name: [] for name, _, _ in PARTS}

    def timed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            begun = perf_counter()
            result = call(*arguments, **options)
            spent[name][-1] += perf_counter() - begun
            return result

        return run

    whole = []
    with ExitStack() as patched:
        for name, owner, function in PARTS:
            patched.enter_context(patch.object(owner, function, timed(name, getattr(owner, function))))
        for _ in range(rounds):
            for times in spent.values():
                times.append(0.0)
            begun = perf_counter()
            DenseTrajectories().extract(clip)
            whole.append(perf_counter() - begun)
    yield Stage(TRAJECTORIES, len(clip) / median(whole))
    for name, times in spent.items():
        yield Stage(f"of these: {name}", len(clip) / median(times))


def markdown(content: dict[str, Any]) -> str:
    """Return the table of a result, as `main` writes it, for a document."""
    lines = [f"{results.in_words(content['machine'])}.", ""]
    lines += ["| stage | frames/s | MiB | peer | frames/s | ratio |", "|---|--:|--:|---|--:|--:|"]
    for row in content["rows"]:
        stage = Stage(**row)
        peer = f"{stage.peer} | {stage.theirs:,.0f} | {stage.ratio:.2f}" if stage.theirs else " |  | "
        memory = "" if stage.memory is None else f"{stage.memory:.1f}"
        lines.append(f"| {stage.name} | {stage.ours:,.0f} | {memory} | {peer} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    options = results.parse(parser, markdown)
    os.environ["OMP_NUM_THREADS"] = "1"
    cv2.setNumThreads(1)
    if options.memory:
        print(json.dumps(memory()))
        return
    peers = {"opencv": cv2.__version__, "scikit-image": skimage.__version__}
    machine = results.machine(threads=1, **peers)
    found = []
    for stage in stages(options.rounds):
        found.append(stage)
        beside = f"{stage.peer} {stage.theirs:,.0f}, ratio {stage.ratio:.2f}" if stage.theirs else ""
        print(f"{stage.name:40s} {stage.ours:10,.0f} frames/s   {beside}", flush=True)
    results.write(options.json, {"machine": machine, "rows": [asdict(stage) for stage in found]})


if __name__ == "__main__":
    main()
