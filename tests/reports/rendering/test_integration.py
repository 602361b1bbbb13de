"""Comments on GitHub and JUnit's XML, read back by parsers of Markdown, HTML and XML."""

from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from actionbench.reports.analysis.comparison import COLUMNS, compare
from actionbench.reports.rendering.integration import LIMIT, MARKER, github, junit

NAN = float("nan")
NOTHING = dict.fromkeys(COLUMNS, NAN) | dict.fromkeys(["n_clips", "n_groups"], 0)
NOTHING |= {"dataset": "toy", "split": "folds(2)", **dict.fromkeys(COLUMNS[-4:], "")}
TOLD = {
    "accuracy_old": 0.5,
    "accuracy_new": 0.25,
    "difference": -0.25,
    "difference_low": -0.4,
    "difference_high": -0.1,
    "p_value": 0.03125,
    "n_clips": 80,
    "n_groups": 8,
}
SAME = TOLD | {"accuracy_new": 0.5, "difference": 0.0, "difference_low": NAN, "difference_high": NAN}
FAILED = {
    "reason": "2 of 8 cells failed or were skipped in the new store.",
    "failed_new": "2 of 8 cells failed: no",
}
#: One result of each kind, in another order than that of a comment.
KINDS = {
    "identical": SAME,
    "not comparable": {"reason": "Only in the old store."},
    "no evidence": TOLD | {"reason": "Too few groups changed for any difference to be significant."},
    "failed": FAILED,
    "better": TOLD,
    "worse": TOLD,
}


def made(*rows):
    return pd.DataFrame([NOTHING | row for row in rows], columns=COLUMNS)


def of_kinds(*kinds):
    return made(
        *(
            {"attempt": kind, "verdict": "not comparable" if kind == "failed" else kind, **KINDS[kind]}
            for kind in kinds
        )
    )


class Page(HTMLParser):
    """What a browser shows: tables of cells, the text outside of them, and the elements used."""

    def __init__(self, markdown):
        super().__init__()
        self.tables, self.text, self.tags, self.cell = [], "", set(), None
        self.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown))

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.cell = ""

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.tables[-1][-1].append(self.cell)
            self.cell = None

    def handle_data(self, data):
        if self.cell is None:
            self.text += data
        else:
            self.cell += data


def line(comment):
    return comment.splitlines()[1]


def test_a_comment_has_a_verdict_a_table_and_folded_details():
    comment = github(of_kinds(*KINDS))
    page = Page(comment)
    assert comment.startswith(f"{MARKER}\n")
    assert line(comment) == (
        "**Worse**: of 6 results, 1 is worse, 1 failed, 1 is better, 1 shows no clear change, 1 is identical and "
        "1 could not be compared."
    )
    assert page.tags >= {"strong", "details", "summary"}
    table, details = page.tables
    assert table == [
        ["attempt", "old %", "new %", "change in points [95 %]", "verdict"],
        ["worse", "50.0", "25.0", "-25.0 [-40.0, -10.0]", "worse"],
        ["failed", "", "", "", "failed: 2 of 8 cells failed: no"],
        ["better", "50.0", "25.0", "-25.0 [-40.0, -10.0]", "better"],
        ["no evidence", "50.0", "25.0", "-25.0 [-40.0, -10.0]", "no evidence"],
        ["identical", "50.0", "50.0", "0", "identical"],
        ["not comparable", "", "", "", "not comparable: Only in the old store."],
    ]
    assert details[1] == ["toy, folds(2)", "worse", "0.031", "80", "8", "", "", ""]
    assert details[2][-1] == f"{FAILED['reason']} new side: {FAILED['failed_new']}"
    assert comment.index("<details>") < comment.index("0.031") < comment.index("</details>")


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        (["identical"] * 2, "**Identical**: of 2 results, 2 are identical."),
        (
            ["identical", "no evidence"],
            "**No clear change**: of 2 results, 1 shows no clear change and 1 is identical.",
        ),
        (["not comparable"], "**Nothing could be compared**: of 1 result, 1 could not be compared."),
        (["failed", "better", "better"], "**Failed**: of 3 results, 1 failed and 2 are better."),
        ([], "**Nothing could be compared**: neither side has results."),
    ],
)
def test_the_verdict_names_what_matters_most(kinds, said):
    assert line(github(of_kinds(*kinds))) == said


def test_data_sets_are_named_where_there_are_several_and_times_where_they_are_not_compared():
    rows = [
        TOLD | {"attempt": "one", "verdict": "worse", "times": "Times are not compared: threads 1, 2."}
    ] * 2
    page = Page(github(made(*rows)))
    assert page.text.count("threads 1, 2.") == 1
    assert page.tables[0][0][0] == "attempt"
    ratios = {"fit_ratio": 1.25, "predict_ratio": 0.5, "times": ""}
    page = Page(github(made(rows[0] | ratios, rows[1] | {"dataset": "other"})))
    assert [row[0] for row in page.tables[0]] == ["data set", "toy, folds(2)", "other, folds(2)"]
    assert page.tables[1][1][5:7] == ["1.25", "0.50"]


