"""The report: one file, no network, no script, the same bytes."""

import re
from html.parser import HTMLParser

import pytest

from actionbench.errors import ActionbenchError
from actionbench.reports.pages import write_report
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
