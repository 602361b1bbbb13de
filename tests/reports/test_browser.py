"""The page as people use it, in headless Chromium: it works from a file, without network, by keyboard."""

import shutil
from io import BytesIO

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import sync_playwright

from actionbench.reports.rendering.report import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian: apt install chromium)")


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def report(lasting, tmp_path_factory):
    """A report with all that a page may hold."""
    rng = np.random.default_rng(1)
    for few in (2, 4):
        for name, family, share in (("rules", "rules", 0.6), ("convnet", "convnet", 0.3 + 0.1 * few)):
            predicted = np.where(rng.random(72) < share, lasting.labels, rng.integers(4, size=72))
            lasting.attempt(f"{name} {few}", predicted, 0, family, base=name, n_train_groups=few)
    lasting.attempt("broken", lasting.labels, 0, "dense", fail=range(6), message="<b>out</b> of luck")
    file = BytesIO()
    Image.new("RGB", (640, 64), "teal").save(file, "WEBP")
    lasting.store.add_thumbnails(lasting.number, dict.fromkeys(range(72), file.getvalue()))
    folder = tmp_path_factory.mktemp("report")
    write_report(lasting.end(), folder)
    return folder / "index.html"


@pytest.fixture
def page(browser, report):
    """The opened page; what it asks of the network or complains of is an error."""
    opened = browser.new_page(viewport={"width": 1200, "height": 900})
    opened.set_default_timeout(300_000)
    asked, said = [], []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.goto(report.as_uri())
    yield opened
    opened.close()
    assert [url for url in asked if url != report.as_uri() and not url.startswith("data:")] == []
    assert said == []


def column(page, number):
    return page.locator(f"table.comparison tbody tr:visible > :nth-child({number})").all_inner_texts()


def head(page, words):
    return page.get_by_role("button", name=words, exact=True)


def test_sorting_turns_around_and_keeps_the_unknown_last(page):
    names = column(page, 1)
    values = [text.split(" ")[0] for text in column(page, 4)]
    assert values[-1] == "–"
    known = list(map(float, values[:-1]))
    assert known == sorted(known, reverse=True)
    head(page, "accuracy").click()
    assert column(page, 1) == names
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    head(page, "accuracy").click()
    assert [text.split(" ")[0] for text in column(page, 4)] == [*values[-2::-1], "–"]
    head(page, "attempt").click()
    assert column(page, 1) == sorted(names)
    assert page.locator("th[aria-sort]").count() == 1


def test_the_keyboard_is_enough(page):
    head(page, "attempt").focus()
    page.keyboard.press("Enter")
    assert column(page, 1)[0] == "broken"
    page.get_by_label("Show attempts with").focus()
    page.keyboard.type("conv rules")
    assert column(page, 1) == []
    for _ in range(6):
        page.keyboard.press("Backspace")
    assert set(column(page, 1)) == {"convnet", "convnet 2", "convnet 4"}
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Columns"


def test_filtering_counts_and_takes_the_rest_along(page):
    page.get_by_label("Show attempts with").fill("RULES")
    assert set(column(page, 1)) == {"rules", "rules 2", "rules 4"}
    assert page.get_by_role("status").inner_text() == "3 of 9 attempts"
    assert page.locator("details.card:visible").count() == 3
    assert page.locator("table.heat >> nth=0").locator("tbody tr:visible").count() == 3
    page.get_by_label("Show attempts with").fill("")
    assert len(column(page, 1)) == 9
    assert page.get_by_role("status").inner_text() == ""


def test_columns_are_chosen(page):
    heads = page.locator("table.comparison thead th:visible")
    before = heads.all_inner_texts()
    assert "clips/s" not in before
    page.get_by_text("Columns", exact=True).click()
    page.get_by_label("clips/s").check()
    page.get_by_label("family").uncheck()
    after = heads.all_inner_texts()
    assert set(after) == set(before) - {"family"} | {"clips/s"}
    assert page.locator("table.comparison tbody tr >> nth=0").locator("td:visible").count() == len(after) - 1


