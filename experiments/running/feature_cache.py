"""The folder of features that cells share, and what happens where it cannot be made."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager
from pathlib import Path

from ...errors import DataError
from ...features.cache import NO_CACHE, FeatureCache, cache_folder, use_cache, user_cache
from ..store import provenance


def usable_cache(cache: str | Path | None, limit: int) -> str:
    """Return the folder of features, tried; where nobody named one and the usual cannot be made, none is used."""
    folder = cache_folder(cache)
    if folder != NO_CACHE:
        try:
            _open(folder, limit)
        except DataError as error:
            if folder != str(user_cache()):
                raise
            warnings.warn(f"{error}; this run keeps none", RuntimeWarning, stacklevel=3)
            return NO_CACHE
    return folder


def features_in(cache: str, limit: int) -> AbstractContextManager[None]:
    """Keep features in a folder inside of a ``with`` block, or none where it is ``"none"``."""
    return use_cache(None if cache == NO_CACHE else _open(cache, limit))


def _open(folder: str | Path, limit: int) -> FeatureCache:
    try:
        return FeatureCache(Path(folder), limit, provenance.code_fingerprint)
    except OSError as error:
        raise DataError(
            f"{folder}: the folder of features cannot be made ({error.strerror}); "
            f"--cache names another, --cache {NO_CACHE} keeps none"
        ) from error
