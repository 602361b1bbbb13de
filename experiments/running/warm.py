"""What every cell needs, imported and found once; a module of its own, for the process that cells are forked from."""

from multiprocessing.reduction import ForkingPickler

import cv2
import numpy as np
import pandas as pd
import psutil  # noqa: F401

from ...baselines.registry import attempt_registry
from ...baselines.trivial.majority import Majority
from ...features.clip import Clip
from ..datasets.base import Dataset
from ..datasets.registry import dataset_registry
from ..datasets.splits import Fold
from ..evaluation.cell import run_cell
from ..isolation.worker import thread_pools
from ..planning.cells import table_fingerprint
from . import runner  # noqa: F401


class _Blank(Dataset):
    """Four clips that show nothing."""

    def read_table(self) -> pd.DataFrame:
        return pd.DataFrame({"clip": list("1234"), "label": list("abab"), "group": list("xxyy")})

    def load(self, index: int) -> Clip:
        return Clip(np.zeros((2, 4, 4), np.uint8), 25.0)


def _rehearse() -> None:
    """Run a cell: what runs for the first time writes to memory, which each process would then have to copy."""
    attempt_registry()
    dataset_registry()
    data = _Blank()
    table_fingerprint(data)
    outcome = run_cell(Majority(), data, Fold("x", np.array([0, 1]), np.array([2, 3])))
    ForkingPickler.loads(ForkingPickler.dumps(outcome))


cv2.setNumThreads(1)
thread_pools()
# The interpreter changes code for the last time after it has run a few times.
for _ in range(3):
    _rehearse()
