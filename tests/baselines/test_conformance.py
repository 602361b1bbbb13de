"""The checks that anybody's attempt can be put to: what ours make of them, and that each finds what it is for."""

import subprocess
import sys

import numpy as np
import pytest
from pretrained_nets import averaging_net
from sklearn.utils.validation import check_is_fitted

from actionbench import ActionbenchError, Attempt, Explanation
from actionbench.baselines import conformance
from actionbench.baselines.conformance import CHECKS, Trial, check_attempt, conformance_tests, run_check
from actionbench.baselines.registry import attempt_registry

LIGHT = {
    name: {}
    for name in (
        "chance majority rules rules-fitted rules-hand rules-tree mhi-hu mhi-grid-svm lbp-top-svm hog-svm hof-svm "
        "hog-hof-mbh-svm grids-svm pose-rules pose-svm"
    ).split()
}
LOCAL = {name: {"n_words": 8} for name in ("dense-trajectories", "hog3d-bow", "stip-bow")}
DENSE = {"epochs": 2, "frames": 6, "size": 8}
CONVOLUTIONAL = {"epochs": 2, "frames": 6, "size": 16}
NETS = {
    "mlp-pixels": {"epochs": 2},
    "mlp-flow": DENSE,
    "mlp-features": {"epochs": 2},
    "mlp-pruned": DENSE | {"rounds": 2},
    "mlp-sparse": DENSE,
    "net-evolved": DENSE | {"evaluations": 3, "population": 2, "search_epochs": 1},
    "c3d": {"epochs": 1, "frames": 4, "size": 32, "margin": 0, "input": "flow"},
    "convnet-3d": CONVOLUTIONAL | {"widths": [4, 4, 8]},
    "convnet-flow": {"epochs": 2, "size": 16, "widths": [4, 8]},
    "convnet-frame": {"epochs": 2, "size": 16, "widths": [4, 8]},
    "convnet-lstm": CONVOLUTIONAL | {"widths": [4, 8], "hidden": 8},
    "convnet-s3d": CONVOLUTIONAL | {"recipe": "thorough", "widths": [4, 4, 8]},
    "inception-small": {"epochs": 2, "frames": 8, "size": 24, "width": 4},
    "pose-tcn": {"epochs": 2, "frames": 6, "width": 4},
    "two-stream": CONVOLUTIONAL | {"widths": [4, 4, 8]},
}
FUSED = {"late-fusion": {"members": "mhi-hu + majority"}, "ensemble": {"members": "hof-svm + majority"}}
OURS = LIGHT | LOCAL | NETS | FUSED | {name: {} for name in ("rules-file", "embedding", "features-file")}

# Put to all checks: one attempt of each base class, and that which is made of others.
WHOLE = set(
    "chance rules-tree rules-file mhi-hu hog-svm mlp-features mlp-flow mlp-sparse late-fusion "
    "embedding pose-rules".split()
)
# What attempts of one base class may still do each in its own way; the others are put to all else in the slow tests.
OWN = set("declarations constructor parameters not_fitted probabilities saved counts".split())
# They start a process, or fit for each value of a parameter.
LONG = {"cost", "same_in_another_process", "search_space"}
# Descriptors and networks that take long even when small.
LARGE = {"c3d", *LOCAL}


def is_slow(name, check):
    return check in LONG or name in LARGE or not (name in WHOLE or check in OWN)


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / "rules.txt").write_text("if passing speed > 0.3 heights/s then walking\notherwise walking\n")
    # The clips of the checks have no names.
    (folder / "vectors.txt").write_text("\n")
    np.save(folder / "vectors.npy", np.arange(6.0).reshape(1, 2, 3))
    given = OURS | {
        "rules-file": {"path": str(folder / "rules.txt")},
        "embedding": {"file": str(averaging_net(folder / "net.onnx"))},
        "features-file": {"file": str(folder / "vectors.npy"), "pool": "mean+thirds"},
    }
    # A busy machine is no fault of an attempt.
    return {name: Trial(attempt_registry().get(name), params, seconds=600) for name, params in given.items()}


