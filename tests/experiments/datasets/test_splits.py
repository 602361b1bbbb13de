import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from actionbench.errors import SplitError
from actionbench.experiments.datasets.base import Dataset
from actionbench.experiments.datasets.splits import (
    Column,
    Fold,
    GroupKFold,
    LeakyRandom,
    LeaveOneGroupOut,
    NumberedLists,
    Official,
    with_fewer_groups,
)


class Rows(Dataset):
    """Clips of which only labels and groups are known."""

    def __init__(self, labels, groups):
        self.rows = labels, groups

    def read_table(self):
        labels, groups = self.rows
        return pd.DataFrame({"clip": list(map(str, range(len(labels)))), "label": labels, "group": groups})

    def load(self, index):
        raise AssertionError("no clip of these is decoded")


def sides(folds):
    return [(fold.train.tolist(), fold.test.tolist()) for fold in folds]


def test_leave_one_group_out_tests_on_each_group_once(toy):
    dataset = toy()
    folds = LeaveOneGroupOut().folds(dataset)
    assert [fold.name for fold in folds] == ["ann", "bob", "cem", "dan"]
    for fold in folds:
        assert set(dataset.groups[fold.test]) == {fold.name}
        assert sorted([*fold.train, *fold.test]) == list(range(len(dataset)))


@given(
    n_people=st.integers(2, 9), n_folds=st.integers(2, 9), repeats=st.integers(1, 3), seed=st.integers(0, 99)
)
def test_group_k_fold_tests_each_clip_once_and_never_splits_a_group(toy, n_people, n_folds, repeats, seed):
    dataset = toy(people=[f"p{number}" for number in range(n_people)], repeats=repeats)
    split = GroupKFold(folds=n_folds, seed=seed)
    if n_people < n_folds:
        with pytest.raises(SplitError, match=f"folds = {n_folds}, but the data set has {n_people} groups"):
            split.folds(dataset)
        return
    folds = split.folds(dataset)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(len(dataset)))
    for fold in folds:
        assert not set(dataset.groups[fold.train]) & set(dataset.groups[fold.test])
    assert sides(folds) == sides(split.folds(dataset))


def test_group_k_fold_keeps_the_classes_in_balance(toy):
    dataset = toy(people=[f"p{number}" for number in range(9)])
    for fold in GroupKFold(folds=3).folds(dataset):
        assert len(set(np.unique(dataset.labels[fold.test], return_counts=True)[1])) == 1


@given(data=st.data())
def test_group_k_folds_are_those_of_scikit_learn(toy, data):
    n_folds = data.draw(st.integers(2, 6))
    groups = [*range(n_folds), *data.draw(st.lists(st.integers(0, 9), min_size=4, max_size=60))]
    labels = data.draw(st.lists(st.sampled_from("abcd"), min_size=len(groups), max_size=len(groups)))
    seed = data.draw(st.integers(0, 2**32 - 1))
    dataset = Rows(labels, list(map(str, groups)))
    theirs = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    split = GroupKFold(folds=n_folds, seed=seed)
    if max(map(labels.count, labels)) < n_folds:
        with pytest.raises(SplitError, match=f"folds = {n_folds}, but no class has so many clips"):
            split.divide(dataset)
        return
    with warnings.catch_warnings():
        # It warns of a class that is rarer than the folds.
        warnings.simplefilter("ignore", UserWarning)
        expected = [
            (train.tolist(), test.tolist())
            for train, test in theirs.split(np.zeros(len(labels)), dataset.labels, dataset.groups)
        ]
    assert sides(split.divide(dataset)) == expected


def test_fewer_groups_are_nested_and_leave_the_test_side_alone(toy):
    dataset = toy(people=[f"p{number}" for number in range(9)])
    for fold in LeaveOneGroupOut().folds(dataset):
        before = set()
        for n_groups in (1, 3, 8):
            fewer = with_fewer_groups(fold, dataset.groups, n_groups, seed=5)
            chosen = set(dataset.groups[fewer.train])
            assert len(chosen) == n_groups
            assert before <= chosen
            assert not chosen & set(dataset.groups[fold.test])
            np.testing.assert_array_equal(fewer.test, fold.test)
            np.testing.assert_array_equal(
                fewer.train, fold.train[np.isin(dataset.groups[fold.train], list(chosen))]
            )
            before = chosen
        np.testing.assert_array_equal(fewer.train, fold.train)
    others = {
        frozenset(dataset.groups[with_fewer_groups(fold, dataset.groups, 2, s).train]) for s in range(20)
    }
    assert len(others) > 5


def test_more_training_groups_than_there_are(toy):
    dataset = toy()
    fold = LeaveOneGroupOut().folds(dataset)[0]
    with pytest.raises(SplitError, match="train_groups = 4, but fold 'ann' has 3 training groups"):
        with_fewer_groups(fold, dataset.groups, 4, 0)


