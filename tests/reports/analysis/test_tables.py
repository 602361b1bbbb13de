"""The comparison table: what its columns mean, and that every format says the same."""

import io
import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sklearn.metrics import f1_score

from actionbench.errors import ActionbenchError
from actionbench.experiments.datasets.base import GROUPS_UNKNOWN
from actionbench.experiments.datasets.splits import LEAKY_RANDOM
from actionbench.reports.analysis import columns, tables
from actionbench.reports.analysis.pairs import rank_attempts, ranked
from actionbench.reports.analysis.results import gather
from actionbench.reports.analysis.tables import comparison_table, layout, render
from actionbench.reports.rendering.report import write_report
from actionbench.reports.rendering.terminal import Tables
from actionbench.reports.statistics.intervals import bootstrap_interval

FIRST = (
    "dataset,split,attempt,family,accuracy,accuracy_low,accuracy_high,macro_f1,n_clips,n_groups,n_folds,n_cells,"
    "n_failed,fit_seconds,predict_ms_per_clip,peak_memory_mib,n_parameters"
)


@pytest.fixture
def toy(bench):
    """Six clips of two groups."""
    return bench().dataset(["a", "b", "a", "b", "a", "b"], list("xxxyyy"))


def only(store):
    (row,) = comparison_table(store).to_dict("records")
    return row


def test_scores_and_counts(toy):
    toy.attempt("one", [0, 1, 1, 1, 0, 1], seed=0).attempt("one", [0, 0, 0, 1, 0, 1], seed=1)
    row = only(toy.store)
    truth = [0, 1, 0, 1, 0, 1]
    assert row["accuracy"] == pytest.approx((5 + 5) / 12)
    seeds = [f1_score(truth, found, average="macro") for found in ([0, 1, 1, 1, 0, 1], [0, 0, 0, 1, 0, 1])]
    assert row["macro_f1"] == pytest.approx(np.mean(seeds))
    correct = [1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1]
    expected = bootstrap_interval(correct, list("xxxyyy") * 2, [0.5] * 12)
    assert (row["accuracy_low"], row["accuracy_high"]) == pytest.approx(expected)
    assert [row[name] for name in ("n_clips", "n_groups", "n_folds", "n_cells", "n_failed")] == [
        6,
        2,
        2,
        4,
        0,
    ]


def test_costs(toy):
    row = only(toy.attempt("one", [0] * 6).store)
    assert row["fit_seconds"] == 2.5  # 2 and 3
    assert row["predict_ms_per_clip"] == pytest.approx(1000 * 1.0 / 6)
    assert row["peak_memory_mib"] == 101
    assert row["n_parameters"] == 1234
    assert np.isnan(row["operations"])
    assert row["fit_seconds_with_cache"] == row["fit_seconds"]


def test_features_from_the_cache_are_charged_with_what_they_cost(toy):
    store = toy.attempt("one", [0] * 6).store
    store.connection.execute("UPDATE cells SET fit_saved_seconds = 10, predict_saved_seconds = 3")
    row = only(store)
    assert (row["fit_seconds"], row["fit_seconds_with_cache"]) == (12.5, 2.5)
    assert row["predict_ms_per_clip"] == pytest.approx(1000 * (1.0 + 6) / 6)
    assert row["predict_ms_per_clip_with_cache"] == pytest.approx(1000 * 1.0 / 6)


def test_failed_cells_are_counted_and_said(toy):
    row = only(toy.attempt("one", [0, 1, 0, 1, 1, 1], fail=[0]).store)
    assert (row["n_clips"], row["n_groups"], row["n_folds"], row["n_cells"], row["n_failed"]) == (
        3,
        1,
        1,
        2,
        1,
    )
    assert row["accuracy"] == pytest.approx(2 / 3)
    assert "1 of 2 cells failed (ValueError): the scores cover the 1 fold that finished." in row["warnings"]
    assert tables.ONE_GROUP in row["warnings"]


def test_nothing_finished_keeps_its_row(toy):
    row = only(toy.attempt("one", [0] * 6, fail=[0, 1]).store)
    assert np.isnan([row["accuracy"], row["macro_f1"], row["fit_seconds"], row["predict_ms_per_clip"]]).all()
    assert row["n_clips"] == row["n_groups"] == row["n_folds"] == 0
    assert row["warnings"] == "2 of 2 cells failed (ValueError): no score."


