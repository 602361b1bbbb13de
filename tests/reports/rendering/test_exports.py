"""What is handed on: each prediction, and Parquet files."""

import io
import sys

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet as pq

from actionbench.errors import ActionbenchError
from actionbench.reports.analysis.tables import comparison_table
from actionbench.reports.rendering.exports import parquet, predictions


def test_each_prediction_is_a_row_with_its_clip_and_probabilities(bench):
    toy = bench().dataset(["b", "a", "b", "a"], ["y", "x", "x", "y"])
    toy.attempt("two", [0, 1, 0, 1], seed=3).attempt("two", [0, 1, 0, 1], seed=2).attempt("one", [1, 0, 0, 0])
    toy.attempt("broken", [0] * 4, fail=[0, 1])
    table = predictions(toy.store)
    assert table[["attempt", "seed", "fold", "clip", "label", "group", "predicted", "correct"]].to_numpy()[
        :6
    ].tolist() == [
        ["one", 0, 0, "clip1", "a", "x", "a", True],
        ["one", 0, 0, "clip2", "b", "x", "a", False],
        ["one", 0, 1, "clip0", "b", "y", "b", True],
        ["one", 0, 1, "clip3", "a", "y", "a", True],
        ["two", 2, 0, "clip1", "a", "x", "b", False],
        ["two", 2, 0, "clip2", "b", "x", "a", False],
    ]
    assert set(table["attempt"]) == {"one", "two"}
    assert table["seed"].tolist() == [0] * 4 + [2] * 4 + [3] * 4
    shares = table[["p(a)", "p(b)"]]
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (shares.idxmax(axis=1) == "p(" + table["predicted"] + ")").all()


def test_classes_of_other_data_sets_are_missing(bench):
    both = bench().dataset(["b", "a"], ["x", "y"], name="ab").attempt("one", [0, 0])
    both.dataset(["c", "a"], ["x", "y"], name="ac").attempt("one", [0, 0])
    table = predictions(both.store).set_index("dataset")
    assert table.loc["ab", "p(c)"].isna().all()
    assert table.loc["ac", "p(b)"].isna().all()
    assert table["p(a)"].notna().all()
    assert table["correct"].dtype == bool


def test_accuracy_can_be_had_from_the_predictions(usual):
    given = comparison_table(usual.store).set_index("attempt")["accuracy"].sort_index()
    found = predictions(usual.store).groupby(["attempt", "clip"])["correct"].mean().groupby("attempt").mean()
    np.testing.assert_allclose(found, given)


def test_a_store_without_results_has_no_rows(bench):
    table = predictions(bench().store)
    assert table.empty
    assert "predicted" in table


def test_parquet_holds_the_table_with_its_kinds(usual):
    usual.attempt("odd", usual.labels, n_parameters=None)
    table = comparison_table(usual.store)
    content = parquet(table)
    assert content == parquet(table.set_index(table.index + 7))
    kinds = {field.name: str(field.type) for field in pq.read_schema(io.BytesIO(content))}
    assert kinds["attempt"] == kinds["warnings"] == "string"
    assert kinds["accuracy"] == kinds["fit_joules"] == "double"
    assert kinds["n_clips"] == kinds["n_parameters"] == "int64"
    back = pd.read_parquet(io.BytesIO(content))
    assert back["n_clips"].dtype == back["n_parameters"].dtype == "Int64"
    assert back["n_parameters"].isna().sum() == 1
    pd.testing.assert_frame_equal(back.astype(table.dtypes), table)


def test_a_median_between_whole_numbers_stays_one(bench):
    toy = bench().dataset(["b", "a"], ["x", "y"]).attempt("one", [0, 0], n_parameters=1)
    toy.attempt("one", [0, 0], seed=1, n_parameters=2)
    back = pd.read_parquet(io.BytesIO(parquet(comparison_table(toy.store))))
    assert back["n_parameters"].tolist() == [1.5]


def test_parquet_holds_predictions(usual):
    table = predictions(usual.store)
    back = pd.read_parquet(io.BytesIO(parquet(table)))
    assert back["correct"].dtype == bool
    pd.testing.assert_frame_equal(back.astype(table.dtypes), table)


def test_without_pyarrow_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        ActionbenchError, match=r'Parquet needs pyarrow; .* pip install "actionbench\[parquet\]"'
    ):
        parquet(pd.DataFrame({"a": [1]}))
