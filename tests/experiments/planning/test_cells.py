import json
import re
from typing import Any

import pytest
from pydantic import TypeAdapter

from actionbench.baselines.registry import attempt_registry
from actionbench.errors import ActionbenchError, DataError, MatrixError, PluginError, SplitError
from actionbench.experiments.planning.cells import declared_type, make_plan
from actionbench.experiments.planning.matrix import read_matrix
from actionbench.experiments.store import provenance


def test_the_code_of_attempts_that_are_used_by_name_counts(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "actionbench.experiments.store.provenance.code_fingerprint",
        lambda *classes: asked.append(classes) or "code",
    )
    content = {
        "name": "test",
        "datasets": [{"name": "figures", "split": "leave-one-group-out"}],
        "attempts": [{"name": "late-fusion", "params": {"members": "hof-svm + chance"}}],
    }
    make_plan(read_matrix(content))
    assert {"LateFusion", "HofSvm", "Chance"} <= {cls.__name__ for cls in asked[0]}
    content["attempts"][0]["params"]["members"] = "hof-svm + chanse"
    with pytest.raises(PluginError, match="there is no attempt 'chanse'; did you mean 'chance'"):
        make_plan(read_matrix(content))


def test_a_changed_file_is_computed_again(plugin, tmp_path, matrix):
    rules = tmp_path / "mine.txt"
    attempt = {"name": "rules-file", "params": {"path": str(rules)}}
    keys = set()
    for text in ("otherwise dark", "otherwise light", "otherwise dark"):
        rules.write_text(text)
        keys.add(make_plan(matrix(attempt), plugins=[plugin]).cells[0].key)
    assert len(keys) == 2


def fusion(members):
    return {"name": "late-fusion", "params": {"members": members}}


def test_a_fusion_is_computed_again_when_a_member_changes(plugin, tmp_path, matrix):
    member = tmp_path / "coin.py"
    member.write_text("from actionbench.baselines.trivial.chance import Chance\nclass Coin(Chance): pass\n")

    def keys():
        provenance.forget()
        checked = matrix(fusion("coin + chance"), {"name": "chance"})
        return {cell.entry.name: cell.key for cell in make_plan(checked, plugins=[plugin, member]).cells}

    before = keys()
    assert keys() == before
    member.write_text(member.read_text() + "# changed\n")
    after = keys()
    assert after["late-fusion"] != before["late-fusion"]
    assert after["chance"] == before["chance"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "attempt 'rules-file': rules-file needs the parameter 'path'"),
        ({"path": "gone.txt"}, r"attempt 'rules-file': .*gone\.txt: the list of rules cannot be read"),
        ({"path": "typo.txt"}, r"typo\.txt, line 1: no clip has the label 'drak'; did you mean 'dark'\?"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_before_anything_runs(
    plugin, tmp_path, monkeypatch, params, message, matrix
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "typo.txt").write_text("otherwise drak")
    with pytest.raises(ActionbenchError, match=message):
        make_plan(matrix({"name": "rules-file", "params": params}), plugins=[plugin])


def test_a_file_that_is_missing_is_named(plugin, tmp_path, matrix):
    source = plugin.read_text() + "\n    def files(self):\n        return [Path(self.log)]\n"
    plugin.write_text(source)
    gone = tmp_path / "gone.txt"
    with pytest.raises(MatrixError, match=r"attempt 'nearest': .*gone\.txt: the file cannot be read"):
        make_plan(matrix({"name": "nearest", "params": {"log": str(gone)}}), plugins=[plugin])


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("hog-svm", {"C": "abc"}, "'hog-svm': params.C: input should be a valid number, got 'abc'"),
        ("mlp-flow", {"epochs": 2.5}, "params.epochs: input should be a valid integer, got 2.5"),
        (
            "dense-trajectories",
            {"encoding": "fischer"},
            "params.encoding: input should be 'fisher', 'words' or 'vlad', got",
        ),
        ("convnet-3d", {"widths": "wide"}, "params.widths: input should be a valid"),
        ("hog-svm", {"mirror": "perhaps"}, "params.mirror: "),
        (
            "hog-svm",
            {"grid": "persn"},
            "params.grid: input should be 'person', 'people' or 'frame', got 'persn'",
        ),
        ("c3d", {"recipe": "quik"}, "params.recipe: input should be 'quick' or 'thorough', got 'quik'"),
        ("convnet-3d", {"epochs": -1}, "params.epochs: input should be greater than or equal to 1, got -1"),
        ("convnet-s3d", {"dropout": 1.0}, "params.dropout: input should be less than 1, got 1.0"),
        ("dense-trajectories", {"seconds": 0.0}, "params.seconds: input should be greater than 0, got 0.0"),
        ("hog-svm", {"C": -1.0}, "params.C: input should be greater than 0, got -1.0"),
        ("mlp-pruned", {"density": 1.5}, "params.density: input should be less than or equal to 1, got 1.5"),
        (
            "rules-tree",
            {"min_clips": 0},
            "params.min_clips: input should be greater than or equal to 1, got 0",
        ),
        ("rules-tree", {"max_depth": 5}, "params.max_depth: input should be 1, 2, 3 or 4, got 5"),
        ("mlp-pixels", {"view": "persn"}, "params.view: input should be 'frame' or 'person', got 'persn'"),
    ],
)
def test_a_parameter_of_another_type_is_refused_before_anything_runs(plugin, name, params, message, matrix):
    with pytest.raises(MatrixError, match=re.escape(message)):
        make_plan(matrix({"name": name, "params": params}), plugins=[plugin])


