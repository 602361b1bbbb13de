import numpy as np
import pandas as pd
import pytest

from actionbench import Clip, Dataset
from actionbench.errors import DataError
from actionbench.experiments.audit.leaks import (
    audit,
    audit_key,
    group_warnings,
    protocol_warnings,
    without_unreadable,
)
from actionbench.experiments.datasets.base import GROUPS_UNKNOWN
from actionbench.experiments.datasets.figures import Figures
from actionbench.experiments.datasets.splits import (
    LEAKY_RANDOM,
    Fold,
    GroupKFold,
    LeakyRandom,
    LeaveOneGroupOut,
)
from actionbench.experiments.datasets.weizmann import Weizmann


class Listed(Dataset):
    """Clips in memory; one that is None cannot be decoded."""

    def __init__(self, clips, labels, groups, known=True, message=()):
        self._clips, self._labels, self._groups, self._says = clips, labels, groups, list(message)
        self.groups_known = known

    def read_table(self):
        names = [f"c{place}" for place in range(len(self._labels))]
        return pd.DataFrame({"clip": names, "label": self._labels, "group": self._groups})

    def load(self, index):
        if self._clips[index] is None:
            raise OSError("the disk\nis gone")
        return self._clips[index]

    @property
    def warnings(self):
        return super().warnings + self._says


def noise(seed, n_frames=6, height=24, width=32, fps=25):
    rng = np.random.default_rng(seed)
    return Clip(rng.integers(0, 255, (n_frames, height, width), dtype=np.uint8), fps)


def brighter(clip):
    return Clip((clip.frames * 0.8 + 40).astype(np.uint8), clip.fps)


def found(dataset, folds=None):
    return {one.code: one.text for one in audit(dataset, folds or LeaveOneGroupOut().folds(dataset))}


def four(*clips, labels="xyxy", groups="aabb"):
    return Listed(list(clips), list(labels), list(groups))


def test_nothing_is_said_of_unrelated_clips():
    assert found(four(*map(noise, range(4)))) == {}


def test_identical_clips_of_two_groups_are_named_with_their_sides():
    one = noise(0)
    assert found(four(one, noise(1), one, noise(2))) == {
        "identical-clips": "Clips of different groups are on both sides of a fold and have the same frames: "
        "c2 (train) and c0 (test) in fold a."
    }


def test_near_identical_clips_are_no_identical_ones():
    one = noise(0)
    assert list(found(four(one, noise(1), brighter(one), noise(2)))) == ["near-identical-clips"]


def test_labels_that_disagree_are_said_also_within_a_group():
    one = noise(0)
    assert found(four(one, one, noise(1), noise(2))) == {
        "labels-disagree": "Clips with the same frames have different labels: c0 (x) and c1 (y)."
    }


def test_pairs_that_no_fold_divides_do_not_matter():
    one = noise(0)
    dataset = Listed([one, noise(1), one, noise(2), noise(3), noise(4)], list("xyxyxy"), list("aabbcc"))
    assert found(dataset, [Fold("only", np.arange(4), np.array([4, 5]))]) == {}
    # A clip on neither side harms nobody.
    assert found(dataset, [Fold("only", np.array([2, 3, 4]), np.array([1, 5]))]) == {}
    assert list(found(dataset, [Fold("only", np.array([2, 3]), np.arange(2))])) == ["identical-clips"]


def test_three_pairs_are_named_and_the_rest_counted():
    ones = [noise(seed) for seed in range(6)]
    dataset = Listed(ones + ones, list("xyxyxy") * 2, ["a"] * 6 + ["b"] * 6)
    text = found(dataset)["identical-clips"]
    assert text.count("(train)") == 3
    assert text.endswith("c8 (train) and c2 (test) in fold a; and 3 more pairs.")


def test_clips_that_cannot_be_read_are_all_named():
    with pytest.raises(DataError) as caught:
        found(four(noise(0), None, noise(1), None))
    assert caught.value.args == (
        "clip 'c1' cannot be read: the disk is gone",
        "clip 'c3' cannot be read: the disk is gone",
    )


def by_length(tell, what="frames"):
    """Eight people, three clips of each of two classes; where it tells, one class is twice as long, say."""
    rng = np.random.default_rng(7)
    clips, labels, groups = [], [], []
    for number in range(48):
        value = 1 + number % 2 if tell else 1 + rng.integers(2)
        sizes = {
            "frames": {"n_frames": 5 * value},
            "size": {"height": 12 * value, "width": 16 * value},
            "fps": {"fps": 10 * value},
        }
        clips.append(noise(number, **sizes[what]))
        labels.append("xy"[number % 2])
        groups.append(f"p{number // 6}")
    return Listed(clips, labels, groups)


@pytest.mark.parametrize("what", ["frames", "size", "fps"])
def test_metadata_that_tell_the_class_are_said(what):
    (text,) = found(by_length(True, what)).values()
    assert "length, size and frame rate classifies 100 % of the clips correctly" in text
    assert "the most frequent class has 50 %" in text
    assert found(by_length(False, what)) == {}


