"""What MLflow is told, with a store of its own in a folder."""

import sys

import pytest
from mlflow import MlflowClient

from actionbench.errors import ActionbenchError
from actionbench.reports.analysis.tables import comparison_table
from actionbench.reports.rendering.tracking import log_to_mlflow


@pytest.fixture
def uri(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    return f"file://{tmp_path / 'mlruns'}"


def logged(uri, experiment="e"):
    client = MlflowClient(tracking_uri=uri)
    place = client.get_experiment_by_name(experiment)
    return {run.info.run_name: run for run in client.search_runs([place.experiment_id])}


def test_each_attempt_is_a_run_with_its_scores_and_costs(usual, uri):
    found = log_to_mlflow(usual.end(), uri, "e")
    runs = logged(uri)
    assert found["status"].tolist() == ["logged"] * 4
    assert dict(zip(found["attempt"], found["run_id"], strict=True)) == {
        name: run.info.run_id for name, run in runs.items()
    }
    table = comparison_table(usual.store).set_index("attempt")
    for name, run in runs.items():
        row = table.loc[name]
        for metric in (
            "accuracy",
            "accuracy_low",
            "accuracy_high",
            "macro_f1",
            "fit_seconds",
            "n_parameters",
        ):
            assert run.data.metrics[metric] == row[metric]
        assert run.data.params == {
            "dataset": "toy",
            "split": "leave-one-group-out",
            "attempt": name,
            "family": row["family"],
            "seeds": "0, 1",
        }
        tags = run.data.tags
        assert (tags["actionbench.fingerprint"], tags["actionbench.code"]) == ("f", "code")
        assert (tags["actionbench.run"], tags["actionbench.commit"]) == ("1", "not known")
        assert run.info.status == "FINISHED"
    assert "fit_joules" not in run.data.metrics


def test_the_table_is_an_artifact(usual, uri, tmp_path):
    run_id = log_to_mlflow(usual.store, uri, "e")["run_id"].iloc[0]
    path = MlflowClient(tracking_uri=uri).download_artifacts(run_id, "table.md", str(tmp_path))
    with open(path) as file:
        assert "hog-svm" in file.read()


def test_where_no_artifact_can_be_kept_the_rest_is(usual, uri, monkeypatch):
    def refuse(*_):
        raise PermissionError("no bucket")

    monkeypatch.setattr(MlflowClient, "log_text", refuse)
    assert set(log_to_mlflow(usual.store, uri, "e")["status"]) == {"logged without its table"}
    assert set(log_to_mlflow(usual.store, uri, "e")["status"]) == {"already logged"}


def test_what_is_logged_is_not_logged_twice(bench, uri):
    toy = bench().dataset(["b", "a"], ["x", "y"]).attempt("one", [0, 0])
    first = log_to_mlflow(toy.store, uri, "e")
    again = log_to_mlflow(toy.store, uri, "e")
    assert again["status"].tolist() == ["already logged"]
    assert again["run_id"].tolist() == first["run_id"].tolist()
    assert len(logged(uri)) == 1
    # Another attempt is new, this one is as it was.
    assert log_to_mlflow(toy.attempt("two", [1, 0]).store, uri, "e")["status"].tolist() == [
        "already logged",
        "logged",
    ]
    # With another seed it is another result; under another name so is everything.
    toy.attempt("one", [1, 0], seed=1)
    assert log_to_mlflow(toy.store, uri, "e").set_index("attempt")["status"]["one"] == "logged"
    assert set(log_to_mlflow(toy.store, uri, "f")["status"]) == {"logged"}


def test_what_was_broken_off_is_logged_again(bench, uri, monkeypatch):
    toy = bench().dataset(["b", "a"], ["x", "y"]).attempt("one", [0, 0])
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            log_to_mlflow(toy.store, uri, "e")
    assert log_to_mlflow(toy.store, uri, "e")["status"].tolist() == ["logged"]


def test_parameters_failures_and_warnings_are_told(bench, uri):
    toy = bench().dataset(["b", "a"], ["x", "y"])
    toy.attempt("one", [0, 0], fail=[1])
    toy.store.connection.execute("""UPDATE cells SET params = '{"C": 1.5, "kernel": "rbf"}'""")
    log_to_mlflow(toy.store, uri, "e")
    run = logged(uri)["one"]
    assert (run.data.params["params.C"], run.data.params["params.kernel"]) == ("1.5", "rbf")
    assert "1 of 2 cells failed (ValueError)" in run.data.tags["actionbench.warnings"]
    assert (run.data.metrics["n_failed"], run.info.status) == (1, "FAILED")


def test_an_attempt_that_never_finished_is_told_too(bench, uri):
    toy = bench().dataset(["b", "a"], ["x", "y"]).attempt("one", [0, 0], fail=[0, 1])
    log_to_mlflow(toy.store, uri, "e")
    assert "accuracy" not in logged(uri)["one"].data.metrics


def test_what_mlflow_refuses_is_said_in_one_sentence(usual):
    with pytest.raises(ActionbenchError, match=r"^nonsense://x: MLflow refuses: [^\n]+$"):
        log_to_mlflow(usual.store, "nonsense://x", "e")


def test_without_mlflow_the_extra_is_named(usual, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ActionbenchError, match=r'MLflow is not installed; .* "actionbench\[mlflow\]"'):
        log_to_mlflow(usual.store, "x", "e")
