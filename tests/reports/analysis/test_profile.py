import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import optimize, special

import actionbench
from actionbench.cli.result_commands import show
from actionbench.experiments.datasets.diagnostic.nuisances import NUISANCES as DRAWN
from actionbench.reports.analysis.profile import (
    COLUMNS,
    CURVE_COLUMNS,
    NUISANCES,
    PARTS,
    curves,
    layout,
    profile,
    sentences,
)
from actionbench.reports.analysis.results import compared, diagnostics, gather
from actionbench.reports.analysis.tables import comparison_table
from actionbench.reports.statistics.intervals import bootstrap_interval

# The nuisances of the fixture `profiled`, their levels and true half-lives, and its correlations of context and label.
HALF_LIVES = {"noise": ([5, 10, 20, 40, 80], 20), "frame rate": ([12.5, 8, 5], 8), "roll": ([5, 10], 1000)}
RHOS = (0, 0.5, 0.95, 1)


@pytest.fixture(scope="module")
def results(profiled):
    return gather(profiled)


@pytest.fixture(scope="module")
def table(results):
    return profile(results)


def predictions(results, title, attempt="net"):
    """Return clips of a track with whether a prediction is right, without the help of the package."""
    (one,) = (one for one in results if (one.dataset, one.attempt) == (title, attempt))
    return one.clips.iloc[one.positions].assign(right=one.predicted == one.truth, seed=one.seeds)


def row(table, measure, attempt="net"):
    (found,) = table[(table["measure"] == measure) & (table["attempt"] == attempt)].itertuples()
    return found


def test_one_row_for_each_attempt_and_measure(table):
    assert list(table) == COLUMNS
    assert not table.duplicated(["attempt", "measure"]).any()
    assert set(table["attempt"]) == {"net", "bag"}
    shown = {measure for heads in PARTS.values() for measure in heads}
    shown -= {f"half-life of {name}" for name in NUISANCES if name not in HALF_LIVES}
    assert shown <= set(table["measure"])


