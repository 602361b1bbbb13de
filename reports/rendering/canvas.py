"""Common parts of all figures: style, colours, labels, and deterministic SVG."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Transform
    from numpy.typing import ArrayLike

INK = "#1b1f24"
#: Colours of the families, safe for colour-blind readers and visible on light and dark backgrounds.
FAMILIES = {
    "rules": "#d55e00",
    "features": "#1f86c7",
    "dense": "#009e73",
    "convnet": "#bf5fb5",
    "trivial": "#868c93",
}
OTHER_FAMILY = "#b8860b"
# Agg cannot draw 2^16 pixels or more per side.
_MAX_PIXELS = 65_000
# Identifier of the text written by `Svg.captioned`.
_CAPTION = "caption"
# Size of its letters in points, and height of its lines in inches.
_CAPTION_SIZE, _CAPTION_LINE = 7, 0.13
#: Identifier of the marks to which `Svg.titles` belong.
POINTS = "points"
_STYLE: Any = {
    "svg.hashsalt": "actionbench",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial"],
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.parse_math": False,
}


@contextmanager
def report_style() -> Iterator[None]:
    """Draw in the style of a report, independently of the user's settings."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


class Svg(str):
    """An SVG document, which notebooks display as a picture."""

    #: The figure that was drawn.
    figure: Figure
    #: Its title.
    label: str
    #: Tooltips of its `POINTS`.
    titles: list[str]

    @classmethod
    def of(cls, figure: Figure, title: str, titles: Iterable[str] = (), caption: str = "") -> Self:
        """Write a figure, with a caption below as part of it."""
        if caption:
            _write_caption(figure, caption)
        text = io.StringIO()
        facts = {"Date": None, "Creator": None, "Title": title}
        figure.savefig(text, format="svg", metadata=facts, **_extent(figure))
        svg = cls(text.getvalue())
        svg.figure, svg.label, svg.titles = figure, title, list(titles)
        return svg

    def captioned(self, text: str) -> Svg:
        """Return the same picture with a caption below as part of it."""
        with report_style():
            return Svg.of(self.figure, self.label, self.titles, text)

    def _repr_svg_(self) -> str:
        return self

    def __getstate__(self) -> dict[str, Any]:
        # The figure stays in the process that has drawn it.
        return {"label": self.label, "titles": self.titles}

    def png(self) -> bytes:
        """Return the picture as a PNG file on white, with 150 dots per inch, or fewer if it would be too large."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        content = io.BytesIO()
        FigureCanvasAgg(self.figure)
        self.figure.patch.set_visible(True)
        dots = min(150.0, _MAX_PIXELS / max(self.figure.get_size_inches()))
        with report_style():
            self.figure.savefig(
                content,
                format="png",
                dpi=dots,
                facecolor="white",
                metadata={"Software": None},
                # Twice as fast as the default, for files that are a sixth larger.
                pil_kwargs={"compress_level": 3},
                **_extent(self.figure),
            )
        self.figure.patch.set_visible(False)
        return content.getvalue()

    def inline(self, label: str) -> str:
        """Return the picture for inclusion in a page: in the page's text colour, without ids of elements.

        Parameters
        ----------
        label : str
            Alternative text.
        """
        body = self[self.index("<svg ") :]
        for part in ("<metadata>.*?</metadata>", "<defs>\\s*<style.*?</style>\\s*</defs>"):
            body = re.sub(part, "", body, flags=re.DOTALL)
        if self.titles:
            body = self._titled(body)
        body = re.sub('<g id="[^"]*"', "<g", body)
        width = re.search(r'width="[\d.]+pt"', body)
        assert width
        size = f'role="img" aria-label="{escape(label)}" {width[0]}'
        body = re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', lambda _: size, body, count=1)
        return body.replace(INK, "currentColor")

    def _titled(self, body: str) -> str:
        titles, start = iter(self.titles), body.index(f'<g id="{POINTS}"')

        def titled(use: re.Match[str]) -> str:
            return f'<use class="point" {use[1]}><title>{escape(next(titles))}</title></use>'

        return body[:start] + re.sub("<use ([^>]*)/>", titled, body[start:], count=len(self.titles))


def _write_caption(figure: Figure, caption: str) -> None:
    width, height = figure.get_size_inches()
    lines = textwrap.wrap(caption, max(30, int(width / 0.065)))
    down = -0.01 - len(_caption_lines(figure)) * _CAPTION_LINE / height
    figure.text(0.01, down, "\n".join(lines), fontsize=_CAPTION_SIZE, color=INK, va="top", gid=_CAPTION)


def _extent(figure: Figure) -> dict[str, Any]:
    """Return options of `savefig` that include a caption below the figure, the same for all formats."""
    from matplotlib.transforms import Bbox

    from .lettering import word_width

    lines = _caption_lines(figure)
    if not lines:
        return {}
    width, height = figure.get_size_inches()
    right = 0.01 * width + max(word_width(line, _CAPTION_SIZE) for line in lines) / 72
    down = 0.01 * height + len(lines) * _CAPTION_LINE
    return {"bbox_inches": Bbox([[0, -down], [max(width, right), height]]).padded(0.03)}


def _caption_lines(figure: Figure) -> list[str]:
    captions = [text.get_text() for text in figure.texts if text.get_gid() == _CAPTION]
    return [line for caption in captions for line in caption.splitlines()]


def short_name(name: str, longest: int = 32) -> str:
    """Shorten a label to one line, without characters that SVG cannot hold."""
    flat = " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"


def name_width(names: list[str]) -> float:
    """Return the width of the longest of some short names in inches, with a margin."""
    return 0.075 * max(map(len, names)) + 0.2


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a transparent figure of a size in inches, with axes."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    figure.patch.set_visible(False)
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.patch.set_visible(False)
    return figure, axes


def set_position(axes: Axes, left: float, bottom: float, width: float, height: float) -> None:
    """Set the position of axes, in inches from the lower left corner."""
    figure = axes.get_figure(root=True)
    assert figure
    whole = figure.get_size_inches()
    axes.set_position((left / whole[0], bottom / whole[1], width / whole[0], height / whole[1]))


def minimal_frame(axes: Axes) -> None:
    """Remove the frame except for the line below."""
    axes.tick_params(axis="y", length=0)
    axes.set_axisbelow(True)
    axes.grid(axis="x", color=INK, alpha=0.15, linewidth=0.6)
    axes.spines[["top", "right", "left"]].set_visible(False)


def name_rows(axes: Axes, names: list[str], size: float = 9) -> None:
    """Write names left of axes at the heights 0, 1, 2, ... instead of ticks."""
    axes.set_yticks([])
    places = [(0, place) for place in range(len(names))]
    write(axes, names, places, axes.get_yaxis_transform(), (-3, 0), size=size, align="right")


def write(
    axes: Axes,
    words: Sequence[str],
    places: ArrayLike,
    transform: Transform | None = None,
    shift: tuple[float, float] = (0, 0),
    **style: Any,
) -> None:
    """Write many words at once, see `lettering.Words`; a transform other than that of data, and a shift in points."""
    from matplotlib.transforms import offset_copy

    from .lettering import Words

    shifted = offset_copy(transform or axes.transData, axes.get_figure(root=True), *shift, units="points")
    axes.add_artist(Words(words, places, shifted, colour=INK, **style))
