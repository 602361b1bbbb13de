"""A pretrained net of the user's own, with a probe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ActionbenchError
from ...features import embedding as vectors
from ...features.cache import compute
from ...literals import Pooling, ProbeKind
from ..base import Clips, Explanation, check_is_fitted
from ._overlap import overlap_warning
from ._vectors import VectorProbe, parse_pooling

if TYPE_CHECKING:
    from ...features.embedding_config import NetConfig
    from ...features.embedding_graph import Graph

__all__ = ["Embedding"]


@dataclass(kw_only=True, eq=False, repr=False)
class Embedding(VectorProbe):
    """A probe on the vectors that a pretrained net gives for frames, or for windows of frames.

    The net is an ONNX file, which ONNX Runtime runs on the processor. A TOML file of the same name beside it, or
    Hugging Face's ``preprocessor_config.json``, says how it wants its pictures; see ``docs/embeddings.md``.

    Attributes are those of `VectorProbe`.

    Parameters
    ----------
    file : str
        The net.
    probe : {"linear", "knn", "prototype"}, optional
        By default that of the TOML file.
    pool : str, optional
        What becomes of the vectors of a clip, as ``"mean+std"``; see `_vectors.pool`. By default that of the TOML file.
    sample : str, optional
        ``"uniform:8"``, ``"fps:2"`` or ``"all"``. By default that of the TOML file.

    Examples
    --------
    >>> Embedding(file="clip-vit-b16.onnx", pool="thirds")
    Embedding(file='clip-vit-b16.onnx', pool='thirds')
    """

    file: str | None = None
    probe: ProbeKind | None = None
    pool: str | None = None
    sample: str | None = None

    @property
    def pretrained(self) -> str:
        """What the net was trained on, as its TOML file says; else ``"yes"``."""
        return self._config().pretrained_on or "yes"

    def _path(self) -> Path:
        if self.file is None:
            raise ActionbenchError("embedding needs the parameter 'file': a pretrained net as an ONNX file")
        path = Path(self.file)
        return path if self.copies is None else self.copies / path.name

    def _config(self) -> NetConfig:
        from ...features.embedding_config import config_file, read_config

        path = self._path()
        if not path.is_file():
            raise ActionbenchError(f"{path}: there is no such file; it must be an ONNX model")
        return read_config(config_file(path))

    def _graph(self) -> Graph:
        from ...features.embedding_graph import read_graph

        return read_graph(self._path(), self._config())

    def _poolings(self) -> tuple[Pooling, ...]:
        return tuple(self._config().time.pool) if self.pool is None else parse_pooling(self.pool)

    def _kind(self) -> ProbeKind:
        return self.probe or self._config().probe.kind

    def _feature(self) -> vectors.Embedding:
        from ...features.embedding_config import check_sample

        graph, config = self._graph(), self._config()
        try:
            sample = check_sample(self.sample or config.sample)
        except ValueError as error:
            raise ActionbenchError(f"sample {error}") from error
        return vectors.Embedding(graph.digest, config.preparation, sample, graph.path)

    def _each(self, clips: Clips) -> Iterator[NDArray[np.floating]]:
        yield from (found["vectors"] for found in compute(self._feature(), clips))

    def count(self) -> dict[str, int]:
        """Return the weights of the net and of the probe, and the net's operations for a clip of the usual length."""
        from ...features.embedding_graph import graph_size

        size, counts = graph_size(self._graph()), super().count()
        counts["parameters"] += size.parameters
        if size.operations is not None:
            counts["operations"] = round(self.n_vectors_ * size.operations)
        return counts

    def explain(self) -> Explanation:
        """Describe the net, the vectors and the probe."""
        check_is_fitted(self)
        graph = self._graph()
        shape = " x ".join(map(str, graph.shape[1:]))
        net = (
            f"{graph.path.name}: {graph.input!r} ({shape}) to {graph.output!r}, pretrained: {self.pretrained}"
        )
        return Explanation(f"{net}\n{super().explain()}")

    def warnings(self) -> dict[str, str]:
        """Return warnings where vectors are constant, or the net may have seen such clips."""
        found = super().warnings()
        if not hasattr(self, "classes_"):
            return found
        return found | overlap_warning(self._path(), self._config())

    def files(self) -> list[Path]:
        """Return the net, with the files of its weights, and what is said of it."""
        from ...features.embedding_config import config_file

        graph = self._graph()
        return [*graph.files, config_file(graph.path)]

    def skip(self, dataset: Any) -> str | None:
        """Raise an error if anything is wrong with the file or a parameter, before anything runs."""
        self._feature()
        self._poolings()
        return None
