"""Shared fixtures. Threads are pinned before any numerical library is loaded."""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
# A test computes what it tests.
os.environ["ACTIONBENCH_CACHE"] = "none"

import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from actionbench.cli.main import main
from actionbench.experiments.isolation import fork_server, pool

# Machines are noisy: no deadlines, and examples may take long to draw. The same examples each time where a red light
# must mean a defect.
usual = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ)
settings.register_profile("quick", usual, max_examples=25)
settings.register_profile("thorough", usual, max_examples=100)
settings.load_profile("quick")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes minutes, so that no other worker waits for it at the end."""
    long = ("test_weizmann.py", "test_documents.py")
    items.sort(key=lambda item: long.index(item.path.name) if item.path.name in long else len(long))


WriteVideo = Callable[..., Path]


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of real videos; where the variable is set, it must be there."""
    folder = os.environ.get("ACTIONBENCH_DATA")
    if not folder:
        pytest.skip("ACTIONBENCH_DATA is not set")
    assert Path(folder).is_dir(), f"ACTIONBENCH_DATA={folder} is not a folder"
    return Path(folder).resolve()


@pytest.fixture
def write_video(tmp_path: Path) -> WriteVideo:
    """Write frames without loss (FFV1), so that what is decoded can be compared with what was written."""

    def write(
        name: str, frames: np.ndarray, fps: int = 25, codec: str = "ffv1", folder: Path | None = None
    ) -> Path:
        path = (folder or tmp_path) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        grey = frames.ndim == 3
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=fps)
            stream.height, stream.width = frames.shape[1:3]
            pixels = {"ffv1": "gray" if grey else "bgr0", "mjpeg": "yuvj420p"}
            stream.pix_fmt = pixels.get(codec, "yuv420p")
            for image in frames:
                frame = av.VideoFrame.from_ndarray(image, format="gray" if grey else "rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture
def class_folders(tmp_path: Path, write_video: WriteVideo) -> Path:
    """A folder with two classes, three people and two clips of each, named ``<person>_<n>.mkv``."""
    rng = np.random.default_rng(0)
    root = tmp_path / "my clips"
    for label, level in (("dark", 40), ("light", 200)):
        for person in ("ann", "bob", "cem"):
            for number in (1, 2):
                frames = rng.integers(level - 20, level + 20, (4, 12, 16), dtype=np.uint8)
                write_video(f"{label}/{person}_{number}.mkv", frames, folder=root)
    return root


@pytest.fixture
def site(monkeypatch):
    """A web server on this machine."""
    from local_site import serve

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serve() as site:
        yield site


class Kept:
    """A fork server that goes on where a command closes it: to start one takes longer than most commands."""

    def __init__(self, preload=()):
        self._kept = pool.own_fork_server()

    def __getattr__(self, name):
        return getattr(self._kept, name)

    def close(self):
        pass


@pytest.fixture
def call(monkeypatch, capfd):
    """Call the command line as a shell would and return exit code, output and messages."""
    monkeypatch.setattr(fork_server, "ForkServer", Kept)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["actionbench", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return ended.value.code or 0, out, err

    return call
