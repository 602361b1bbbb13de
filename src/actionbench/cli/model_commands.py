"""The commands that train an attempt on a whole data set and use it: fit, predict, export, rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import click

from ..errors import ActionbenchError, DecodeError
from ..progress import each
from .options import DatasetRequest, cache_option, dataset_options, json_option, plugin_option
from .progress import show_progress
from .terminal import escape, print_facts, print_rows, say

# Everything heavy is imported inside the command that needs it.
if TYPE_CHECKING:
    from ..experiments.deployment.model import Model
    from ..experiments.deployment.prediction import Prediction, Windows
    from ..features.video import OnError

_SECONDS = click.FloatRange(min=0, min_open=True)


@click.command()
@click.argument("name")
@dataset_options(
    click.option("--dataset", required=True, metavar="NAME", help="The data set to learn from."),
    "matrix, as in attempts.hog-svm.params.C=1.0 or seeds=[1], or of the data set, as in groups=none",
)
@click.option(
    "-o", "--output", required=True, type=click.Path(), metavar="DIR", help="The folder of the model."
)
@click.option("--overwrite", is_flag=True, help="Replace a model that is there.")
@click.option(
    "--reject",
    is_flag=True,
    help="Let the model answer that a clip shows none of the classes, see predict --reject; most attempts are fitted "
    "three times more, without some of the groups.",
)
@cache_option
@click.option("-q", "--quiet", is_flag=True, help="No messages.")
@json_option
def fit(name: str, dataset: DatasetRequest, output: str, quiet: bool, as_json: bool, **options: Any) -> None:
    """Train the attempt NAME on all clips of a data set and write a model, for actionbench predict."""
    from ..experiments.deployment.model import fit_model, mark_of_model, measuring_command, model_matrix

    matrix = model_matrix(name, dataset.entry(), dataset.changes)
    training = f"training {name} on {dataset.name}"
    if not quiet:
        say(training)
    before = mark_of_model(output)
    try:
        with show_progress(training, quiet):
            model = fit_model(matrix, output, plugins=dataset.plugins, **options)
    except KeyboardInterrupt as interrupt:
        raise click.exceptions.Abort(_what_is_saved(output, before)) from interrupt
    facts = _summary(model)
    measure = measuring_command(matrix, dataset.plugins)
    if as_json:
        print_facts(output, {**facts, "accuracy": None, "measure": measure}, as_json)
        return
    print_facts(output, facts, as_json)
    click.echo("There is no accuracy: the attempt was trained on all clips, and none was held out.")
    if model.header.data.n_groups == 1:
        click.echo("All clips are of one group, so that it cannot be measured.")
    else:
        click.echo(f"This command measures it on groups that are held out:\n  {measure}")


def _what_is_saved(output: str, before: object) -> str:
    from ..experiments.deployment.model import mark_of_model

    if mark_of_model(output) != before:
        return f"the new model in {output} is whole"
    return f"no model was saved{f', the one in {output} is as it was' if before else f' in {output}'}"


def _summary(model: Model) -> dict[str, Any]:
    header = model.header
    shortest, median, longest = header.data.seconds
    return {
        "attempt": header.attempt,
        "params": model.attempt.get_params(deep=False),
        "data set": header.data.dataset,
        "classes": header.classes,
        "clips": header.data.n_clips,
        "groups": header.data.n_groups,
        "clip seconds": {"min": shortest, "median": median, "max": longest},
        **({} if header.calibration is None else {"calibration": str(header.calibration)}),
        **({} if header.rejection is None else {"smallest rate to reject": header.rejection.smallest_rate}),
        "fit seconds": header.fit_seconds,
        "fit seconds without cached features": header.fit_uncached_seconds,
        "size KiB": model.n_bytes / 1024,
    }


@click.command()
@click.argument("model", type=click.Path())
@click.argument("clips", nargs=-1, required=True, type=click.Path(), metavar="CLIP...")
@click.option(
    "--window",
    type=_SECONDS,
    metavar="SECONDS",
    help="Cut each video into windows of this length; by default that of the median training clip, where a video is "
    "several times longer.",
)
@click.option(
    "--step",
    type=_SECONDS,
    metavar="SECONDS",
    help="How far apart windows begin; by default half a window.",
)
@click.option(
    "--reject",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="RATE",
    help="Answer that a clip shows none of the classes where that is wrong for at most such a share of those that do, "
    "as 0.05; for models fitted with --reject.",
)
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write segments, which are windows of one label joined: a .csv, .json or .eaf (ELAN) file, or a timeline as "
    ".png or .svg; may be given several times.",
)
@click.option(
    "--min-length",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="Give shorter segments to their neighbours.",
)
@click.option(
    "--annotate", type=click.Path(), metavar="FILE", help="Write the one clip with its predictions."
)
@click.option(
    "--on-error",
    type=click.Choice(["error", "truncate"]),
    help="Whether a video that breaks is an error or is cut there; by default as for the training clips.",
)
@click.option(
    "--explain",
    is_flag=True,
    help="Explain predictions, where the attempt can: which rule fired, with which values.",
)
@plugin_option
@json_option
def predict(
    model: str,
    clips: tuple[str, ...],
    window: float | None,
    step: float | None,
    reject: float | None,
    outputs: tuple[str, ...],
    min_length: float,
    annotate: str | None,
    on_error: OnError | None,
    explain: bool,
    plugins: tuple[str, ...],
    as_json: bool,
) -> int:
    """Describe what is done in each CLIP, by a MODEL that actionbench fit wrote.

    Clips are decoded as the training clips were. Times are those of each clip by itself, after a first call that does
    not count; no features are kept. Exit code 1: some clips could not be decoded.
    """
    from ..experiments.deployment.annotation import check_output
    from ..experiments.deployment.model import load_model
    from ..experiments.deployment.prediction import Windows
    from ..experiments.deployment.rejection import check_rate
    from ..experiments.deployment.segments import check_outputs, find_segments, write_segments

    check_outputs(outputs, clips)
    if annotate is not None:
        if len(clips) != 1:
            raise ActionbenchError(f"--annotate {annotate}: is for one clip, got {len(clips)}")
        check_output(clips[0], annotate)
    loaded = load_model(model, plugins=plugins)
    for warning in loaded.warnings:
        say(f"{model}: {warning}")
    if reject is not None:
        check_rate(loaded.header.rejection, reject, model)
    windows = None if window is None and step is None else Windows.of(loaded, window, step)
    with show_progress("predicting"):
        found = list(_predicted(loaded, clips, windows, explain, reject, on_error))
    predictions = [prediction for clip in found for prediction in clip]
    for warning in loaded.attempt.warnings().values():
        say(f"{model}: {warning}")
    if as_json:
        click.echo(json.dumps([_as_json(one) for one in predictions], indent=1, ensure_ascii=False))
    else:
        header = ["clip", "seconds", "label", "%", "then", "decode ms", "predict ms"]
        header[3:3] = [] if reject is None else ["p"]
        names = {clip: PurePath(clip).name for clip in clips}
        short = len(set(names.values())) == len(names)
        print_rows(header, [_row(one, names[one.clip] if short else one.clip) for one in predictions])
    if explain and not as_json:
        _print_explanations(loaded, predictions)
    for output in outputs if found else ():
        segments = [segment for clip in found for segment in find_segments(clip, min_length)]
        write_segments(segments, output)
        say(f"{len(segments)} segment{'s' * (len(segments) != 1)} in {output}")
    if annotate is not None:
        _annotate(loaded, clips[0], annotate, predictions, on_error)
    return int(len(found) < len(clips))


def _predicted(
    model: Model,
    clips: tuple[str, ...],
    windows: Windows | None,
    explain: bool,
    reject: float | None,
    on_error: OnError | None,
) -> Iterator[list[Prediction]]:
    """Yield the predictions for each clip; one that cannot be decoded is left out where there are others."""
    from ..experiments.deployment.prediction import predict_video, warm_up

    warm = False
    for clip in each("videos", clips, len(clips)):
        try:
            if not warm:
                warm_up(model, clip, on_error=on_error)
                warm = True
            predictions = predict_video(
                model, clip, windows, explain=explain, reject=reject, on_error=on_error
            )
        except DecodeError as error:
            if len(clips) == 1:
                raise
            say(f"actionbench: {escape(error)}")
            continue
        if windows is None and len(predictions) > 1:
            say(_about_windows(model, predictions))
        yield predictions


def _about_windows(model: Model, predictions: list[Prediction]) -> str:
    first, second, last = predictions[0], predictions[1], predictions[-1]
    return (
        f"{first.clip}: {last.end:.1f} s, but training clips took {model.header.data.seconds[1]:.1f} s (median): "
        f"predicted in windows of {first.end:.1f} s every {second.start:.1f} s; --window and --step set others"
    )


def _row(prediction: Prediction, name: str) -> tuple[str, ...]:
    others = [pair for pair in prediction.probabilities.items() if pair[0] != prediction.label][:4]
    return (
        name,
        f"{prediction.start:.2f}-{prediction.end:.2f}",
        prediction.label,
        *([] if prediction.p_value is None else [f"{prediction.p_value:.3f}"]),
        "–" if prediction.is_rejected else f"{100 * prediction.probability:.1f}",
        ", ".join(f"{label} {100 * share:.0f}" for label, share in others),
        f"{prediction.decode_ms:.1f}",
        f"{prediction.predict_ms:.1f}",
    )


def _as_json(prediction: Prediction) -> dict[str, Any]:
    content = {**asdict(prediction), "label": prediction.label, "probability": prediction.probability}
    unasked = {
        *(["explanation"] if prediction.explanation is None else []),
        *(["p_value", "is_rejected"] if prediction.p_value is None else []),
    }
    return {key: value for key, value in content.items() if key not in unasked}


def _print_explanations(model: Model, predictions: list[Prediction]) -> None:
    click.echo(model.attempt.explain())
    for one in predictions:
        click.echo(f"\n{one.clip}, {one.start:.2f}-{one.end:.2f} s\n{one.explanation}")


def _annotate(
    model: Model, clip: str, output: str, predictions: list[Prediction], on_error: OnError | None
) -> None:
    from ..experiments.deployment.annotation import annotate
    from ..experiments.deployment.prediction import decoding

    kept = decoding(model, on_error).get("on_error", "error")
    with show_progress(f"writing {output}"):
        annotate(clip, output, predictions, model.classes, on_error=kept)
    say(f"annotated video in {output}")


@click.command()
@click.argument("model", type=click.Path())
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False), help="The ONNX file to write."
)
@plugin_option
def export(model: str, output: str, plugins: tuple[str, ...]) -> None:
    """Write the net of a MODEL that actionbench fit wrote as an ONNX model, which other programs run."""
    from ..api import export_onnx

    click.echo(export_onnx(model, output, plugins=plugins))


@click.command()
@click.argument("name")
@dataset_options(click.option("--dataset", required=True, metavar="NAME", help="The data set to learn from."))
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False), help="The text file to write."
)
def rules(name: str, dataset: DatasetRequest, output: str) -> None:
    """Fit the attempt NAME on a whole data set and write its list of rules.

    Edit the file and run it as the attempt rules-file.
    """
    from .. import api

    with show_progress(f"fitting {name} on {dataset.name}"):
        clips = dataset.make()
        written = api.export_rules(name, clips, output, plugins=dataset.plugins)
    click.echo(written)
    say(f"fitted on all {len(clips)} clips: on the same people it is more accurate than on others")