def test_skipped_cells_say_why(toy):
    row = only(toy.attempt("one", [0] * 6, fail=[0, 1], status="skipped", message="needs colour").store)
    assert (row["n_failed"], row["n_skipped"]) == (0, 2)
    assert row["warnings"] == "2 of 2 cells were skipped (needs colour): no score."


def test_best_first_within_each_data_set_and_places_are_shared(bench):
    made = bench()
    for name in ("zoo", "abc"):
        made.dataset(["a", "b"], ["x", "y"], name=name)
        made.attempt("half", [0, 0]).attempt("none", [1, 0], fail=[0, 1]).attempt("all", [0, 1])
    table = comparison_table(made.store)
    assert list(table["dataset"]) == ["abc"] * 3 + ["zoo"] * 3
    assert list(table["attempt"]) == ["all", "half", "none"] * 2
    # Two groups tell nobody apart, and who failed has no place.
    expected = [[1, 2, 1], [1, 2, 1], [pd.NA] * 3] * 2
    pd.testing.assert_frame_equal(
        table[columns.RANK_COLUMNS], pd.DataFrame(expected, columns=columns.RANK_COLUMNS, dtype="Int64")
    )


def test_places_are_those_of_the_pairs_in_every_format(usual):
    usual.attempt("late", usual.labels, fail=(0,))
    table = comparison_table(usual.end())
    ranked = rank_attempts(gather(usual.store))
    rows = table.set_index("attempt")
    assert rows.loc["late", columns.RANK_COLUMNS].isna().all()
    for name, row in ranked.iterrows():
        assert rows.loc[name, columns.RANK_COLUMNS].tolist() == row[columns.RANK_COLUMNS].tolist()
    assert ranked.loc["chance", ["rank_low", "rank_high"]].tolist() == [4, 4]
    assert ranked.loc["hog-svm", ["rank_low", "rank_high"]].tolist() == [1, 3]
    md, tex, terminal = render(table, "md"), render(table, "tex"), shown(table)
    assert "| hog-svm | 1–3 | features |" in md
    assert "| chance | 4 | trivial |" in md
    assert "| late | – | features |" in md
    assert "hog-svm & 1--3 & features" in tex
    assert re.search(r"^hog-svm +1–3 +features", terminal, re.MULTILINE)
    records = {row["attempt"]: row for row in json.loads(render(table, "json"))}
    assert [records["late"][name] for name in columns.RANK_COLUMNS] == [None] * 3
    assert [records["hog-svm"][name] for name in columns.RANK_COLUMNS] == [1, 3, 2]
    assert pd.read_csv(io.StringIO(render(table, "csv")))["rank_low"].tolist()[-1] == 4


@pytest.mark.parametrize("format", tables.FORMATS)
@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"warnings": [GROUPS_UNKNOWN]}, GROUPS_UNKNOWN),
        ({"warnings": [LEAKY_RANDOM]}, LEAKY_RANDOM),
        ({"warnings": ["Seven clips end early."]}, "Seven clips end early."),
    ],
)
def test_warnings_stand_in_every_format(bench, facts, sentence, format):
    store = (
        bench().dataset(["a", "b"], ["x", "y"], **facts).attempt("one", [0, 1]).attempt("two", [0, 0]).store
    )
    table = comparison_table(store)
    assert sentence in render(table, format)
    assert flat(shown(table)).count(sentence) == 1


def shown(table, width=100):
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    console.print(Tables(layout(table)))
    return console.file.getvalue()


def flat(text):
    return " ".join(text.split())


def test_csv_begins_with_the_columns_that_were_promised(usual):
    text = render(comparison_table(usual.store), "csv")
    assert text.startswith(FIRST + ",")
    assert ",".join(columns.NAMES).startswith(FIRST)
    back = pd.read_csv(io.StringIO(text), keep_default_na=True)
    np.testing.assert_array_equal(back["accuracy"], comparison_table(usual.store)["accuracy"])


def test_json_is_records_with_null(toy):
    toy.attempt("one", [0] * 6, fail=[0, 1])
    (row,) = json.loads(render(comparison_table(toy.store), "json"), parse_constant=pytest.fail)
    assert list(row) == columns.NAMES
    assert row["accuracy"] is None
    assert row["n_cells"] == 2


def test_equals_stand_by_name_though_tenths_do_not_add_up(bench):
    made = bench().dataset(["a", "b"] * 3, list("xxyyzz"))
    rng = np.random.default_rng(0)
    for name in "abcdef":
        right = rng.permutation(60).reshape(10, 6) < 30
        for seed in range(10):
            made.attempt(name, np.where(right[seed], made.labels, 1 - made.labels), seed=seed)
    table = comparison_table(made.store)
    assert table["accuracy"].nunique() > 1
    assert table["attempt"].tolist() == list("abcdef") == [one.attempt for one in ranked(gather(made.store))]


