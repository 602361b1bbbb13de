"""The contract of attempts, as checks that can be run on any attempt.

`check_attempt` yields a report per check; `conformance_tests` makes them tests of pytest, in one line of a plug-in::

    test_conformance = conformance_tests(MyAttempt)
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import pickletools  # recognises a pickle by its opcodes without running it
import random
import re
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ActionbenchError, PluginError, did_you_mean
from ..features.examples import Labelled, blank, colours, examples, mixed, odd_sizes, one_frame
from .base import Attempt, Clips
from .plugins import PLUGINS, load_plugin

__all__ = [
    "CHECKS",
    "Check",
    "Nonconformity",
    "Report",
    "Trial",
    "check_attempt",
    "conformance_tests",
    "run_check",
]

#: Default limits, generous for the small clips of the checks.
SECONDS = 60.0
MEBIBYTES = 2048.0

# Seconds that a process may take to import libraries, beyond its time limit.
_STARTUP_SECONDS = 60.0


class Nonconformity(AssertionError):
    """A violation of the contract by an attempt, in one sentence."""


class _Inapplicable(Exception):
    """The reason why a check does not apply to an attempt."""


@dataclass(frozen=True)
class Report:
    """The result of a check.

    Parameters
    ----------
    check : str
        Name of the check.
    outcome : {"passed", "failed", "refused", "skipped"}
        ``"refused"``: the attempt rejects such clips with an error message, as it may.
    reason : str
        The reason, unless it passed.
    seconds : float
        Duration.
    error : Exception, optional
        The exception if it failed.
    """

    check: str
    outcome: Literal["passed", "failed", "refused", "skipped"]
    reason: str
    seconds: float
    error: Exception | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class _ProcessResult:
    """Probabilities and cost of ``fit`` and ``predict_proba`` in a separate process."""

    probabilities: NDArray[np.float64]
    seconds: float
    mebibytes: float


class Trial:
    """An attempt under test: creates instances, and keeps results that several checks share.

    Parameters
    ----------
    cls : type
        The attempt's class.
    params : mapping, optional
        Parameters of its instances; ``random_state`` is 0 by default if it is a parameter.
    seconds, mebibytes : float
        Limits of fitting and predicting a dozen tiny clips in a separate process.
    """

    def __init__(
        self,
        cls: type[Attempt],
        params: Mapping[str, Any] | None = None,
        *,
        seconds: float = SECONDS,
        mebibytes: float = MEBIBYTES,
    ) -> None:
        self.cls = cls
        self.params = dict(params or {})
        self.seconds = seconds
        self.mebibytes = mebibytes
        #: Whether it timed out or was killed in a separate process, so that it must not run in this one.
        self.crashed = False
        self._fit_fails = False

    def make(self, **params: Any) -> Attempt:
        """Return a new attempt, not fitted."""
        seeded = {"random_state": 0} if "random_state" in self.names() else {}
        return self.cls(**seeded | self.params | params)

    def names(self) -> list[str]:
        """Return the names of its parameters."""
        return list(self.cls._defaults())

    @cached_property
    def fitted(self) -> Attempt:
        """The attempt, fitted on `examples`; must not be fitted again."""
        if self._fit_fails:
            raise _Inapplicable("not run, as fit fails")
        self._fit_fails = True
        attempt = self.make().fit(*examples())
        self._fit_fails = False
        return attempt

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """Its predictions for the training clips."""
        return self.fitted.predict_proba(examples()[0])

    @cached_property
    def in_another_process(self) -> _ProcessResult:
        """The same, and their cost, from a separate process."""
        return _in_another_process(self)


@dataclass(frozen=True)
class Check:
    """A clause of the contract and its test.

    Parameters
    ----------
    name : str
        Its name.
    demand : str
        The clause, in one sentence.
    function : callable
        Takes a `Trial` and raises an exception if the clause is violated.
    may_refuse : bool
        Whether an attempt may raise an `ActionbenchError` instead.
    """

    name: str
    demand: str
    function: Callable[[Trial], None]
    may_refuse: bool = False


#: All checks by name, in the order in which they run.
CHECKS: dict[str, Check] = {}


def _check(*, may_refuse: bool = False) -> Callable[[Callable[[Trial], None]], Callable[[Trial], None]]:
    def register(function: Callable[[Trial], None]) -> Callable[[Trial], None]:
        name = function.__name__.removeprefix("check_")
        demand = " ".join((function.__doc__ or "").split())
        CHECKS[name] = Check(name, demand, function, may_refuse)
        return function

    return register


def check_attempt(
    cls: type[Attempt],
    params: Mapping[str, Any] | None = None,
    *,
    skip: Mapping[str, str] | None = None,
    seconds: float = SECONDS,
    mebibytes: float = MEBIBYTES,
) -> Iterator[Report]:
    """Run all checks on an attempt.

    Parameters
    ----------
    cls : type
        Its class.
    params : mapping, optional
        Parameters of its instances, such as few epochs.
    skip : mapping of str to str, optional
        Checks to skip, and the reasons.
    seconds, mebibytes : float
        Limits of fitting and predicting a dozen tiny clips.

    Yields
    ------
    Report
        One per check, as it ends.

    Raises
    ------
    PluginError
        If ``skip`` names an unknown check, or gives no reason.

    Examples
    --------
    >>> from actionbench.baselines.trivial.majority import Majority
    >>> report = next(check_attempt(Majority))
    >>> report.check, report.outcome
    ('declarations', 'passed')
    """
    skip = _reasons(skip)
    trial = Trial(cls, params, seconds=seconds, mebibytes=mebibytes)
    return (run_check(trial, check, skip) for check in CHECKS.values())


def conformance_tests(
    cls: type[Attempt],
    params: Mapping[str, Any] | None = None,
    *,
    skip: Mapping[str, str] | None = None,
    seconds: float = SECONDS,
    mebibytes: float = MEBIBYTES,
) -> Callable[..., None]:
    """Return a test for pytest, one case per check; parameters are those of `check_attempt`."""
    import pytest

    skip = _reasons(skip)
    trial = Trial(cls, params, seconds=seconds, mebibytes=mebibytes)

    @pytest.mark.parametrize("check", list(CHECKS.values()), ids=list(CHECKS))
    def test(check: Check) -> None:
        report = run_check(trial, check, skip)
        if report.error is not None:
            raise report.error
        if report.outcome != "passed":
            pytest.skip(f"{report.outcome}: {report.reason}")

    return test


def run_check(trial: Trial, check: Check, skip: Mapping[str, str] | None = None) -> Report:
    """Run one check on an attempt; parameters are those of `check_attempt`."""
    started, error = time.perf_counter(), None
    outcome: Literal["passed", "failed", "refused", "skipped"] = "passed"
    reason = ""
    try:
        if skip and check.name in skip:
            raise _Inapplicable(skip[check.name])
        if trial.crashed:
            raise _Inapplicable("not run, as it timed out or was killed in a separate process")
        check.function(trial)
    except _Inapplicable as why:
        outcome, reason = "skipped", str(why)
    except Exception as raised:  # an attempt may fail in any way
        if check.may_refuse and isinstance(raised, ActionbenchError):
            outcome, reason = "refused", str(raised)
        else:
            outcome, reason, error = "failed", _sentence(raised, trial.cls), raised
    return Report(check.name, outcome, reason, time.perf_counter() - started, error)


def _reasons(skip: Mapping[str, str] | None) -> dict[str, str]:
    for name, reason in (skip or {}).items():
        if name not in CHECKS:
            raise PluginError(f"skip: there is no check {name!r}; {did_you_mean(name, CHECKS)}")
        if not (isinstance(reason, str) and reason.strip()):
            raise PluginError(f"skip: the check {name!r} needs a reason, got {reason!r}")
    return dict(skip or {})


def _sentence(error: Exception, cls: type) -> str:
    """Return the error in one sentence, with its line in the attempt's file unless it is a `Nonconformity`."""
    if isinstance(error, Nonconformity):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == inspect.getsourcefile(cls)]
    place = (own or frames)[-1]
    where = f"{Path(place.filename).name}, line {place.lineno}, in {place.name}"
    return f"{type(error).__name__}: {error} ({where})"


