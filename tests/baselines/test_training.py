import numpy as np
import pytest

from actionbench.baselines._training import choose, inner_folds, softmax


@pytest.mark.parametrize(
    "groups", [np.repeat(list("abcdefg"), 3), np.array(list("aabbbccdddddefg") + ["h"] * 6)]
)
def test_no_group_stands_on_both_sides(groups):
    folds = inner_folds(len(groups), groups, 4)
    assert len(folds) == 4
    for train, test in folds:
        assert not set(groups[train]) & set(groups[test])
        assert len(train) + len(test) == len(groups)
    np.testing.assert_array_equal(
        np.sort(np.concatenate([test for _, test in folds])), np.arange(len(groups))
    )


def test_fewer_groups_than_folds():
    assert len(inner_folds(6, np.array(list("aabbbb")), 5)) == 2
    assert inner_folds(3, np.array(list("aaa")), 5) == []
    assert len(inner_folds(4, None, 5)) == 4
    assert inner_folds(1, None, 5) == []


def test_what_is_right_most_often_on_held_out_groups_is_picked():
    groups = np.array(list("aabbccdd"))

    def right(choice, train, held):
        assert not set(groups[train]) & set(groups[held])
        return {"x": len(held), "y": 2 * len(held), "z": 2 * len(held)}[choice]

    assert choose(["x", "y", "z"], right, 8, groups) == "y"
    assert choose(["x"], right, 8, groups) == "x"
    assert choose(["x", "y"], right, 3, np.array(list("aaa"))) == "x"


def test_softmax_of_large_values():
    np.testing.assert_allclose(
        softmax(np.array([[1000.0, 1000.0], [0.0, np.log(3)]])), [[0.5, 0.5], [0.25, 0.75]]
    )
