"""Motion vectors of a video's codec: from where the encoder predicted each block of a frame."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

__all__ = ["BLOCK", "MotionVectors", "References", "VectorFields", "side_data"]

Fields = NDArray[np.float32]

#: A block of a frame: its left and upper border, its width and height in pixels, and its motion from the frame before,
#: right and down, in pixels.
BLOCK = np.dtype(
    [("x", np.int16), ("y", np.int16), ("w", np.uint8), ("h", np.uint8), ("motion", np.float32, 2)]
)

# Pixels of a cell's sides: the smallest blocks that encoders use but for H.264's rare 4 x 4.
_CELL = 8
# Blocks of no codec are larger.
_MAX_BLOCK = 64
# A frame is described by vectors if they cover this share of it.
_MIN_KNOWN = 0.5
# Of so many frames one at least must have vectors, or all count as having none.
_FEWEST = 8
# Frames that a frame may have been predicted from, by all codecs with vectors.
_MAX_REFERENCES = 64
# Frames whose cells are filled at once.
_CHUNK = 64
# FFmpeg's AV_PICTURE_TYPE_B.
_BIDIRECTIONAL = 3

_NO_BLOCKS = np.empty(0, BLOCK)


class References:
    """What the frames of a stream may have been predicted from; it follows a decoder from packet to frame.

    FFmpeg says of a vector whether it leads to an earlier or to a later frame, not to which. The nearest frame is taken
    that was decoded before, and that other frames may refer to: of H.264 by ``nal_ref_idc`` (ITU-T H.264, 7.4.1), of
    other codecs if it is not bidirectional. H.264 may refer to one further away; vectors to it are too long.

    Parameters
    ----------
    stream : VideoStream
        The stream, with a decoder that exports vectors.
    """

    def __init__(self, stream: VideoStream) -> None:
        context = stream.codec_context
        self._is_h264, self._is_mpeg4 = context.name == "h264", context.name == "mpeg4"
        extra = bytes(context.extradata or b"")
        # The decoder's configuration record (ISO/IEC 14496-15) has the bytes of a length; Annex B has start codes.
        self._prefix = (extra[4] & 3) + 1 if len(extra) > 4 and extra[0] == 1 else 0
        self._sent = deque[tuple[int, bool]](maxlen=_MAX_REFERENCES)
        self._before: int | None = None
        self._anchor: int | None = None
        self._n_shown = 0

    def frames(
        self, container: InputContainer, stream: VideoStream
    ) -> Iterator[tuple[VideoFrame, NDArray[Any]]]:
        """Decode a stream; yield its frames with their blocks."""
        for packet in container.demux(stream):
            self.send(packet)
            for frame in packet.decode():
                yield frame, self.show(frame)

    def send(self, packet: Packet) -> None:
        """Note a packet that the decoder gets."""
        if packet.pts is not None:
            self._sent.append((packet.pts, not self._is_h264 or _is_reference(packet, self._prefix)))

    def show(self, frame: VideoFrame) -> NDArray[Any]:
        """Return the blocks of the next frame, an array of `BLOCK`."""
        before, anchor = self._before, self._anchor
        now = self._n_shown if frame.pts is None else frame.pts
        self._before, self._n_shown = now, self._n_shown + 1
        if frame.pict_type != _BIDIRECTIONAL:
            self._anchor = now
        elif self._is_mpeg4:
            # FFmpeg exports zeros for them.
            return _NO_BLOCKS
        data = side_data(frame, "MOTION_VECTORS")
        if data is None or before is None or now <= before:
            return _NO_BLOCKS
        past, future = self._nearest(now, anchor)
        return _blocks(data.to_ndarray(), *(_share(now - before, time, now) for time in (past, future)))

    def _nearest(self, now: int, anchor: int | None) -> tuple[int | None, int | None]:
        """Return the times of the frames before and after that a frame refers to."""
        times = [time for time, _ in self._sent]
        earlier = list(self._sent)[: times.index(now)] if now in times else []
        future = min((time for time, _ in earlier if time > now), default=None)
        if self._is_h264 and earlier:
            return max((time for time, is_used in earlier if is_used and time < now), default=None), future
        return anchor, future


def side_data(frame: VideoFrame, name: str) -> Any:
    """Return what a frame comes with, None where there is none.

    ``frame.side_data`` would hold the frame that holds it, so that frames are only freed when garbage is looked for.
    """
    from av.sidedata.sidedata import SideDataContainer

    return SideDataContainer(frame).get(name)  # type: ignore[call-arg]


def _is_reference(packet: Packet, prefix: int) -> bool:
    """Return whether other frames of H.264 may refer to that in a packet."""
    data = memoryview(packet)
    place = 0
    while place + max(prefix, 3) < len(data):
        if prefix:
            head, place = data[place + prefix], place + prefix + int.from_bytes(data[place : place + prefix])
        else:
            found = bytes(data[place : place + 256]).find(b"\0\0\1")
            if found < 0 or place + found + 3 >= len(data):
                return True
            head, place = data[place + found + 3], place + found + 3
        # Slices of a picture, the first partition of one, and of an instantaneous refresh.
        if head & 31 in (1, 2, 5):
            return bool(head >> 5 & 3)
    return True


def _share(step: int, time: int | None, now: int) -> float:
    """Return which share of the motion from one frame to another falls between a frame and the one before it."""
    return np.nan if time is None else step / (time - now)


def _blocks(vectors: NDArray[Any], past: float, future: float) -> NDArray[Any]:
    """Return FFmpeg's vectors as blocks with their motion since the frame before."""
    blocks = np.empty(len(vectors), BLOCK)
    # FFmpeg has the middle of a block, and how far it is from there to what it was predicted from.
    blocks["x"], blocks["y"] = (
        vectors["dst_x"] - vectors["w"] // 2,
        vectors["dst_y"] - vectors["h"] // 2,
    )
    blocks["w"], blocks["h"] = vectors["w"], vectors["h"]
    scale = np.where(vectors["source"] < 0, past, future) / np.maximum(vectors["motion_scale"], 1)
    for way, name in enumerate(("motion_x", "motion_y")):
        blocks["motion"][:, way] = vectors[name] * scale
    return blocks[np.isfinite(blocks["motion"]).all(axis=1)]


