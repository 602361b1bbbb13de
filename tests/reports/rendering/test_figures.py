"""Pictures: well-formed, the same every time, and showing the numbers."""

import re
import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionbench.reports.rendering.canvas import FAMILIES, Svg, canvas, report_style
from actionbench.reports.rendering.figures import (
    COSTS,
    accuracy_figure,
    costs_to_draw,
    learning_figure,
    pareto_figure,
    pareto_front,
    rank_figure,
    reliability_figure,
)
from actionbench.reports.rendering.heatmaps import confusion_figure, heat_figure

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
PRICED = ROWS.assign(attempt=["hog-svm", "mlp", "rules"], accuracy=[0.9, 0.5, 0.7]).assign(
    accuracy_low=lambda rows: rows["accuracy"] - 0.1,
    accuracy_high=lambda rows: rows["accuracy"] + 0.05,
    latency_p50_ms=np.nan,
    fit_seconds=[3.0, 10.0, np.nan],
    peak_memory_mib=[300.0, 400.0, 200.0],
    n_parameters=[5000, 800_000, 0],
    operations=np.nan,
)
CURVES = pd.DataFrame(
    {
        "attempt": ["mlp", "mlp", "rules", "rules"],
        "family": ["dense", "dense", "rules", "rules"],
        "train_groups": [2.0, 8.0, 2.0, 8.0],
        "accuracy": [0.2, 0.9, 0.5, 0.6],
        "accuracy_low": [0.1, 0.8, 0.4, 0.5],
        "accuracy_high": [0.3, 0.95, 0.6, 0.7],
    }
)
POINTS = pd.DataFrame(
    {
        "attempt": ["hog-svm", "hog-svm", "mlp"],
        "n_clips": [10.0, 30.0, 40.0],
        "confidence": [0.35, 0.9, 0.5],
        "accuracy": [0.5, 0.7, 0.5],
        "accuracy_low": [0.2, 0.6, 0.4],
        "accuracy_high": [0.8, 0.8, 0.6],
    }
)
SURE = ROWS.assign(calibration_error=[0.1875, 0.0, np.nan])
RANKS = pd.DataFrame({"mean_rank": [1.5, 2.0, 2.5]}, index=["hog-svm", "mlp", "rules"])


def words(svg):
    return ["".join(element.itertext()).strip() for element in ET.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: confusion_figure(np.eye(3, dtype=int), list("abc")),
        lambda: accuracy_figure(ROWS, 4),
        lambda: rank_figure(RANKS, [["hog-svm", "rules"]], 0.7),
        lambda: pareto_figure(PRICED, "memory"),
        lambda: learning_figure(CURVES),
        lambda: reliability_figure(POINTS, SURE),
        lambda: heat_figure(pd.DataFrame({"box": [0.5, np.nan]}, index=["a", "b"])),
    ],
)
def test_the_same_numbers_give_the_same_bytes(draw):
    first, again = draw(), draw()
    assert first == again
    assert "<dc:date>" not in first
    picture = first.png()
    assert picture == again.png()
    assert picture.startswith(b"\x89PNG")
    # Drawn once more after the picture of pixels was made.
    assert first.inline("x") == again.inline("x")


def test_notebooks_show_the_drawing():
    svg = confusion_figure(np.eye(2, dtype=int), ["box", "clap"])
    assert ET.fromstring(svg._repr_svg_()).tag == f"{SVG}svg"


def test_hostile_names_stay_text():
    name = "</script><b onload='x'>$\\frac{1}$"
    for svg in (
        confusion_figure(np.eye(2, dtype=int), [name, "b\x00c\n"]),
        accuracy_figure(ROWS.assign(attempt=[name, "x", "y"]), 2),
        rank_figure(RANKS.set_axis([name, "x", "y"]), [], 0.7),
        pareto_figure(PRICED.assign(attempt=[name, "x", "y"]), "memory"),
        learning_figure(CURVES.replace("mlp", name)),
        reliability_figure(POINTS.replace("mlp", name), SURE.replace("mlp", name)),
        heat_figure(pd.DataFrame({name: [0.5]}, index=["x"])),
    ):
        assert any("</script>" in word for word in words(svg))
        for text in (svg, svg.inline(name)):
            assert "<b " not in text
            ET.fromstring(text)


