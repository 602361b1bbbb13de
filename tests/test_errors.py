import inspect

from actionbench import ActionbenchError, errors


def test_all_errors_derive_from_one():
    classes = [
        cls for _, cls in inspect.getmembers(errors, inspect.isclass) if cls.__module__ == errors.__name__
    ]
    assert len(classes) > 5
    assert all(issubclass(cls, ActionbenchError) for cls in classes)


def test_did_you_mean():
    assert (
        errors.did_you_mean("heigth", ["width", "height"])
        == "did you mean 'height'? known are: height, width"
    )
    assert errors.did_you_mean("xyz", ["b", "a"]) == "known are: a, b"
