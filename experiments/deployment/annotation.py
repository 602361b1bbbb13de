"""A video with the predictions of a model below the picture."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ...errors import ActionbenchError
from ...features.video import OnError, open_video, write_video
from .prediction import Prediction
from .rejection import NONE

__all__ = ["annotate", "check_output", "colours"]

Picture = NDArray[np.uint8]

_GROUND = (24, 24, 24)
_WHITE = (255, 255, 255)
_GREY = (170, 170, 170)
# A picture that is less wide is enlarged, so that there is room for words and a chart; letters have so many pixels, and
# the chart the height of so many lines.
_MIN_WIDTH, _MIN_TEXT, _LINES = 320, 14, 3


def annotate(
    path: str | Path,
    output: str | Path,
    predictions: Sequence[Prediction],
    classes: Sequence[str],
    *,
    on_error: OnError = "error",
) -> None:
    """Write a video with the label and its probability at each moment, and a chart of them over time.

    At each moment the window counts whose middle is nearest. The picture keeps its size and colours, unless it is less
    than 320 pixels wide; sound is not kept, and the frame rate is constant.

    Parameters
    ----------
    path : path
        The video that was predicted.
    output : path
        The MP4 file to write.
    predictions : sequence of Prediction
        From `predict_video`.
    classes : sequence of str
        All classes; each has a colour.
    on_error : {"error", "truncate"}
        What to do where the video breaks half-way.

    Raises
    ------
    ActionbenchError
        If the name does not end with .mp4, is that of the video itself, or the file cannot be written.
    """
    check_output(path, output)
    with open_video(path, on_error=on_error) as video:
        images = iter(video)
        first = next(images)
        painter = _Painter(first.shape[1], first.shape[0], predictions, classes)
        fps = video.fps

        def painted() -> Iterator[Picture]:
            yield painter.paint(first, 0.5 / fps)
            for number, image in enumerate(images, 1):
                yield painter.paint(image, (number + 0.5) / fps)

        write_video(output, painted(), fps)


def check_output(path: str | Path, output: str | Path) -> None:
    """Refuse an annotated video that is no MP4 file or would replace the video itself; see `annotate`."""
    path, output = Path(path), Path(output)
    if output.suffix.lower() != ".mp4":
        raise ActionbenchError(f"{output}: an annotated video is an MP4 file; its name must end with .mp4")
    if output.exists() and output.samefile(path):
        raise ActionbenchError(f"{output}: is the video itself, which is left alone; give another name")


class _Painter:
    """Puts a band with words and a chart below pictures of one size."""

    def __init__(
        self, width: int, height: int, predictions: Sequence[Prediction], classes: Sequence[str]
    ) -> None:
        self._predictions = predictions
        self._middles = np.array([(one.start + one.end) / 2 for one in predictions])
        self._end = predictions[-1].end
        self._scale = -(-_MIN_WIDTH // width)
        self._width = width * self._scale
        self._text = max(_MIN_TEXT, round(0.05 * height * self._scale))
        self._colours = dict(zip(classes, colours(len(classes)), strict=True)) | {NONE: _GREY}
        self._chart = self._draw_chart(_LINES * self._text)
        self._bands: dict[int, Picture] = {}

    def paint(self, image: Picture, seconds: float) -> Picture:
        """Return a picture with the band of a moment below it."""
        band = self._band(self._at(seconds)).copy()
        column = min(int(seconds / self._end * self._width), self._width - 1)
        thick = max(1, self._text // 12)
        band[-len(self._chart) :, max(column - thick, 0) : column + 2 * thick] = _GROUND
        band[-len(self._chart) :, column : column + thick] = _WHITE
        large = image.repeat(self._scale, axis=0).repeat(self._scale, axis=1)
        return np.concatenate([large, band])

    def _at(self, seconds: float) -> int:
        return int(np.argmin(np.abs(self._middles - seconds)))

    def _band(self, number: int) -> Picture:
        if number not in self._bands:
            prediction = self._predictions[number]
            words = self._write(prediction.label, f"{100 * prediction.probability:.0f} %")
            self._bands[number] = np.concatenate([words, self._chart])
        return self._bands[number]

    def _write(self, label: str, share: str) -> Picture:
        """Draw the label in its colour on the left and its probability in white on the right."""
        edge = self._text // 3
        picture = Image.new("RGB", (self._width, round(1.6 * self._text)), _GROUND)
        draw = ImageDraw.Draw(picture)
        font = _font(self._text)
        room = self._width - 3 * edge - draw.textlength(share, font=font)
        middle = picture.height / 2
        shown, small = _fitted(draw, label, room, self._text)
        draw.text((edge, middle), shown, fill=self._colours[label], font=small, anchor="lm")
        draw.text((self._width - edge, middle), share, fill=_WHITE, font=font, anchor="rm")
        return np.asarray(picture)

    def _draw_chart(self, height: int) -> Picture:
        """Draw the probability at each moment as a bar in the colour of the label."""
        chart = np.empty((height, self._width, 3), np.uint8)
        chart[:] = tuple(2 * grey for grey in _GROUND)
        for column in range(self._width):
            prediction = self._predictions[self._at((column + 0.5) / self._width * self._end)]
            filled = max(1, round(prediction.probability * height))
            chart[height - filled :, column] = self._colours[prediction.label]
        return chart


def _fitted(draw: ImageDraw.ImageDraw, label: str, room: float, size: int) -> tuple[str, Any]:
    """Return a label that fits into so many pixels, smaller or cut where it must be, and its font."""
    while size > 10 and draw.textlength(label, font=_font(size)) > room:
        size -= 1
    font, kept = _font(size), label
    while len(kept) > 1 and draw.textlength(label if kept == label else f"{kept}…", font=font) > room:
        kept = kept[:-1]
    return label if kept == label else f"{kept}…", font


def _font(size: int) -> ImageFont.FreeTypeFont:
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", size)


def colours(n: int) -> list[tuple[int, int, int]]:
    """Return as many colours, all bright enough to be read on the dark band; neighbours also differ in lightness."""
    tones = [colorsys.hls_to_rgb(number / n, 0.74 + 0.1 * (number % 2), 0.9) for number in range(n)]
    return [(round(255 * red), round(255 * green), round(255 * blue)) for red, green, blue in tones]