def test_the_types_of_our_parameters_can_be_told():
    for name in attempt_registry([]).names():
        cls = attempt_registry([]).get(name)
        for key, value in cls._defaults().items():
            assert declared_type(cls, key) is not Any, (name, key)
            found = TypeAdapter(declared_type(cls, key)).validate_json(json.dumps(value), strict=True)
            assert found == value or list(found) == list(value), (name, key)


def test_order_goes_through_the_attempts_within_a_fold_from_another_one_in_each(plugin, matrix):
    cells = make_plan(matrix({"name": "nearest"}, {"name": "chance"}), plugins=[plugin]).cells
    assert [(cell.fold_index, cell.title) for cell in cells[:4]] == [
        (0, "nearest"),
        (0, "chance"),
        (1, "chance"),
        (1, "nearest"),
    ]


@pytest.mark.parametrize(
    ("only", "n_cells"),
    [
        (["attempt=nearest"], 8),
        (["attempt=nearest,fold=0"], 2),
        (["attempt=near*,fold=p1,seed=1"], 1),
        (["attempt=chance", "attempt=nearest"], 16),
        (["family=trivial", "fold=0,fold=1"], 8),
        (["dataset=toy-data", "split=leave-one-group-out"], 16),
    ],
)
def test_only_some_cells(plugin, only, n_cells, matrix):
    checked = matrix({"name": "nearest"}, {"name": "chance"}, seeds=(0, 1))
    assert len(make_plan(checked, plugins=[plugin], only=only).cells) == n_cells


