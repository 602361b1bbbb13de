"""The site: it is complete, its links hold, it is read from disk without a network, and whoever cites finds how."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from playwright.sync_api import sync_playwright

import actionbench
from actionbench.baselines.registry import attempt_registry
from actionbench.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MAIN_PAGES = (
    "index",
    "documents",
    "docs/guide",
    "docs/nets",
    "lectures",
    "docs/first_hour",
    "gallery",
    "commands/index",
    "commands/data-import",
    "api/index",
    "api/actionbench",
    "api/actionbench.models.nn",
    "project",
    "search",
    "genindex",
)


def test_every_document_is_in_the_site_once():
    listed = Counter()
    for page in ROOT.glob("site/*.md"):
        for tree in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            listed.update(line for line in tree.splitlines() if line and not line.startswith(":"))
    documents = [path for folder in ("*.md", "docs/*.md", "docs/*.py") for path in ROOT.glob(folder)]
    names = {path.relative_to(ROOT).with_suffix("").as_posix() for path in documents}
    made = {"documents", "lectures", "gallery", "project", "commands/index", "api/index"}
    assert listed == Counter(names - {"README"} | made)


def test_the_gallery_has_the_results_of_its_matrix():
    content = json.loads((ROOT / "docs/gallery.json").read_text(encoding="utf-8"))
    matrix = tomllib.loads((ROOT / "site/gallery.toml").read_text(encoding="utf-8"))
    asked = [entry["name"] for entry in matrix["attempts"]]
    assert sorted(row["attempt"] for row in content["rows"]) == sorted(asked)
    need_a_file = {"embedding", "features-file", "rules-file"}
    page = (ROOT / "site/gallery.md").read_text(encoding="utf-8")
    for name in set(attempt_registry().names()) - set(asked) - need_a_file:
        assert f"`{name}`" in page
    for row in content["rows"]:
        counts = row["confusions"]
        right = sum(counts[place][place] for place in range(len(content["classes"])))
        assert sum(map(sum, counts)) == row["n_clips"] == 108
        assert right / row["n_clips"] == pytest.approx(row["accuracy"])
        assert row["accuracy_low"] <= row["accuracy"] <= row["accuracy_high"]


def test_a_citation_has_what_the_format_requires():
    facts = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {"cff-version", "message", "title", "authors"} <= set(facts)
    assert facts["cff-version"] == "1.2.0"
    assert facts["type"] == "software"
    assert facts["authors"] == project["authors"]
    assert facts["license"] == project["license"]
    assert facts["keywords"] == project["keywords"]
    assert facts["version"] == actionbench.__version__
    assert f"actionbench-{actionbench.__version__}-*.whl" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site with the lectures as far as `make docs` has executed them; a warning of Sphinx is an error."""
    if importlib.util.find_spec("sphinx") is None:
        pytest.skip("needs Sphinx: make .venv/.site")
    folder = tmp_path_factory.mktemp("site")
    build = ["sphinx", "-W", "--keep-going", "-q", "-d", folder / "trees", "-c", ROOT / "site"]
    for command in (
        [ROOT / "site/pages.py", folder / "pages"],
        ["-m", *build, folder / "pages", folder / "html"],
    ):
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "html"


class Links(HTMLParser):
    """What a page links to or loads, and the places in it."""

    def __init__(self, page):
        super().__init__()
        self.targets, self.places = set(), set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        facts = dict(attrs)
        self.places |= {facts.get("id"), facts.get("name")}
        self.targets |= {facts.get("href"), facts.get("src")} - {None}


@pytest.mark.slow
def test_links_lead_to_files_and_places_of_the_site(site):
    pages = {page: Links(page) for page in site.rglob("*.html") if "_static" not in page.parts}
    wrong = []
    for page, links in pages.items():
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme:
                continue
            path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            place = unquote(parts.fragment)
            if not path.is_file() or (place and path in pages and place not in pages[path].places):
                wrong.append(f"{page.relative_to(site)}: {target}")
    assert wrong == []


@pytest.mark.slow
def test_each_command_and_public_name_has_its_place(site):
    for command in COMMANDS:
        assert list((site / "commands").glob(f"{command.name}*.html")), command.name
    (names,) = [Links(page).places for page in site.glob("api/actionbench.html")]
    assert {f"actionbench.{name}" for name in actionbench.__all__} - {"actionbench.__version__"} <= names


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian: apt install chromium)")
def test_it_is_read_and_searched_from_disk(site):
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.set_default_timeout(300_000)
        asked, said = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("requestfailed", lambda request: said.append(request.url))
        page.on("pageerror", lambda error: said.append(str(error)))
        for name in MAIN_PAGES:
            page.goto((site / f"{name}.html").as_uri())
            assert page.locator("h1").count() >= 1
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
        page.goto((site / "search.html").as_uri() + "?q=bundle")
        found = page.locator("#search-results li a")
        found.first.wait_for()
        assert "commands/bundle.html" in " ".join(one.get_attribute("href") for one in found.all())
        browser.close()
    assert [url for url in asked if not url.startswith((site.as_uri(), "data:"))] == []
    assert said == []