def test_the_seed_moves_the_folds(toy):
    dataset = toy(people=[f"p{number}" for number in range(9)])
    assert sides(GroupKFold(folds=3).folds(dataset)) != sides(GroupKFold(folds=3, seed=1).folds(dataset))


def test_leaky_random_says_so_and_leaks(toy):
    split = LeakyRandom(folds=4)
    dataset = toy()
    assert "leak" in split.label()
    assert "on both sides" in split.warning(dataset)
    assert any(
        set(dataset.groups[fold.train]) & set(dataset.groups[fold.test]) for fold in split.folds(dataset)
    )


def test_labels_tell_what_matters():
    assert GroupKFold(folds=3).label() == "group-k-fold(3)"
    assert LeakyRandom(folds=3, seed=2).label() == "leaky-random(3, seed 2)"
    assert Official(train=Path("x/train1.txt"), test=Path("x/test1.txt")).label() == "official(test1)"


class Lists:
    """Writes a pair of lists and makes the split."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, train, test):
        for name, text in (("train.txt", train), ("test.txt", test)):
            (self.folder / name).write_text(text, encoding="utf-8")
        return Official(train=self.folder / "train.txt", test=self.folder / "test.txt")


@pytest.fixture
def lists(tmp_path):
    return Lists(tmp_path)


def names(toy, *people, ending=""):
    return "\n".join(clip + ending for clip in toy(people).table["clip"])


@pytest.mark.parametrize("ending", ["", " 3", "\t1 ", ", dark", ",1", "  12 30"])
def test_official_lists_ignore_a_label_behind(toy, lists, ending):
    dataset = toy()
    (fold,) = lists(names(toy, "ann", "bob", ending=ending), names(toy, "cem", ending=ending)).folds(dataset)
    assert set(dataset.groups[fold.train]) == {"ann", "bob"}
    assert set(dataset.groups[fold.test]) == {"cem"}
    assert len(fold.test) == 4


def test_official_lists_take_paths_names_and_stems(toy, lists):
    dataset = toy()
    dataset.table["clip"] = [f"{clip} take, one.avi" for clip in dataset.table["clip"]]
    dataset.table.loc[0, "clip"] = "dark/only here.avi"
    train = "﻿dark/ann_1 take, one.avi 1\r\n\r\nvideos\\dark\\ann_0.avi\r\n".replace(
        "videos\\dark\\ann_0.avi", "only here"
    )
    (fold,) = lists(
        train + "./light/ann_0 take, one.avi", "my videos/dark/bob_0 take, one.avi 2\nlight/bob_0 take, one"
    ).folds(dataset)
    assert dataset.table["clip"][fold.train].tolist() == [
        "dark/only here.avi",
        "dark/ann_1 take, one.avi",
        "light/ann_0 take, one.avi",
    ]
    assert dataset.table["clip"][fold.test].tolist() == [
        "dark/bob_0 take, one.avi",
        "light/bob_0 take, one.avi",
    ]


def test_several_pairs_of_lists_are_several_folds(toy, tmp_path):
    for number, (train, test) in enumerate([("ann", "bob"), ("cem", "dan")]):
        (tmp_path / f"train{number}.txt").write_text(names(toy, train))
        (tmp_path / f"test{number}.txt").write_text(names(toy, test))
    split = Official(
        train=[tmp_path / "train0.txt", tmp_path / "train1.txt"],
        test=[tmp_path / "test0.txt", tmp_path / "test1.txt"],
    )
    dataset = toy()
    assert [set(dataset.groups[fold.test]) for fold in split.folds(dataset)] == [{"bob"}, {"dan"}]
    with pytest.raises(SplitError, match="2 train lists but 1 test lists"):
        Official(train=split.train, test=split.test[:1]).folds(dataset)


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (
            "dark/ann_0\nlight/ann_0\nnobody",
            "dark/bob_0\nlight/bob_0",
            r"train\.txt, line 3: the data set has no clip 'nobody'",
        ),
        (
            "dark/ann_0\nlight/ann_0",
            "dark/bob_0\nlight/dan_0\nlight/ann_0",
            r"clip 'light/ann_0' is both in .*train\.txt and in .*test\.txt",
        ),
        (
            "dark/ann_0\nlight/ann_0",
            "dark/bob_0\nlight/ann_1",
            r"group 'ann' is on both sides \(train: dark/ann_0, test: light/ann_1\)",
        ),
        (
            "dark/ann_0\ndark/ann_0 1",
            "dark/bob_0",
            r"train\.txt, line 2: 'dark/ann_0 1' is already in line 1",
        ),
        ("ann_0\n", "dark/bob_0", r"train\.txt, line 1: 'ann_0' means 2 clips; give the path"),
        ("", "dark/bob_0", "has no train clips"),
        ("dark/ann_0", "\n\n", "has no test clips"),
        ("dark/ann_0", "light/bob_0", "training clips of one class only, 'dark'"),
    ],
)
def test_official_lists_that_do_not_fit(toy, lists, train, test, message):
    with pytest.raises(SplitError, match=message):
        lists(train, test).folds(toy())


def test_two_pairs_of_lists_that_make_the_same_fold(toy, lists, tmp_path):
    one = lists("dark/ann_0\nlight/ann_0", "dark/bob_0\nlight/bob_0")
    (tmp_path / "copy.txt").write_text("light/bob_0\n\ndark/bob_0")
    with pytest.raises(SplitError, match=r"split: .*copy\.txt makes the same fold as .*test\.txt"):
        Official(train=[one.train, one.train], test=[one.test, tmp_path / "copy.txt"]).folds(toy())


def test_lists_that_cannot_be_read(toy, tmp_path):
    (tmp_path / "odd.txt").write_bytes(b"\xff\xfe\x00")
    for name, message in (
        ("gone.txt", "there is no list"),
        ("odd.txt", "cannot be read as a list"),
        (".", "cannot be read"),
    ):
        with pytest.raises(SplitError, match=message):
            Official(train=tmp_path / name, test=tmp_path / name).folds(toy())


def test_a_group_on_both_sides_is_an_error_that_names_it(toy):
    dataset = toy()
    with pytest.raises(SplitError, match=r"group 'ann' is on both sides .*and 3 more groups"):
        LeaveOneGroupOut().check(Fold("x", np.arange(0, 16, 2), np.arange(1, 16, 2)), dataset)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"labels": ["dark"]}, "one class only, 'dark'"), ({"people": ["ann"]}, "needs two groups or more")],
)
def test_data_sets_too_small_to_divide(toy, options, message):
    with pytest.raises(SplitError, match=message):
        LeaveOneGroupOut().folds(toy(**options))


def test_more_folds_than_clips_is_an_error(toy):
    with pytest.raises(SplitError, match="cannot be divided into so many folds"):
        LeakyRandom(folds=50).folds(toy())


def test_a_fold_is_known_by_both_sides():
    fold = Fold("a", np.array([0, 1]), np.array([2]))
    assert fold.fingerprint() == Fold("b", np.array([0, 1]), np.array([2])).fingerprint()
    assert fold.fingerprint() != Fold("a", np.array([0]), np.array([1, 2])).fingerprint()
    assert fold.fingerprint() != Fold("a", np.array([2, 1]), np.array([0])).fingerprint()


def test_numbered_lists_of_all_classes_make_a_fold(toy, tmp_path):
    data = toy(people=["ann", "bob", "cem", "dan"])
    clips, groups = data.table["clip"], data.groups
    names = sorted(set(groups))
    for label in data.classes:
        rows = [
            (clip, group) for clip, group, own in zip(clips, groups, data.labels, strict=True) if own == label
        ]
        for number in (1, 2):
            sides = {name: (1, 2, 0)[(place + number) % 3] for place, name in enumerate(names)}
            text = "".join(f"{clip} {sides[group]} \r\n" for clip, group in rows)
            (tmp_path / f"{label}_test_split{number}.txt").write_text(text)
    split = NumberedLists(lists=[tmp_path / f"*_test_split{number}.txt" for number in (1, 2)])
    for number, fold in enumerate(split.folds(data), 1):
        side = {name: (1, 2, 0)[(place + number) % 3] for place, name in enumerate(names)}
        assert set(groups[fold.train]) == {name for name in names if side[name] == 1}
        assert set(groups[fold.test]) == {name for name in names if side[name] == 2}
    assert len(split.files()) == 2 * len(data.classes)
    assert split.label() == "numbered-lists(*_test_split1, *_test_split2)"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["{0} 3"], r"a\.txt, line 1: must be a clip and 0, 1 or 2, got '.* 3'"),
        (["{0} 1", "{0} 2"], r"clip '.*' has both 1 and 2"),
        (["gone.avi 1"], "the data set has no clip 'gone.avi'"),
        (None, r"split: there is no list .*a\.txt"),
    ],
)
def test_numbered_lists_that_do_not_fit(toy, tmp_path, lines, says):
    data = toy()
    if lines is not None:
        (tmp_path / "a.txt").write_text("\n".join(lines).format(data.table["clip"].iloc[0]))
    with pytest.raises(SplitError, match=says):
        NumberedLists(lists=tmp_path / "a.txt").folds(data)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "split: the data set has no column 'split'; it has clip, label, group"),
        ({"column": "group", "train": "x", "test": "y"}, "split: no group is 'x'; there are "),
        ({"column": "label", "train": ["a"], "test": ["a"]}, "no label is 'a'|'a' is in train and in test"),
    ],
)
def test_a_column_that_does_not_divide(toy, options, says):
    data = toy()
    with pytest.raises(SplitError, match=says):
        Column(**options).folds(data)


def test_a_column_divides(toy):
    data = toy()
    first, *others = sorted(set(data.groups))
    (fold,) = Column(column="group", train=others, test=first).folds(data)
    assert set(data.groups[fold.test]) == {first}
    assert len(fold.train) + len(fold.test) == len(data)
