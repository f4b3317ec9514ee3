"""What `ctstudio figure` and `ctstudio report` share: what they show, and of which series."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ctstudio.cli.common import ANY_PATH, EXISTING, open_series, series_option
from ctstudio.cli.progress import drain
from ctstudio.core.errors import StudioError

if TYPE_CHECKING:
    from ctstudio.core.events import Work
    from ctstudio.ct.series import SeriesInfo
    from ctstudio.figures.description import FigureSpec, LayerSpec
    from ctstudio.workflows.figures.material import Material

    Writer = Callable[[FigureSpec, Material, Path], Work[Path]]

F = TypeVar("F", bound=Callable[..., Any])

TEMPLATES = ("single", "residual", "grid", "five", "methods", "progress")
ORIGINS = ".png, .tif, .svg, .pdf, .gif, .mp4, .webm, .html"

SHOWN: tuple[Callable[[Any], Any], ...] = (
    click.argument("path", type=EXISTING, required=False),
    click.option(
        "--reference",
        "references",
        type=EXISTING,
        multiple=True,
        help="The series that PATH is compared with, such as the full dose; again for a third one "
        "where --from needs it.",
    ),
    click.option(
        "--run", type=EXISTING, help="The folder of a training, or of several with --each."
    ),
    click.option("--demo", is_flag=True, help="The built-in phantom: quarter dose and its truth."),
    click.option(
        "--template",
        type=click.Choice(TEMPLATES),
        help="What the figure shows; grid and five need --reference and --method.",
    ),
    click.option(
        "--from",
        "origin",
        type=EXISTING,
        metavar="FILE",
        help=f"Make it as a figure, film or report of CT Studio's ({ORIGINS}), or as a "
        "description (.toml, .json).",
    ),
    click.option(
        "--other-series",
        is_flag=True,
        help="With --from: go on where the series is another one.",
    ),
    click.option(
        "--slice", "number", metavar="N|N%", help="Which slice, from 1; default the middle."
    ),
    click.option(
        "--method",
        "methods",
        multiple=True,
        metavar="NAME|CHECKPOINT",
        help="A name from `ctstudio methods`, a checkpoint or a run folder; repeatable.",
    ),
    click.option(
        "--mask",
        "masks",
        type=EXISTING,
        multiple=True,
        help="A file of labels to lay over the pictures (DICOM SEG, NIfTI, picture); repeatable.",
    ),
    click.option("--mask-as", type=click.Choice(["fill", "contour"]), help="How; default fill."),
    click.option(
        "--differences",
        metavar="LAYER",
        help="A row below each row: its pictures minus that layer (original, reference).",
    ),
    click.option(
        "--window",
        metavar="NAME|W/C",
        help="Lung, Mediastinum, Abdomen, Bone, Brain, Liver, Angio, or width/centre in HU.",
    ),
    series_option,
    click.option("--title", help="Above the figure; the title of a report."),
)
WRITTEN: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--each", is_flag=True, help="One file for every series in PATH, or run in --run."
    ),
    click.option("--overwrite", is_flag=True, help="Replace a file that is there already."),
    click.option("--keep-paths", is_flag=True, help="Say in the file where the networks lie."),
)


def out_option(words: str) -> Callable[[Any], Any]:
    """``--out``, whose help says which endings there are."""
    return click.option("--out", type=ANY_PATH, required=True, help=words)


def options_of(*options: Callable[[Any], Any]) -> Callable[[F], F]:
    """One decorator of several, which stand in the help in this order."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def check(options: dict[str, Any], suffixes: Sequence[str]) -> None:
    """What can be found wrong with the shared options before any work.

    Raises
    ------
    click.UsageError
        For options that contradict each other, or an ending that is none of ``suffixes``.
    StudioError
        For a place that cannot be written to, or a file that is there already.
    """
    out: Path = options["out"]
    if out.suffix.lower() not in suffixes:
        raise click.BadParameter(
            f"give a name that ends in {', '.join(suffixes[:-1])} or {suffixes[-1]}.",
            param_hint="--out",
        )
    _check_sources(options, described=out.suffix.lower() == ".toml")
    if not out.absolute().parent.is_dir():
        raise StudioError(
            f"Cannot write {out}: its folder does not exist.", hint="Make the folder first."
        )
    from ctstudio.workflows.figures.batch import existing

    if not options["overwrite"] and not options["each"] and existing([out]):
        raise StudioError(
            f"{out} exists already.", hint="Choose another name, or add --overwrite.", path=out
        )
    _require_writable(out)


