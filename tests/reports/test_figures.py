"""Pictures: well-formed, the same every time, and showing the numbers."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from actionbench.reports.figures import FAMILIES, accuracy_figure, confusion_figure, inline, rank_figure

SVG = "{http://www.w3.org/2000/svg}"
ROWS = pd.DataFrame(
    {
        "attempt": ["hog-svm", "mlp", "broken"],
        "family": ["features", "a new word", "rules"],
        "accuracy": [0.9, 0.5, np.nan],
        "accuracy_low": [0.8, 0.4, np.nan],
        "accuracy_high": [1.0, 0.7, np.nan],
    }
)
RANKS = pd.DataFrame({"mean_rank": [1.5, 2.0, 2.5]}, index=["hog-svm", "mlp", "rules"])


def words(svg):
    return ["".join(element.itertext()).strip() for element in ET.fromstring(svg).iter(f"{SVG}text")]


def test_shares_of_each_row_are_written():
    found = words(confusion_figure(np.array([[3, 1], [0, 5]]), ["box", "clap"]))
    assert [word for word in found if word.isdigit()] == ["75", "25", "100"]
    assert found.count("box") == found.count("clap") == 2


def test_a_class_without_clips_divides_nothing():
    assert "nan" not in confusion_figure(np.array([[0, 0], [0, 5]]), ["box", "clap"]).lower()


def test_fifty_classes_keep_their_names_apart():
    classes = [f"class_number_{number}" for number in range(50)]
    found = confusion_figure(np.eye(50, dtype=int), classes)
    assert set(classes) <= set(words(found))
    rows = re.findall(r'<text style="font-size: ([\d.]+)px[^>]*? y="([\d.]+)"[^>]*>class_number', found)
    sizes, heights = np.array(rows, float).T
    assert sizes.min() >= 6
    assert np.diff(np.unique(heights)).min() > sizes.max()


@pytest.mark.parametrize(
    "draw",
    [
        lambda: confusion_figure(np.eye(3, dtype=int), list("abc")),
        lambda: accuracy_figure(ROWS, 4),
        lambda: rank_figure(RANKS, [["hog-svm", "rules"]], 0.7),
    ],
)
def test_the_same_numbers_give_the_same_bytes(draw):
    first = draw()
    assert first == draw()
    assert "<dc:date>" not in first


def test_notebooks_show_the_drawing():
    svg = confusion_figure(np.eye(2, dtype=int), ["box", "clap"])
    assert ET.fromstring(svg._repr_svg_()).tag == f"{SVG}svg"


def test_hostile_names_stay_text():
    name = "</script><b onload='x'>$\\frac{1}$"
    for svg in (
        confusion_figure(np.eye(2, dtype=int), [name, "b\x00c\n"]),
        accuracy_figure(ROWS.assign(attempt=[name, "x", "y"]), 2),
        rank_figure(RANKS.set_axis([name, "x", "y"]), [], 0.7),
    ):
        assert any("</script>" in word for word in words(svg))
        assert "<b " not in svg


def test_long_names_are_cut():
    assert "a" * 31 + "…" in words(accuracy_figure(ROWS.assign(attempt=["a" * 60, "b", "c"]), 2))


def test_marks_stand_where_the_accuracy_is():
    svg = accuracy_figure(ROWS, 4)
    assert "no score" in words(svg)
    assert FAMILIES["features"] in svg
    places = {
        word: float(element.attrib["x"])
        for element in ET.fromstring(svg).iter(f"{SVG}text")
        if (word := "".join(element.itertext()).strip()) in ("0", "100", "guessing")
    }
    guessing = places["0"] + 0.25 * (places["100"] - places["0"])
    assert places["guessing"] == pytest.approx(guessing, abs=1)
    mark = rf'<use xlink:href="#\w+" x="([\d.]+)" y="[\d.]+" style="fill: {FAMILIES["features"]}'
    marks = [float(x) for x in re.findall(mark, svg)]
    assert marks == [pytest.approx(places["0"] + 0.9 * (places["100"] - places["0"]), abs=1)]


def test_inside_a_page_the_ink_is_the_pages():
    drawing = inline(accuracy_figure(ROWS, 4))
    assert drawing.startswith("<svg ")
    assert "currentColor" in drawing
    assert "<style" not in drawing
    assert 'height="' not in drawing[: drawing.index(">")]
    assert 'role="img"' in drawing
    ET.fromstring(drawing)


def test_a_bar_has_a_dot_beside_each_member():
    """Between the first and the third; the second differs from both and has none."""
    svg = rank_figure(RANKS, [["hog-svm", "rules"]], 0.7)
    assert "critical difference 0.7" in words(svg)
    dots = [
        tuple(map(float, place))
        for place in re.findall(r'<use xlink:href="#\w+" x="([\d.]+)" y="([\d.]+)"', svg)
    ]
    names = {
        "".join(element.itertext()).strip(): float(element.attrib["y"])
        for element in ET.fromstring(svg).iter(f"{SVG}text")
    }
    right = max(x for x, _ in dots)
    members = sorted(y for x, y in dots if x == right)
    assert members == [pytest.approx(names[name], abs=5) for name in ("hog-svm", "rules")]
