import hashlib
import io
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from archive_writers import make_zip

from actionbench.cli.progress import show_transfers
from actionbench.experiments.datasets import sources
from actionbench.experiments.datasets.registry import dataset_registry, make_dataset
from actionbench.experiments.datasets.sources import SOURCES, Source, SourceFile

WALK = make_zip({"x.avi": hashlib.shake_128(b"x").digest(200_000)})


@pytest.fixture
def toy(site, tmp_path, monkeypatch):
    """The data set "toy" on the web server, and a working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ACTIONBENCH_DATA", raising=False)
    site.files["/walk.zip"] = WALK
    file = SourceFile(
        "walk.zip", (f"{site.url}/walk.zip",), "walk", f"sha256:{hashlib.sha256(WALK).hexdigest()}", 200_120
    )
    monkeypatch.setitem(sources.SOURCES, "toy", Source("Toy", "https://toy.example", "for tests", (file,)))
    return site


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_terms_are_shown_and_accepted(toy, call):
    code, out, err = call("data", "fetch", "toy", "--yes")
    assert (code, out) == (0, "toy\n")
    assert err.splitlines() == [
        "Toy, https://toy.example",
        "terms: for tests",
        "to toy: walk.zip (0.2 MB)",
        "downloading walk.zip",
        "unpacking walk.zip",
    ]
    assert Path("toy/walk/x.avi").is_file()
    assert call("data", "fetch", "toy") == (0, "toy\n", "")


def test_a_question_needs_a_terminal(toy, call, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    code, _, err = call("data", "fetch", "toy")
    assert code == 2
    assert err.endswith("actionbench: toy: its terms must be accepted; give --yes to accept them\n")
    assert toy.requests == []


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1), ("", 130)])
def test_the_question(answer, code, toy, call, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    ended, _, err = call("data", "fetch", "toy", "-o", "here")
    assert ended == code
    assert "terms: for tests" in err
    assert "Do you accept the terms? [y/N]" in err
    assert Path("here/walk/x.avi").is_file() == (code == 0)
    assert (code != 1) or "toy: is not downloaded, for its terms are not accepted" in err


def test_an_interrupt_says_that_it_can_go_on(toy, call, monkeypatch):
    from actionbench.experiments.datasets import fetching

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(fetching, "unpack", interrupt)
    code, _, err = call("data", "fetch", "toy", "-y")
    assert code == 130
    assert err.endswith("interrupted; what has finished is kept, and the same command goes on\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("tyo", "there is no data set 'tyo' to fetch; did you mean 'toy'"),
        ("kinetics", "download it from https://github.com/cvdfoundation/kinetics-dataset yourself"),
        ("toy --mirror x.org", "--mirror x.org: must begin with http:// or https://"),
        ("toy --max-size 0", "0 is not in the range x>0"),
        ("toy -y --max-size 0.0001", "walk.zip: holds more than the 0.0001 GiB that may be unpacked"),
    ],
)
def test_bad_input(words, message, toy, call):
    code, _, err = call("data", "fetch", *words.split())
    assert code == 2
    assert message in err


def test_a_matrix_finds_what_was_fetched(site, call, tmp_path, monkeypatch, write_video):
    monkeypatch.setenv("ACTIONBENCH_DATA", str(tmp_path / "home"))
    clip = write_video("x.avi", np.zeros((3, 8, 8), np.uint8)).read_bytes()
    for file in SOURCES["weizmann"].files:
        site.files[f"/{file.name}"] = make_zip({f"{who}_{file.folder}.avi": clip for who in ("daria", "ido")})
    assert call("data", "fetch", "weizmann", "--yes", "--mirror", site.url)[0] == 0
    dataset = make_dataset(dataset_registry().get("weizmann"), "weizmann", {})
    assert len(dataset) == 20
    assert dataset.load(0).frames.shape == (3, 8, 8)


def test_bars_on_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with show_transfers() as report:
        report("downloading [a].zip", 0, 2**20)
        report("downloading [a].zip", 2**20, 2**20)
        report("unpacking [a].zip", 2**20, None)
    shown = sys.stderr.getvalue()
    assert "downloading [a].zip" in shown
    assert "1.0/1.0 MiB" in shown
    assert "unpacking [a].zip" in shown


def test_lines_where_there_is_no_terminal(capsys):
    moments = iter([0, 10, 31, 31, 40])
    with show_transfers(lambda: next(moments)) as report:
        for done in (0, 10, 30, 35):
            report("downloading a.zip", done * 2**20, 50 * 2**20)
    assert capsys.readouterr().err.splitlines() == ["downloading a.zip", "downloading a.zip: 30 of 50 MiB"]


def test_the_document_names_every_source():
    root = Path(__file__).parents[2]
    section = (
        (root / "docs/data.md").read_text().split("## Fetching published data sets")[1].split("\n## ")[0]
    )
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    expected = [
        f"| `{name}` | {', '.join(file.folder or file.name for file in known.files)} | {known.terms} |"
        if known.files
        else f"| `{name}` | {known.by_hand}: [{known.title}]({known.home}) | {known.terms} |"
        for name, known in SOURCES.items()
    ]
    assert rows == expected
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {"fetch", "rar"} <= set(extras)
    assert '"actionbench[fetch,rar]"' in section