@dataclass(frozen=True, eq=False)
class MotionVectors:
    """The vectors of the frames of a clip.

    Parameters
    ----------
    blocks : sequence of ndarray of `BLOCK`
        Blocks of each frame that was decoded, see `References.show`.
    places : ndarray of int, shape (T,)
        Which of them are the frames of the clip, ascending; others were left out.
    size : tuple of int
        Height and width of the frames that were decoded.
    to_shares : ndarray of float64, shape (2, 3)
        Where a point (x, y, 1) of a decoded frame is in that of the clip, in shares of its width and height.
    """

    blocks: Sequence[NDArray[Any]]
    places: NDArray[np.intp]
    size: tuple[int, int]
    to_shares: NDArray[np.float64]

    def take(self, part: slice) -> MotionVectors:
        """Return the vectors of some frames, in the order of time."""
        return replace(self, places=self.places[part])

    def crop(self, left: float, top: float, right: float, bottom: float) -> MotionVectors:
        """Return the vectors of frames that are cut to a box, given in shares of their width and height."""
        scale = np.array([1 / (right - left), 1 / (bottom - top)])
        cut = self.to_shares * scale[:, np.newaxis]
        cut[:, 2] -= scale * (left, top)
        return replace(self, to_shares=cut)

    def digest(self) -> bytes:
        """Return a hash of the vectors."""
        first, last = (int(self.places[end]) for end in (0, -1))
        digest = hashlib.sha256(repr((self.size, self.to_shares.tolist())).encode())
        digest.update((self.places - first).tobytes())
        for blocks in self.blocks[first + 1 : last + 1]:
            digest.update(len(blocks).to_bytes(4, "little") + blocks.tobytes())
        return digest.digest()

    def fields(self) -> VectorFields | None:
        """Return the flow between the frames in coarse cells; None if less than an eighth of the fields is known."""
        first, last = (int(self.places[end]) for end in (0, -1))
        steps = [
            _cells(self.blocks[begin : min(begin + _CHUNK, last + 1)], self.size)
            for begin in range(first + 1, last + 1, _CHUNK)
        ]
        if not steps:
            return None
        fields = _between(np.concatenate(steps), self.places - first)
        known = np.asarray(np.isfinite(fields).all(axis=(1, 2, 3)))
        if _FEWEST * np.count_nonzero(known) < len(known):
            return None
        last_known = len(known) - 1 - np.argmax(known[::-1])
        places = np.where(known, np.arange(len(known)), last_known)
        source = np.minimum.accumulate(places[::-1])[::-1]
        return VectorFields(fields[source], source, self.size, self.to_shares)