def test_an_infinite_cost_is_said_where_it_can_be(bench, tmp_path):
    made = bench().dataset(["a", "b"] * 4, list("wwxxyyzz")).attempt("dear", [0] * 8)
    made.factor = np.inf
    made.attempt("endless", [0] * 8).attempt("for ever", [0] * 8)
    write_report(made.end(), tmp_path)
    rows = json.loads((tmp_path / "table.json").read_text(), parse_constant=pytest.fail)
    assert [row["fit_seconds"] for row in rows] == [3.5, None, None]
    assert "| endless | 1–3 | features | 50.0 [" in (tmp_path / "table.md").read_text()
    assert "| inf | inf | 103 MiB |" in (tmp_path / "table.md").read_text()
    # Only one has a price that can be drawn.
    assert not list(tmp_path.glob("figures/*fit-time*"))
    assert list(tmp_path.glob("figures/*memory*"))


def test_markdown_is_one_table_a_data_set_in_percent(toy):
    lines = render(comparison_table(toy.attempt("one", [0, 1, 0, 1, 0, 0]).store), "md").splitlines()
    assert lines[0] == "### toy, leave-one-group-out"
    assert lines[2] == "6 clips, 2 groups, 2 folds."
    assert lines[4].startswith("| attempt | rank | family | accuracy [95 %] |")
    assert "| one | – | features | 83.3 [" in lines[6]
    assert len({line.count("|") for line in lines[4:7]}) == 1


@pytest.mark.parametrize("write", [lambda t: render(t, "md"), lambda t: render(t, "tex")])
def test_what_is_the_same_in_all_rows_stands_above_them_once(toy, write):
    toy.attempt("one", [0] * 6).attempt("other", [1] * 6)
    text = write(comparison_table(toy.store))
    assert "6 clips, 2 groups, 2 folds" in text
    assert not {"clips", "groups", "folds", "failed"} & set(re.findall(r"[a-z]+(?= [|&])", text))
    text = write(comparison_table(toy.attempt("late", [0] * 6, fail=(0,)).store))
    # One fold of two, and one of two cells.
    assert {"clips", "groups", "folds", "failed"} <= set(re.findall(r"[a-z]+(?= [|&])", text))
    assert "1/2" in text


@pytest.mark.parametrize(
    ("format", "safe"),
    [("md", r"a\|b\_\<i\> \`x\`"), ("tex", r"a|b\_\textless{}i\textgreater{} `x`"), ("csv", "a|b_<i>\n`x`")],
)
def test_names_are_escaped(toy, format, safe):
    assert safe in render(comparison_table(toy.attempt("a|b_<i>\n`x`", [0] * 6).store), format)


def test_a_name_is_no_link_and_no_option_of_the_row_before(toy):
    table = comparison_table(toy.attempt("[a](http://b)", [0] * 6).attempt("*", [0] * 6).store)
    assert r"| [a]\(http://b) |" in render(table, "md")
    text = render(table, "tex")
    assert not re.search(r"(\\\\|\\midrule)\s*[\[*]", text)
    assert "{}[a](http://b) & " in text


def test_latex_has_booktabs_and_escapes_all_that_is_special(toy):
    text = render(comparison_table(toy.attempt("50% & #1 {x} $y$ ~ ^ \\z", [0] * 6).store), "tex")
    assert r"50\% \& \#1 \{x\} \$y\$ \textasciitilde{} \textasciicircum{} \textbackslash{}z" in text
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert rule in text
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    # Five columns would say the same in all rows.
    assert body.count(" & ") == len(columns.SHOWN) - 1 - 5


def test_the_terminal_holds_it_in_100_columns(usual):
    text = shown(comparison_table(usual.store))
    assert max(map(len, text.splitlines())) <= 100
    assert "leave-one-group-out: 72 clips, 6 groups, 6 folds" in text
    heads = text.splitlines()[1].split()
    assert {"rank", "family", "F1", "fit", "per", "clip", "memory", "params"} < set(heads)
    assert "failed" not in heads  # as none did
    row = comparison_table(usual.store).iloc[0]
    assert f"{100 * row.accuracy:.1f} [{100 * row.accuracy_low:.1f}, {100 * row.accuracy_high:.1f}]" in text