def cases():
    for name in OURS:
        for check in CHECKS.values():
            marks = [pytest.mark.slow] if is_slow(name, check.name) else []
            yield pytest.param(name, check, marks=marks, id=f"{name}-{check.name}")


@pytest.mark.parametrize(("name", "check"), list(cases()))
def test_ours_keep_their_promises(name, check, trials):
    report = run_check(trials[name], check)
    # A file that names a label cannot be used where a fold does not teach it.
    allowed = {"passed", "skipped"} | ({"refused"} if name == "rules-file" else set())
    assert report.outcome in allowed, report.reason


def test_all_of_ours_are_examined():
    assert set(OURS) == {
        name
        for name in attempt_registry().names()
        if attempt_registry().origin(name).startswith("actionbench ")
    }


class Good(Attempt):
    """The brightness that is nearest."""

    family = "mine"

    def __init__(self, *, power=1.0, random_state=0):
        self.power = power
        self.random_state = random_state

    def fit(self, clips, labels, groups=None):
        self.classes_ = np.unique(labels)
        light = self._light(clips)
        self.means_ = np.array([light[labels == label].mean() for label in self.classes_])
        return self

    def predict_proba(self, clips):
        check_is_fitted(self)
        weight = 1 / (1 + np.abs(self._light(clips)[:, None] - self.means_)) ** self.power
        return weight / weight.sum(axis=1, keepdims=True)

    def _light(self, clips):
        return np.array([clip.frames.mean() for clip in clips])

    def search_space(self):
        return {"power": [1.0, 2.0]}

    def explain(self):
        return Explanation(f"means: {self.means_}")

    def count(self):
        return {"parameters": len(self.means_)}


def failure(cls, check, params=None):
    """Return what a check has to say against an attempt."""
    report = run_check(Trial(cls, params), CHECKS[check])
    assert report.outcome == "failed", report
    return report.reason


def test_a_good_attempt_passes_all_that_applies():
    reports = list(check_attempt(Good))
    assert [report.check for report in reports] == list(CHECKS)
    assert {report.check: report.reason for report in reports if report.outcome != "passed"} == {
        "threads": "it has no parameter n_jobs or threads"
    }


class Unworded(Good):
    family = None


class StringFiles(Good):
    def files(self):
        return ["a.txt"]


class NamedUses(Good):
    def uses(self):
        return ["chance"]


class Working(Good):
    def __init__(self, *, power=1.0):
        self.power = power
        self.table_ = []


class Converting(Good):
    def __init__(self, *, power="1"):
        self.power = str(power)


class Checking(Good):
    def __init__(self, *, power=1.0):
        self.power = power + 1


class Required(Good):
    def __init__(self, power):
        self.power = power


class Anything(Good):
    def __init__(self, power=1.0, **more):
        self.power = power


class Eager(Good):
    classes_ = np.array(["boxing"])

    def predict_proba(self, clips):
        return np.ones((len(clips), 1))


class Unready(Good):
    def predict_proba(self, clips):
        return self.means_


class Alone(Good):
    def fit(self, clips, labels, groups=None):
        super().fit(clips, labels, groups)


class Unsorted(Good):
    def fit(self, clips, labels, groups=None):
        super().fit(clips, labels, groups)
        self.classes_ = self.classes_[::-1]
        return self


class Meddling(Good):
    def fit(self, clips, labels, groups=None):
        self.power = 3.0
        return super().fit(clips, labels, groups)


class Unmarked(Good):
    def fit(self, clips, labels, groups=None):
        self.light = 0
        return super().fit(clips, labels, groups)


class Single(Good):
    def predict_proba(self, clips):
        return super().predict_proba(clips).astype(np.float32)


class Scores(Good):
    def predict_proba(self, clips):
        return 2 * super().predict_proba(clips)


class NoNumbers(Good):
    def predict_proba(self, clips):
        return np.full_like(super().predict_proba(clips), np.nan)


class Narrow(Good):
    def predict_proba(self, clips):
        return np.ones((len(clips), 1))


class Indices(Good):
    def predict(self, clips):
        return np.argmax(self.predict_proba(clips), axis=1)


