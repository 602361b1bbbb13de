"""Finding data sets and making them from the options of a matrix."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...baselines.registry import Registry
from ...errors import DataError, did_you_mean
from .base import Dataset


def dataset_registry(plugins: Iterable[str | Path] = ()) -> Registry[Dataset]:
    """Return the data sets that can be named in a matrix."""
    return Registry("data set", "actionbench.datasets", Dataset, plugins)


def make_dataset(cls: type[Dataset], name: str, options: Mapping[str, Any]) -> Dataset:
    """Make a data set from the options of its entry in a matrix.

    A ``root`` that is asked for and not given is the folder of that name in ``ACTIONBENCH_DATA``, if there is one.

    Raises
    ------
    DataError
        If an option is unknown, missing, or refused by the data set; the message names data set and option.
    """
    known = option_names(cls)
    for key in options:
        if key not in known:
            raise DataError(f"data set {name!r}: unknown key {key!r}; {did_you_mean(key, known)}")
    options = dict(options)
    if known.get("root") and "root" not in options and (home := os.environ.get("ACTIONBENCH_DATA")):
        options["root"] = str(Path(home) / name)
    for key, required in known.items():
        if required and key not in options:
            raise DataError(f"data set {name!r}: the key {key!r} is missing")
    try:
        return cls(**options)
    except DataError as error:
        raise DataError(f"data set {name!r}: {error}") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"data set {name!r}: an option is of a wrong kind: {error}") from error


def option_names(cls: type) -> dict[str, bool]:
    """Return the keyword arguments of a class and whether each is required, following ``**`` to its bases.

    Those that the class gives its bases itself, in ``fixed_options``, are left out.
    """
    names: dict[str, bool] = {}
    fixed = getattr(cls, "fixed_options", ())
    for owner in cls.__mro__:
        if "__init__" not in vars(owner) or owner is object:
            continue
        parameters = list(inspect.signature(vars(owner)["__init__"]).parameters.values())[1:]
        for parameter in parameters:
            if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL) and (
                owner is cls or parameter.name not in fixed
            ):
                names.setdefault(parameter.name, parameter.default is parameter.empty)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            break
    return names