def test_the_terminal_says_how_many_failed(usual):
    text = shown(comparison_table(usual.attempt("late", usual.labels, fail=(0,)).store))
    assert "failed" in text.splitlines()[1]
    assert "1/6" in text


@pytest.fixture
def listed(bench):
    """A list of rules whose size differs from fold to fold, and an attempt without rules."""
    made = bench().dataset(["a", "b"] * 3, list("xxyyzz"))
    made.attempt("one", [0, 1] * 3)
    for seed, (rules, conditions) in enumerate([(1, 1), (2, 1)]):
        counts = {"rules": rules, "conditions": conditions, "quantities": 2}
        made.attempt("my list", [0, 1] * 3, seed, "rules", counts=counts)
    return made


def test_the_size_of_a_list_of_rules_is_the_median_of_its_cells(listed):
    table = comparison_table(listed.store).set_index("attempt")
    assert table.loc["my list", ["n_rules", "n_conditions", "n_quantities"]].tolist() == [1.5, 1, 2]
    assert table.loc["one", ["n_rules", "n_conditions", "n_quantities"]].isna().all()


@pytest.mark.parametrize("write", [lambda t: render(t, "md"), lambda t: render(t, "tex"), shown])
def test_the_size_of_a_list_of_rules_stands_below_the_table(listed, write):
    text = write(comparison_table(listed.store))
    assert "my list: 1.5 rules, 1 condition, 2 quantities" in text
    assert not re.search(r"one: .* rules?\b", text)


def test_how_long_nets_were_trained_stands_in_one_line(listed):
    for name, epochs in (("net", 60), ("other net", 12)):
        listed.attempt(name, [1, 0] * 3, counts={"epochs": epochs})
    table = comparison_table(listed.store)
    assert "epochs: net 60, other net 12" in shown(table)
    assert table.set_index("attempt").loc["net", "n_epochs"] == 60


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_narrow_terminal_loses_columns_and_breaks_none(usual, width):
    text = shown(comparison_table(usual.store), width)
    assert max(map(len, text.splitlines())) <= width
    lines = [line for line in text.splitlines() if line.startswith("hog-svm")]
    assert len(lines) == 1
    assert " [" in lines[0]


@pytest.mark.parametrize("seed", range(5))
def test_what_fits_is_laid_out_as_rich_does(seed):
    rng = np.random.default_rng(seed)
    heads = [column.heading for column in columns.SHOWN]
    words = ["a", "hog-svm", "動き", "émotion", "[bold]", "12.3 [4.5, 67.8]", "–", "a b"]
    rows = [[str(rng.choice(words)) for _ in heads] for _ in range(4)]
    part = {"heads": heads, "numeric": [column.is_number for column in columns.SHOWN], "rows": rows}
    part |= {"dataset": "toy", "split": "s", "extent": "4 clips", "sizes": [], "notes": []}
    console = Console(width=200, file=io.StringIO(), force_terminal=False)
    console.print(Tables([part]))
    _, *found = console.file.getvalue().splitlines()

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    shown = [column for column, head in enumerate(heads) if head not in ("clips", "groups", "folds")]
    for column in shown:
        grid.add_column(heads[column], justify="right" if part["numeric"][column] else "left")
    for row in rows:
        grid.add_row(*(Text(row[column]) for column in shown))
    console = Console(width=200, file=io.StringIO(), force_terminal=False)
    console.print(grid)
    assert found == console.file.getvalue().splitlines()


def test_an_unfinished_attempt_says_so(bench):
    made = bench().dataset(["a", "b"] * 3, list("xxyyzz")).attempt("done", [0, 1] * 3)
    made.groups = made.groups[:4]
    made.attempt("under way", [0, 1] * 3)
    rows = comparison_table(made.store).set_index("attempt")["warnings"]
    assert rows["under way"] == "Only 4 of 6 clips are predicted so far: the run has not finished."
    assert rows["done"] == ""


def test_an_attempt_without_some_seeds_says_so_and_has_no_rank(bench):
    made = bench().dataset(["a", "b"] * 6, np.repeat(list("uvwxyz"), 2))
    for seed in range(3):
        made.attempt("all", [0, 1] * 6, seed)
        made.attempt("others", [0, 0] * 6, seed)
    made.attempt("one seed", [0, 1] * 6, 1)
    table = comparison_table(made.store).set_index("attempt")
    said = "Only 12 of 36 predictions so far: other attempts have more seeds."
    assert table["warnings"].to_dict() == {"all": "", "others": "", "one seed": said}
    assert table["rank_low"].isna().to_dict() == {"all": False, "others": False, "one seed": True}