def test_the_axis_of_the_front_is_picked(page):
    figures = page.locator(".axes figure:visible")
    assert figures.count() == 1
    assert "Accuracy against fit time" in figures.locator("svg").get_attribute("aria-label")
    page.get_by_role("radio", name="parameters").check()
    assert figures.count() == 1
    assert "Accuracy against parameters" in figures.locator("svg").get_attribute("aria-label")
    titles = figures.locator("svg use > title").all_text_contents()
    # Trivial ones are arrows where they are beyond the axes.
    assert [title.split(":")[0] for title in titles] == [
        name for name in column(page, 1)[:-1] if name != "chance"
    ]


def test_the_table_leads_to_what_is_said_of_an_attempt(page):
    assert page.locator("details.card[open]").count() == 1
    page.get_by_role("link", name="chance").click()
    opened = page.locator("details.card[open]", has_text="chance")
    opened.wait_for()
    assert "Confusion matrix of chance" in opened.inner_text()
    assert '{"attempt": "chance"}' in opened.inner_text()


def test_a_clip_shows_its_film_strip_until_it_is_closed(page):
    clips = page.locator("details.strip")
    assert clips.count() >= 2
    pictures = page.locator("details.strip img:visible")
    n_shown = pictures.count()
    assert n_shown == page.locator("details.strip img").count()
    picture = clips.last.locator("img")
    assert picture.bounding_box()["height"] == 96
    clips.last.locator("summary").focus()
    page.keyboard.press("Enter")
    assert pictures.count() == n_shown - 1
    assert picture.evaluate("one => [one.naturalWidth, one.naturalHeight]") == [640, 64]


def test_markup_of_others_is_shown_and_not_obeyed(page):
    assert page.get_by_text("<b>out</b> of luck").count() >= 1
    assert page.evaluate("document.querySelectorAll('td b').length") == 0


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (390, "dark"),
        *(
            pytest.param(*look, marks=pytest.mark.slow)
            for look in ((390, "light"), (1200, "light"), (1200, "dark"))
        ),
    ],
)
def test_axe_finds_no_fault(page, scheme, width):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    found = Axe().run(page).response["violations"]
    assert [(fault["id"], fault["nodes"][0]["html"]) for fault in found] == []


def test_a_phone_scrolls_one_way_only(page):
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


_OVERLAPS = """() => [...document.querySelectorAll("figure svg")].flatMap((svg) => {
  const words = [...svg.querySelectorAll("text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
  return words.flatMap(([one, a], number) => words.slice(number + 1)
    .filter(([, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
      && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2)
    .map(([other]) => `${one} | ${other}`));
})"""


@pytest.mark.parametrize(("width", "media"), [(1200, "screen"), (390, "screen"), (800, "print")])
def test_no_words_of_a_figure_overlap(page, width, media):
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(media=media)
    costs = page.get_by_role("radio")
    for number in range(costs.count() if media == "screen" else 1):
        if media == "screen":
            costs.nth(number).check()
        assert page.locator(".axes figure svg text:visible").count() > 5
        assert page.evaluate(_OVERLAPS) == []
    # A word beside itself is found.
    page.evaluate(
        "document.querySelectorAll('figure svg').forEach((svg) => "
        "svg.querySelectorAll('text').forEach((text) => text.after(text.cloneNode(true))))"
    )
    assert len(page.evaluate(_OVERLAPS)) > 5


def test_paper_has_all_rows_and_no_controls(page):
    page.emulate_media(media="print", color_scheme="dark")
    assert page.locator(".controls:visible").count() == 0
    assert len(column(page, 1)) == 9
    assert page.locator("details:not([open])").count() == 0
    figures = page.locator(".axes figure")
    assert page.locator(".axes figure:visible").count() == figures.count() > 1
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") in (
        "rgb(255, 255, 255)",
        "rgba(0, 0, 0, 0)",
    )


def test_without_script_everything_is_there(browser, report):
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(report.as_uri())
    assert plain.locator("table.comparison tbody tr:visible").count() == 9
    assert plain.locator(".axes figure:visible").count() == 3
    assert plain.locator(".controls:visible").count() == 0
    context.close()
