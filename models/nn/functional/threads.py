"""How many threads share the work of a kernel."""

from __future__ import annotations

import os

from ...kernels import default_threads

# Operations below which one thread takes less time than waking others.
_WORTH_SHARING = 2**16


def team_size(threads: int | None, operations: int) -> int:
    """Return how many threads share the work: ``threads``, or one for little work and all for more."""
    team = threads or (default_threads() if operations > _WORTH_SHARING else 1)
    if team > 1:
        if _fork_state.lost:
            return 1
        _fork_state.ran = True
    return team


class _ForkState:
    """Whether OpenMP has started threads in this process (``ran``), or in one that it was forked from (``lost``).

    A child of ``fork`` has no threads of its parent's pool, and would wait for them without end.
    """

    ran = lost = False

    def forked(self) -> None:
        self.lost = self.lost or self.ran


_fork_state = _ForkState()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_fork_state.forked)
