"""Pictures drawn on several processors are those drawn one by one."""

import os
import signal

import numpy as np
import pandas as pd
import pytest

from actionbench.reports.analysis.pairs import pairs
from actionbench.reports.analysis.results import gather
from actionbench.reports.analysis.tables import score
from actionbench.reports.rendering import report
from actionbench.reports.rendering.drawings import Drawing, draw_all, in_parallel
from actionbench.reports.rendering.heatmaps import confusion_figure, heat_figure
from actionbench.reports.rendering.parts import Comparison
from actionbench.reports.rendering.report import write_report
from actionbench.reports.rendering.verdict import verdict


def drawings():
    shares = pd.DataFrame({"box": [0.5, np.nan]}, index=["a", "b"])
    return [
        Drawing(confusion_figure, (np.eye(3, dtype=int), list("abc"))),
        Drawing(heat_figure, (shares,), "This must not be believed."),
    ]


def test_several_processes_draw_the_same_as_one():
    alone, together = drawings(), drawings()
    draw_all(alone, 1)
    draw_all(together, 2)
    for one, other, plain in zip(alone, together, drawings(), strict=True):
        assert one.svg == other.svg == plain.svg
        assert one.png == other.png == plain.png
        assert one.svg.inline("x") == other.svg.inline("x")
    assert "This must not be believed." in together[1].svg


def test_a_picture_crosses_processes_without_its_figure():
    drawing = drawings()[0]
    draw_all([drawing, *drawings()], 2)
    assert not hasattr(drawing.svg, "figure")
    assert drawing.svg == drawings()[0].svg
    assert drawing.svg.inline("x") == drawings()[0].svg.inline("x")


def test_what_fails_in_another_process_fails_here():
    assert in_parallel(len, ["a", "bc", ""], 2, "words") == [1, 2, 0]
    with pytest.raises(TypeError, match="int"):
        in_parallel(len, [1, 2], 2, "numbers")


def test_what_kills_other_processes_is_done_here():
    def die_elsewhere(here):
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return "here"

    assert in_parallel(die_elsewhere, [os.getpid()] * 2, 2, "processes") == ["here"] * 2
    assert in_parallel(len, ["a", "bc"], 2, "words") == [1, 2]


@pytest.fixture(scope="module")
def several(lasting):
    """Four attempts with two seeds on one data set, and two of them on another, before it by name."""
    lasting.dataset(
        ["a", "b", "b"] * 8, np.repeat(list("uvwxyz"), 4), "first", warnings=["Bad [leaky-split]"]
    )
    for name, shift in (("hog-svm", 0), ("rules", 1)):
        lasting.attempt(name, np.roll(lasting.labels, shift))
    return lasting.end()


def test_a_report_of_many_results_has_the_same_bytes_as_one_of_few(several, tmp_path, monkeypatch):
    few = write_report(several, tmp_path / "few")
    monkeypatch.setattr(report, "_MANY", 1)
    many = write_report(several, tmp_path / "many")
    assert [path.relative_to(tmp_path / "few") for path in few] == [
        path.relative_to(tmp_path / "many") for path in many
    ]
    assert [path.read_bytes() for path in few] == [path.read_bytes() for path in many]


def test_data_sets_are_compared_in_parallel_as_all_together(several):
    results = gather(several)
    found = Comparison.of(results, n_jobs=2)
    # Computed from all results at once, not data set by data set.
    pd.testing.assert_frame_equal(found.table, score(results))
    assert [part.name for part in found.parts] == ["first, leave-one-group-out", "toy, leave-one-group-out"]
    for part in found.parts:
        own = [result for result in results if result.dataset == part.results[0].dataset]
        assert part.verdict == verdict(own, rows=part.rows)
        pd.testing.assert_frame_equal(part.pairs, pairs(own))
