"""Honest comparison of ways to recognise actions in video."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import ActionbenchError

if TYPE_CHECKING:
    from .api import (
        bundle,
        check,
        compare,
        export_onnx,
        fit,
        load,
        log_to_mlflow,
        new_attempt,
        plan,
        predict,
        predictions,
        report,
        reproduce,
        run,
        table,
    )
    from .baselines.base import Attempt, Explanation
    from .experiments.datasets.base import Dataset
    from .features.clip import Clip, Clips

#: The file that results are kept in where none is named.
DEFAULT_STORE = "actionbench.sqlite"

# Heavy rooms are entered only when a name of theirs is asked for.
_HOMES = {
    ".api": (
        "bundle",
        "check",
        "compare",
        "export_onnx",
        "fit",
        "load",
        "log_to_mlflow",
        "new_attempt",
        "plan",
        "predict",
        "predictions",
        "report",
        "reproduce",
        "run",
        "table",
    ),
    ".baselines.base": ("Attempt", "Explanation"),
    ".experiments.datasets.base": ("Dataset",),
    ".features.clip": ("Clip", "Clips"),
}

__all__ = [
    "ActionbenchError",
    "Attempt",
    "Clip",
    "Clips",
    "Dataset",
    "Explanation",
    "__version__",
    "bundle",
    "check",
    "compare",
    "export_onnx",
    "fit",
    "load",
    "log_to_mlflow",
    "new_attempt",
    "plan",
    "predict",
    "predictions",
    "report",
    "reproduce",
    "run",
    "table",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("actionbench")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home, __name__), name)
    raise AttributeError(f"module 'actionbench' has no attribute {name!r}")
