"""Words drawn together: the pixels of plain texts, and text of an SVG file where a plain one would be."""

import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from actionbench.reports.rendering.canvas import INK, Svg, canvas, report_style, write
from actionbench.reports.rendering.heatmaps import confusion_figure, heat_figure

SVG = "{http://www.w3.org/2000/svg}"
WORDS, PLACES = ["7", "84", "Wg-j", "100"], [(0.5, 0.5), (1.5, 1.25), (2.5, 2.5), (3.2, 3.1)]


def plain(axes, words, places, *, size, align="center", upright=False):
    """Write words as texts of Matplotlib."""
    angle = 90 if upright else 0
    for word, (x, y) in zip(words, places, strict=True):
        axes.text(
            x,
            y,
            word,
            ha=align,
            va="center_baseline",
            rotation=angle,
            rotation_mode="anchor",
            fontsize=size,
            color=INK,
        )


def drawn(how, **style):
    with report_style():
        figure, axes = canvas(3, 3)
        axes.set_xlim(0, 4)
        axes.set_ylim(0, 4)
        axes.set_axis_off()
        how(axes, WORDS, PLACES, **style)
        return Svg.of(figure, "Words.")


def texts(svg):
    """Words with where their anchor is, and their angle."""
    return [
        (
            "".join(element.itertext()),
            float(element.attrib["x"]),
            float(element.attrib["y"]),
            float(re.search(r"rotate\(([-\d.]+)", element.attrib.get("transform", "rotate(0"))[1]),
        )
        for element in ET.fromstring(svg).iter(f"{SVG}text")
    ]


@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize("align", ["left", "center", "right"])
def test_words_are_where_plain_texts_are(align, upright):
    style = {"size": 9, "align": align, "upright": upright}
    together, alone = drawn(write, **style), drawn(plain, **style)
    for own, other in zip(texts(together), texts(alone), strict=True):
        assert own[0] == other[0]
        assert own[1:] == pytest.approx(other[1:], abs=0.5)
    assert re.findall("text-anchor: [a-z]+", together) == re.findall("text-anchor: [a-z]+", alone)
    one, two = (
        255 - np.asarray(Image.open(io.BytesIO(svg.png())).convert("L"), int) for svg in (together, alone)
    )
    # Plain texts may begin between two pixels.
    shifts = [
        np.abs(one - np.roll(two, (down, right), (0, 1))).sum() for down in (-1, 0, 1) for right in (-1, 0, 1)
    ]
    assert one.sum() == pytest.approx(two.sum(), rel=0.05)
    assert min(shifts) < 0.5 * two.sum()


def test_numbers_are_in_their_cells():
    shares = pd.DataFrame(np.arange(12).reshape(3, 4) / 20, index=list("abc"), columns=list("wxyz"))
    svg = heat_figure(shares)
    cells = {word: (x, y) for word, x, y, _ in texts(svg)}
    for (row, name), (column, head) in ((r, c) for r in enumerate("abc") for c in enumerate("wxyz")):
        x, y = cells[f"{5 * (4 * row + column)}"]
        assert x == pytest.approx(cells[head][0], abs=4)
        assert y == pytest.approx(cells[name][1], abs=1)
    places = np.array([cells[f"{5 * number}"] for number in range(12)]).reshape(3, 4, 2)
    assert np.diff(places[..., 0], axis=1) == pytest.approx(0.5 * 72, abs=0.01)
    assert np.diff(places[..., 1], axis=0) == pytest.approx(0.27 * 72, abs=0.01)


def test_lines_stand_below_each_other_around_the_place():
    both = drawn(lambda axes, *_, **style: write(axes, ["1\n2"], [(2, 2)], **style), size=9)
    one = drawn(lambda axes, *_, **style: write(axes, ["1"], [(2, 2)], **style), size=9)
    (_, x, first, _), (_, again, second, _) = texts(both)[-2:]
    middle = texts(one)[-1][2]
    assert x == again
    assert (first + second) / 2 == pytest.approx(middle, abs=0.01)
    assert second - first == pytest.approx(1.2 * 9, abs=0.01)


def test_pixels_are_those_of_any_other_order_of_drawing():
    first = confusion_figure(np.array([[3, 1], [0, 5]]), ["box", "clap"]).png()
    drawn(write, size=8).png()
    assert confusion_figure(np.array([[3, 1], [0, 5]]), ["box", "clap"]).png() == first


def test_a_caption_cuts_no_names_off():
    plain = heat_figure(pd.DataFrame({"box": [0.5]}, index=["the longest name of a row"]))
    sizes = [Image.open(io.BytesIO(svg.png())).size for svg in (plain, plain.captioned("No."))]
    assert all(more >= less for less, more in zip(*sizes, strict=True))
