"""``ctstudio figure``: a figure or a film, from a template or a description."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ctstudio.cli.common import ANY_PATH, EXISTING, examples, open_series, series_option
from ctstudio.cli.progress import drain
from ctstudio.core.errors import StudioError

if TYPE_CHECKING:
    from ctstudio.ct.series import SeriesInfo
    from ctstudio.figures.description import FigureSpec
    from ctstudio.workflows.figures.material import Material

FILMS = (".gif", ".mp4", ".webm")
SUFFIXES = (".png", ".tif", ".tiff", ".svg", ".pdf", *FILMS)
TEMPLATES = ("single", "residual", "grid", "five", "methods", "progress")
MOTIONS = ("slices", "steps", "flicker", "swipe", "blend")


@click.command(
    "figure",
    epilog=examples(
        "ctstudio figure path/to/series --out slice.png",
        "ctstudio figure path/to/series --slice 20 --method tv --window lung --out tv.pdf",
        "ctstudio figure path/to/series --method tv --window 400/40 --out tv.gif --limit-mb 5",
        "ctstudio figure noisy --reference full-dose --method tv --method run --template methods "
        "--out methods.svg",
        "ctstudio figure --run run --template progress --out training.mp4",
        "ctstudio figure --demo --method tv --template five --out five.png --dpi 600",
        "ctstudio figure path/to/series --mask organs.nii.gz --mask-as contour --out organs.png",
        "ctstudio figure --from organs.png path/to/series --mask organs.nii.gz --out again.svg",
        "ctstudio figure --from five.png another/series --reference its/twin --other-series "
        "--out another.png",
    ),
)
@click.argument("path", type=EXISTING, required=False)
@click.option("--reference", type=EXISTING, help="The series that others are compared with.")
@click.option("--run", type=EXISTING, help="The folder of a training, or of several with --each.")
@click.option("--demo", is_flag=True, help="The built-in phantom: quarter dose and its truth.")
@click.option("--template", type=click.Choice(TEMPLATES), help="What the figure shows.")
@click.option(
    "--from",
    "origin",
    type=EXISTING,
    metavar="FILE",
    help="Make it as a figure that CT Studio has made, or a description (.toml, .json).",
)
@click.option(
    "--other-series", is_flag=True, help="With --from: go on where the series is another one."
)
@click.option("--slice", "number", metavar="N|N%", help="Which slice, from 1; default the middle.")
@click.option(
    "--method",
    "methods",
    multiple=True,
    metavar="NAME|CHECKPOINT",
    help="A name from `ctstudio methods`, a checkpoint or a run folder; repeatable.",
)
@click.option(
    "--mask",
    "masks",
    type=EXISTING,
    multiple=True,
    help="A file of labels to lay over the pictures (DICOM SEG, NIfTI, picture); repeatable.",
)
@click.option("--mask-as", type=click.Choice(["fill", "contour"]), help="How; default fill.")
@click.option(
    "--differences",
    metavar="LAYER",
    help="A row below each row: its pictures minus that layer (original, reference).",
)
@click.option(
    "--window",
    metavar="NAME|W/C",
    help="Lung, Mediastinum, Abdomen, Bone, Brain, Liver, Angio, or width/centre in HU.",
)
@series_option
@click.option("--title", help="Above the figure.")
@click.option("--width-mm", type=float, help="Width on paper; default 180.")
@click.option("--dpi", type=int, help="Resolution; default 300.")
@click.option("--font-pt", type=float, help="Size of the text in points; default 8.")
@click.option("--theme", type=click.Choice(["light", "dark"]), help="The ground.")
@click.option("--letters", type=click.Choice(["none", "a", "A", "(a)"]), help="Of the panels.")
@click.option("--pixel-exact", is_flag=True, help="Whole px for every pixel of the images.")
@click.option("--bits", type=click.Choice(["8", "16"]), default="8", help="Of PNG and TIFF.")
@click.option("--film", "over", type=click.Choice(MOTIONS), help="What moves in a film.")
@click.option("--seconds", type=float, help="How long a frame of a film stands.")
@click.option("--back", is_flag=True, help="A film runs there and back.")
@click.option("--greys", type=click.IntRange(2, 256), help="Of a GIF; fewer make it smaller.")
@click.option("--dither", type=click.Choice(["none", "ordered", "diffusion"]), help="Of a GIF.")
@click.option("--limit-mb", type=float, help="A film is made smaller until it keeps to that.")
@click.option("--each", is_flag=True, help="One file for every series in PATH, or run in --run.")
@click.option("--overwrite", is_flag=True, help="Replace a file that is there already.")
@click.option("--keep-paths", is_flag=True, help="Say in the file where the networks lie.")
@click.option(
    "--out",
    type=ANY_PATH,
    required=True,
    help="A .png, .tif, .svg or .pdf; a film: .gif, .mp4, .webm; or its description: .toml.",
)
def command(**options: Any) -> None:
    """Draw the series in PATH, what methods make of it, or a training, for a paper or a talk.

    No patient data enter the file. Its description does: --from makes it again.
    """
    out: Path = options["out"]
    _check(out, options)
    spec = _described(options)
    if out.suffix.lower() == ".toml":
        from ctstudio.core.atomic import atomic_file

        with atomic_file(out) as temporary:
            temporary.write_text(spec.to_toml(), encoding="utf-8")
        click.echo(f"{out} written")
        return
    bits = int(options["bits"])
    if options["each"]:
        from ctstudio.workflows.figures.batch import make_each

        series = _all_series(options["path"]) if options["path"] else []
        runs = _all_runs(options["run"]) if options["run"] else []
        work = make_each(spec, series, runs, out, bits=bits, overwrite=options["overwrite"])
        written = drain(work)
        click.echo(f"{len(written)} files written beside {written[0]}")
        return
    from ctstudio.workflows.figures.make import make
    from ctstudio.workflows.figures.material import gather

    material = drain(gather(spec, _series(options), options["run"], options["masks"]))
    if options["origin"]:
        spec = _same(spec, material, options["other_series"])
    drain(make(spec, material, out, bits=bits, keep_paths=options["keep_paths"]))
    click.echo(f"{out} written")


def _check(out: Path, options: dict[str, Any]) -> None:
    """What can be found wrong before any work."""
    suffix = out.suffix.lower()
    if suffix not in (*SUFFIXES, ".toml"):
        raise click.BadParameter(
            f"give a name that ends in {', '.join(SUFFIXES)} or .toml.", param_hint="--out"
        )
    if not (options["path"] or options["run"] or options["demo"] or suffix == ".toml"):
        raise click.UsageError("Give the PATH of a series, --run FOLDER or --demo.")
    over = options["over"] or "slices"
    if suffix in FILMS and options["number"] and over == "slices":
        raise click.BadParameter("a film shows all slices.", param_hint="--slice")
    if not out.absolute().parent.is_dir():
        raise StudioError(
            f"Cannot write {out}: its folder does not exist.", hint="Make the folder first."
        )
    from ctstudio.workflows.figures.batch import existing

    if not options["overwrite"] and not options["each"] and existing([out]):
        raise StudioError(
            f"{out} exists already.", hint="Choose another name, or add --overwrite.", path=out
        )


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


def _described(options: dict[str, Any]) -> FigureSpec:
    """The description: of a file or a template, changed by the other options."""
    from dataclasses import replace

    from ctstudio.figures.description import FigureSpec
    from ctstudio.figures.stills import read_description
    from ctstudio.workflows.figure import parse_window
    from ctstudio.workflows.figures.templates import Given, template

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
        series = 2 if options["reference"] or options["demo"] else 1
        given = Given(methods, series, options["run"] is not None, options["window"] or "")
        usual = "residual" if methods else "single"
        if options["run"] and not (options["path"] or options["demo"]):
            usual = "progress"
        spec = template(options["template"] or usual).make(given)
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
    style = {k: options[k] for k in ("width_mm", "dpi", "font_pt", "theme", "letters")}
    style["pixel_exact"] = options["pixel_exact"] or None
    film = {k: options[k] for k in ("over", "seconds", "greys", "dither", "limit_mb")}
    film["back"] = options["back"] or None
    spec = replace(
        spec,
        title=options["title"] if options["title"] is not None else spec.title,
        style=replace(spec.style, **_given(style)),
        film=replace(spec.film, **_given(film)),
    )
    return FigureSpec.from_dict(spec.to_dict())  # what was changed is checked, too


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


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


def _series(options: dict[str, Any]) -> list[SeriesInfo]:
    """The series in the order of their numbers in the description."""
    if options["demo"]:
        from ctstudio.workflows.demo_series import ensure_demo

        demo = drain(ensure_demo(), "Making the demo")
        return [open_series([folder]) for folder in demo.folders]
    found = [open_series([options["path"]], options["selector"])] if options["path"] else []
    if options["reference"]:
        found.append(open_series([options["reference"]]))
    return found


def _all_series(path: Path) -> list[SeriesInfo]:
    from ctstudio.workflows.open import scan

    return list(drain(scan([path]), "Looking for series").series)


def _all_runs(folder: Path) -> list[Path]:
    from ctstudio.workflows.runs import scan_runs

    return [run.folder for run in reversed(drain(scan_runs(folder)))]
