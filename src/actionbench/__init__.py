"""Honest comparison of ways to recognise actions in video."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import ActionbenchError

if TYPE_CHECKING:
    from .baselines.base import Attempt, Explanation
    from .experiments.datasets.base import Dataset
    from .features.clip import Clip, Clips

# Heavy rooms are entered only when a name of theirs is asked for.
_HOME = {
    "Attempt": ".baselines.base",
    "Clip": ".features.clip",
    "Clips": ".features.clip",
    "Dataset": ".experiments.datasets.base",
    "Explanation": ".baselines.base",
}

__all__ = ["ActionbenchError", "Attempt", "Clip", "Clips", "Dataset", "Explanation", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("actionbench")
    if name not in _HOME:
        raise AttributeError(f"module 'actionbench' has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)
