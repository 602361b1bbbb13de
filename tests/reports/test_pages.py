"""The report: one file, no network, no script, the same bytes."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from actionbench.errors import ActionbenchError
from actionbench.experiments.splits import LeakyRandom
from actionbench.reports.enough import group_changes, least_difference
from actionbench.reports.pages import verdict, write_report
from actionbench.reports.results import gather
from actionbench.reports.tables import comparison_table, render

FILES = {"index.html", "table.md", "table.csv", "table.tex", "table.json"}
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 4567*8901 }}"


class Page(HTMLParser):
    """Collect tags, attributes and text."""

    def __init__(self, text):
        super().__init__()
        text = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
        self.tags, self.attributes, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def read(folder):
    return (folder / "index.html").read_text(encoding="utf-8")


def test_all_files_are_written_and_hold_the_table(usual, tmp_path):
    written = write_report(usual.end(), tmp_path / "deep" / "out")
    assert {path.name for path in written} == FILES
    assert {path.name for path in (tmp_path / "deep" / "out").iterdir()} == FILES
    table = comparison_table(usual.store)
    for format in ("md", "csv", "tex", "json"):
        text = (tmp_path / "deep" / "out" / f"table.{format}").read_text(encoding="utf-8")
        assert text == render(table, format)


def test_the_same_store_gives_the_same_bytes(usual, tmp_path):
    for name in ("one", "two"):
        write_report(usual.store, tmp_path / name)
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_page_says_all_there_is_to_say(usual, tmp_path):
    usual.attempt("mlp", usual.labels, 0, "dense", fail=[2], message="out of luck")
    write_report(usual.store, tmp_path)
    page = Page(read(tmp_path))
    assert page.text.index("is right most often") < page.text.index("family")
    for words in (
        "hog-svm",
        '{"attempt": "rules"}',
        "What it says of itself (seed 0, fold 0)",
        "1 of 6",
        "failed, exception, ValueError",
        "out of luck",
        "commit abc",
        "had not finished",
    ):
        assert words in page.text
    assert page.tags.count("svg") == 1 + 5
    assert page.tags.count("article") == 5


def test_the_page_says_how_large_a_list_of_rules_is(bench, tmp_path):
    made = bench().dataset(["a", "b"] * 3, list("xxyyzz"))
    made.attempt("rules", [0, 1] * 3, counts={"rules": 6, "conditions": 8, "quantities": 1})
    write_report(made.end(), tmp_path)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "rules: 6 rules, 8 conditions, 1 quantity" in page


def test_a_finished_run_is_not_called_unfinished(usual, tmp_path):
    write_report(usual.end(), tmp_path)
    assert "not finished" not in read(tmp_path)


def test_nothing_is_loaded_and_nothing_runs(usual, tmp_path):
    usual.attempt("drawn", usual.labels, artifacts={"explain.txt": b"\xff text", "filters.png": b"\x89PNG"})
    write_report(usual.store, tmp_path)
    page = Page(read(tmp_path))
    assert not {"script", "link", "iframe", "object", "embed", "form", "base"} & set(page.tags)
    for tag, name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("src", "href", "xlink:href"):
            assert value.startswith(("#", "data:image/png;base64,")), (tag, name, value)
    policy = [value for _, name, value in page.attributes if name == "content" and "default-src" in value]
    assert policy
    assert "default-src 'none'" in policy[0]
    assert "script-src" not in policy[0]
    assert not re.search(r"url\((?!#)|@import", read(tmp_path))
    assert page.tags.count("img") == 1


def test_hostile_text_stays_text(bench, tmp_path):
    made = bench(name=HOSTILE).dataset(
        [HOSTILE, "b"] * 6, list("xyzxyzxyzxyz"), name=HOSTILE, split=HOSTILE, warnings=[HOSTILE]
    )
    made.attempt(
        HOSTILE, [0] * 12, family=HOSTILE, artifacts={"explain.txt": HOSTILE.encode(), HOSTILE + ".png": b"x"}
    )
    made.attempt("broken" + HOSTILE, [0] * 12, fail=[0, 1, 2], message=HOSTILE)
    write_report(made.store, tmp_path)
    page = Page(read(tmp_path))
    assert "script" not in page.tags
    assert [name for _, name, _ in page.attributes if name.startswith("on")] == []
    assert HOSTILE in page.text
    assert "40650867" not in re.findall(r"\w+", page.text.replace("{{ 4567*8901 }}", ""))


def test_ids_are_unique(usual, tmp_path):
    write_report(usual.store, tmp_path)
    identifiers = re.findall(r'<(?!path|clipPath|image)\w+[^>]* id="([^"]+)"', read(tmp_path))
    assert len(identifiers) == len(set(identifiers))


def test_an_empty_store_is_refused(bench, tmp_path):
    with pytest.raises(ActionbenchError, match="no results"):
        write_report(bench().store, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_is_named(usual, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ActionbenchError, match=r"file.*cannot be written"):
        write_report(usual.store, tmp_path / "file")


TRUTH = np.array([0, 1] * 48)
GROUPS = np.repeat(list("abcdefgh"), 12)


def spoiled(count):
    """Predictions with so many mistakes in every group."""
    return np.where(np.arange(96) % 12 < count, 1 - TRUTH, TRUTH)


@pytest.fixture
def toy(bench):
    return bench().dataset(["a", "b"] * 48, GROUPS)


def said(made):
    results = {result.attempt: result for result in gather(made.store)}
    return verdict([results[name] for name in comparison_table(made.store)["attempt"]])


def test_a_clear_winner_is_named(toy):
    text = said(toy.attempt("good", spoiled(1)).attempt("bad", spoiled(5)).attempt("worse", spoiled(7)))
    assert text.startswith("On toy (leave-one-group-out), good is right most often: 91.7 % of 96 clips [")
    assert "all others are worse" in text


def test_ties_are_named(toy):
    other = np.where(np.arange(96) % 12 == 3, 1 - TRUTH, TRUTH)
    text = said(toy.attempt("good", spoiled(1)).attempt("other", other).attempt("bad", spoiled(6)))
    assert "but other cannot be told apart from it" in text


def test_who_failed_is_passed_over(toy):
    text = said(toy.attempt("good", spoiled(1)).attempt("lucky", TRUTH, fail=range(6)))
    assert "good is right most often" in text
    assert "Passed over because not all of their cells finished: lucky." in text


def test_a_leaky_split_is_no_verdict_without_a_warning(bench):
    made = bench().dataset(["a", "b"] * 4, list("wwxxyyzz"), warnings=[LeakyRandom.warning])
    assert said(made.attempt("good", [0, 1] * 4)).endswith("Mind the warning on how it was tested.")


def test_few_groups_are_said_to_be_few(bench):
    made = bench().dataset(["a", "b"] * 4, list("xxxxyyyy"))
    text = said(made.attempt("good", [0, 1] * 4).attempt("bad", [1, 0] * 4))
    assert "no other attempt can be told apart" in text
    assert "So few groups could not have shown any difference" in text


def test_alone_or_failed(bench, toy):
    assert "no other to compare" in said(toy.attempt("good", TRUTH))
    failed = bench().dataset(["a", "b"], ["x", "y"]).attempt("bad", [0, 0], fail=[0, 1])
    assert said(failed) == "On toy (leave-one-group-out) no attempt has finished a fold."


def test_what_could_have_been_seen_is_said(bench):
    """Two attempts that err as often, in other groups; the planner is asked for the same number."""
    made = bench().dataset(["a", "b"] * 40, np.repeat([f"{n:02}" for n in range(16)], 5))
    one = np.where(np.arange(80) % 10 == 0, 1 - made.labels, made.labels)
    other = np.where(np.arange(80) % 8 == 5, 1 - made.labels, made.labels)
    made.attempt("one", one).attempt("other", other)
    words = said(made)
    points = re.search(r"A true difference of (\d+) points would be found four times in five", words)
    results = {result.attempt: result for result in gather(made.store)}
    least = least_difference(*group_changes(results["other"], results["one"]), n_simulations=400)
    assert int(points[1]) == round(100 * least)


def test_rivals_without_a_clip_in_common_are_not_asked_what_could_be_seen(bench):
    made = bench().dataset(["a", "b"] * 8, np.repeat(list("stuvwxyz"), 2))
    made.attempt("one", made.labels, fail=(0, 1, 2, 3)).attempt("other", made.labels, fail=(4, 5, 6, 7))
    assert "found four times in five" not in said(made)
