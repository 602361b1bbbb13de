"""One long video with many annotated pieces, from a table of them to a table of accuracies."""

from collections import Counter

import av
import numpy as np
import pytest

import actionbench

RATE, SECONDS, N_PIECES = 10, 600, 200

# Writes each frame that any process decodes into a file.
PLUGIN = """
import os

from actionbench.experiments.datasets.table import Table
from actionbench.features import segments


class Watched:
    def __init__(self, container):
        self._container = container

    def __getattr__(self, name):
        return getattr(self._container, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._container.close()

    def demux(self, stream):
        return map(WatchedPacket, self._container.demux(stream))


class WatchedPacket:
    def __init__(self, packet):
        self._packet = packet

    def __getattr__(self, name):
        return getattr(self._packet, name)

    def decode(self):
        for frame in self._packet.decode():
            with open(os.environ["DECODED"], "a") as file:
                file.write(f"{round(frame.time * 10)}\\n")
            yield frame


plain = segments.open_container
segments.open_container = lambda path: Watched(plain(path))


class Watching(Table):
    '''A table whose videos are watched.'''
"""


def write_long_video(path, speeds):
    """Write a bar that moves at the speed of each second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        place = 0.0
        for number in range(SECONDS * RATE):
            place = (place + speeds[number // RATE]) % 56
            image = np.full((48, 64), 40, np.uint8)
            image[8:40, int(place) : int(place) + 8] = 220
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray")))
        container.mux(stream.encode())


@pytest.mark.slow
def test_two_hundred_pieces_of_ten_minutes(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    classes = rng.permutation(np.repeat(np.arange(5), N_PIECES // 5))
    write_long_video(tmp_path / "long.mp4", np.repeat(1.5 * classes, SECONDS // N_PIECES))
    rows = [f"long.mp4,{3 * n},{3 * n + 2.5},speed {label},person {n % 4}" for n, label in enumerate(classes)]
    (tmp_path / "pieces.csv").write_text("path,start,end,label,who\n" + "\n".join(rows))
    (tmp_path / "watching.py").write_text(PLUGIN)
    monkeypatch.setenv("DECODED", str(tmp_path / "decoded"))
    entry = {"name": "watching", "path": str(tmp_path / "pieces.csv"), "groups": "who"}
    matrix = {
        "name": "long",
        "attempts": [{"name": "majority"}, {"name": "mlp-pixels", "params": {"epochs": 20}}],
        "datasets": [{**entry, "split": "leave-one-group-out"}],
    }
    table = actionbench.run(
        matrix,
        store=tmp_path / "s.sqlite",
        plugins=[tmp_path / "watching.py"],
        cache=tmp_path / "cache",
        workers=2,
    )
    accuracy = table.set_index("attempt")["accuracy"]
    assert accuracy["majority"] == pytest.approx(0.2, abs=0.1)
    assert accuracy["mlp-pixels (epochs=20)"] > 0.35
    # Once for the look, once for the features of all folds, and a little from key frames to pieces.
    decoded = Counter(map(int, (tmp_path / "decoded").read_text().split()))
    n_used = N_PIECES * 25
    assert len(decoded) >= n_used
    assert sum(decoded.values()) < 2.4 * n_used
    assert max(decoded.values()) <= 4
