"""ONNX files that users bring: untrusted, refused where they need more than themselves, and run by ONNX Runtime."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ActionbenchError

if TYPE_CHECKING:
    import onnx

__all__ = [
    "DOMAINS",
    "MAX_BYTES",
    "all_nodes",
    "file_hash",
    "load_content",
    "open_session",
    "parse",
    "read_onnx",
    "run_session",
    "subgraphs",
]

#: Bytes of a net that are read without ``large = true``, and the most that one file of ONNX can hold.
MAX_BYTES = 2**31
#: Of the operators that ONNX Runtime brings along; any other needs a library of machine code.
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")


def file_hash(*paths: Path) -> str:
    """Return a hash of the content of files."""
    digests = []
    for path in paths:
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def read_onnx(path: Path, *, large: bool) -> tuple[onnx.ModelProto, tuple[Path, ...]]:
    """Read a model without the weights that lie beside it.

    Parameters
    ----------
    path : Path
        The file.
    large : bool
        Whether it may have more than `MAX_BYTES` with its weights.

    Returns
    -------
    model : onnx.ModelProto
        What it holds.
    files : tuple of Path
        The file, and those beside it that hold its weights.

    Raises
    ------
    ActionbenchError
        If a package is missing, or the file is none of ONNX, too large, has weights elsewhere, or needs operators of
        its own.
    """
    for package in ("onnx", "onnxruntime"):
        if find_spec(package) is None:
            raise ActionbenchError(
                f'{path}: ONNX files need the package {package}: pip install "actionbench[onnx]"'
            )
    if not path.is_file():
        raise ActionbenchError(f"{path}: there is no such file; it must be an ONNX model")
    _check_bytes([path], large=large)
    model = parse(path)
    files = (path, *_files_beside(path, model))
    _check_bytes(files, large=large)
    _check_domains(path, model)
    return model, files


def parse(path: Path) -> onnx.ModelProto:
    """Return what a file holds, or raise ActionbenchError if it is no model."""
    import onnx

    try:
        model = onnx.load_model(str(path), load_external_data=False)
    except Exception as error:  # protobuf may fail in any way
        raise ActionbenchError(
            f"{path}: not an ONNX model ({type(error).__name__}); it must be an .onnx file"
        ) from error
    if not (model.ir_version and model.graph.node and model.graph.output):
        raise ActionbenchError(f"{path}: not an ONNX model (it has no graph); it must be an .onnx file")
    return model


def load_content(files: Sequence[Path], model: onnx.ModelProto | None = None) -> bytes | str:
    """Return what a session is made of: the content of the files, or the path of the first if they have 2 GiB or more.

    Parameters
    ----------
    files : sequence of Path
        As `read_onnx` returns them.
    model : onnx.ModelProto, optional
        What is left of it, if it is not to be run as it is; weights from beside it are put into it.
    """
    if sum(path.stat().st_size for path in files) >= MAX_BYTES:
        return str(files[0])
    if model is None and len(files) == 1:
        return files[0].read_bytes()
    import onnx

    model = model or parse(files[0])
    onnx.external_data_helper.load_external_data_for_model(model, str(files[0].parent))
    return model.SerializeToString()


def open_session(path: Path, content: bytes | str, threads: int) -> Any:
    """Return a session of ONNX Runtime on the processor, or raise ActionbenchError.

    A session does not survive a fork.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.use_deterministic_compute = True
    # Memory is what the net needs, not what an arena reserves; a fault is raised and need not be printed, too.
    options.enable_cpu_mem_arena, options.log_severity_level = False, 4
    try:
        return onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    except Exception as error:  # of whatever kind ONNX Runtime makes it
        raise ActionbenchError(f"{path}: ONNX Runtime cannot load it ({_first_line(error)})") from error


def run_session(
    path: Path, session: Any, outputs: Sequence[str], name: str, values: NDArray[Any]
) -> list[NDArray[Any]]:
    """Return outputs of a session for one input, or raise ActionbenchError."""
    try:
        return [np.asarray(found) for found in session.run(list(outputs), {name: values})]
    except Exception as error:  # of whatever kind ONNX Runtime makes it
        raise ActionbenchError(f"{path}: ONNX Runtime cannot run it ({_first_line(error)})") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__


def _check_bytes(files: Sequence[Path], *, large: bool) -> None:
    if not large and (size := sum(path.stat().st_size for path in files)) > MAX_BYTES:
        raise ActionbenchError(
            f"{files[0]}: has {size / 2**30:.1f} GiB, more than 2; its TOML file must say large = true"
        )


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs in a node."""
    import onnx

    for one in node.attribute:
        if one.type == onnx.AttributeProto.GRAPH:
            yield one.g
        yield from one.graphs


def all_nodes(graph: Any) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of a graph or function, and of all graphs in it."""
    for node in graph.node:
        yield node
        for inner in subgraphs(node):
            yield from all_nodes(inner)


def _tensors(graph: Any) -> Iterator[onnx.TensorProto]:
    """Yield the arrays that a graph or function holds, and all graphs in it."""
    yield from getattr(graph, "initializer", ())
    for one in getattr(graph, "sparse_initializer", ()):
        yield from (one.values, one.indices)
    for node in graph.node:
        for one in node.attribute:
            yield from (one.t, *one.tensors, one.sparse_tensor.values, one.sparse_tensor.indices)
        for inner in subgraphs(node):
            yield from _tensors(inner)


def _files_beside(path: Path, model: onnx.ModelProto) -> list[Path]:
    """Return the files that hold weights, which must lie in the folder of the net itself."""
    import onnx

    found = dict[str, Path]()
    for tensor in (one for part in (model.graph, *model.functions) for one in _tensors(part)):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
        beside = path.parent / location
        plain = (
            location not in ("", ".", "..")
            and PurePosixPath(location).name == location
            and "\\" not in location
        )
        if not plain or beside.is_symlink():
            raise ActionbenchError(
                f"{path}: its weights are in {location!r}; they must lie beside it, in its own folder"
            )
        if not beside.is_file():
            raise ActionbenchError(
                f"{path}: its weights are in {location}, which must lie beside it and does not"
            )
        found[location] = beside
    return list(found.values())


def _check_domains(path: Path, model: onnx.ModelProto) -> None:
    own = {(function.domain, function.name) for function in model.functions}
    parts: Iterable[Any] = (model.graph, *model.functions)
    for node in (node for part in parts for node in all_nodes(part)):
        if node.domain not in DOMAINS and (node.domain, node.op_type) not in own:
            raise ActionbenchError(
                f"{path}: has the operator {node.op_type} of {node.domain!r}, a library of its own; all must be ONNX's"
            )
