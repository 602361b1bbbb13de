"""What every cell needs, imported and found once; a module of its own, for the process that cells are forked from."""

import cv2  # noqa: F401
import psutil  # noqa: F401
from threadpoolctl import ThreadpoolController

from ..baselines.registry import attempt_registry
from . import runner  # noqa: F401
from .datasets.registry import dataset_registry

attempt_registry()
dataset_registry()

#: The libraries whose threads are limited; one that is loaded later reads its limit from the environment.
THREAD_POOLS = ThreadpoolController()
