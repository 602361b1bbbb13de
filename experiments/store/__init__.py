"""What is kept of runs: the tables, the file that holds them, and what is known of code and machine."""

from .schema import CellRecord
from .store import BUNDLED, Rows, RunState, Store

__all__ = ["BUNDLED", "CellRecord", "Rows", "RunState", "Store"]
