import inspect

import pytest

from actionbench import errors
from actionbench.errors import ActionbenchError, DataError, MatrixError


def test_all_errors_derive_from_one():
    classes = [
        cls
        for _, cls in inspect.getmembers(errors, inspect.isclass)
        if cls.__module__ == errors.__name__ and issubclass(cls, Exception)
    ]
    assert len(classes) > 5
    assert all(issubclass(cls, ActionbenchError) for cls in classes)


def test_did_you_mean():
    assert (
        errors.did_you_mean("heigth", ["width", "height"])
        == "did you mean 'height'? known are: height, width"
    )
    assert errors.did_you_mean("xyz", ["b", "a"]) == "known are: a, b"


def test_all_faults_are_raised_at_once():
    faults = errors.Faults()
    faults.check()
    for error in (MatrixError("a"), DataError("b", "c"), MatrixError("a")):
        with faults:
            raise error
    with pytest.raises(MatrixError) as caught:
        faults.check()
    assert caught.value.args == ("a", "b", "c")
    assert str(caught.value) == "a\nb\nc"


def test_what_is_no_fault_of_the_user_is_not_collected():
    faults = errors.Faults()
    with pytest.raises(ZeroDivisionError), faults:
        _ = 1 / 0
    faults.check()