def _demand(holds: bool | np.bool_, sentence: str) -> None:
    if not holds:
        raise Nonconformity(sentence)


def _check_probabilities(probabilities: Any, attempt: Attempt, n_clips: int) -> None:
    expected = (n_clips, len(attempt.classes_))
    _demand(
        isinstance(probabilities, np.ndarray) and probabilities.dtype == np.float64,
        f"predict_proba must return an array of float64, got {getattr(probabilities, 'dtype', type(probabilities))}",
    )
    _demand(
        probabilities.shape == expected,
        f"predict_proba must return shape {expected} (clips, classes_), got {probabilities.shape}",
    )
    _demand(np.isfinite(probabilities).all(), "predict_proba must return finite values")
    sums = probabilities.sum(axis=1)
    _demand(
        (probabilities >= 0).all() and np.allclose(sums, 1, atol=1e-6),
        f"rows of predict_proba must be positive and sum to 1, got sums of {sums} and a least value of "
        f"{probabilities.min(initial=0)}",
    )


def _predict(attempt: Attempt, clips: Clips) -> NDArray[np.float64]:
    probabilities = attempt.predict_proba(clips)
    _check_probabilities(probabilities, attempt, len(clips))
    return probabilities


def _check_same(first: NDArray[np.float64], second: NDArray[np.float64], when: str) -> None:
    _demand(
        first.shape == second.shape and np.array_equal(first, second),
        f"probabilities must be the same, bit by bit, {when}; they differ by up to {_largest(first, second)}",
    )


