import copy
import json
import sys

import numpy as np
import pytest
import skops.io
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import Matern, WhiteKernel
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from actionbench import ActionbenchError
from actionbench.baselines.base import Attempt
from actionbench.baselines.persistence import same_state
from actionbench.baselines.plugins import load_plugin
from actionbench.baselines.rules.rules import Rules
from actionbench.baselines.trivial.chance import Chance
from actionbench.baselines.trivial.majority import Majority
from actionbench.features.clip import Clip, Clips

CLIPS = Clips.of([Clip(np.zeros((1, 4, 4), np.uint8), 25.0)] * 2)
LABELS = np.array(["a", "b"])


@pytest.fixture
def saved(tmp_path):
    Chance(random_state=3).fit(CLIPS, LABELS).save(tmp_path / "saved")
    return tmp_path / "saved"


def edit(folder, **changes):
    path = folder / "attempt.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def refused(folder, cls=Attempt):
    with pytest.raises(ActionbenchError) as caught:
        cls.load(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_nothing_is_pickled(saved):
    assert sorted(path.name for path in saved.iterdir()) == ["attempt.json", "fitted.skops"]
    assert json.loads((saved / "attempt.json").read_text())["params"] == {"random_state": 3}
    assert skops.io.get_untrusted_types(file=saved / "fitted.skops") == []


def test_foreign_folder(tmp_path):
    assert "holds no saved attempt" in refused(tmp_path)
    assert "holds no saved attempt" in refused(tmp_path / "nowhere")


def test_damaged_description(saved):
    (saved / "attempt.json").write_text('{"format": 1, "cl')
    assert "no longer JSON" in refused(saved)
    (saved / "attempt.json").write_bytes(b"\xff\xfe\x00")
    assert "no longer JSON" in refused(saved)


@pytest.mark.parametrize("changes", [{"format": 99}, {"class": 3}, {"params": []}, {"format": "1"}])
def test_unknown_description(saved, changes):
    edit(saved, **changes)
    assert "does not describe a saved attempt" in refused(saved)


@pytest.mark.parametrize("name", ["os:system", "actionbench.baselines.trivial.chance:Choice", "nowhere:X"])
def test_only_known_classes_are_made(saved, name):
    edit(saved, **{"class": name})
    assert name in refused(saved)


def test_another_class_is_refused(saved):
    assert "not a known Majority" in refused(saved, Majority)


def test_foreign_parameters(saved):
    edit(saved, params={"depth": 3})
    assert "not those of Chance" in refused(saved)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not an archive at all"])
def test_damaged_state(saved, content):
    (saved / "fitted.skops").write_bytes(content)
    assert "cannot be read back" in refused(saved)


def test_missing_state(saved):
    (saved / "fitted.skops").unlink()
    assert "cannot be read back" in refused(saved)


@pytest.mark.parametrize("state", [{}, [1, 2], {"fit_": 1, "predict": 2}])
def test_foreign_state(saved, state):
    edit(saved, **{"class": "actionbench.baselines.rules.rules:Rules", "params": {}})
    skops.io.dump(state, saved / "fitted.skops")
    assert "cannot be read back" in refused(saved, Rules)


def test_state_cannot_replace_a_method(saved):
    skops.io.dump(
        {"classes_": LABELS, "predict": 1, "__class__": 2, "random_state": 9}, saved / "fitted.skops"
    )
    loaded = Attempt.load(saved)
    assert vars(loaded).keys() == {"random_state", "classes_"}
    assert loaded.random_state == 3


def test_unwritable_parameter(tmp_path):
    attempt = Chance(random_state=np.random.default_rng(0)).fit(CLIPS, LABELS)
    with pytest.raises(ActionbenchError, match="must be JSON values"):
        attempt.save(tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_unwritable_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ActionbenchError, match="cannot be saved there"):
        Chance().fit(CLIPS, LABELS).save(tmp_path / "file")


def test_a_plugin_may_lie_elsewhere_when_its_attempt_is_read(tmp_path):
    source = "from actionbench.baselines.trivial.chance import Chance\nclass Lucky(Chance):\n    pass\n"
    classes = []
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "lucky.py").write_text(source)
        classes.append(load_plugin(tmp_path / folder / "lucky.py").Lucky)
    here, there = classes
    here(random_state=5).fit(CLIPS, LABELS).save(tmp_path / "saved")
    assert type(there.load(tmp_path / "saved")) is there
    assert "holds an attempt of the plug-in lucky.py; name that file with --plugin" in refused(
        tmp_path / "saved", Majority
    )


def test_a_plugin_that_is_gone_hides_no_other(tmp_path, saved):
    path = tmp_path / "gone.py"
    path.write_text(
        "from actionbench.baselines.trivial.chance import Chance\nclass Gone(Chance):\n    pass\n"
    )
    gone = load_plugin(path).Gone
    del sys.modules[gone.__module__]
    assert type(Attempt.load(saved)) is Chance
    edit(saved, **{"class": "nowhere:X"})
    assert "nowhere:X" in refused(saved)