class Contrary(Good):
    def predict(self, clips):
        return self.classes_[np.argmin(self.predict_proba(clips), axis=1)]


class Stochastic(Good):
    def fit(self, clips, labels, groups=None):
        super().fit(clips, labels, groups)
        self.means_ += np.random.rand(len(self.means_))  # noqa: NPY002
        return self


class Hashing(Good):
    def fit(self, clips, labels, groups=None):
        super().fit(clips, labels, groups)
        self.means_ = self.means_ + np.array([hash(label) % 100 for label in labels[:1].tolist()])
        return self


class Unseeded(Good):
    def fit(self, clips, labels, groups=None):
        super().fit(clips, labels, groups)
        if self.random_state:
            self.means_ += np.random.default_rng().random(len(self.means_))
        return self


class Threaded(Good):
    def __init__(self, *, n_jobs=1):
        self.n_jobs, self.power = n_jobs, 1

    def fit(self, clips, labels, groups=None):
        super().fit(clips, labels, groups)
        self.means_ += self.n_jobs
        return self


class Remembering(Good):
    def fit(self, clips, labels, groups=None):
        old = getattr(self, "light_", np.zeros(0))
        super().fit(clips, labels, groups)
        self.light_ = np.r_[old, self._light(clips)]
        self.means_ += self.light_.mean()
        return self


class AllClasses(Good):
    def fit(self, clips, labels, groups=None):
        super().fit(clips, labels, groups)
        self.classes_ = np.array(["boxing", "handwaving", "walking"])
        self.means_ = np.resize(self.means_, 3)
        return self


class Rectangular(Good):
    def _light(self, clips):
        return np.stack([clip.frames for clip in clips]).mean(axis=(1, 2, 3))


class Moving(Good):
    def _light(self, clips):
        return np.array([np.diff(clip.frames, axis=0)[0].mean() for clip in clips])


class Writing(Good):
    def fit(self, clips, labels, groups=None):
        clips[0].frames[0] = 0
        return super().fit(clips, labels, groups)


class Relabelling(Good):
    def fit(self, clips, labels, groups=None):
        labels.setflags(write=True)
        labels[0] = labels[1]
        return super().fit(clips, labels, groups)


class Ranking(Good):
    def _light(self, clips):
        light = super()._light(clips)
        return light - light.mean() if len(light) else light


class Hoarding(Good):
    def save(self, folder):
        super().save(folder)
        np.save(folder / "extra.npy", np.array([{}], dtype=object))


class Forgetting(Good):
    def fitted_state(self):
        return {"classes_": self.classes_, "means_": self.means_.round()}


class Fractions(Good):
    def count(self):
        return {"parameters": 1.5}


class Silent(Good):
    def explain(self):
        return ""


class Misnaming(Good):
    def search_space(self):
        return {"pwer": [1.0]}


class Overreaching(Good):
    def search_space(self):
        return {"power": [1.0, "much"]}


class Empty(Good):
    def search_space(self):
        return {"power": []}