def test_long_names_are_cut():
    assert "a" * 31 + "…" in words(accuracy_figure(ROWS.assign(attempt=["a" * 60, "b", "c"]), 2))


def test_marks_stand_where_the_accuracy_is():
    svg = accuracy_figure(ROWS, 4)
    assert "no score" in words(svg)
    assert FAMILIES["features"] in svg
    places = {
        word: float(element.attrib["x"])
        for element in ET.fromstring(svg).iter(f"{SVG}text")
        if (word := "".join(element.itertext()).strip()) in ("0", "100", "chance")
    }
    guessing = places["0"] + 0.25 * (places["100"] - places["0"])
    assert places["chance"] == pytest.approx(guessing, abs=1)
    mark = rf'<use xlink:href="#\w+" x="([\d.]+)" y="[\d.]+" style="fill: {FAMILIES["features"]}'
    marks = [float(x) for x in re.findall(mark, svg)]
    assert marks == [pytest.approx(places["0"] + 0.9 * (places["100"] - places["0"]), abs=1)]


def test_inside_a_page_the_ink_is_the_pages():
    drawing = accuracy_figure(ROWS, 4).inline('Accuracy of "all"')
    assert ET.fromstring(drawing).attrib["aria-label"] == 'Accuracy of "all"'
    assert drawing.startswith("<svg ")
    assert "currentColor" in drawing
    assert "<style" not in drawing
    assert 'height="' not in drawing[: drawing.index(">")]
    assert 'role="img"' in drawing


def dots(svg):
    """Where dots stand, to the right and down."""
    found = re.findall(r'<use xlink:href="#\w+" x="([\d.]+)" y="([\d.]+)"', svg)
    return [tuple(map(float, place)) for place in found]


def test_who_cannot_be_told_apart_has_dots_on_one_bar():
    plain, joined = accuracy_figure(ROWS, 4), accuracy_figure(ROWS, 4, [["hog-svm", "broken"]])
    assert "bars join" not in " ".join(words(plain))
    assert "bars: no significant difference" in " ".join(words(joined))
    assert len(dots(joined)) == len(dots(plain)) + 2


def test_thousands_of_rows_become_a_picture_of_fewer_dots():
    with report_style():
        figure, _ = canvas(1, 0.27 * 2000)
        png = Svg.of(figure, "Long.").png()
    wide, tall = (int.from_bytes(png[start : start + 4], "big") for start in (16, 20))
    assert 64_000 < tall < 2**16
    assert wide == pytest.approx(tall / 540, abs=1)


def test_more_sets_than_bars_are_said():
    many = pd.concat([ROWS.head(2)] * 10, ignore_index=True)
    many["attempt"] = [f"attempt {number}" for number in range(20)]
    cliques = [list(many["attempt"][place : place + 3]) for place in range(15)]
    assert "the first 12 of 15 sets" in " ".join(words(accuracy_figure(many, 4, cliques)))
    assert "the first" not in " ".join(words(accuracy_figure(many, 4, cliques[:12])))


@pytest.mark.parametrize("draw", [lambda: accuracy_figure(ROWS, 4), lambda: pareto_figure(PRICED, "memory")])
def test_a_style_of_the_user_changes_nothing(draw):
    drawing = draw()
    png = drawing.png()
    with matplotlib.rc_context({"axes.grid": True, "lines.linewidth": 9, "savefig.dpi": 40, "font.size": 20}):
        assert draw() == drawing
        assert draw().png() == png
        assert matplotlib.rcParams["lines.linewidth"] == 9


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12),
)
def test_the_front_is_what_nobody_beats(pairs):
    costs, worth = zip(*pairs, strict=True)
    beaten = [
        any(c <= cost and w >= value and (c, w) != (cost, value) for c, w in pairs) for cost, value in pairs
    ]
    found = pareto_front(costs, worth).tolist()
    assert sorted(found) == [place for place, lost in enumerate(beaten) if not lost]
    assert [costs[place] for place in found] == sorted(costs[place] for place in found)