CLASSIFIERS = {
    "forest": RandomForestClassifier(5),
    "extra trees": ExtraTreesClassifier(5),
    "tree": DecisionTreeClassifier(),
    "boosting": GradientBoostingClassifier(n_estimators=3),
    "boosting by histograms": HistGradientBoostingClassifier(max_iter=3),
    "AdaBoost": AdaBoostClassifier(n_estimators=3),
    "bagging": BaggingClassifier(n_estimators=3),
    "neighbours": KNeighborsClassifier(3, algorithm="kd_tree"),
    "neighbours by balls": KNeighborsClassifier(3, algorithm="ball_tree"),
    "neighbours by cities": KNeighborsClassifier(3, algorithm="kd_tree", metric="manhattan"),
    "net": MLPClassifier((5,), max_iter=5),
    "net by gradient descent": MLPClassifier((5,), max_iter=5, solver="sgd"),
    "Gaussian process": GaussianProcessClassifier(1.5 * Matern() + WhiteKernel(), optimizer=None),
    "calibrated": CalibratedClassifierCV(LinearSVC(), cv=2),
    "support vectors": SVC(probability=True, random_state=0),
    "logistic": make_pipeline(StandardScaler(), LogisticRegression()),
    "discriminant": LinearDiscriminantAnalysis(),
    "naive Bayes": GaussianNB(),
    "votes": VotingClassifier([("tree", DecisionTreeClassifier()), ("Bayes", GaussianNB())], voting="soft"),
}


class Borrowed(Attempt):
    """A classifier of scikit-learn on the corners of clips."""

    family = "features"

    def __init__(self, *, kind="tree"):
        self.kind = kind

    def fit(self, clips, labels, groups=None):
        self.classifier_ = clone(CLASSIFIERS[self.kind]).fit(self.vectors(clips), labels)
        self.classes_ = self.classifier_.classes_
        return self

    def predict_proba(self, clips):
        return self.classifier_.predict_proba(self.vectors(clips))

    def vectors(self, clips):
        return np.stack([clip.frames[0, :2, :3].ravel() for clip in clips]).astype(float)


def corners():
    rng = np.random.default_rng(0)
    return Clips.of([Clip(rng.integers(256, size=(1, 4, 4), dtype=np.uint8), 25.0) for _ in range(24)])


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.filterwarnings("ignore")
def test_classifiers_of_scikit_learn_are_read_back(tmp_path, kind):
    clips, labels = corners(), np.array(["a", "b", "c"] * 8)
    attempt = Borrowed(kind=kind).fit(clips, labels)
    attempt.save(tmp_path / "x")
    np.testing.assert_array_equal(
        Borrowed.load(tmp_path / "x").predict_proba(clips), attempt.predict_proba(clips)
    )


class Ball:
    def __init__(self):
        self.size = 3.0


class Forgetful(Ball):
    def __setstate__(self, state):
        self.size = 5.0


class Holding(Chance):
    thing = Ball

    def fit(self, clips, labels, groups=None):
        self.thing_ = self.thing()
        return super().fit(clips, labels, groups)


class Trusting(Holding):
    trusted_types = (f"{__name__}.Ball",)


def test_what_nobody_could_read_is_not_written(tmp_path):
    attempt = Holding().fit(CLIPS, LABELS)
    says = rf"Holding cannot be saved: its fitted state holds {__name__}\.Ball; Holding\.trusted_types must name these"
    with pytest.raises(ActionbenchError, match=says):
        attempt.save(tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_type_that_is_declared_is_written_and_read(tmp_path):
    Trusting().fit(CLIPS, LABELS).save(tmp_path / "x")
    assert Trusting.load(tmp_path / "x").thing_.size == 3
    edit(tmp_path / "x", **{"class": f"{__name__}:Holding"})
    assert f"holds {__name__}.Ball, which Holding.trusted_types does not name; nothing was read" in refused(
        tmp_path / "x", Holding
    )


def test_what_is_read_back_otherwise_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(Trusting, "thing", Forgetful)
    monkeypatch.setattr(Trusting, "trusted_types", (f"{__name__}.Forgetful",))
    with pytest.raises(ActionbenchError, match="the state read back differs from the fitted one"):
        Trusting().fit(CLIPS, LABELS).save(tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_what_is_the_same():
    tree = DecisionTreeClassifier().fit([[0.0], [1.0]], ["a", "b"])
    loop: list = [1]
    loop.append(loop)
    values = [
        {"a": np.array([1, np.nan]), "b": (1, 2.5, None, "x")},
        [np.float32(1), np.array(["a", None], object), {1, 2}],
        float("nan"),
        tree,
        loop,
        KNeighborsClassifier(1, algorithm="kd_tree").fit([[0.0], [1.0]], ["a", "b"]),
    ]
    for value in values:
        assert same_state(value, copy.deepcopy(value))
    other = DecisionTreeClassifier().fit([[0.0], [3.0]], ["a", "b"])
    for one, two in [
        (tree, other),
        (1, 1.0),
        (np.float32(1), np.float64(1)),
        (np.zeros(2), np.zeros(3)),
        ([1, 2], [1]),
        ({"a": 1}, {"b": 1}),
        (np.array([0.0]), np.array([1e-300])),
    ]:
        assert not same_state(one, two)