def _largest(first: NDArray[np.float64], second: NDArray[np.float64]) -> str:
    return f"{np.abs(first - second).max():.2g}" if first.shape == second.shape else "their shape"


@_check()
def check_declarations(trial: Trial) -> None:
    """Declare a string as ``family``; have ``uses()``, ``files()``, ``environment()``, ``warnings()`` of their type."""
    cls = trial.cls
    _demand(isinstance(getattr(cls, "family", None), str), "the class must have a string as attribute family")
    attempt = trial.make()
    used = attempt.uses()
    _demand(
        all(inspect.isclass(one) and issubclass(one, Attempt) for one in used),
        f"uses() must return classes of attempts, got {used!r}",
    )
    files = attempt.files()
    _demand(all(isinstance(file, Path) for file in files), f"files() must return paths, got {files!r}")
    variables = attempt.environment()
    _demand(
        isinstance(variables, list) and all(isinstance(name, str) for name in variables),
        f"environment() must return a list of names, got {variables!r}",
    )
    warnings = attempt.warnings()
    _demand(
        isinstance(warnings, dict) and all(isinstance(text, str) for text in (*warnings, *warnings.values())),
        f"warnings() must return a dict of sentences by codes, got {warnings!r}",
    )


@_check()
def check_constructor(trial: Trial) -> None:
    """Name all parameters in the constructor, with defaults, and only store them there, unchecked and unchanged."""
    for parameter in list(inspect.signature(trial.cls.__init__).parameters.values())[1:]:
        _demand(
            parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
            or trial.cls.__init__ is object.__init__,
            f"the constructor must name its parameters, got *{parameter.name}",
        )
        _demand(
            parameter.default is not parameter.empty
            or parameter.name in trial.params
            or trial.cls.__init__ is object.__init__,
            f"the parameter {parameter.name!r} must have a default",
        )
    attempt = trial.make()
    surplus = set(vars(attempt)) - set(trial.names())
    _demand(not surplus, f"the constructor must only store its parameters, it sets {sorted(surplus)} too")
    for name in trial.names():
        given = object()
        try:
            stored = getattr(trial.make(**{name: given}), name, None)
        except Exception as error:  # a check of the value may fail in any way
            raise Nonconformity(
                f"the constructor must leave checks of {name!r} to fit, it raised {type(error).__name__}: {error}"
            ) from error
        _demand(stored is given, f"the constructor must store the parameter {name!r} as it was given")


@_check()
def check_parameters(trial: Trial) -> None:
    """Return by ``get_params`` and ``clone`` what was set; reject unknown parameters; have a ``repr``."""
    from sklearn.base import clone

    attempt = trial.make()
    params = attempt.get_params(deep=False)
    _demand(attempt.set_params(**params) is attempt, "set_params must return the attempt itself")
    copied = clone(attempt).get_params(deep=False)
    _demand(repr(copied) == repr(params), f"clone must keep the parameters, {params} became {copied}")
    _demand(
        repr(attempt).startswith(trial.cls.__name__), f"repr must begin with the class, got {attempt!r:.80}"
    )
    _demand(
        _raises(TypeError, lambda: trial.make(no_such_parameter=1)),
        "the constructor must reject unknown parameters",
    )
    _demand(
        _raises(ValueError, lambda: attempt.set_params(no_such_parameter=1)),
        "set_params must reject unknown parameters",
    )


