"""Grid descriptors of a clip: HOG, HOF and MBH in cells of a region and of the time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..literals import Channel, Flow, Region
from .clip import Clip
from .histograms import Grid, frame_grid, hmg, hof, hog, mbh, normalise, time_cells
from .motion import Motion, observe
from .regions import Track, near

__all__ = ["GridDescriptor"]


# The parts of a channel, each normalised by itself: bins, and the direction that direction 0 has in the mirror image,
# in eighths of a turn. Mirroring changes the sign of components to the right; that of the flow to the right twice.
_PARTS: dict[Channel, list[tuple[int, int]]] = {
    "hog": [(8, 4)],
    "hof": [(9, 4)],
    "mbh": [(8, 0), (8, 4)],
    "hmg": [(8, 4)],
}

# Flow is histogrammed in pixels per this many seconds, so that the zero bin does not depend on the frame rate.
_FLOW_SECONDS = 1 / 25

# Shorter side of the frames in pixels, in which the flow is measured.
_SIDE = 120


@dataclass(frozen=True)
class GridDescriptor:
    """Describe a clip by histograms over a space-time grid, which follows people or covers the frame.

    Each frame's block of cells is normalised as in the dense trajectories (Wang and Schmid, ICCV 2013), then
    averaged over each time cell. Cuboids lose little against trajectories (Kantorov and Laptev, CVPR 2014).

    Attributes
    ----------
    channels : tuple of {"hog", "hof", "mbh", "hmg"}
        What is histogrammed. Unless over the frame, gradients count only near moving pixels, so that the scene is left
        out.
    cells : int
        Rows, and columns, of cells.
    times : int
        Cells of the time.
    margin : float
        What is added to the box of a person or of people on each side, as a share of its size.
    finest : int
        Finest scale of the flow, see `optical_flow`; coarse where only the motion of the camera is taken from it.
    region : {"person", "people", "frame"}
        What the grid covers: the person who moves most, everybody who moves, or the frame.
    flow : {"dis", "farneback", "codec"}
        What the motion is taken from, see `observe`.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> descriptor = GridDescriptor(("hog", "hof"), cells=2, times=1)
    >>> descriptor.sizes(), descriptor.extract(examples()[0][0])["descriptor"].shape
    ({'hog': 32, 'hof': 36}, (68,))
    """

    channels: tuple[Channel, ...]
    cells: int = 4
    times: int = 3
    margin: float = 0.05
    finest: int = 1
    region: Region = "person"
    flow: Flow = "dis"

    def sizes(self) -> dict[str, int]:
        """Return the number of values of each channel, in order."""
        per_bin = self.times * self.cells**2
        return {channel: per_bin * sum(bins for bins, _ in _PARTS[channel]) for channel in self.channels}

    def extract(self, clip: Clip) -> dict[str, NDArray[np.float64]]:
        """Return the descriptor of a clip, under ``"descriptor"``, and whether it lacks motion vectors."""
        motion = observe(clip, side=self._side(), flow=self.flow, finest=self.finest)
        return {"descriptor": self.describe(motion), "lacks_vectors": np.array(motion.lacks_vectors)}

    def describe(self, motion: Motion) -> NDArray[np.float64]:
        """Return the descriptor of an observed clip, shape (sum of `sizes`,)."""
        parts = [part for channel in self.channels for part in self._histograms(motion, channel)]
        return np.concatenate([time_cells(normalise(part), self.times).ravel() for part in parts])

    def _histograms(self, motion: Motion, channel: Channel) -> list[NDArray[np.float64]]:
        track, grid = self._track(motion), self._grid(motion)
        if channel == "hog":
            return [hog(motion.frames, grid, weights=near(track.mask) if track and track.found else None)]
        # Flow i leads from frame i to frame i + 1.
        between: Grid = (grid[0][:-1], grid[1][:-1])
        if channel == "hmg":
            return [hmg(motion.frames, between, shifts=motion.shifts)]
        flow = motion.flow * np.float32(motion.fps * _FLOW_SECONDS * _SIDE / self._side())
        return [hof(flow, between)] if channel == "hof" else list(mbh(flow, between))

    def _side(self) -> int:
        """Return the shorter side of the frames: vectors of blocks need half of what gradients of brightness need."""
        return _SIDE // 2 if self.flow == "codec" and not {"hog", "hmg"} & {*self.channels} else _SIDE

    def _track(self, motion: Motion) -> Track | None:
        return {"person": motion.track, "people": motion.people, "frame": None}[self.region]

    def _grid(self, motion: Motion) -> Grid:
        track, shape = self._track(motion), (motion.frames.shape[1], motion.frames.shape[2])
        boxes = track.boxes if track else np.tile([0.0, 0.0, *shape], (len(motion.frames), 1))
        margin = self.margin * (boxes[:, 2:] - boxes[:, :2])
        boxes = np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)
        return frame_grid(boxes, shape, (self.cells, self.cells))

    def mirror(self, descriptors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the descriptors of the mirrored clips, left and right exchanged.

        Parameters
        ----------
        descriptors : ndarray, shape (n, n_values)
            Descriptors of `describe`.

        Returns
        -------
        ndarray of float64, shape (n, n_values)
        """
        mirrored, start = [], 0
        for bins, opposite in (part for channel in self.channels for part in _PARTS[channel]):
            stop = start + self.times * self.cells**2 * bins
            part = descriptors[:, start:stop].reshape(len(descriptors), -1, self.cells, bins)
            order = [(opposite - index) % 8 for index in range(8)] + list(range(8, bins))
            mirrored.append(part[:, :, ::-1][..., order].reshape(len(descriptors), -1))
            start = stop
        return np.concatenate(mirrored, axis=1)