def test_pairs_count_where_both_twins_are_right_under_one_seed(results, table):
    clips = predictions(results, "arrow")
    clips["pair"] = [name.rsplit("/", 1)[0] for name in clips["clip"]]
    both = clips.groupby(["pair", "seed"]).agg(
        right=("right", "all"), level=("level", "first"), group=("group", "first")
    )
    told, control = both[both["level"] == 0.2], both[both["level"] == 0.5]
    found = row(table, "order")
    assert (found.value, found.control) == pytest.approx(
        (100 * told["right"].mean(), 100 * control["right"].mean())
    )
    limits = bootstrap_interval(told["right"], told["group"], np.full(len(told), 0.5))
    assert (found.low, found.high) == pytest.approx(tuple(100 * end for end in limits))
    assert (found.chance, found.n_groups, found.n_clips) == (25, 20, len(told) // 2)
    assert found.low > 25 > row(table, "order", "bag").value - 10
    assert np.isnan(row(table, "one-way").control)


def test_a_twin_that_was_not_predicted_makes_no_pair(diagnosed):
    made = diagnosed("arrow")
    made.track("arrow", [{"level": 0.2}], per_person=3)
    # The last twin of the table has another name.
    assert len(made.tables["arrow"]) == 20 * 3 * 2
    made.attempt("sure", lambda clip: 1.0)
    results = gather(made.made.end())
    cut = [one.clips.assign(clip=[*one.clips["clip"][:-1], "alone/a"]) for one in results]
    results[0].clips["clip"] = cut[0]["clip"]
    (found,) = profile(results).itertuples()
    assert (found.value, found.n_clips) == (100, 59)
    assert np.isnan(found.control)


def test_reach_is_the_longest_gap_above_chance(table):
    found, none = row(table, "reach"), row(table, "reach", "bag")
    assert (found.value, found.censored, found.unit) == (8, "", "frames")
    assert found.low <= 8 <= found.high
    assert found.control_low < 50 < found.control_high
    assert none.censored == "none"
    assert np.isnan(none.value)


def test_reach_to_the_last_gap_is_a_lower_bound(diagnosed):
    made = diagnosed("order")
    gaps = [{"level": float(gap), "condition": ""} for gap in (0, 4)]
    made.track("order", gaps, per_person=4).attempt("sure", lambda clip: 1.0)
    made.attempt("late", lambda clip: 0.5 if clip.level == 0 else 1.0)
    found = profile(gather(made.made.end()))
    assert found["censored"].tolist() == ["none", ">"]
    assert found["value"].tolist()[1] == 4
    assert found["control"].isna().all()
    assert [cells[1] for cells in layout(found)[0]["rows"]] == ["none", "≥4"]


def logistic_oracle(levels, clips, null=0.0):
    levels = clips["level"].map(levels)
    told = clips["level"] > null

    def loss(slope):
        return -special.log_expit(np.where(clips["right"], 1, -1) * slope * levels)[told].sum()

    return (
        np.log(3)
        / optimize.minimize_scalar(loss, bounds=(0, 100), method="bounded", options={"xatol": 1e-9}).x
    )


def test_thresholds_are_those_of_a_fitted_logistic_curve(results, table):
    tempo, coherence = row(table, "tempo"), row(table, "coherence")
    found = np.exp(logistic_oracle(np.log, predictions(results, "tempo"), null=1.0))
    assert tempo.value == pytest.approx(found, rel=1e-4)
    assert coherence.value == pytest.approx(
        logistic_oracle(float, predictions(results, "motion-dots")), rel=1e-4
    )
    assert tempo.low < tempo.value < tempo.high
    assert tempo.value == pytest.approx(1.2, rel=0.03)
    assert coherence.low < 0.3 < coherence.high
    for measure in ("tempo", "coherence", "path"):
        known = row(table, measure, "bag")
        assert (known.censored, known.high) == (">", np.inf)
        assert known.control_low < 50 < known.control_high
    assert row(table, "path", "bag").value == 1


def test_a_threshold_below_the_smallest_level(diagnosed):
    made = diagnosed("tempo")
    made.track("tempo", [{"level": level} for level in (1.0, 1.1, 2.0)], per_person=4)
    made.attempt("sure", lambda clip: 1.0 if clip.level > 1 else 0.5)
    (found,) = profile(gather(made.made.end())).itertuples()
    assert (found.value, found.low, found.high, found.censored) == (1.1, 1, 1.1, "<")


def test_motion_alone_and_point_lights_beside_their_controls(results, table):
    clips = predictions(results, "motion-noise")
    found = row(table, "motion alone")
    assert found.value == pytest.approx(100 * clips[clips["level"] == 1]["right"].mean())
    assert found.control == pytest.approx(100 * clips[clips["level"] == 0]["right"].mean())
    clips = predictions(results, "point-lights")
    without = clips[clips["level"] == 0].groupby("condition")["right"].mean() * 100
    for measure, kind in (("point lights", "intact"), ("point lights, inverted", "inverted")):
        found = row(table, measure)
        assert (found.value, found.control) == pytest.approx((without[kind], without["scrambled"]))
    shares = clips[clips["condition"] == "intact"].groupby("level")["right"].mean()
    fitted = optimize.isotonic_regression(shares.to_numpy(), increasing=False).x
    dots = row(table, "noise dots")
    assert dots.value == pytest.approx(np.interp(-0.75, -fitted, shares.index))
    assert dots.low < dots.value < dots.high
    assert row(table, "noise dots", "bag").censored == "none"


def test_the_share_of_the_context(results, table):
    conflict = {}
    for rho in RHOS:
        clips = predictions(results, f"context {rho}")
        shares = clips.groupby("condition")["right"].mean()
        conflict[rho] = 100 * (1 - shares["conflict"])
        gap = row(table, f"context gap at rho {rho:g}")
        assert gap.value == pytest.approx(100 * (shares["aligned"] - shares["conflict"]))
        assert gap.low < 100 * 0.8 * rho**2 < gap.high
    found = row(table, "context share")
    assert (found.value, found.control) == pytest.approx((conflict[0.95], conflict[0]))
    smallest = row(table, "context rho")
    assert (smallest.value, smallest.low, smallest.high) == (0.5, 0.5, 0.5)
    assert row(table, "context rho", "bag").censored == ">"
    clothes = predictions(results, "clothes")
    worn = row(table, "clothes share")
    assert worn.value == pytest.approx(
        100 * (1 - clothes[clothes["condition"] == "conflict"]["right"].mean())
    )
    assert np.isnan(worn.control)
    assert row(table, "clothes rho").censored == ">"


def test_half_lives_in_both_directions(results, table):
    clips = predictions(results, "nuisance")
    whole = clips[clips["condition"] == "none"]["right"]
    for nuisance, (levels, half) in HALF_LIVES.items():
        found, none = row(table, f"half-life of {nuisance}"), row(table, f"half-life of {nuisance}", "bag")
        own = clips[clips["condition"] == nuisance].groupby("level")["right"]
        unit, clean = NUISANCES[nuisance]
        shares = np.array([whole.mean(), *(own.get_group(level).mean() for level in levels)])
        fitted = optimize.isotonic_regression(shares, increasing=False).x
        target = (fitted[0] + 1 / 6) / 2
        if fitted[-1] > target:
            assert (found.value, found.censored) == (levels[-1], ">")
        else:
            assert found.value == pytest.approx(np.interp(-target, -fitted, [clean, *levels]))
            assert found.low <= half * 1.1
            assert found.high >= half * 0.9
        area = row(table, f"area of {nuisance}")
        above = (shares - 1 / 6) / (shares[0] - 1 / 6)
        distance = np.abs(np.array([clean, *levels]) - clean)
        assert area.value == pytest.approx(np.trapezoid(above, distance) / distance[-1])
        assert area.low <= area.value <= area.high
        assert (found.unit, found.control, none.censored) == (unit, 100 * whole.mean(), "none")
        assert np.isnan([none.value, none.low, none.high]).all()


def test_a_rate_that_never_halves_is_beyond_the_smallest(diagnosed):
    made = diagnosed("nuisance")
    rates = [{"condition": "frame rate", "level": rate} for rate in (25.0, 5.0)]
    made.track("nuisance", [{"condition": "none", "level": 0.0}, *rates], classes=tuple("abcdef"))
    made.attempt("sure", lambda clip: 1.0)
    found = profile(gather(made.made.end()))
    (half,) = found[found["measure"] == "half-life of frame rate"].itertuples()
    assert (half.value, half.low, half.high, half.censored) == (5, 0, 5, "<")
    assert layout(found)[0]["rows"] == [["sure", "100", "<5 [0, 5]"]]


def test_inflation_beside_that_of_clones(results, table):
    shares = {
        (seen, clones): predictions(results, f"identity {seen} {clones}")["right"].mean()
        for seen in (True, False)
        for clones in (True, False)
    }
    found = row(table, "inflation")
    assert found.value == pytest.approx(100 * (shares[True, False] - shares[False, False]))
    assert found.control == pytest.approx(100 * (shares[True, True] - shares[False, True]))
    assert found.low < 20 < found.high
    assert found.control_low < 0 < found.control_high


def test_curves_are_accuracies_by_condition_and_level(results):
    found = curves(results)
    assert list(found) == CURVE_COLUMNS
    assert not found.duplicated(["attempt", "track", "condition", "level"]).any()
    clips = predictions(results, "point-lights")
    own = found[(found["attempt"] == "net") & (found["track"] == "point-lights")]
    shares = clips.groupby(["condition", "level"])["right"].mean()
    np.testing.assert_allclose(own["accuracy"], shares)
    assert set(own["n"]) == {20 * 4 * 2}
    assert (own["low"] <= own["accuracy"]).all()
    context = found[(found["track"] == "context") & (found["condition"] == "conflict")]
    assert set(context["level"]) == set(RHOS)
    assert set(found[found["track"] == "nuisance"]["chance"]) == {1 / 6}
    assert "people seen in training, cloned" in set(found["condition"])


def test_tracks_are_no_data_sets_of_the_comparison_and_probes_no_part_of_the_profile(profiled, results):
    assert comparison_table(profiled).empty
    assert compared(results) == []
    assert "arrow, frozen" not in {one.dataset for one in diagnostics(results)}
    assert {one.dataset for one in results} - {one.dataset for one in diagnostics(results)} == {
        "arrow, frozen"
    }


def test_it_is_shown_and_measured_by_name(profiled, table):
    path = str(profiled.path)
    shown = CliRunner().invoke(show, [path, "--format", "terminal"])
    assert shown.exit_code == 0
    assert "diagnostic, profile: what it uses" in shown.output
    assert "no results yet" not in shown.output
    pd.testing.assert_frame_equal(actionbench.profile(path), table)


def test_a_store_without_tracks_has_no_profile(usual):
    results = gather(usual.end())
    found = profile(results)
    assert (list(found), len(found), layout(found), sentences(found)) == (COLUMNS, 0, [], [])
    assert (list(curves(results)), len(curves(results))) == (CURVE_COLUMNS, 0)
    assert len(compared(results)) == 4


def test_what_a_profile_says(table):
    order = table[table["measure"] == "order"].assign(value=[21.6, 97.1], low=[15.0, 95], high=[27.9, 98])
    assert sentences(order) == ["Uses order? yes: net (97 %); no: bag (22 %). Guessing gives 25 %."]
    assert sentences(order.assign(high=40.0))[0].endswith("not decided: bag (22 %). Guessing gives 25 %.")
    broken = order[1:].assign(control=31.2, control_low=27.0, control_high=36.0)
    assert sentences(broken)[1] == (
        "net has 31 [27, 36] on the control of order, where guessing gives 25 %: do not rely on order."
    )
    gained = table[(table["measure"] == "inflation") & (table["attempt"] == "net")]
    assert sentences(gained) == []
    assert sentences(gained.assign(control=9.0, control_low=4.0, control_high=14.0)) == [
        "net has 9 [4, 14] on the control of inflation, where nothing is gained: do not rely on inflation."
    ]


def test_the_parts_of_the_terminal(table):
    uses, levels, withstands = layout(table)
    assert [part["extent"] for part in (uses, levels, withstands)] == list(PARTS)
    assert uses["heads"] == ["attempt", *PARTS["what it uses"].values()]
    found = row(table, "order")
    half = (found.high - found.low) / 2
    assert uses["rows"][1][:2] == ["net", f"{found.value:.0f}±{half:.0f} | {found.control:.0f}"]
    assert levels["rows"][0][1].startswith("none | ")
    assert levels["rows"][0][2].startswith(">2.00 | ")
    assert withstands["heads"] == ["attempt", "whole", "noise", "roll", "frame rate"]
    assert withstands["rows"][1][1:4:2] == ["100", ">10"]
    assert withstands["rows"][0][2] == "–"
    assert "frame rate in fps" in withstands["sizes"][1]
    assert uses["sizes"][2:] == sentences(table)


def test_wide_tables_are_split(table):
    lives = [
        table[table["measure"] == "half-life of noise"].assign(measure=f"half-life of {name}")
        for name in NUISANCES
    ]
    parts = layout(pd.concat(lives))
    assert [head for part in parts for head in part["heads"][2:]] == list(NUISANCES)
    assert len(parts) > 1
    for part in parts:
        widths = [max(map(len, column)) for column in zip(part["heads"], *part["rows"], strict=True)]
        assert sum(widths) + 2 * (len(widths) - 1) <= 110
        assert part["heads"][:2] == ["attempt", "whole"]
    assert [bool(part["sizes"]) for part in parts] == [False] * (len(parts) - 1) + [True]


def test_every_nuisance_that_is_drawn_has_a_half_life():
    assert set(NUISANCES) == set(DRAWN)