def _check_sources(options: dict[str, Any], *, described: bool) -> None:
    path, references, demo = options["path"], options["references"], options["demo"]
    if demo and (path or references):
        raise click.UsageError("--demo has its own series: leave out PATH and --reference.")
    if references and not path:
        raise click.UsageError("--reference is compared with a series: give its PATH, too.")
    if not (path or options["run"] or demo or described):
        raise click.UsageError("Give the PATH of a series, --run FOLDER or --demo.")
    if options["origin"] and options["template"]:
        raise click.UsageError("--from says what the figure shows: leave out --template.")
    if options["other_series"] and not options["origin"]:
        raise click.UsageError("--other-series belongs to --from FILE.")
    if options["mask_as"] and not (options["masks"] or options["origin"]):
        raise click.UsageError("--mask-as belongs to --mask FILE.")
    if options["each"]:
        if described:
            raise click.UsageError("--each makes pictures, films and reports; a .toml is of all.")
        for name in ("references", "demo", "masks", "selector"):
            if options[name]:
                told = {"references": "reference", "masks": "mask", "selector": "series"}
                raise click.UsageError(
                    f"--each takes one series after the other: leave out --{told.get(name, name)}."
                )


def _require_writable(out: Path) -> None:
    """Told before the work, not after it."""
    from ctstudio.core.atomic import explain_os_error

    try:
        with tempfile.NamedTemporaryFile(dir=out.absolute().parent, prefix=".tmp-"):
            pass
    except OSError as error:
        raise explain_os_error(error, out) from error


# -- what is shown --------------------------------------------------------------------------------


def described(options: dict[str, Any]) -> FigureSpec:
    """The description: of a file or a template, changed by the other options.

    Raises
    ------
    StudioError, click.UsageError
        When the template needs more than is given, or less, so that something would be left out.
    """
    from dataclasses import replace

    from ctstudio.figures.description import FigureSpec
    from ctstudio.figures.stills import read_description
    from ctstudio.workflows.figure import parse_window

    methods = options["methods"]
    if options["origin"]:
        spec = read_description(options["origin"])
        if methods:
            named = iter(methods)
            layers = tuple(
                replace(layer, method=next(named, layer.method), settings={})
                if layer.source == "method"
                else layer
                for layer in spec.layers
            )
            spec = replace(spec, layers=layers)
    else:
        spec = _from_template(options)
    if options["window"]:
        parse_window(options["window"])
        spec = replace(spec, window=options["window"])
    spec = _with_masks(spec, options)
    if options["differences"]:
        spec = replace(spec, differences=options["differences"])
    if options["number"]:
        rows = tuple(
            tuple(replace(cell, slice=options["number"]) for cell in row) for row in spec.rows
        )
        spec = replace(spec, rows=rows)
    if options["title"] is not None:
        spec = replace(spec, title=options["title"])
    _require_all_shown(spec, options)
    return FigureSpec.from_dict(spec.to_dict())  # what was changed is checked, too


def _from_template(options: dict[str, Any]) -> FigureSpec:
    from ctstudio.workflows.figures.templates import Given, template

    methods, training = options["methods"], options["run"] is not None
    series = 2 if options["demo"] else 1 + len(options["references"])
    usual = "residual" if methods else "single"
    if training and not (options["path"] or options["demo"]):
        usual = "progress"
    name = options["template"] or usual
    try:
        return template(name).make(Given(methods, series, training, options["window"] or ""))
    except StudioError as error:
        lacking = []
        if name in ("grid", "five") and series < 2:
            lacking.append("the other series with --reference PATH")
        if name != "progress" and not methods:
            lacking.append("a method with --method NAME")
        if not lacking:
            raise
        raise StudioError(error.message, hint=f"Give {' and '.join(lacking)}.") from error


