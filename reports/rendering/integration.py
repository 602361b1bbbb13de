"""Comparisons of two stores as systems of continuous integration show them: a comment on GitHub, and JUnit's XML."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree

import pandas as pd

from .prose import join_names, p_text

#: First line of a comment, hidden by GitHub, by which a workflow finds its own.
MARKER = "<!-- actionbench compare -->"
#: Characters that GitHub accepts in a comment.
LIMIT = 65_536

# Longest message of a failure in a comment.
_MAX_MESSAGE = 200

# Heading, and verb of one and of several results, of each kind; what matters most comes first.
_KINDS = {
    "worse": ("Worse", "is worse", "are worse"),
    "failed": ("Failed", "failed", "failed"),
    "better": ("Better", "is better", "are better"),
    "no evidence": ("No clear change", "shows no clear change", "show no clear change"),
    "identical": ("Identical", "is identical", "are identical"),
    "not comparable": ("Nothing could be compared", "could not be compared", "could not be compared"),
}
_OUTCOMES = {"worse": "failure", "failed": "error", "no evidence": "skipped", "not comparable": "skipped"}
_METHOD = (
    "Differences are on the same clips, with a 95 % interval and the p-value of a paired test over groups, not "
    "adjusted for the number of results: of twenty that have not changed, one is expected to be called better or "
    "worse. Identical results have the same predictions. Times are those of a cell, new over old."
)


def github(table: pd.DataFrame) -> str:
    """Describe a comparison in a comment of GitHub's Markdown.

    Parameters
    ----------
    table : DataFrame
        From `comparison.compare`.

    Returns
    -------
    str
        A hidden line, `MARKER`; a line with the verdict; a table of the results, what matters most first; and the
        rest, folded up. Of more rows than fit into `LIMIT` characters it says how many are left out. It is ASCII, and
        names are neither Markdown nor HTML in it, and mention nobody.

    Examples
    --------
    >>> from actionbench.reports.analysis.comparison import COLUMNS
    >>> print(github(pd.DataFrame(columns=COLUMNS)))
    <!-- actionbench compare -->
    **Nothing could be compared**: neither side has results.
    """
    rows: list[Any] = sorted(table.itertuples(), key=lambda row: list(_KINDS).index(_kind(row)))
    if not rows:
        return f"{MARKER}\n**Nothing could be compared**: neither side has results.\n"
    comment = _comment(rows, len(rows))
    if len(comment) > LIMIT:
        n_fitting = bisect_right(range(len(rows)), LIMIT, key=lambda n_shown: len(_comment(rows, n_shown)))
        comment = _comment(rows, n_fitting - 1)
    return comment


def junit(table: pd.DataFrame) -> str:
    """Describe a comparison in JUnit's XML.

    Parameters
    ----------
    table : DataFrame
        From `comparison.compare`.

    Returns
    -------
    str
        A test case for each result: a failure where it is worse, an error where cells of the new store failed, and
        skipped where the data cannot tell or it cannot be compared.

    Examples
    --------
    >>> from actionbench.reports.analysis.comparison import COLUMNS
    >>> print(junit(pd.DataFrame(columns=COLUMNS)))
    <?xml version='1.0' encoding='us-ascii'?>
    <testsuites>
      <testsuite name="actionbench compare" tests="0" failures="0" errors="0" skipped="0" />
    </testsuites>
    """
    rows: list[Any] = list(table.itertuples())
    counts = Counter(_OUTCOMES.get(_kind(row)) for row in rows)
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        name="actionbench compare",
        tests=str(len(rows)),
        failures=str(counts["failure"]),
        errors=str(counts["error"]),
        skipped=str(counts["skipped"]),
    )
    for row in rows:
        where, kind, said = _printable(f"{row.dataset}, {row.split}"), _kind(row), _printable(_sentence(row))
        case = ElementTree.SubElement(suite, "testcase", classname=where, name=_printable(row.attempt))
        if kind in _OUTCOMES:
            ElementTree.SubElement(case, _OUTCOMES[kind], type=kind, message=said)
        else:
            ElementTree.SubElement(case, "system-out").text = said
    ElementTree.indent(root)
    return ElementTree.tostring(root, "us-ascii", xml_declaration=True).decode() + "\n"


def _kind(row: Any) -> str:
    return "failed" if row.failed_new else row.verdict


def _comment(rows: list[Any], n_shown: int) -> str:
    counts = Counter(map(_kind, rows))
    kinds = [kind for kind in _KINDS if counts[kind]]
    said = join_names([f"{counts[kind]} {_KINDS[kind][1 + (counts[kind] > 1)]}" for kind in kinds])
    shown = rows[:n_shown]
    several = len({(row.dataset, row.split) for row in rows}) > 1
    heads = [*["data set"] * several, "attempt", "old %", "new %", "change in points [95 %]", "verdict"]
    parts = [
        f"{MARKER}\n**{_KINDS[kinds[0]][0]}**: of {len(rows)} result{'s' * (len(rows) > 1)}, {said}.",
        _grid(heads, [[*[_where(row)] * several, *_change(row)] for row in shown]),
        *[f"{len(rows) - n_shown} more rows are left out, as a comment is limited."] * (n_shown < len(rows)),
        "<details><summary>Details</summary>",
        _grid(
            ["data set", "attempt", "p", "clips", "groups", "fit time", "prediction time", "remark"],
            map(_detail, shown),
        ),
        _METHOD,
        *map(_code, dict.fromkeys(row.times for row in shown if row.times)),
        "</details>",
    ]
    return "\n\n".join(parts) + "\n"


def _grid(heads: list[str], rows: Iterable[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, ["---"] * len(heads), *rows])


def _change(row: Any) -> list[str]:
    accuracies = (
        "" if math.isnan(share) else f"{100 * share:.1f}" for share in (row.accuracy_old, row.accuracy_new)
    )
    why = _code(row.failed_new) if row.failed_new else row.reason if row.verdict == "not comparable" else ""
    return [_code(row.attempt), *accuracies, _points(row), f"{_kind(row)}{why and ': '}{why}"]


def _points(row: Any) -> str:
    """Return the difference with its interval, as far as there are such."""
    if math.isnan(row.difference):
        return ""
    if row.verdict == "identical":
        return "0"
    return "{:+.1f} [{:+.1f}, {:+.1f}]".format(
        *(100 * share for share in (row.difference, row.difference_low, row.difference_high))
    )


def _detail(row: Any) -> list[str]:
    numbers = ("" if math.isnan(row.p_value) else f"{row.p_value:.2g}", str(row.n_clips), str(row.n_groups))
    times = ("" if math.isnan(ratio) else f"{ratio:.2f}" for ratio in (row.fit_ratio, row.predict_ratio))
    failed = (
        f"{side} side: {_code(said)}"
        for side, said in (("old", row.failed_old), ("new", row.failed_new))
        if said
    )
    return [_where(row), _code(row.attempt), *numbers, *times, " ".join(filter(None, [row.reason, *failed]))]


def _where(row: Any) -> str:
    return _code(f"{row.dataset}, {row.split}")


def _sentence(row: Any) -> str:
    """Return what is known of a result, for a test case."""
    if row.failed_new:
        return str(row.failed_new)
    if row.verdict == "not comparable":
        return " ".join(filter(None, [row.reason, row.failed_old]))
    accuracies = f"{100 * row.accuracy_old:.1f} % before, {100 * row.accuracy_new:.1f} % after"
    if row.verdict == "identical":
        return f"{accuracies}: the same predictions of {row.n_clips} clips."
    tested = f"{_points(row)} points, {p_text(row.p_value)}, {row.n_clips} clips of {row.n_groups} groups"
    return f"{accuracies}: {tested}. {row.reason}".rstrip()


def _code(text: str) -> str:
    """Return text as code in which nothing is Markdown, HTML, a link or a mention: all other letters as numbers."""
    short = text if len(text) <= _MAX_MESSAGE else f"{text[:_MAX_MESSAGE]}..."
    safe = re.sub(r"[^A-Za-z0-9 .,=()+%/-]", lambda found: f"&#{ord(found[0])};", _printable(short))
    return f"<code>{safe}</code>"


def _printable(text: str) -> str:
    """Return text in one line, without what XML cannot hold."""
    flat = " ".join(text.split())
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in flat)