def _raises(kind: type[Exception], call: Callable[[], Any]) -> bool:
    try:
        call()
    except kind:
        return True
    return False


@_check()
def check_not_fitted(trial: Trial) -> None:
    """Raise scikit-learn's NotFittedError from ``predict_proba``, ``predict`` and ``save`` before ``fit``."""
    from sklearn.exceptions import NotFittedError

    clips, _, _ = examples()
    with tempfile.TemporaryDirectory(prefix="actionbench-") as folder:
        calls = {
            "predict_proba": lambda: trial.make().predict_proba(clips[:1]),
            "predict": lambda: trial.make().predict(clips[:1]),
            "save": lambda: trial.make().save(folder),
        }
        for name, call in calls.items():
            try:
                refused = _raises(NotFittedError, call)
            except Exception as error:  # any other error
                raise Nonconformity(
                    f"{name} before fit must raise NotFittedError, it raised {type(error).__name__}: {error}; "
                    "begin with sklearn.utils.validation.check_is_fitted(self)"
                ) from error
            _demand(refused, f"{name} before fit must raise NotFittedError, it did not")


@_check()
def check_cost(trial: Trial) -> None:
    """Fit and predict a dozen tiny clips within limits of time and memory, in a separate process."""
    cost = trial.in_another_process
    _demand(
        cost.seconds <= trial.seconds,
        f"fitting and predicting a dozen tiny clips took {cost.seconds:.1f} s, more than {trial.seconds:g}",
    )
    _demand(
        cost.mebibytes <= trial.mebibytes,
        f"fitting and predicting a dozen tiny clips took {cost.mebibytes:.0f} MiB, more than {trial.mebibytes:g}",
    )


@_check()
def check_fit(trial: Trial) -> None:
    """Return the attempt itself, set sorted ``classes_``, keep parameters, end names of fitted attributes in ``_``."""
    clips, labels, groups = examples()
    attempt = trial.make()
    before = attempt.get_params(deep=False)
    _demand(attempt.fit(clips, labels, groups) is attempt, "fit must return the attempt itself")
    classes = getattr(attempt, "classes_", None)
    _demand(
        isinstance(classes, np.ndarray) and classes.tolist() == sorted(set(labels.tolist())),
        f"fit must set classes_ to the labels, sorted, as an array, got {classes!r}",
    )
    after = attempt.get_params(deep=False)
    changed = [name for name in before if after[name] is not before[name]]
    _demand(not changed, f"fit must not change parameters, it changed {changed}")
    badly_named = [
        name
        for name in vars(attempt)
        if name not in before and not (name.endswith("_") or name.startswith("_"))
    ]
    _demand(not badly_named, f"names of attributes that fit sets must end in _, got {badly_named}")


@_check()
def check_probabilities(trial: Trial) -> None:
    """Return float64 of shape (clips, classes), rows of sum 1, none for no clip; ``predict`` the likeliest label."""
    clips, _, _ = examples()
    attempt = trial.fitted
    _check_probabilities(trial.probabilities, attempt, len(clips))
    _predict(attempt, clips[:0])
    predicted = np.asarray(attempt.predict(clips))
    _demand(
        predicted.shape == (len(clips),) and set(predicted.tolist()) <= set(attempt.classes_.tolist()),
        f"predict must return one of classes_ for each clip, got {predicted!r}",
    )
    chosen = trial.probabilities[np.arange(len(clips)), np.searchsorted(attempt.classes_, predicted)]
    behind = np.flatnonzero(chosen < trial.probabilities.max(axis=1) - 1e-9)
    _demand(
        not len(behind),
        f"predict must return the label with the highest probability, it does not for clip {behind[:1]}",
    )


@_check()
def check_same_twice(trial: Trial) -> None:
    """Predict the same, bit by bit, after another ``fit``, whatever the state of global random generators."""
    from sklearn.base import clone

    with _global_seed(1):
        first = trial.probabilities
    with _global_seed(2):
        second = clone(trial.make()).fit(*examples()).predict_proba(examples()[0])
    _check_same(first, second, "after another fit on the same clips")


