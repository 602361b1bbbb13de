import pytest

from actionbench.experiments.planning.cells import make_plan
from actionbench.experiments.planning.matrix import read_matrix
from actionbench.experiments.planning.staleness import reasons
from actionbench.experiments.running.runner import run_cells
from actionbench.experiments.store import Store, provenance


def matrix(**changes):
    dataset = {"name": "toy-data", "split": "leave-one-group-out", **changes.pop("dataset", {})}
    attempt = {"name": "nearest", "title": "it", **changes}
    return read_matrix({"name": "t", "datasets": [dataset], "attempts": [attempt]})


@pytest.fixture
def why(tmp_path, plugin):
    """Run one cell; then say why a cell of a changed matrix is not it."""
    helper = tmp_path / "helper_of_why.py"
    helper.write_text("x = 1\n")
    plugin.write_text("import helper_of_why\n" + plugin.read_text())

    def plan(checked, plugins=(plugin,)):
        provenance.forget()
        return make_plan(checked, plugins=plugins, only=["fold=0"])

    store = Store.open(tmp_path / "s.sqlite")
    first = matrix()

    def ask(checked=first, change=lambda _: None):
        change(helper)
        return reasons(plan(checked).cells[0], store)

    assert ask() == ["No cell of this attempt, data set, split, seed and fold was ever stored."]
    run_cells(plan(first), store)
    yield ask
    store.close()


def test_what_is_stored_is_said(why):
    (said,) = why()
    assert said.startswith("It is stored: done, 20")


def test_a_helper_that_changed_is_named(why):
    assert why(change=lambda helper: helper.write_text("x = 2\n")) == ["Code: helper_of_why.py has changed."]


def test_data_and_parameters_that_changed_are_named(why):
    assert why(matrix(dataset={"salt": 5})) == ["The data have changed: clips, labels or groups."]
    assert why(matrix(params={"log": "x"})) == ["Parameter log is new."]


def test_the_same_work_under_another_title_is_named(why):
    first, other = why(matrix(title="twin"))
    assert first == "No cell of this attempt, data set, split, seed and fold was ever stored."
    assert "stored for another row of the table, 'it' on 'toy-data' under 'leave-one-group-out'; " in other
    assert "'it' on 'toy-data'" in why(matrix(dataset={"title": "toys"}))[1]
    assert len(why(matrix(title="twin", params={"log": "x"}))) == 1


def test_a_library_of_another_version_is_named(why, monkeypatch):
    real = provenance.version_of
    monkeypatch.setattr(provenance, "version_of", lambda name: "99" if name == "numpy" else real(name))
    assert why() == [f"Code: numpy (version) has changed from {real('numpy')} to 99."]
