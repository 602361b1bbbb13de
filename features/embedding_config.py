"""How a pretrained net wants its pictures, as a TOML file beside it or Hugging Face's ``preprocessor_config.json``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, FiniteFloat, model_validator

from ..errors import ActionbenchError
from ..literals import Pooling, ProbeKind
from .net_description import Checked, NetDescription, Side, read_description

__all__ = ["HUGGING_FACE", "NetConfig", "check_sample", "config_file", "read_config"]

#: The name of Hugging Face's file.
HUGGING_FACE = "preprocessor_config.json"

Layout: TypeAlias = Literal["NCHW", "NHWC", "NCTHW", "NTCHW", "NTHWC"]
#: Pillow's filters, by their names in lower case.
Filter: TypeAlias = Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]

_MEAN: list[Pooling] = ["mean"]
_MAX_FRAMES, _MAX_RATE = 10_000, 1000

Count = Annotated[int, Field(ge=1, le=_MAX_FRAMES)]


def check_sample(sample: str) -> str:
    """Return a way to sample a clip in time, or raise ValueError if it is none."""
    kind, _, number = sample.partition(":")
    if sample == "all" or (kind == "uniform" and number.isdecimal() and 1 <= int(number[:9]) <= _MAX_FRAMES):
        return sample
    try:
        if kind == "fps" and 0 < float(number) <= _MAX_RATE:
            return sample
    except ValueError:
        pass
    raise ValueError(f'must be "uniform:8", "fps:2" or "all", with other numbers, got {sample!r}')


class Resize(Checked):
    """The size to which a frame is scaled: of its shorter edge, or of both."""

    shortest_edge: Side | None = None
    height: Side | None = None
    width: Side | None = None
    filter: Filter = "bilinear"

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [self.shortest_edge is not None, self.height is not None, self.width is not None]
        if given not in ([True, False, False], [False, True, True]):
            raise ValueError("must hold either shortest_edge or both height and width")
        return self


class Crop(Checked):
    """The size of the centre that is left of a frame."""

    height: Side
    width: Side


def _square(value: Any) -> Any:
    """Let a square be written as a number."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return {"height": value, "width": value} if is_number else value


class Windows(Checked):
    """What a video net sees at once."""

    frames: Count
    stride: Count = 1
    views: Count = 1


class Time(Checked):
    """Which frames are looked at, and what becomes of their vectors."""

    sample: Annotated[str, AfterValidator(check_sample)] | None = None
    pool: list[Pooling] = Field(default_factory=_MEAN.copy, min_length=1)


class Probe(Checked):
    """The classifier on the vectors."""

    kind: ProbeKind = "linear"


class NetConfig(NetDescription):
    """What is said of a net; see ``docs/embeddings.md`` for the meaning of each key."""

    input: str | None = None
    output: str | None = None
    layout: Layout = "NCHW"
    resize: Resize | None = None
    crop: Annotated[Crop, BeforeValidator(_square)] | None = None
    channels: Literal["RGB", "BGR", "grey"] = "RGB"
    rescale: FiniteFloat = 1 / 255
    mean: list[FiniteFloat] | None = None
    std: list[Annotated[FiniteFloat, Field(gt=0)]] | None = None
    reduce: Literal["mean", "first", "flatten"] | None = None
    clip: Windows | None = None
    time: Time = Time()
    probe: Probe = Probe()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for key in ("mean", "std"):
            values = getattr(self, key)
            if values is not None and len(values) not in (1, self.n_channels):
                raise ValueError(f"{key} must have {self.n_channels} numbers, one for each channel, or one")
        if ("T" in self.layout) != (self.clip is not None):
            raise ValueError(
                f"a layout with T and the table [clip] belong together, got the layout {self.layout}"
            )
        if self.clip and "views" in self.clip.model_fields_set and self.time.sample:
            raise ValueError("clip.views and time.sample say the same; one of them must go")
        return self

    @property
    def n_channels(self) -> int:
        """Channels of a frame."""
        return 1 if self.channels == "grey" else 3

    @property
    def sample(self) -> str:
        """How a clip is sampled in time where nothing else is asked for."""
        return self.time.sample or f"uniform:{self.clip.views if self.clip else 8}"

    @property
    def preparation(self) -> str:
        """All that changes a net's vector of a frame, as JSON."""
        return self.model_dump_json(exclude={"pretrained_on", "overlap", "large", "time", "probe"})


def config_file(net: Path) -> Path:
    """Return the file that says how a net wants its pictures.

    Raises
    ------
    ActionbenchError
        If there is none.
    """
    own, shared = net.with_suffix(".toml"), net.with_name(HUGGING_FACE)
    for path in (own, shared):
        if path.is_file() and path != net:
            return path
    raise ActionbenchError(
        f"{net}: nothing says how it wants its pictures; {own.name} or {HUGGING_FACE} must lie beside it"
    )


def read_config(path: Path) -> NetConfig:
    """Read what is said of a net.

    Parameters
    ----------
    path : Path
        A TOML file, or Hugging Face's JSON.

    Raises
    ------
    ActionbenchError
        If it cannot be read or is not valid: a sentence for each fault.
    """
    return read_description(path, NetConfig, _TABLES, _from_hugging_face)


_TABLES: Mapping[str, type[BaseModel]] = {
    "resize": Resize,
    "crop": Crop,
    "clip": Windows,
    "time": Time,
    "probe": Probe,
}

# Keys of Hugging Face's processors that change the picture in ways that only they know.
_FOREIGN = (
    "crop_pct",
    "offset",
    "rescale_offset",
    "keep_aspect_ratio",
    "do_pad",
    "do_thumbnail",
    "do_align_long_axis",
    "do_split_image",
)


def _from_hugging_face(content: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of a `NetConfig` for those of an image processor; others say nothing about a picture."""
    for key in _FOREIGN:
        if content.get(key):
            raise ValueError(f"{key!r} is not supported; a TOML file beside the net must say what it means")
    kind = content.get("image_processor_type") or content.get("feature_extractor_type") or ""
    if str(kind).startswith("Levit"):
        # It resizes to 8 / 7 of the size that it gives.
        raise ValueError(f"{kind} is not supported; a TOML file beside the net must say what it means")
    found: dict[str, Any] = {"channels": "BGR" if content.get("do_flip_channel_order") else "RGB"}
    crops = bool(content.get("do_center_crop"))
    if content.get("do_resize", True) and "size" in content:
        size = content["size"]
        if isinstance(size, int):
            # So older files have it: CLIP's for the shorter edge, ViT's, which crop nothing, for both.
            size = {"shortest_edge": size} if crops else {"height": size, "width": size}
        filters = get_args(Filter)
        code = content.get("resample", 2)
        if not isinstance(size, dict) or not (type(code) is int and 0 <= code < len(filters)):
            raise ValueError(f"size and resample must be Pillow's, got {size!r} and {code!r}")
        found["resize"] = size | {"filter": filters[code]}
    if crops and "crop_size" in content:
        found["crop"] = content["crop_size"]
    if content.get("do_rescale", True):
        found["rescale"] = content.get("rescale_factor", 1 / 255)
    else:
        found["rescale"] = 1.0
    if content.get("do_normalize", True):
        found |= {key: content[f"image_{key}"] for key in ("mean", "std") if f"image_{key}" in content}
    if "num_frames" in content:
        found |= {"clip": {"frames": content["num_frames"]}, "layout": "NTCHW"}
    return found