def test_names_with_commas_stand_in_quotation_marks(plugin, matrix):
    checked = matrix({"name": "nearest", "title": "a, b"}, {"name": "chance", "title": "a"}, seeds=(0, 1))

    def titles(only):
        return {
            (cell.title, cell.fold_index) for cell in make_plan(checked, plugins=[plugin], only=[only]).cells
        }

    assert titles('attempt="a, b",fold=0') == {("a, b", 0)}
    assert titles('fold=1, attempt="a, b", attempt="a"') == {("a, b", 1), ("a", 1)}


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ("attempt", "must be KEY=VALUE"),
        ('attempt="a, b', "a quotation mark is not closed"),
        ("attempts=rules", "unknown key 'attempts'; did you mean 'attempt'"),
        ("attempt=rules", "no cell is left; attempt may be nearest"),
        ("fold=9", "no cell is left; fold may be p0, p1, p2, p3"),
    ],
)
def test_conditions_that_fit_nothing(plugin, only, message, matrix):
    with pytest.raises(MatrixError, match=message):
        make_plan(matrix(), plugins=[plugin], only=[only])


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (
            lambda matrix: matrix({"name": "nearst"}),
            PluginError,
            "there is no attempt 'nearst'; did you mean 'nearest'",
        ),
        (
            lambda matrix: matrix({"name": "nearest", "params": {"mod": 1}}),
            MatrixError,
            "attempt 'nearest': unknown parameter 'mod'; did you mean 'mode'",
        ),
        (
            lambda matrix: matrix(people=1),
            SplitError,
            "data set 'toy-data': leave-one-group-out needs two groups",
        ),
        (
            lambda matrix: matrix(split={"name": "group-k-fold", "folds": 5}),
            SplitError,
            "folds = 5, but the data set has 4 groups",
        ),
        (lambda matrix: matrix(persons=3), DataError, "data set 'toy-data': unknown key 'persons'"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_runs(plugin, build, error, message, matrix):
    with pytest.raises(error, match=message):
        make_plan(build(matrix), plugins=[plugin])


def test_all_that_does_not_fit_is_said_at_once(plugin):
    content = {
        "name": "x",
        "datasets": [
            {"name": "toy-data", "persons": 3, "split": "leave-one-group-out"},
            {"name": "toy", "split": "leave-one-group-out"},
        ],
        "attempts": [
            {"name": "nearst"},
            {"name": "nearest", "params": {"mod": 1, "lgo": "x"}},
            {"name": "hog-svm", "params": {"C": ["a", 1.0, "b"]}},
        ],
    }
    with pytest.raises(PluginError) as caught:
        make_plan(read_matrix(content), plugins=[plugin])
    begins = [
        "there is no attempt 'nearst'",
        "attempt 'nearest': unknown parameter 'mod'",
        "attempt 'nearest': unknown parameter 'lgo'",
        "attempt 'hog-svm': params.C: input should be a valid number, got 'a'",
        "attempt 'hog-svm': params.C: input should be a valid number, got 'b'",
        "data set 'toy-data': unknown key 'persons'",
        "there is no data set 'toy'",
    ]
    for begin, sentence in zip(begins, caught.value.args, strict=True):
        assert sentence.startswith(begin)


def test_a_skip_that_fails_is_named(plugin, matrix):
    plugin.write_text(
        plugin.read_text().replace('return "it would rather not" if', "return undefined_name if")
    )
    with pytest.raises(PluginError, match=r"attempt 'nearest': its skip\(\) failed with NameError"):
        make_plan(matrix({"name": "nearest", "params": {"mode": "skip"}}), plugins=[plugin])


def test_under_several_splits_and_probes_a_data_set_is_read_once(monkeypatch):
    from actionbench.experiments.datasets.figures import Figures

    made = []
    plain = Figures.read_table
    monkeypatch.setattr(Figures, "read_table", lambda self: made.append(self) or plain(self))
    entry = {"name": "figures", "subjects": 3, "clips_per_subject": 1, "split": "leave-one-group-out"}
    others = [
        {**entry, "split": {"name": "group-k-fold", "folds": 2}},
        {**entry, "title": "longer", "frames": 60},
    ]
    content = {
        "name": "m",
        "attempts": [{"name": "chance"}],
        "datasets": [{**entry, "probes": ["frozen"]}, *others],
    }
    plan = make_plan(read_matrix(content))
    assert len({id(dataset) for dataset in made}) == 2
    assert len({data.fingerprint for data in plan.datasets}) == 4
    assert len({data.plain_fingerprint for data in plan.datasets}) == 2