@contextmanager
def _global_seed(seed: int) -> Iterator[None]:
    """Seed the global generators, which an attempt must not use, and restore their states."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002


@_check()
def check_same_in_another_process(trial: Trial) -> None:
    """Predict the same, bit by bit, in another process, where hashes of strings differ."""
    _check_same(trial.probabilities, trial.in_another_process.probabilities, "in another process")


@_check()
def check_seeds(trial: Trial) -> None:
    """Accept any integer as ``random_state``, and give the same result for the same one."""
    if "random_state" not in trial.names():
        raise _Inapplicable("it has no random_state")
    clips, labels, groups = _few()
    first, second = (
        trial.make(random_state=20).fit(clips, labels, groups).predict_proba(clips) for _ in range(2)
    )
    _check_same(first, second, "with the same random_state")


@_check()
def check_threads(trial: Trial) -> None:
    """Give the same result for any value of a parameter ``n_jobs`` or ``threads``."""
    names = [name for name in ("n_jobs", "threads") if name in trial.names()]
    if not names:
        raise _Inapplicable("it has no parameter n_jobs or threads")
    clips, labels, groups = _few()
    for name in names:
        one, two = (
            trial.make(**{name: number}).fit(clips, labels, groups).predict_proba(clips) for number in (1, 2)
        )
        _check_same(one, two, f"with {name} of 1 and 2")


def _few() -> Labelled:
    clips, labels, groups = examples()
    return clips[:6], labels[:6], groups[:6]


def _without_a_class() -> Labelled:
    clips, labels, groups = examples()
    rows = labels != labels[0]
    return clips[rows], labels[rows], groups[rows]


@_check()
def check_refit(trial: Trial) -> None:
    """Keep nothing of the first ``fit`` in a second one."""
    attempt = trial.make().fit(*_without_a_class()).fit(*examples())
    _check_same(trial.probabilities, attempt.predict_proba(examples()[0]), "whatever was fitted before")


@_check()
def check_missing_class(trial: Trial) -> None:
    """Have only the labels of the training clips in ``classes_``."""
    clips, labels, groups = _without_a_class()
    attempt = trial.make().fit(clips, labels, groups)
    _demand(
        attempt.classes_.tolist() == sorted(set(labels.tolist())),
        f"classes_ must hold the labels seen in fit only, got {attempt.classes_}",
    )
    _predict(attempt, examples()[0])


@_check(may_refuse=True)
def check_one_class(trial: Trial) -> None:
    """Fit clips of a single class, or refuse."""
    clips, labels, groups = examples()
    rows = labels == labels[0]
    _predict(trial.make().fit(clips[rows], labels[rows], groups[rows]), clips[:2])


@_check(may_refuse=True)
def check_few_clips(trial: Trial) -> None:
    """Fit one clip of each class without groups, or refuse."""
    clips, labels, _ = examples()
    _predict(trial.make().fit(clips[:3], labels[:3]), clips[:2])


def _take(trial: Trial, clips: Clips) -> None:
    """Predict clips, and fit them together with others."""
    _predict(trial.fitted, clips)
    others, labels, groups = examples()
    everything = Clips.of([*others[:6], *clips])
    n_clips = len(clips)
    attempt = trial.make().fit(
        everything, np.r_[labels[:6], labels[:n_clips]], np.r_[groups[:6], groups[-n_clips:]]
    )
    _predict(attempt, clips)


@_check(may_refuse=True)
def check_repeated_clips(trial: Trial) -> None:
    """Fit the same clip with two labels, or refuse."""
    clips, labels, groups = examples()
    rows = [0, 0, 0, 0]
    _predict(trial.make().fit(clips[rows], labels[[0, 1, 0, 1]], groups[[0, 0, 3, 3]]), clips[:2])


@_check(may_refuse=True)
def check_one_frame(trial: Trial) -> None:
    """Accept clips of one frame, or refuse them."""
    _take(trial, one_frame())


@_check(may_refuse=True)
def check_odd_sizes(trial: Trial) -> None:
    """Accept clips of one pixel, one line, narrow, wide, and of odd numbers of pixels, or refuse them."""
    _take(trial, odd_sizes())


@_check(may_refuse=True)
def check_blank(trial: Trial) -> None:
    """Accept clips that are black, white or without motion, or refuse them."""
    _take(trial, blank())


@_check(may_refuse=True)
def check_colour(trial: Trial) -> None:
    """Accept colour clips together with grey ones, or refuse them."""
    _take(trial, colours())


@_check()
def check_mixed_clips(trial: Trial) -> None:
    """Accept clips of different sizes, lengths and frame rates in one call."""
    _take(trial, mixed())


@_check()
def check_input_untouched(trial: Trial) -> None:
    """Leave clips, labels and groups, all read-only, unchanged."""
    clips, labels, groups = _few()
    labels, groups = labels.copy(), groups.copy()
    for table in (labels, groups):
        table.setflags(write=False)
    before = [clip.fingerprint() for clip in clips], labels.tolist(), groups.tolist()
    trial.make().fit(clips, labels, groups).predict_proba(clips)
    after = [clip.fingerprint() for clip in clips], labels.tolist(), groups.tolist()
    for what, old, new in zip(("clips", "labels", "groups"), before, after, strict=True):
        _demand(old == new, f"fit and predict_proba must not change the {what}")


@_check()
def check_clips_alone(trial: Trial) -> None:
    """Predict a clip independently of the other clips in the call and of their order."""
    clips, _, _ = examples()
    whole = trial.probabilities
    backwards = _predict(trial.fitted, clips[::-1])[::-1]
    alone = np.concatenate([_predict(trial.fitted, clips[[row]]) for row in range(3)])
    # Matrix products are rounded differently for another number of rows.
    for found, when in ((backwards, "the order of the clips"), (alone, "the other clips in the call")):
        wanted = whole[: len(found)]
        _demand(
            np.allclose(found, wanted, rtol=0, atol=1e-6),
            f"probabilities of a clip must not depend on {when}; they differ by up to {_largest(found, wanted)}",
        )


@_check()
def check_saved(trial: Trial) -> None:
    """Save to a folder without pickle, and predict the same, bit by bit, after ``load``."""
    clips, _, _ = examples()
    with tempfile.TemporaryDirectory(prefix="actionbench-") as parent:
        folder = Path(parent) / "deep" / "model"
        trial.fitted.save(folder)
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            _check_no_pickle(file.relative_to(folder).as_posix(), file)
        for cls in (trial.cls, Attempt):
            loaded = cls.load(folder)
            _demand(type(loaded) is trial.cls, f"load must return a {trial.cls.__name__}, got {loaded!r}")
            kept = json.dumps(trial.fitted.get_params(deep=False))
            read = json.dumps(loaded.get_params(deep=False))
            _demand(read == kept, f"load must keep the parameters, {kept} became {read}")
            _check_same(trial.probabilities, loaded.predict_proba(clips), "after save and load")
            _demand(loaded.explain() == trial.fitted.explain(), "explain() must return the same after load")


def _check_no_pickle(name: str, file: Path) -> None:
    if not zipfile.is_zipfile(file):
        return _demand(not _is_pickle(file.read_bytes()), f"save must not write a pickle, {name} is one")
    with zipfile.ZipFile(file) as archive:
        for member in archive.namelist():
            _demand(
                not _is_pickle(archive.read(member)),
                f"save must not write a pickle, {member} in {name} is one",
            )
    return None


def _is_pickle(content: bytes) -> bool:
    """Return whether bytes are a pickle from start to end, or a NumPy file with one."""
    if content.startswith(b"\x93NUMPY"):
        return b"'descr': '|O'" in content[:128]
    # Only the opcodes are parsed; nothing is executed.
    try:
        *_, (_, _, end) = pickletools.genops(content)
    except Exception:  # other content may fail in any way
        return False
    return end == len(content) - 1


@_check()
def check_counts(trial: Trial) -> None:
    """Return nonnegative integers by name from ``count``."""
    for name, number in trial.fitted.count().items():
        _demand(isinstance(name, str), f"names of count() must be strings, got {name!r}")
        valid = isinstance(number, Integral) and not isinstance(number, bool) and number >= 0
        _demand(valid, f"count()[{name!r}] must be a nonnegative integer, got {number!r}")


@_check()
def check_explanation(trial: Trial) -> None:
    """Return a text from ``explain``, with figures of matplotlib; also for a clip if it takes one."""
    if type(trial.fitted).explain is Attempt.explain:
        raise _Inapplicable("it does not explain itself")
    explain: Callable[..., Any] = trial.fitted.explain
    texts = [explain()]
    if "clip" in inspect.signature(explain).parameters:
        texts.append(explain(clip=examples()[0][0]))
    for text in texts:
        _demand(isinstance(text, str) and bool(text.strip()), f"explain() must return a text, got {text!r}")
        pictures = getattr(text, "figures", {})
        _demand(
            all(hasattr(picture, "savefig") for picture in pictures.values()),
            f"figures of explain() must be those of matplotlib, got {pictures!r}",
        )


@_check()
def check_search_space(trial: Trial) -> None:
    """List parameters in ``search_space``, with values that are JSON values and valid in ``fit``."""
    space = trial.make().search_space()
    if not space:
        raise _Inapplicable("it has no search space")
    clips, labels, groups = _few()
    for name, values in space.items():
        _demand(
            name in trial.names(),
            f"search_space() names {name!r}, which is no parameter; {did_you_mean(name, trial.names())}",
        )
        _demand(bool(values), f"search_space() has no values for {name!r}")
        for value in values:
            try:
                json.dumps(value)
                _predict(trial.make(**{name: value}).fit(clips, labels, groups), clips)
            except Exception as error:  # an attempt may fail in any way
                raise Nonconformity(
                    f"search_space() offers {value!r} for {name!r}, which cannot be used: {_sentence(error, trial.cls)}"
                ) from error


def _in_another_process(trial: Trial) -> _ProcessResult:
    module, file = trial.cls.__module__, inspect.getsourcefile(trial.cls)
    try:
        task = json.dumps(
            {"module": module, "file": file, "class": trial.cls.__qualname__, "params": trial.params}
        )
    except TypeError as error:
        raise _Inapplicable(f"its parameters are not JSON values ({error})") from error
    command = [sys.executable, "-c", f"from {__name__} import _serve; _serve()"]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONHASHSEED": "12",
    }
    try:
        done = subprocess.run(
            command,
            input=task,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_STARTUP_SECONDS + trial.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        trial.crashed = True
        raise Nonconformity(
            f"fitting and predicting a dozen tiny clips did not end within {_STARTUP_SECONDS + trial.seconds:g} s, "
            f"{_STARTUP_SECONDS:g} of them to start a process"
        ) from None
    return _read_answer(trial, done)


def _read_answer(trial: Trial, done: subprocess.CompletedProcess[str]) -> _ProcessResult:
    if done.returncode < 0:
        trial.crashed = True
        raise Nonconformity(f"the process in which it was fitted was killed by signal {-done.returncode}")
    lines = done.stdout.splitlines()
    answer = json.loads(lines[-1]) if lines and lines[-1].startswith('{"conformance"') else None
    if answer is None:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Nonconformity(f"it fails in a separate process: {last}")
    if answer["conformance"] == "not found":
        raise _Inapplicable(f"another process cannot import {trial.cls.__module__}.{trial.cls.__qualname__}")
    probabilities = np.array(answer["probabilities"], dtype=np.float64)
    return _ProcessResult(probabilities, answer["seconds"], answer["mebibytes"])


def _serve() -> None:
    """Fit and predict the attempt described on standard input, and print the result as one line."""
    task = json.load(sys.stdin)
    try:
        if task["module"].startswith(PLUGINS):
            found: Any = load_plugin(Path(task["file"]))
        else:
            found = importlib.import_module(task["module"])
        for name in task["class"].split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError):
        print(json.dumps({"conformance": "not found"}))
        return
    clips, labels, groups = examples()
    attempt = Trial(found, task["params"]).make()
    started = time.perf_counter()
    probabilities = attempt.fit(clips, labels, groups).predict_proba(clips)
    answer = {
        "conformance": "done",
        "probabilities": np.asarray(probabilities).tolist(),
        "seconds": time.perf_counter() - started,
        "mebibytes": _peak_mebibytes(),
    }
    print("\n" + json.dumps(answer))


def _peak_mebibytes() -> float:
    """Return the largest resident set of this process."""
    status = Path("/proc/self/status")
    # On Linux getrusage may return the peak of the parent process.
    if status.is_file() and (peak := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(peak[1]) / 1024
    import resource

    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak_bytes / 2**20 if sys.platform == "darwin" else peak_bytes / 2**10
