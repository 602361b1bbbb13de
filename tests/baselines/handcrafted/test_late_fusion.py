import numpy as np
import pytest

from actionbench.baselines.base import Attempt
from actionbench.baselines.handcrafted.hof_svm import HofSvm
from actionbench.baselines.handcrafted.hog_svm import HogSvm
from actionbench.baselines.handcrafted.late_fusion import LateFusion
from actionbench.baselines.registry import attempt_registry, use_attempts
from actionbench.errors import PluginError


@pytest.fixture(scope="module")
def fused(figures):
    return LateFusion().fit(*figures)


def alone(figures):
    return [cls().fit(*figures).predict_proba(figures[0]) for cls in (HogSvm, HofSvm)]


def test_votes_are_averaged_or_multiplied(figures, fused):
    hog, hof = alone(figures)
    np.testing.assert_allclose(fused.predict_proba(figures[0]), (hog + hof) / 2)
    product = LateFusion(rule="product").fit(*figures).predict_proba(figures[0])
    wanted = hog * hof
    np.testing.assert_allclose(product, wanted / wanted.sum(axis=1, keepdims=True), atol=1e-5)


def test_a_member_that_is_certain_does_not_silence_the_others():
    class Fixed(Attempt):
        family = "trivial"

        def __init__(self, rows):
            self.rows = rows

        def fit(self, clips, labels, groups=None):
            return self

        def predict_proba(self, clips):
            return np.array([self.rows])

    fusion = LateFusion(rule="product")
    fusion.classes_, fusion.weights_ = np.array(["a", "b"]), np.ones(3)
    fusion.members_ = [Fixed([1.0, 0.0]), Fixed([0.2, 0.8]), Fixed([0.0, 1.0])]
    np.testing.assert_allclose(fusion.predict_proba([0])[0], [0.2, 0.8], atol=1e-6)


def test_members_say_who_they_are(figures, fused):
    explanation = fused.explain()
    assert "1-HogSvm:\n" in explanation
    assert set(explanation.figures) == {"1-HogSvm-cells", "2-HofSvm-cells"}
    assert fused.count()["parameters"] == sum(member.count()["parameters"] for member in fused.members_)


@pytest.mark.parametrize("cls", [LateFusion, Attempt])
def test_saved_and_loaded_it_predicts_the_same_bits(figures, fused, tmp_path, cls):
    fused.save(tmp_path / "model")
    again = cls.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(figures[0]), fused.predict_proba(figures[0]))


def test_members_of_a_plugin_are_found_while_it_is_in_use(figures, tmp_path):
    path = tmp_path / "coin.py"
    path.write_text("from actionbench.baselines.trivial.chance import Chance\nclass Coin(Chance): pass\n")
    fusion = LateFusion(members="coin + majority")
    with use_attempts(attempt_registry([path])):
        fusion.fit(*figures)
        assert [cls.__name__ for cls in fusion.uses()] == ["Coin", "Majority"]
    assert [type(member).__name__ for member in fusion.members_] == ["Coin", "Majority"]
    with pytest.raises(PluginError, match="there is no attempt 'coin'"):
        fusion.uses()


def test_a_member_counts_with_what_it_uses_itself():
    used = LateFusion(members="late-fusion + majority").uses()
    assert [cls.__name__ for cls in used] == ["LateFusion", "Majority", "HogSvm", "HofSvm"]


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ("hog-svm + hogs-svm", "there is no attempt 'hogs-svm'; did you mean"),
        ("hog-svm", "must name two attempts or more, got 'hog-svm'"),
    ],
)
def test_members_that_are_none(members, says, figures):
    with pytest.raises(PluginError, match=says):
        LateFusion(members=members).fit(*figures)


def test_a_rule_that_is_none(figures):
    with pytest.raises(ValueError, match="rule must be one of mean, product, weighted, got 'max'"):
        LateFusion(rule="max").fit(*figures)