def _with_masks(spec: FigureSpec, options: dict[str, Any]) -> FigureSpec:
    """The description with the masks over its pictures; one that has its own keeps to these."""
    from dataclasses import replace

    from ctstudio.figures.description import ALL, CellSpec, LayerSpec

    known = sum(layer.source == "mask" for layer in spec.layers)
    new = [
        LayerSpec(f"mask {k}", "mask", number=k)
        for k in range(known + 1, len(options["masks"]) + 1)
    ]
    style = options["mask_as"]

    def dressed(cell: CellSpec) -> CellSpec:
        if not cell.layer or spec.layer(cell.layer).source not in ("series", "method"):
            return cell
        return replace(cell, mask=ALL if new else cell.mask, mask_as=style or cell.mask_as)

    rows = tuple(tuple(dressed(cell) for cell in row) for row in spec.rows)
    return replace(spec, layers=(*spec.layers, *new), rows=rows)


def _require_all_shown(spec: FigureSpec, options: dict[str, Any]) -> None:
    """Nothing that was asked for is left out without a word."""
    shown = spec.without_spares().layers
    name = options["template"]
    what = f"The template {name}" if name else "The figure"

    def count(source: str) -> int:
        return len({_which(layer) for layer in shown if layer.source == source})

    methods, given = len(options["methods"]), 1 + len(options["references"])
    if methods > (most := sum(layer.source == "method" for layer in shown)):
        raise click.UsageError(
            f"{what} shows {_number(most, 'result')} of methods, but {methods} were given: take "
            "another --template, such as methods, or leave out --method."
        )
    series = count("series")
    if options["path"] and not series:
        raise click.UsageError(f"{what} shows a training alone: leave out PATH.")
    if options["path"] and given > series:
        raise click.UsageError(
            f"{what} shows {_number(series, 'series')}, but {given} were given: add a --method, "
            "take another --template, or leave out --reference."
        )
    if options["run"] and not count("run"):
        raise click.UsageError(
            f"{what} shows no training: --run goes with --template progress; the network of a "
            "training is a --method."
        )
    if options["masks"] and not count("mask"):
        raise click.UsageError("--mask lies over pictures of a series, and none is shown.")


def _which(layer: LayerSpec) -> object:
    return layer.number if layer.source == "series" else layer.name


def _number(count: int, thing: str) -> str:
    many = thing if thing.endswith("s") else f"{thing}s"
    return f"no {thing}" if not count else f"1 {thing}" if count == 1 else f"{count} {many}"


# -- what it is made of ---------------------------------------------------------------------------


def write_all(spec: FigureSpec, options: dict[str, Any], write: Writer) -> None:
    """Gather what the description needs and let ``write`` make the file, or one for each."""
    out: Path = options["out"]
    if options["each"]:
        from ctstudio.workflows.figures.batch import make_each

        series = _all_series(options["path"]) if options["path"] else []
        runs = _all_runs(options["run"]) if options["run"] else []
        overwrite = options["overwrite"]
        written = drain(make_each(spec, series, runs, out, overwrite=overwrite, write=write))
        files = "1 file" if len(written) == 1 else f"{len(written)} files"
        click.echo(f"{files} written, from {written[0]} on")
        return
    from ctstudio.workflows.figures.material import gather

    material = drain(gather(spec, _series(options), options["run"], options["masks"]))
    if options["origin"]:
        spec = _same(spec, material, options["other_series"])
    drain(write(spec, material, out))
    click.echo(f"{out} written")


def _same(spec: FigureSpec, material: Material, go_on: bool) -> FigureSpec:
    """The description; of another series than before it is not made, unless that is wanted."""
    from ctstudio.workflows.figures.origin import by_parts, others

    told = others(spec, material)
    if told and not go_on:
        raise StudioError(
            told, hint="Give that series, or add --other-series to go on with this one."
        )
    if told:
        click.echo(told, err=True)
    return by_parts(spec) if told else spec


def _series(options: dict[str, Any]) -> list[SeriesInfo]:
    """The series in the order of their numbers in the description."""
    if options["demo"]:
        from ctstudio.workflows.demo_series import ensure_demo

        demo = drain(ensure_demo(), "Making the demo")
        return [open_series([folder]) for folder in demo.folders]
    found = [open_series([options["path"]], options["selector"])] if options["path"] else []
    return [*found, *(open_series([other]) for other in options["references"])]


def _all_series(path: Path) -> list[SeriesInfo]:
    from ctstudio.workflows.open import scan

    return list(drain(scan([path]), "Looking for series").series)


def _all_runs(folder: Path) -> list[Path]:
    from ctstudio.workflows.runs import scan_runs

    return [run.folder for run in reversed(drain(scan_runs(folder)))]
