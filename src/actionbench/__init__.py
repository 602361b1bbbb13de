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
        import_predictions,
        import_scores,
        ladder,
        load,
        log_to_mlflow,
        new_attempt,
        plan,
        predict,
        predictions,
        profile,
        report,
        reproduce,
        run,
        segments,
        table,
    )
    from .baselines.base import Attempt, Explanation
    from .experiments.datasets.base import Dataset
    from .features.clip import Clip, Clips

#: The file that results are kept in where none is named.
DEFAULT_STORE = "actionbench.sqlite"

# Heavy rooms are imported only when a name of theirs is used; all other names are in `api`.
_HOMES = {
    "Attempt": ".baselines.base",
    "Clip": ".features.clip",
    "Clips": ".features.clip",
    "Dataset": ".experiments.datasets.base",
    "Explanation": ".baselines.base",
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
    "import_predictions",
    "import_scores",
    "ladder",
    "load",
    "log_to_mlflow",
    "new_attempt",
    "plan",
    "predict",
    "predictions",
    "profile",
    "report",
    "reproduce",
    "run",
    "segments",
    "table",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("actionbench")
    if name in __all__:
        return getattr(import_module(_HOMES.get(name, ".api"), __name__), name)
    raise AttributeError(f"module 'actionbench' has no attribute {name!r}")
