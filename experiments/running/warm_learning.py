"""What attempts that learn import when they need it, imported once; a fork takes twice as long with it."""

import sklearn.metrics.pairwise
import sklearn.model_selection
import sklearn.svm
import sklearn.tree  # noqa: F401

from ..isolation.worker import thread_pools

# There are more of them now.
thread_pools.cache_clear()
thread_pools()