FOREIGN = [
    "a|b",
    "a\\|b",
    "`x`",
    "<img src=x onerror=y>",
    "</details>",
    "--> @nobody #1 GH-1 a@b.org",
    "[a](http://b.org)",
    "http://b.org www.b.org",
    "_x_ **y** ~z~",
    "&lt;",
    "äß 漢字",
]


@pytest.mark.parametrize("name", FOREIGN)
def test_names_are_text_and_nothing_else(name):
    known = Page(github(of_kinds("worse", "failed")))
    row = {"attempt": name, "dataset": name, "verdict": "worse"}
    comment = github(made(TOLD | row, FAILED | row | {"verdict": "not comparable", "failed_new": name}))
    page = Page(comment)
    assert page.tags == known.tags
    assert [found[0] for found in page.tables[0][1:]] == [name, name]
    assert page.tables[0][2][-1] == f"failed: {name}"
    assert page.tables[1][1][0] == f"{name}, folds(2)"
    # Mentions, links and references are those of letters that the source does not have.
    assert comment.isascii()
    assert not any(
        mark in comment.replace("<!-- actionbench compare -->", "") for mark in ("@", "://", "#1 ", "`")
    )


@given(name=st.text())
def test_any_name_is_one_cell_and_one_attribute(name):
    table = made(TOLD | {"attempt": name, "dataset": name, "verdict": "worse"})
    page = Page(github(table))
    assert [len(grid) for grid in page.tables] == [2, 2]
    assert {len(row) for row in page.tables[0]} == {5}
    (case,) = ElementTree.fromstring(junit(table)).iter("testcase")
    flat = " ".join(name.split())
    if flat.isprintable():
        assert case.get("name") == flat
        assert page.tables[0][1][0].strip() == flat[:200] + "..." * (len(flat) > 200)


def test_a_comment_is_as_long_as_github_accepts():
    rows = [TOLD | {"attempt": f"attempt {number}", "verdict": "better"} for number in range(2000)]
    rows.append(TOLD | {"attempt": "last", "verdict": "worse"})
    comment = github(made(*rows))
    assert LIMIT - 1000 < len(comment) <= LIMIT
    page = Page(comment)
    n_shown = len(page.tables[0]) - 1
    assert len(page.tables[1]) - 1 == n_shown
    assert page.tables[0][1][0] == "last"
    assert f"{2001 - n_shown} more rows are left out" in page.text
    assert "2000 are better" in line(comment)
    assert "left out" not in github(made(*rows[:50]))


def test_a_message_of_any_length_leaves_room_for_its_row():
    row = FAILED | {"attempt": "one", "verdict": "not comparable", "failed_new": "x" * 10**6}
    (_, shown), _ = Page(github(made(row))).tables
    assert shown[-1] == f"failed: {'x' * 200}..."


#: Attributes and children of each element in the schema of Jenkins, junit-10.xsd, as far as they are used.
SCHEMA = {
    "testsuites": (set(), {"testsuite"}),
    "testsuite": ({"name", "tests", "failures", "errors", "skipped"}, {"testcase"}),
    "testcase": ({"name", "classname"}, {"failure", "error", "skipped", "system-out"}),
    "failure": ({"type", "message"}, set()),
    "error": ({"type", "message"}, set()),
    "skipped": ({"type", "message"}, set()),
    "system-out": (set(), set()),
}


def test_junit_has_a_case_for_each_result():
    text = junit(of_kinds(*KINDS))
    root = ElementTree.fromstring(text)
    for element in root.iter():
        attributes, children = SCHEMA[element.tag]
        assert set(element.keys()) == attributes
        assert {child.tag for child in element} <= children
    (suite,) = root
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["6", "1", "1", "2"]
    found = {case.get("name"): (case[0].tag, case[0].get("message") or case[0].text) for case in suite}
    tested = "50.0 % before, 25.0 % after: -25.0 [-40.0, -10.0] points, p = 0.031, 80 clips of 8 groups."
    assert found == {
        "worse": ("failure", tested),
        "failed": ("error", "2 of 8 cells failed: no"),
        "better": ("system-out", tested),
        "no evidence": ("skipped", f"{tested} {KINDS['no evidence']['reason']}"),
        "identical": ("system-out", "50.0 % before, 50.0 % after: the same predictions of 80 clips."),
        "not comparable": ("skipped", "Only in the old store."),
    }
    assert {case.get("classname") for case in suite} == {"toy, folds(2)"}


def test_of_two_stores(bench):
    truth = np.array([0, 1] * 12)
    stores = []
    for worse, fail in (((), [1]), (range(24), [])):
        one = bench().dataset(["a", "b"] * 12, np.repeat(list("stuvwx"), 4))
        wrong = np.where(np.isin(np.arange(24), worse), 1 - truth, truth)
        stores.append(
            one.attempt("same", truth).attempt("changed", wrong).attempt("mended", truth, fail=fail).store
        )
    table = compare(*stores)
    assert [case[0].tag for case in ElementTree.fromstring(junit(table)).iter("testcase")] == [
        "failure",
        "skipped",
        "system-out",
    ]
    shown = Page(github(table)).tables[0][1:]
    assert [(row[0], row[-1]) for row in shown] == [
        ("changed", "worse"),
        ("same", "identical"),
        ("mended", "not comparable: 1 of 6 cells failed or were skipped in the old store."),
    ]
