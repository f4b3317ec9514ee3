"""The options that `ctstudio figure` and `ctstudio report` share, and what contradicts what."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from ctstudio.cli.common import ANY_PATH, EXISTING, series_option
from ctstudio.core.errors import StudioError

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
        help="What the figure shows; grid and five need --reference and --method; single and "
        "residual show PATH beside its --reference where no --method is given.",
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
        help="With --from: go on where the series is another one, or the network.",
    ),
    click.option(
        "--slice", "number", metavar="N|N%", help="Which slice, from 1; default the middle."
    ),
    click.option(
        "--method",
        "methods",
        multiple=True,
        metavar="NAME|CHECKPOINT",
        help="A name from `ctstudio methods`, a checkpoint or a run folder; repeatable. With "
        "--from: where a network lies, or what takes a method's place.",
    ),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="[METHOD.]KEY=VALUE",
        help="Change a setting of a method, such as strength=20, or tv.strength=20 among several.",
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
        help="Beside or below the pictures: their differences from that layer (original, "
        "reference).",
    ),
    click.option(
        "--window",
        metavar="NAME|W/C",
        help="Lung, Mediastinum, Abdomen, Bone, Brain, Liver, Angio, or width/centre in HU.",
    ),
    click.option(
        "--protocol",
        metavar="NAME",
        help="How PSNR, SSIM and RMSE against the --reference are counted, whatever the window: A "
        "(the default: HU clipped to [-160, 240], so that soft tissue counts and lung does not), "
        '"B chest" (clipped to [-1350, 150]), "B abdomen" ([-150, 250]), "B head" ([0, 80]) or '
        "full (not clipped). PSNR and SSIM take the width of that range, full 4096 HU.",
    ),
    series_option,
    click.option("--title", help="Above the figure; the title of a report."),
)
WRITTEN: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--each",
        is_flag=True,
        help="One file for every series in PATH, numbered as in `ctstudio info`, or run in --run.",
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