@dataclass(frozen=True, eq=False)
class VectorFields:
    """Flow in cells of 8 x 8 pixels of the decoded frames.

    Attributes
    ----------
    cells : ndarray of float32, shape (T - 1, rows, columns, 2)
        Right and down, in pixels of the decoded frames, from a frame to the next.
    source : ndarray of int, shape (T - 1,)
        Whose field each is: of a frame without vectors that of the next, which may have been predicted across it.
    """

    cells: Fields
    source: NDArray[np.intp]
    size: tuple[int, int]
    to_shares: NDArray[np.float64]

    def rests(self) -> NDArray[np.bool_]:
        """Return in which fields most cells do not move, shape (T - 1,)."""
        still = np.abs(self.cells).max(axis=-1) < 0.25
        return np.asarray(still.mean(axis=(1, 2)) > 0.5)

    def flow(self, height: int, width: int, part: slice = slice(None)) -> Fields:
        """Return the flow of frames of some size, interpolated between the cells.

        Returns
        -------
        ndarray of float32, shape (T - 1, height, width, 2)
            Displacement right and down, in pixels per frame.
        """
        import cv2

        linear = self.to_shares[:, :2] * np.array([[width], [height]])
        to_pixels = np.vstack([np.column_stack([linear, self.to_shares[:, 2] * (width, height)]), [0, 0, 1]])
        # Coordinates of cells and pixels are those of their centres.
        centres = np.array([[_CELL, 0, _CELL / 2], [0, _CELL, _CELL / 2], [0, 0, 1]])
        to_cells = np.linalg.inv(np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]]) @ to_pixels @ centres)[:2]
        cells = self.cells[part] @ linear.T.astype(np.float32)
        flow = np.empty((len(cells), height, width, 2), np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        for field, out in zip(cells, flow, strict=True):
            out[...] = cv2.warpAffine(
                field, to_cells, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
            )
        return flow


def _cells(frames: Sequence[NDArray[Any]], size: tuple[int, int]) -> Fields:
    """Return the mean motion of the blocks over each cell of each frame, NaN where too little is known of a frame."""
    shape = (len(frames), *(-(-side // _CELL) for side in size))
    blocks = np.concatenate([_NO_BLOCKS, *frames])
    frame = np.repeat(np.arange(len(frames)), [len(found) for found in frames])
    # Vectors longer than the frame are errors of the file.
    kept = (np.abs(blocks["motion"]) <= max(size)).all(axis=1)
    for side in "wh":
        kept &= (blocks[side] > 0) & (blocks[side] <= _MAX_BLOCK)
    blocks, frame = blocks[kept], frame[kept]
    rows, columns = (blocks[name].astype(np.intp) // _CELL for name in "yx")
    tall, wide = (np.maximum(blocks[name].astype(np.intp) // _CELL, 1) for name in "hw")
    weights = np.minimum(blocks["w"], _CELL) * np.minimum(blocks["h"], _CELL) / _CELL**2
    sums = np.zeros((3, np.prod(shape)))
    for down in range(tall.max(initial=0)):
        for right in range(wide.max(initial=0)):
            row, column = rows + down, columns + right
            inside = (down < tall) & (right < wide) & (row >= 0) & (row < shape[1])
            inside &= (column >= 0) & (column < shape[2])
            at = np.ravel_multi_index((frame[inside], row[inside], column[inside]), shape)
            weight = weights[inside]
            for total, values in zip(sums, (weight, *(blocks["motion"][inside].T * weight)), strict=True):
                total += np.bincount(at, values, minlength=len(total))
    counts, motion = sums[0].reshape(shape), np.moveaxis(sums[1:].reshape(2, *shape), 0, -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return _filled((motion / counts[..., np.newaxis]).astype(np.float32))


def _filled(cells: Fields) -> Fields:
    """Fill the cells of intra blocks from their neighbours, or with the frame's median; NaN all over where most are."""
    from scipy import ndimage

    known = np.isfinite(cells[..., 0])
    shares = known.mean(axis=(1, 2))
    cells[shares < _MIN_KNOWN] = np.nan
    for index in np.flatnonzero((shares >= _MIN_KNOWN) & (shares < 1)):
        field, is_known = cells[index], known[index]
        near = ndimage.uniform_filter(is_known.astype(np.float32), 3)
        sums = ndimage.uniform_filter(np.where(is_known[..., np.newaxis], field, 0), (3, 3, 1))
        around = np.where(
            near[..., np.newaxis] > 0.05,
            sums / np.maximum(near, 0.05)[..., np.newaxis],
            np.median(field[is_known], axis=0),
        )
        field[~is_known] = around[~is_known]
    return cells


def _between(steps: Fields, places: NDArray[np.intp]) -> Fields:
    """Return the motion between frames from that of all frames that were decoded; NaN where none of them is known."""
    if len(steps) == len(places) - 1:
        return steps
    fields = np.full((len(places) - 1, *steps.shape[1:]), np.nan, np.float32)
    known = np.asarray(np.isfinite(steps).all(axis=(1, 2, 3)))
    for field, first, last in zip(fields, places[:-1], places[1:], strict=True):
        part = steps[first:last][known[first:last]]
        if len(part):
            field[...] = part.mean(axis=0) * (last - first)
    return fields
