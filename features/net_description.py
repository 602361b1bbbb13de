"""What the file beside a user's net says of it, checked."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from ..errors import ActionbenchError, describe_fault

__all__ = ["Checked", "NetDescription", "Side", "read_description"]

#: A side of a picture in pixels.
Side = Annotated[int, Field(ge=1, le=4096)]


class Checked(BaseModel):
    """A table whose keys and values are all checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class NetDescription(Checked):
    """What can be said of any net.

    Attributes
    ----------
    pretrained_on : str, optional
        What it was trained on.
    overlap : {"possible", "none"}
        Whether these data may hold clips or classes of the data set.
    large : bool
        Whether it may have more than 2 GiB.
    """

    pretrained_on: str | None = None
    overlap: Literal["possible", "none"] = "possible"
    large: bool = False


D = TypeVar("D", bound=NetDescription)


def read_description(
    path: Path,
    model: type[D],
    tables: Mapping[str, type[BaseModel]] | None = None,
    from_json: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
) -> D:
    """Read what a file says of a net.

    Parameters
    ----------
    path : Path
        A TOML file, or a JSON file.
    model : type
        What it holds.
    tables : mapping of str to type, optional
        The tables in it.
    from_json : callable, optional
        Gives the keys of the model for those of a JSON file, or raises ValueError.

    Raises
    ------
    ActionbenchError
        If it cannot be read or is not valid: a sentence for each fault.
    """
    is_json = from_json is not None and path.suffix == ".json"
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = json.loads(text) if is_json else tomllib.loads(text)
        if not isinstance(content, dict):
            raise ValueError("it must hold a table")
    except (OSError, ValueError, RecursionError) as error:
        raise ActionbenchError(
            f"{path}: not a {'JSON' if is_json else 'TOML'} file in UTF-8 ({error})"
        ) from error
    try:
        return model.model_validate(from_json(content) if from_json is not None and is_json else content)
    except ValidationError as error:
        known: dict[str, type[BaseModel]] = {"": model, **(tables or {})}
        found = dict.fromkeys(_sentence(one, known) for one in error.errors(include_url=False))
        raise ActionbenchError(*(f"{path}: {sentence}" for sentence in found)) from error
    except ValueError as error:
        raise ActionbenchError(f"{path}: {error}") from error


def _sentence(fault: ErrorDetails, known: Mapping[str, type[BaseModel]]) -> str:
    table = ".".join(map(str, fault["loc"][:-1]))
    return describe_fault(fault, fault["loc"], lambda: known[table].model_fields)
