"""Coloured cells: well-formed and showing the numbers."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd

from actionbench.reports.rendering.heatmaps import (
    confusion_figure,
    confusion_figures,
    heat_figure,
    row_shares,
)

SVG = "{http://www.w3.org/2000/svg}"


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


def test_several_attempts_stand_side_by_side_with_their_names():
    counts = {"good": np.eye(2, dtype=int) * 4, "bad": np.array([[1, 3], [4, 0]])}
    found = words(confusion_figures(counts, ["box", "clap"]))
    assert [word for word in found if word.isdigit()] == ["100", "100", "25", "75", "100"]
    assert {"good", "bad"} <= set(found)
    assert found.count("box") == 4


def test_shares_of_rows_add_up():
    shares = row_shares(np.array([[3, 1], [0, 0]]))
    assert shares.tolist() == [[0.75, 0.25], [0, 0]]


def test_heat_has_its_numbers_and_their_intervals():
    shares = pd.DataFrame({"box": [0.5, np.nan], "clap": [1.0, 0.25]}, index=["rules", "mlp"])
    found = words(heat_figure(shares))
    assert [word for word in found if word.isdigit()] == ["50", "100", "25"]
    found = words(heat_figure(shares, shares - 0.1, shares))
    assert {"40–50", "15–25"} <= set(found)
    assert {"box", "clap", "rules", "mlp"} <= set(found)
