"""The report: a page that needs nothing else, files beside it, the same bytes."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from actionbench.errors import ActionbenchError
from actionbench.experiments.datasets.splits import LEAKY_RANDOM
from actionbench.reports.analysis.conditions import nuisance_table
from actionbench.reports.analysis.ladder import ladder
from actionbench.reports.analysis.results import gather
from actionbench.reports.analysis.tables import FORMATS, comparison_table, render
from actionbench.reports.rendering.pages import page as page_of
from actionbench.reports.rendering.parts import Comparison
from actionbench.reports.rendering.profiles import Profile
from actionbench.reports.rendering.report import write_report

TABLES = {f"table.{format}" for format in (*FORMATS, "parquet")} | {
    f"{name}.csv"
    for name in ("classes", "clips", "conditions", "confusions", "groups", "pairs", "reliability")
}
PICTURES = {
    "accuracy",
    "pareto-fit-time",
    "pareto-memory",
    "pareto-parameters",
    "classes",
    "groups",
    "conditions",
    "confusions",
    "reliability",
}
FILES = {"index.html"} | TABLES
FIGURES = {f"1-toy-leave-one-group-out-{what}.{kind}" for what in PICTURES for kind in ("svg", "png")}
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 4567*8901 }}"


class Page(HTMLParser):
    """Collect tags, attributes and text."""

    def __init__(self, text):
        super().__init__()
        text = re.sub(r"<(style|script)>.*?</\1>", r"<\1></\1>", text, flags=re.DOTALL)
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


def read(store):
    results = gather(store)
    return page_of(store, Comparison.of(results), ladder(results), Profile.of(results))


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def written(lasting, tmp_path_factory):
    """A report of the usual four attempts: its folder, and the files that are said to be in it."""
    folder = tmp_path_factory.mktemp("written") / "deep" / "out"
    return folder, write_report(lasting.end(), folder)


def test_all_files_are_written_and_hold_the_table(written, lasting):
    folder, written = written
    assert {str(path.relative_to(folder)) for path in written} == files(folder)
    assert files(folder) == FILES | {f"figures/{name}" for name in FIGURES}
    table = comparison_table(lasting.store)
    for format in ("md", "csv", "tex", "json"):
        text = (folder / f"table.{format}").read_text(encoding="utf-8")
        assert text == render(table, format)
    groups = pd.read_csv(folder / "groups.csv")
    wanted = groups.groupby("attempt")["accuracy"].mean()
    # All groups are of one size.
    assert np.allclose(wanted[table["attempt"]], table["accuracy"])


def test_the_same_store_gives_the_same_bytes(written, lasting, tmp_path):
    folder, _ = written
    write_report(lasting.store, tmp_path)
    assert files(folder) == files(tmp_path)
    for name in files(folder):
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_names_of_files_are_safe_whatever_a_data_set_is_called(bench, tmp_path):
    made = bench()
    for name in ("../../ä b/c", "..", "x" * 300):
        made.dataset(["a", "b"] * 4, list("wwxxyyzz"), name=name).attempt("one", [0] * 8)
    write_report(made.store, tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} <= {
        "out",
        "store0.sqlite",
        "store0.sqlite-wal",
        "store0.sqlite-shm",
    }
    assert all(
        re.fullmatch(r"\d-[a-z0-9-]{0,80}\.(svg|png)", path.name)
        for path in (tmp_path / "out" / "figures").iterdir()
    )


def test_the_page_says_all_there_is_to_say(usual):
    usual.attempt("mlp", usual.labels, 0, "dense", fail=[2], message="out of luck")
    page = Page(read(usual.store))
    assert page.text.index("clips right") < page.text.index("family")
    for words in (
        "hog-svm",
        '{"attempt": "rules"}',
        "Explanation by the attempt (seed 0, fold 0)",
        "1 of 6",
        "failed, exception, ValueError",
        "out of luck",
        "commit abc",
        "has not finished",
    ):
        assert words in page.text
    assert page.tags.count("svg") == 1 + 4
    cards = [value for tag, name, value in page.attributes if (tag, name) == ("details", "class")]
    assert cards.count("card") == 5


def test_the_page_says_how_large_a_list_of_rules_is(bench):
    made = bench().dataset(["a", "b"] * 3, list("xxyyzz"))
    made.attempt("rules", [0, 1] * 3, counts={"rules": 6, "conditions": 8, "quantities": 1})
    page = read(made.end())
    assert "rules: 6 rules, 8 conditions, 1 quantity" in page


def test_a_finished_run_is_not_called_unfinished(usual):
    assert "not finished" not in read(usual.end())


def test_nothing_is_loaded_and_nothing_runs_but_the_script_of_the_page(usual):
    usual.attempt("drawn", usual.labels, artifacts={"explain.txt": b"\xff text", "filters.png": b"\x89PNG"})
    page = Page(read(usual.store))
    assert not {"link", "iframe", "object", "embed", "form", "base"} & set(page.tags)
    assert page.tags.count("script") == 1
    for tag, name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("src", "href", "xlink:href"):
            assert value.startswith(("#", "data:image/png;base64,")), (tag, name, value)
    policy = [value for _, name, value in page.attributes if name == "content" and "default-src" in value]
    assert policy
    assert "default-src 'none'" in policy[0]
    script = re.search(r"<script>(.*?)</script>", read(usual.store), flags=re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert re.findall(r"script-src ([^;]*)", policy[0]) == [f"'sha256-{digest}'"]
    assert not re.search(r"url\((?!#)|@import", read(usual.store))
    assert page.tags.count("img") == 1


def test_hostile_text_stays_text(bench):
    made = bench(name=HOSTILE).dataset(
        [HOSTILE, "b"] * 6, list("xyzxyzxyzxyz"), name=HOSTILE, split=HOSTILE, warnings=[HOSTILE]
    )
    made.attempt(
        HOSTILE, [0] * 12, family=HOSTILE, artifacts={"explain.txt": HOSTILE.encode(), HOSTILE + ".png": b"x"}
    )
    made.attempt("broken" + HOSTILE, [0] * 12, fail=[0, 1, 2], message=HOSTILE)
    page = Page(read(made.store))
    assert page.tags.count("script") == 1
    assert [name for _, name, _ in page.attributes if name.startswith("on")] == []
    assert HOSTILE in page.text
    assert "40650867" not in re.findall(r"\w+", page.text.replace("{{ 4567*8901 }}", ""))


def test_ids_are_unique(usual):
    identifiers = re.findall(r'<(?!path|clipPath|image)\w+[^>]* id="([^"]+)"', read(usual.store))
    assert len(identifiers) == len(set(identifiers))


def test_an_empty_store_is_refused(bench, tmp_path):
    with pytest.raises(ActionbenchError, match="no results"):
        write_report(bench().store, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_is_named(usual, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ActionbenchError, match=r"file.*cannot be written"):
        write_report(usual.store, tmp_path / "file")


def test_large_pictures_are_left_out_and_said_to_be(bench):
    made = bench().dataset(["a", "b"] * 2, list("xxyy"))
    for name in ("one", "two"):
        made.attempt(name, [0] * 4, artifacts={f"{name}.png": b"\x89PNG" + bytes(900_000)})
    page = Page(read(made.store))
    assert page.tags.count("img") == 1
    assert "Left out to keep the page small, but in the store: two." in page.text


def test_many_classes_have_a_list_of_confusions(bench):
    classes = [f"class{number:02}" for number in range(45)]
    made = bench().dataset(classes * 2, ["x"] * 45 + ["y"] * 45)
    made.attempt("one", np.roll(made.labels, 1))
    page = Page(read(made.store))
    assert page.text.count("predicted as class") == 20
    assert "The 40 hardest of 45 classes; classes.csv has all." in page.text


@pytest.mark.parametrize("n_classes", [101, 121])
def test_confusions_of_very_many_classes_are_not_drawn_but_listed(bench, tmp_path, n_classes):
    classes = [f"class{number:03}" for number in range(n_classes)]
    made = bench().dataset(classes * 2, np.repeat(["x", "y"], n_classes))
    write_report(made.attempt("one", np.roll(made.labels, 1)).store, tmp_path)
    assert len(pd.read_csv(tmp_path / "confusions.csv")) == n_classes
    assert bool(list(tmp_path.glob("figures/*confusions.png"))) == (n_classes <= 120)


def test_a_failure_shows_where_it_was(bench):
    made = bench().dataset(["a", "b"] * 2, list("xxyy")).attempt("one", [0] * 4)
    cell = made._cell("bad", "rules", 0, 1, 2, {})
    cell.status, cell.kind, cell.error, cell.message = "failed", "error", "ValueError", "no luck"
    cell.traceback, cell.log = "File x, line 3" + "\n" * 4000 + "raise ValueError", "last words"
    made.store.add_cell(made.run, cell)
    text = Page(read(made.store)).text
    assert "trace-back of seed 0, fold 1" in text
    assert "raise ValueError last words" in text
    assert "line 3" not in text
    # Paths and logs are those of a machine.
    results = gather(made.store)
    text = Page(
        page_of(made.store, Comparison.of(results, costs=False), ladder(results), Profile.of(results))
    ).text
    assert "failed, error, ValueError no luck" in text
    assert "last words" not in text


def test_a_data_set_on_which_nothing_finished_stands_beside_the_others(bench, tmp_path):
    made = bench()
    for name, fail in (("fine", ()), ("broken", range(4))):
        made.dataset(["a", "b"] * 4, list("wwxxyyzz"), name=name)
        made.attempt("one", made.labels, fail=fail).attempt("two", [0] * 8, fail=fail)
    write_report(made.end(), tmp_path)
    text = Page((tmp_path / "index.html").read_text(encoding="utf-8")).text
    assert "No attempt has finished a fold on broken." in text
    assert "4 of 4 failed, exception, ValueError no luck" in text
    # In the contents, and above the table.
    assert text.count("By group") == 2
    pictures = {path.stem for path in (tmp_path / "figures").iterdir() if path.name.startswith("1-broken")}
    assert pictures == {f"1-broken-leave-one-group-out-{what}" for what in ("accuracy", "classes")}
    assert set(pd.read_csv(tmp_path / "groups.csv")["dataset"]) == {"fine"}


def test_each_bin_of_reliability_is_a_row(bench, tmp_path):
    made = bench().dataset(["a", "b"] * 6, list("uvwxyz") * 2)
    made.attempt("one", [0, 1] * 6).attempt("two", [0, 0] * 6, family="rules")
    write_report(made.end(), tmp_path)
    rows = pd.read_csv(tmp_path / "reliability.csv")
    # All predictions have a probability of 0.95.
    assert rows[["attempt", "n_clips", "accuracy"]].to_numpy().tolist() == [
        ["one", 12, 1.0],
        ["two", 12, 0.5],
    ]
    np.testing.assert_allclose(rows["confidence"], 0.95)


def test_learning_curves_are_drawn_and_crossings_listed(bench):
    made = bench().dataset(["a", "b"] * 24, np.repeat(list("abcdefgh"), 6))
    wrong = 1 - made.labels
    for few, share in ((2, 0.5), (4, 1.0)):
        learned = np.where(np.arange(48) % 6 < 6 * share, made.labels, wrong)
        made.attempt(f"net {few}", learned, base="net", n_train_groups=few)
        steady = np.where(np.arange(48) % 6 < 4, made.labels, wrong)
        made.attempt(f"rules {few}", steady, base="rules", n_train_groups=few)
    page = Page(read(made.store))
    assert "Number of training groups from which on an attempt is more accurate than another" in page.text
    assert "net rules 4" in page.text
    assert page.text.startswith("run run Comparison of 2 attempts at recognising actions")
    assert page.tags.count("svg") == 6


def test_conditions_stand_with_their_intervals(usual):
    text = Page(read(usual.store)).text
    known = nuisance_table(gather(usual.store)).iloc[0]
    assert "By condition" in text
    low, high = (round(100 * known[end]) for end in ("accuracy_low", "accuracy_high"))
    assert f"{known['attempt']} {100 * known['accuracy']:.0f} {low}–{high}" in text


def test_an_option_is_a_condition_across_data_sets(bench):
    entries = [
        {"name": "figures", "title": f"clutter {level}", "split": {"name": "halves"}, "clutter": level}
        for level in (0, 3)
    ]
    made = bench(datasets=entries)
    for level in (0, 3):
        made.dataset(["a", "b"] * 4, list("wwxxyyzz"), name=f"clutter {level}", split="halves")
        made.attempt("one", made.labels if level == 0 else [0] * 8)
    text = Page(read(made.store)).text
    assert "Conditions across data sets figures" in text
    assert "clutter: 0 clutter: 3 one 100 " in text


def test_an_option_stands_apart_from_the_data_set_whose_title_is_the_name(bench, tmp_path):
    split = {"name": "halves"}
    made = bench(
        datasets=[
            {"name": "figures", "title": None, "split": split, "clutter": 0},
            {"name": "figures", "title": "busy", "split": split, "clutter": 3},
        ]
    )
    for name in ("figures", "busy"):
        made.dataset(["a", "b"] * 4, list("wwxxyyzz"), name=name, split="halves").attempt("one", made.labels)
    write_report(made.store, tmp_path)
    text = Page((tmp_path / "index.html").read_text(encoding="utf-8")).text
    assert "Conditions across data sets figures" in text
    assert "By condition" not in text
    assert pd.read_csv(tmp_path / "conditions.csv")["value"].tolist() == [0, 3]


def test_conditions_are_drawn_whatever_they_are_called_where_they_are_not_many(bench, tmp_path):
    made, names = bench(), ["a", "b"] * 20
    for name, conditions in (
        ("alike", {"x": ["y: z", "w"] * 20, "x: y": ["z", "w"] * 20}),
        ("many", {f"c{number}": [f"v{place % 20}" for place in range(40)] for number in range(4)}),
    ):
        made.dataset(names, np.repeat(list("wxyz"), 10), name=name, conditions=conditions)
        made.attempt("one", made.labels)
    write_report(made.store, tmp_path)
    assert (tmp_path / "figures" / "1-alike-leave-one-group-out-conditions.svg").read_text().count(
        "x: y: z"
    ) >= 2
    assert not list(tmp_path.glob("figures/2-many*conditions*"))
    assert len(pd.read_csv(tmp_path / "conditions.csv")) == 4 + 4 * 20


def test_pictures_of_a_split_that_leaks_say_so_wherever_they_go(bench, tmp_path):
    said = f"{LEAKY_RANDOM} [leaky-split]"
    made = bench().dataset(["a", "b"] * 8, np.repeat(list("wxyz"), 4), split="leaky-random", warnings=[said])
    made.attempt("one", made.labels).attempt("two", 1 - made.labels)
    write_report(made.store, tmp_path)
    pictures = sorted(tmp_path.glob("figures/*.svg"))
    assert len(pictures) > 4
    for picture in pictures:
        text = " ".join(re.sub("<[^>]*>", " ", picture.read_text(encoding="utf-8")).split())
        assert " ".join(said.split()[:6]) in text, picture.name


def test_hard_clips_have_their_strips(bench):
    made = bench().dataset(["a", "b"] * 4, list("wwxxyyzz"))
    wrong = 1 - made.labels
    two = np.where(np.arange(8) == 3, made.labels, wrong)
    made.attempt("one", wrong).attempt("two", two)
    made.store.add_thumbnails(made.number, {0: b"RIFFpicture"})
    page = Page(read(made.store))
    assert "Clips that none of the 2 nontrivial attempts classifies correctly: 7." in page.text
    assert "Clips that exactly one of the 2 nontrivial attempts classifies correctly: 1." in page.text
    assert "clip3 (b): two only; 1 predicts a" in page.text
    assert "clip0 (a): 2 predict b" in page.text
    pictures = [value for tag, name, value in page.attributes if (tag, name) == ("img", "src")]
    # The clip is also that which shows its class.
    assert pictures == ["data:image/webp;base64," + base64.b64encode(b"RIFFpicture").decode()] * 2
    assert page.text.count("The store has no frames of this clip.") == 7
    # With a second seed, what one of them has right once is still among what none gets right.
    made.attempt("one", made.labels, seed=1)
    made.attempt("two", two, seed=1)
    text = Page(read(made.store)).text
    assert "classifies correctly under more than half of the seeds: 7." in text


def test_without_costs_the_same_predictions_give_the_same_bytes(bench, tmp_path):
    """Two people run the same on machines of their own."""
    rng = np.random.default_rng(0)
    labels, groups = ["a", "b"] * 12, np.repeat(list("abcdef"), 4)
    guesses = [rng.integers(2, size=24) for _ in range(3)]
    for name, factor in (("author", 1.0), ("reader", 3.7)):
        made = bench(root=f"/home/{name}/clips").dataset(labels, groups)
        made.machine = made.store.add_machine({"processor": name, "threads": 1})
        made.factor = factor
        for number, guess in enumerate(guesses):
            made.attempt(f"attempt{number}", guess)
        made.machine = made.store.add_machine({"processor": "another", "threads": 2})
        made.attempt("attempt3", guesses[0])
        write_report(made.end(), tmp_path / name, costs=False)
    names = files(tmp_path / "author")
    assert names == files(tmp_path / "reader")
    assert not [name for name in names if "pareto-fit" in name or "pareto-memory" in name]
    for name in names:
        assert (tmp_path / "author" / name).read_bytes() == (tmp_path / "reader" / name).read_bytes(), name
    page = (tmp_path / "reader" / "index.html").read_text(encoding="utf-8")
    assert "Times, memory, machines, paths and dates are left out" in page
    assert "mixed-machines" not in page
    assert "mixed-machines" in read(made.store)


def test_three_data_sets_are_looked_at_together(bench, tmp_path):
    made = bench()
    for name, wrong in (("one", 2), ("two", 3), ("three", 4)):
        made.dataset(["a", "b"] * 12, list("uvwxyz") * 4, name=name)
        for attempt, more in (("good", 0), ("bad", 6)):
            spoiled = np.where(np.arange(24) < wrong + more, 1 - made.labels, made.labels)
            made.attempt(attempt, spoiled)
    page = Page(read(made.store))
    assert "2 attempts were compared by their ranks on 3 data sets" in page.text
    # Six of 24 clips more, on all three.
    assert "good +25.0 3–0–0, p " in page.text
    assert "bad -25.0 0–0–3, p " in page.text
    write_report(made.store, tmp_path)
    assert (tmp_path / "figures" / "ranks.svg").is_file()
    matrix = pd.read_csv(tmp_path / "matrix.csv").set_index(["attempt", "against"])
    assert matrix.loc[("good", "bad"), "difference"] == pytest.approx(0.25)