def test_only_the_front_is_named_and_every_point_can_be_asked():
    svg = pareto_figure(PRICED, "memory")
    assert {"hog-svm", "rules"} <= set(words(svg))
    assert "mlp" not in words(svg)
    titles = re.findall("<title>([^<]+)</title>", svg.inline("x"))
    assert titles[1:] == [
        "hog-svm: 90.0 % [80.0, 95.0], peak memory 300 MiB",
        "mlp: 50.0 % [40.0, 55.0], peak memory 400 MiB",
        "rules: 70.0 % [60.0, 75.0], peak memory 200 MiB",
    ]


def test_trivial_attempts_do_not_stretch_the_axes():
    trivial = PRICED.iloc[-1:].assign(
        attempt="chance",
        family="trivial",
        accuracy=0.1,
        accuracy_low=0.05,
        accuracy_high=0.2,
        peak_memory_mib=1.0,
    )
    rows = pd.concat([PRICED, trivial], ignore_index=True)
    found = words(pareto_figure(rows, "memory"))
    assert "Arrows, beyond the axes: chance (10.0 %, 1 MiB)." in " ".join(found)
    assert {"100", "40"} <= set(found)
    assert not {"0", "10", "20"} & set(found)
    # Where there are no others, the axes are theirs.
    alone = words(pareto_figure(pd.concat([trivial, trivial.assign(attempt="majority")]), "memory"))
    assert "Arrows" not in " ".join(alone)


def test_the_first_of_equals_is_named_though_others_are_cheaper():
    rows = PRICED.assign(accuracy=[0.9, 0.9, 0.7])
    assert {"hog-svm", "rules"} <= set(words(pareto_figure(rows, "memory")))


@pytest.mark.parametrize("high", [300.0, 500.0, 2000.0, 30_000.0, 1e8])
def test_a_logarithmic_axis_has_ticks_that_can_be_read(high):
    rows = PRICED.assign(n_parameters=[200.0, high, 210.0])
    marks = [word for word in words(pareto_figure(rows, "parameters")) if re.fullmatch(r"[\d.]+[kM]?", word)]
    # Those of accuracy are up to 100.
    costs = [word for word in marks if word[-1] in "kM" or float(word) > 100]
    assert len(costs) >= 3


def test_what_costs_nothing_stands_left_of_all():
    svg = pareto_figure(PRICED, "parameters")
    assert "none" in words(svg)
    found = re.findall(r'<use class="point"[^>]* x="([\d.]+)"[^>]*><title>([\w-]+):', svg.inline("x"))
    places = {name: float(x) for x, name in found}
    assert places["rules"] < places["hog-svm"] < places["mlp"]


def test_a_cost_that_fewer_than_two_have_is_not_drawn():
    assert costs_to_draw(PRICED) == ["fit time", "memory", "parameters"]


@pytest.mark.parametrize(("joules", "first"), [(np.nan, "CPU time"), (0.5, "energy")])
def test_cpu_time_stands_for_energy_where_that_cannot_be_read(joules, first):
    rows = PRICED.assign(predict_joules_per_clip=joules, predict_cpu_ms_per_clip=[3.0, 1.0, 2.0])
    assert costs_to_draw(rows) == [first, "fit time", "memory", "parameters"]
    assert COSTS[first].label in words(pareto_figure(rows, first))


def test_curves_are_named_with_the_best_in_the_end_first():
    found = words(learning_figure(CURVES))
    assert found.index("mlp") < found.index("rules")
    assert {"2", "8"} <= set(found)