@pytest.mark.parametrize("format", tables.FORMATS)
def test_a_warning_of_the_data_set_is_said_once_whoever_fails(bench, format):
    made = bench().dataset(["a", "b"] * 2, list("xxyy"), warnings=["Seven clips end early."])
    made.attempt("one", [0, 1] * 2).attempt("two", [0, 1] * 2, fail=[1]).attempt(
        "three", [0, 0] * 2, fail=[0]
    )
    table = comparison_table(made.store)
    if format in ("md", "tex"):
        assert render(table, format).count("Seven clips end early.") == 1
    (part,) = layout(table)
    failed = "1 of 2 cells failed (ValueError): the scores cover the 1 fold that finished."
    assert part["notes"][0] == "Seven clips end early."
    assert f"three, two: {failed}" in part["notes"] or f"two, three: {failed}" in part["notes"]


def test_a_terminal_obeys_no_name(bench):
    made = bench().dataset(
        ["a", "b"] * 3, list("xxyyzz"), name="toy\x1b]0;title\x07", warnings=["mind\x9b2J"]
    )
    text = shown(comparison_table(made.attempt("one\x1b[2J", [0] * 6, family="\x1b[31mred").store))
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert r"one\x1b[2J" in text
    assert r"mind\x9b2J" in text


def test_markup_in_a_name_is_only_text(toy):
    assert "[bold]x[/bold]" in shown(comparison_table(toy.attempt("[bold]x[/bold]", [0] * 6).store))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (9e-7, "<0.001"),
        (0.0123, "0.012"),
        (0.999, "1"),
        (3.44, "3.4"),
        (9.96, "10"),
        (56.4, "56"),
        (999.4, "999"),
        (999.6, "1k"),
        (7800, "7.8k"),
        (74_321, "74k"),
        (12e6, "12M"),
        (3e12, "3000G"),
        (float("nan"), "–"),
    ],
)
def test_short_numbers(value, text):
    assert columns.short_number(value) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "s", "0"),
        (2.6e-6, "ms", "0.0026 µs"),
        (0.0026, "ms", "2.6 µs"),
        (999.4, "ms", "999 ms"),
        (999.6, "ms", "1 s"),
        (1830, "ms", "1.8 s"),
        (59.9, "s", "60 s"),
        (125, "s", "2.1 min"),
        (9000, "s", "2.5 h"),
        (217.4, "MiB", "217 MiB"),
        (1536, "MiB", "1.5 GiB"),
        (0.25, "MiB", "256 KiB"),
        (0.03, "J", "30 mJ"),
        (4200, "J", "4.2 kJ"),
        (float("inf"), "s", "inf"),
        (float("nan"), "MiB", "–"),
    ],
)
def test_units_scale(value, unit, text):
    assert columns.with_unit(value, unit) == text


def test_an_unknown_format_is_named(toy):
    with pytest.raises(ActionbenchError, match=r"'markdown' is unknown.*md"):
        render(comparison_table(toy.attempt("one", [0] * 6).store), "markdown")


def test_an_empty_store_gives_an_empty_table_in_every_format(bench):
    table = comparison_table(bench().store)
    assert list(table.columns) == columns.NAMES
    assert [render(table, format).count("nan") for format in tables.FORMATS] == [0] * 4
    assert shown(table).strip() == ""


def test_the_table_needs_no_drawing_no_terminal_and_no_distributions():
    code = (
        "import sys; from actionbench.reports.analysis import tables, comparison; "
        "heavy = {'matplotlib', 'rich', 'jinja2', 'cv2', 'sklearn', 'scipy.stats'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_power_of_a_design_stands_below_its_table(bench, usual):
    table = comparison_table(usual.store)
    (difference,) = set(table["design_difference"])
    points = f"{100 * difference:.0f} points"
    said = f"This design finds a true difference of {points} between two attempts four times in five."
    assert layout(table)[0]["sizes"] == [said]
    assert said in flat(shown(table))
    assert said in render(table, "md")
    # Five people are too few to find any.
    made = bench().dataset(["a", "b"] * 5, np.repeat(list("vwxyz"), 2))
    few = comparison_table(made.attempt("one", [0, 1] * 5).attempt("two", [0, 0] * 5).store)
    assert (few["design_difference"].tolist(), layout(few)[0]["sizes"]) == ([np.inf] * 2, [])