def test_metadata_that_tell_it_of_few_people_only_are_no_proof():
    dataset = by_length(True)
    told = [clip if place < 18 else noise(place, 5) for place, clip in enumerate(dataset._clips)]
    assert found(Listed(told, dataset._labels, dataset._groups)) == {}


def test_the_built_in_data_set_has_nothing_to_hide():
    dataset = Figures(subjects=4, clips_per_subject=1, frames=24)
    assert audit(dataset, GroupKFold(folds=2).folds(dataset)) == []


def test_the_protocol_says_what_it_is_by_code():
    dataset = Listed([noise(0)], ["x"], ["a"], known=False, message=["Seven clips end early."])
    warnings = protocol_warnings(dataset, LeakyRandom())
    assert [one.code for one in warnings] == ["groups-unknown", "data-set", "leaky-split"]
    assert [one.text for one in warnings] == [GROUPS_UNKNOWN, "Seven clips end early.", LEAKY_RANDOM]
    six = Listed([*map(noise, range(6))], list("xyxyxy"), list("aabbcc"))
    assert protocol_warnings(six, LeaveOneGroupOut()) == []


@pytest.mark.parametrize(
    ("labels", "groups", "said"),
    [
        ("xyxy", "aabb", {"few-groups": "The data set has 2 groups: the variance between groups cannot be"}),
        (
            "xyxy",
            "aaaa",
            {"few-groups": "1 group: the variance", "class-of-one-group": "come from one group"},
        ),
        ("xyxy", "abcd", {"one-clip-groups": "Each group has one clip: if clips of one person"}),
        (
            "xxyyxx",
            "abccba",
            {"class-of-one-group": "All clips of class 'y' come from one group: no split can"},
        ),
        ("xyxyxy", "aabbcc", {}),
    ],
)
def test_groups_that_tell_too_little_are_named(labels, groups, said):
    warnings = group_warnings(Listed([noise(0)] * len(labels), list(labels), list(groups)))
    assert {warning.code for warning in warnings} == said.keys()
    for warning in warnings:
        assert said[warning.code] in warning.text
    assert group_warnings(Listed([noise(0)] * 4, list("xyxy"), list("abcd"), known=False)) == []


def test_other_data_or_folds_are_another_audit():
    folds = [Fold("a", np.array([0, 1]), np.array([2, 3]))]
    turned = [Fold("a", folds[0].test, folds[0].train)]
    assert len({audit_key("f", folds), audit_key("g", folds), audit_key("f", turned)}) == 3
    assert audit_key("f", folds) == audit_key("f", list(folds))


@pytest.mark.slow
def test_weizmann_has_no_copies(data_folder):
    dataset = Weizmann(data_folder / "weizmann")
    assert found(dataset) == {}


def test_classes_of_very_different_sizes_are_named():
    said = "The classes are unbalanced: 6 clips of 'x', 2 of 'y'."
    for labels, expected in (("xxxxxxyy", [said]), ("xxxxxyy", [])):
        dataset = Listed([noise(0)] * len(labels), list(labels), list("abcdefgh")[: len(labels)], known=False)
        found = protocol_warnings(dataset, GroupKFold(folds=2))
        assert [one.text for one in found if one.code == "unbalanced-classes"] == expected


def test_a_class_that_a_fold_does_not_teach_is_named():
    """A class of one group is said once, as it concerns every split."""
    labels, groups = list("aabbczz"), ["p", "q", "p", "q", "r", "p", "q"]
    dataset = Listed(list(map(noise, range(7))), labels, groups)
    folds = [
        Fold("one", np.array([0, 2, 4]), np.array([1, 3, 6])),
        Fold("two", np.array([1, 3, 6]), np.array([0, 2, 4])),
    ]
    assert found(dataset, folds) == {
        "untaught-class": "Classes are tested without a training clip and cannot be recognised: 'z' in fold one."
    }
    unknown = Listed(list(map(noise, range(7))), labels, list(range(7)), known=False)
    assert "'z' in fold one; 'c' in fold two" in found(unknown, folds)["untaught-class"]


def test_clips_that_cannot_be_decoded_are_dropped_where_that_is_asked_for():
    clips = [noise(0), None, noise(2), None]
    dataset = Listed(clips, list("xyxy"), list("abcd"))
    assert without_unreadable(dataset) is dataset
    dataset.drops_unreadable = True
    smaller = without_unreadable(dataset)
    assert smaller.table["clip"].tolist() == ["c0", "c2"]
    np.testing.assert_array_equal(smaller.clips[1].frames, clips[2].frames)
    assert smaller.clips.fingerprints == [dataset.fingerprint(0), dataset.fingerprint(2)]
    (warning,) = protocol_warnings(smaller, GroupKFold(folds=2))[:1]
    assert (warning.code, warning.text) == (
        "clips-left-out",
        "Left out: 2 of 4 clips, which cannot be decoded: c1, c3.",
    )


def test_odd_files_are_named_by_kind():
    said = {"header-count": "the header promises 9 frames, there are 6"}
    odd = [Clip(noise(seed).frames, 25, said if seed else {}) for seed in range(4)]
    text = found(four(*odd))["header-count"]
    assert text == (
        "3 of 4 clips: headers of AVI files give another number of frames than they have; the first is c1, the "
        "header promises 9 frames, there are 6."
    )