def test_the_name_of_each_of_many_curves_is_within_the_picture():
    many = pd.concat([CURVES.assign(attempt=f"attempt {number}") for number in range(30)])
    root = ET.fromstring(learning_figure(many))
    bottom = float(root.attrib["viewBox"].split()[3])
    names = [element for element in root.iter(f"{SVG}text") if "attempt" in "".join(element.itertext())]
    places = [float(name.attrib["y"]) for name in names]
    assert len(set(places)) == 30
    assert 0 < min(places) < max(places) < bottom


def test_a_bar_has_a_dot_beside_each_member():
    """Between the first and the third; the second differs from both and has none."""
    svg = rank_figure(RANKS, [["hog-svm", "rules"]], 0.7)
    assert "critical difference 0.7" in words(svg)
    names = {
        "".join(element.itertext()).strip(): float(element.attrib["y"])
        for element in ET.fromstring(svg).iter(f"{SVG}text")
    }
    right = max(x for x, _ in dots(svg))
    members = sorted(y for x, y in dots(svg) if x == right)
    assert members == [pytest.approx(names[name], abs=5) for name in ("hog-svm", "rules")]


def test_attempts_whose_cost_is_not_known_are_named_below():
    svg = pareto_figure(PRICED, "fit time")
    assert "Unknown for rules." in words(svg)
    assert "Not known of" not in "".join(words(pareto_figure(PRICED, "memory")))


def test_captions_go_with_the_picture_and_stand_below_each_other():
    plain = accuracy_figure(ROWS, 4)
    height = float(re.search(r'height="([\d.]+)pt"', plain)[1])
    first = plain.captioned("This must not be believed. " * 8)
    both = first.captioned("Nor must this.")
    assert "This must not be believed." in " ".join(words(first))
    assert words(both)[-1] == "Nor must this."
    captions = re.findall('<g id="caption">(.*?)</g>', both, re.DOTALL)
    at = [float(re.search(r'(?:translate\([\d.]+ | y=")([\d.]+)', text)[1]) for text in captions]
    assert at == sorted(at)
    assert len(at) == 2
    assert float(re.search(r'height="([\d.]+)pt"', both)[1]) > height
    assert both.png().startswith(b"\x89PNG")


def test_reliability_has_a_panel_for_each_attempt_with_predictions():
    found = reliability_figure(POINTS, SURE)
    text = words(found)
    assert [word for word in text if word in ("hog-svm", "mlp", "broken") or word.startswith("error")] == [
        "hog-svm",
        "error 18.8",
        "mlp",
        "error 0.0",
    ]
    many = pd.concat([SURE.iloc[:1].assign(attempt=f"a{number}") for number in range(15)])
    points = pd.concat([POINTS.iloc[:2].assign(attempt=f"a{number}") for number in range(15)])
    assert sum(word.startswith("error") for word in words(reliability_figure(points, many))) == 12


def test_points_of_reliability_stand_on_the_scales_of_their_panel():
    own = POINTS[POINTS["attempt"] == "hog-svm"]
    found = reliability_figure(own, SURE)
    across, up = {}, {}
    for element in ET.fromstring(found).iter(f"{SVG}text"):
        word = "".join(element.itertext()).strip()
        across[word], up[word] = (float(element.attrib[axis]) for axis in "xy")
    colour = FAMILIES["features"]
    line = re.search(rf'd="M ([^"]+)"[^>]*style="fill: none; stroke: {colour}"', found)
    marks = np.array(re.findall(r"[\d.]+", line[1]), float).reshape(-1, 2)
    # "0" and "50" are last written on the scale of accuracy, "100 %" is on that of probability.
    half, whole = up["0"] - up["50"], across["100 %"] - across["probability"]
    np.testing.assert_allclose(
        marks[:, 0], across["probability"] + 2 * (own["confidence"] - 0.5) * whole, atol=0.1
    )
    middle = np.abs(np.diff(marks[:, 1])), 2 * half * np.abs(np.diff(own["accuracy"]))
    np.testing.assert_allclose(*middle, atol=0.1)
