import re

import pandas as pd
import pytest

from actionbench.reports.analysis.profile import curves, profile
from actionbench.reports.analysis.results import gather
from actionbench.reports.rendering.profiles import Profile, multiples, profiles, small_multiples
from actionbench.reports.rendering.report import write_report


@pytest.fixture(scope="module")
def found(profiled):
    return Profile.of(gather(profiled))


@pytest.fixture(scope="module")
def folder(profiled, tmp_path_factory):
    path = tmp_path_factory.mktemp("report")
    write_report(profiled, path)
    return path


def test_the_tables_of_the_page(found):
    uses, levels, withstands = profiles(found)["tables"]
    assert uses["heads"][:3] == ["order", "its control", "one way"]
    assert "its control" not in uses["heads"][3:4]
    name, _, cells = uses["rows"][1]
    order = found.table[(found.table["attempt"] == "net") & (found.table["measure"] == "order")].iloc[0]
    assert name == "net"
    assert cells[0] == ("r10", f"{order.value:.0f}", f"{order.low:.0f} to {order.high:.0f}")
    assert cells[1] == ("", f"{order.control:.0f}", f"{order.control_low:.0f} to {order.control_high:.0f}")
    assert levels["rows"][0][2][2] == ("", ">2.00", "")
    assert withstands["heads"] == ["whole clips, %", "noise, grey levels", "roll, degrees", "frame rate, fps"]
    assert [len(cells) for _, _, cells in withstands["rows"]] == [4, 4]


def test_nothing_is_shown_where_nothing_was_measured(usual):
    none = Profile.of(gather(usual.end()))
    assert profiles(none) is None
    assert none.pictures == {}


def test_small_multiples_share_an_axis_and_mark_chance_and_control(found):
    panels = found.pictures["uses"].svg.figure.axes
    titles = [axes.get_title() for axes in panels]
    assert titles[:3] == ["arrow of time", "two actions, either order", "tempo"]
    assert {axes.get_ylim() for axes in panels} == {(0, 103)}
    assert {line.get_ydata()[0] for axes in panels for line in axes.get_lines()[:1]} == {50}
    shaded = {axes.get_title(): [patch.get_x() + 0.3 for patch in axes.patches] for axes in panels}
    assert shaded["tempo"] == pytest.approx([0])
    assert shaded["arrow of time"] == pytest.approx([1])
    assert shaded["background, in conflict"] == []
    own = found.points[(found.points["attempt"] == "net") & (found.points["track"] == "tempo")]
    assert list(panels[2].get_lines()[2].get_ydata()) == pytest.approx(list(100 * own["accuracy"]))
    rates = found.pictures["withstands"].svg.figure.axes[-1]
    assert [tick.get_text() for tick in rates.get_xticklabels()] == ["25", "12.5", "8", "5"]
    assert rates.get_lines()[2].get_ydata()[0] == 100


def test_many_attempts_are_cut_and_one_level_is_no_panel(found):
    own = found.points[(found.points["track"] == "tempo") & (found.points["attempt"] == "net")]
    many = pd.concat([own.assign(attempt=f"net {number}") for number in range(20)])
    assert len(multiples([("tempo", many, 1, "ratio")], "x").figure.axes[0].get_lines()) == 1 + 8
    assert list(small_multiples(own)) == ["uses"]
    assert small_multiples(own[:1]) == {}


def test_the_report_opens_with_it_and_keeps_its_numbers(folder, profiled, tmp_path):
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "Comparison of 2 attempts at recognising actions" in page
    section = page[page.index('<section id="profile">') :]
    assert re.findall("<h3>(.*?)</h3>", section)[:4] == [
        "What it uses",
        "Down to which level",
        "What it withstands",
        "Accuracy by level",
    ]
    assert section.count("<svg ") == 2
    assert len(page) < 400_000
    results = gather(profiled)
    for name, wanted in (("profile", profile(results)), ("profile-curves", curves(results))):
        back = pd.read_csv(
            folder / f"{name}.csv", keep_default_na=False, na_values={"level": [""], "value": [""]}
        )
        assert (back.shape, list(back)) == (wanted.shape, list(wanted))
    assert (folder / "figures" / "profile-uses.svg").is_file()
    write_report(profiled, tmp_path)
    for name in ("index.html", "profile.csv", "profile-curves.csv", "figures/profile-withstands.svg"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_a_report_of_a_comparison_names_no_profile(usual, tmp_path):
    files = {path.name for path in write_report(usual.end(), tmp_path)}
    assert not any(name.startswith("profile") for name in files)
    assert 'id="profile"' not in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_failed_cells_of_tracks_are_listed(diagnosed, tmp_path):
    made = diagnosed("arrow")
    made.track("arrow", [{"level": 0.2}]).attempt("sure", lambda clip: 1.0)
    made.made.attempt("broken", made.made.labels, fail=range(20), message="out of luck")
    write_report(made.made.end(), tmp_path)
    assert "out of luck" in (tmp_path / "index.html").read_text(encoding="utf-8")