@pytest.mark.parametrize(
    ("cls", "check", "sentence"),
    [
        (Unworded, "declarations", "must have a string as attribute family"),
        (StringFiles, "declarations", "files() must return paths, got ['a.txt']"),
        (NamedUses, "declarations", "uses() must return classes of attempts, got ['chance']"),
        (Working, "constructor", "it sets ['table_'] too"),
        (Converting, "constructor", "must store the parameter 'power' as it was given"),
        (Checking, "constructor", "must leave checks of 'power' to fit, it raised TypeError"),
        (Required, "constructor", "the parameter 'power' must have a default"),
        (Anything, "constructor", "the constructor must name its parameters, got *more"),
        (Anything, "parameters", "the constructor must reject unknown parameters"),
        (Eager, "not_fitted", "predict_proba before fit must raise NotFittedError, it did not"),
        (Unready, "not_fitted", "it raised AttributeError"),
        (Alone, "fit", "fit must return the attempt itself"),
        (Unsorted, "fit", "fit must set classes_ to the labels, sorted"),
        (Meddling, "fit", "fit must not change parameters, it changed ['power']"),
        (Unmarked, "fit", "names of attributes that fit sets must end in _, got ['light']"),
        (Single, "probabilities", "must return an array of float64, got float32"),
        (Scores, "probabilities", "must be positive and sum to 1"),
        (NoNumbers, "probabilities", "must return finite values"),
        (Narrow, "probabilities", "must return shape (12, 3) (clips, classes_), got (12, 1)"),
        (Indices, "probabilities", "predict must return one of classes_ for each clip"),
        (Contrary, "probabilities", "predict must return the label with the highest probability"),
        (Stochastic, "same_twice", "the same, bit by bit, after another fit"),
        (Unseeded, "seeds", "the same, bit by bit, with the same random_state"),
        (Threaded, "threads", "the same, bit by bit, with n_jobs of 1 and 2"),
        (Remembering, "refit", "the same, bit by bit, whatever was fitted before"),
        (AllClasses, "missing_class", "classes_ must hold the labels seen in fit only"),
        (
            Rectangular,
            "mixed_clips",
            "ValueError: all input arrays must have the same shape (test_conformance.py",
        ),
        (Moving, "one_frame", "IndexError"),
        (Writing, "input_untouched", "ValueError: assignment destination is read-only"),
        (Relabelling, "input_untouched", "fit and predict_proba must not change the labels"),
        (Ranking, "clips_alone", "must not depend on the other clips in the call"),
        (Hoarding, "saved", "save must not write a pickle, extra.npy is one"),
        (Forgetting, "saved", "the same, bit by bit, after save and load"),
        (Fractions, "counts", "count()['parameters'] must be a nonnegative integer, got 1.5"),
        (Silent, "explanation", "explain() must return a text, got ''"),
        (Misnaming, "search_space", "names 'pwer', which is no parameter; did you mean 'power'?"),
        (Overreaching, "search_space", "offers 'much' for 'power', which cannot be used: "),
        (Empty, "search_space", "has no values for 'power'"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_a_broken_promise_is_found(cls, check, sentence):
    assert sentence in failure(cls, check)


class Choosy(Good):
    """Needs two frames, and says so."""

    def _light(self, clips):
        if any(len(clip) < 2 for clip in clips):
            raise ActionbenchError("choosy needs clips of two frames or more")
        return super()._light(clips)


def test_a_refusal_in_a_sentence_is_no_failure():
    report = run_check(Trial(Choosy), CHECKS["one_frame"])
    assert (report.outcome, report.reason) == ("refused", "choosy needs clips of two frames or more")


def test_an_error_where_nothing_may_be_refused_is_one():
    class Never(Good):
        def fit(self, clips, labels, groups=None):
            raise ActionbenchError("not today")

    trial = Trial(Never)
    assert "ActionbenchError: not today (test_conformance.py, line " in run_check(trial, CHECKS["fit"]).reason
    outcomes = [run_check(trial, CHECKS[name]).outcome for name in ("probabilities", "saved", "counts")]
    assert outcomes == ["failed", "skipped", "skipped"]


def test_what_has_no_such_parameter_is_not_asked():
    class Plain(Good):
        def __init__(self):
            self.power = 1

        def search_space(self):
            return {}

    Plain.explain = Attempt.explain
    outcomes = {
        name: run_check(Trial(Plain), CHECKS[name]) for name in ("seeds", "search_space", "explanation")
    }
    assert {report.outcome for report in outcomes.values()} == {"skipped"}
    assert outcomes["seeds"].reason == "it has no random_state"


def plugin(folder, body, name="Mine"):
    """Return an attempt from a file, which another process can load."""
    path = folder / "mine.py"
    path.write_text(
        "import os, signal, time\nimport numpy as np\nfrom actionbench import Attempt\n\n\n"
        f"class {name}(Attempt):\n    family = 'mine'\n\n"
        "    def fit(self, clips, labels, groups=None):\n"
        f"        self.classes_ = np.unique(labels)\n        {body}\n        return self\n\n"
        "    def predict_proba(self, clips):\n"
        "        share = np.arange(1.0, 1 + len(self.classes_)) + getattr(self, 'extra_', 0)\n"
        "        return np.tile(share / share.sum(), (len(clips), 1))\n"
    )
    return attempt_registry([path]).get(name.lower())


def test_another_process_has_other_hashes(tmp_path):
    cls = plugin(tmp_path, "self.extra_ = hash(str(labels[0])) % 1000")
    assert "the same, bit by bit, in another process" in failure(cls, "same_in_another_process")


def test_what_costs_too_much(tmp_path):
    trial = Trial(plugin(tmp_path, "time.sleep(0.2)"), seconds=0.1, mebibytes=1)
    assert "more than 0.1" in run_check(trial, CHECKS["cost"]).reason
    trial.seconds = 600
    assert run_check(trial, CHECKS["cost"]).reason.endswith("MiB, more than 1")


def ended(tmp_path, body, seconds):
    """Return the reason of the failed cost check of an attempt that does not end in a separate process."""
    reports = {report.check: report for report in check_attempt(plugin(tmp_path, body), seconds=seconds)}
    assert {reports[name].outcome for name in ("fit", "same_twice", "search_space")} == {"skipped"}
    assert "timed out or was killed" in reports["fit"].reason
    return reports["cost"].reason


def test_what_crashes_is_not_tried_again(tmp_path):
    said = ended(tmp_path, "os.kill(os.getpid(), signal.SIGSEGV)", 600)
    assert said == "the process in which it was fitted was killed by signal 11"


def test_what_hangs_is_not_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(conformance, "_STARTUP_SECONDS", 2.0)
    said = ended(tmp_path, "time.sleep(600)", 0.5)
    assert said.endswith("did not end within 2.5 s, 2 of them to start a process")


def test_what_fails_in_another_process(tmp_path):
    cls = plugin(tmp_path, "raise KeyError('lost')")
    assert failure(cls, "cost") == "it fails in a separate process: KeyError: 'lost'"


def test_what_another_process_cannot_import():
    class Local(Good):
        pass

    report = run_check(Trial(Local), CHECKS["cost"])
    assert (report.outcome, "another process cannot import" in report.reason) == ("skipped", True)


def test_parameters_that_are_no_json_are_not_sent():
    report = run_check(Trial(Good, {"power": np.float64(1) * 1j}), CHECKS["cost"])
    assert (report.outcome, "not JSON values" in report.reason) == ("skipped", True)


def test_a_check_is_skipped_with_a_reason():
    silenced = dict.fromkeys(("cost", "same_in_another_process"), "another day")
    skip = {"counts": "halves are meant", **silenced}
    reports = {report.check: report for report in check_attempt(Fractions, skip=skip)}
    assert (reports["counts"].outcome, reports["counts"].reason) == ("skipped", "halves are meant")
    with pytest.raises(ActionbenchError, match="skip: there is no check 'count'; did you mean 'counts'"):
        check_attempt(Good, skip={"count": "why not"})
    with pytest.raises(ActionbenchError, match="skip: the check 'counts' needs a reason, got ' '"):
        conformance_tests(Good, skip={"counts": " "})


@pytest.mark.slow
def test_one_line_makes_the_tests(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import numpy as np\nfrom actionbench import Attempt\n"
        "from actionbench.baselines.conformance import conformance_tests\n\n\n"
        "class Mine(Attempt):\n    family = 'mine'\n\n"
        "    def fit(self, clips, labels, groups=None):\n"
        "        self.classes_ = np.unique(labels)\n        return self\n\n"
        "    def predict_proba(self, clips):\n"
        "        return np.ones((len(clips), len(self.classes_)))\n"
    )
    (tmp_path / "test_mine.py").write_text(
        "from actionbench.baselines.conformance import conformance_tests\nfrom mine import Mine\n\n"
        "test_conformance = conformance_tests(\n"
        "    Mine, skip={'cost': 'another day', 'same_in_another_process': 'another day'}\n)\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rfs", "test_mine.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "FAILED test_mine.py::test_conformance[probabilities]" in done.stdout
    assert "rows of predict_proba must be positive and sum to 1" in done.stdout
    assert "skipped: another day" in done.stdout
    assert "test_conformance[counts]" not in done.stdout
