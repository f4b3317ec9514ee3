"""``ctstudio figure``: a figure or a film, from a template or a description."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ctstudio.cli.common import examples
from ctstudio.cli.figure_options import SHOWN, WRITTEN, check, options_of, out_option
from ctstudio.cli.figure_work import described, write_all

if TYPE_CHECKING:
    from ctstudio.figures.description import FigureSpec

STILLS = (".png", ".tif", ".tiff", ".svg", ".pdf")
FILMS = (".gif", ".mp4", ".webm")
MOTIONS = ("slices", "steps", "flicker", "swipe", "blend")
REPORTS = (".html", ".htm")
DEEP = (".png", ".tif", ".tiff")
OF_FILMS = ("over", "seconds", "back", "limit_mb")
OF_GIFS = ("greys", "dither")
SAID = {"over": "film", "limit_mb": "limit-mb"}

LOOK = (
    click.option(
        "--width-mm", type=float, help="Width on paper; default 85 to 180, by the template."
    ),
    click.option("--dpi", type=int, help="Resolution; default 300."),
    click.option(
        "--font-pt", type=float, help="Size of the text in points; default 6 to 8, by the template."
    ),
    click.option("--theme", type=click.Choice(["light", "dark"]), help="The ground."),
    click.option("--letters", type=click.Choice(["none", "a", "A", "(a)"]), help="Of the panels."),
    click.option(
        "--pixel-exact",
        is_flag=True,
        help="Whole px for every pixel of the images, whose noise keeps its texture.",
    ),
    click.option("--bits", type=click.Choice(["8", "16"]), default="8", help="Of PNG and TIFF."),
)
FILM = (
    click.option(
        "--film",
        "over",
        type=click.Choice(MOTIONS),
        help="What moves in a film; flicker, swipe and blend go between the pictures of the first "
        "row, without differences.",
    ),
    click.option(
        "--seconds",
        type=float,
        help="How long a frame of a film stands; default 0.12, of a flicker 0.5.",
    ),
    click.option("--back", is_flag=True, help="A film runs there and back."),
    click.option("--greys", type=click.IntRange(2, 256), help="Of a GIF; fewer make it smaller."),
    click.option("--dither", type=click.Choice(["none", "ordered", "diffusion"]), help="Of a GIF."),
    click.option("--limit-mb", type=float, help="A film is made smaller until it keeps to that."),
)
OUT = out_option(
    "A .png, .tif, .svg or .pdf; a film: .gif, .mp4, .webm; or its description: .toml. An .mp4 is "
    "H.264 where OpenH264 is installed, else AV1, which players older than about 2020 do not know: "
    "for these choose .webm (VP9) or .gif."
)


@click.command(
    "figure",
    epilog=examples(
        "ctstudio figure path/to/series --out slice.png",
        "ctstudio figure path/to/series --slice 20 --method tv --window lung --out tv.pdf",
        "ctstudio figure path/to/series --method tv --window 400/40 --out tv.gif --limit-mb 5",
        "ctstudio figure noisy --reference full-dose --method tv --method run --template methods "
        "--out methods.svg",
        "ctstudio figure noisy --reference full-dose --method tv --film flicker --out tv.gif",
        "ctstudio figure smooth --reference sharp --film swipe --out kernels.mp4",
        "ctstudio figure --run run --template progress --out training.mp4",
        "ctstudio figure --demo --method tv --template five --out five.png --dpi 600",
        "ctstudio figure path/to/series --mask organs.nii.gz --mask-as contour --out organs.png",
        "ctstudio figure --from organs.png path/to/series --mask organs.nii.gz --out again.svg",
        "ctstudio figure --from five.png another/series --reference its/twin --other-series "
        "--out another.png",
    ),
)
@options_of(*SHOWN, *LOOK, *FILM, *WRITTEN, OUT)
def command(**options: Any) -> None:
    """Draw the series in PATH, what methods make of it, or a training, for a paper or a talk.

    No patient data enter the file. Its description does: --from makes it again. A report in words
    and numbers is made by `ctstudio report`.
    """
    out: Path = options["out"]
    suffix = out.suffix.lower()
    if suffix in REPORTS:
        raise click.BadParameter(
            "a report is made by `ctstudio report`, with the same options.", param_hint="--out"
        )
    check(options, (*STILLS, *FILMS, ".toml"))
    _check_kind(suffix, options)
    spec = _styled(described(options), options)
    if suffix == ".toml":
        from ctstudio.core.atomic import atomic_file
        from ctstudio.workflows.figures.make import without_paths

        spec = spec if options["keep_paths"] else without_paths(spec)
        with atomic_file(out) as temporary:
            temporary.write_text(spec.to_toml(), encoding="utf-8")
        click.echo(f"{out} written")
        return
    from ctstudio.workflows.figures.make import make

    bits = int(options["bits"])
    write_all(spec, options, partial(make, bits=bits, keep_paths=options["keep_paths"]))
    if suffix == ".mp4":
        _tell_codec()


def _check_kind(suffix: str, options: dict[str, Any]) -> None:
    """Options that mean nothing for this kind of file are not passed over in silence."""
    description = suffix == ".toml"
    if not description and suffix not in FILMS:
        _refuse(options, OF_FILMS, "a film (.gif, .mp4, .webm)")
    if not description and suffix != ".gif":
        _refuse(options, OF_GIFS, "a .gif")
    if options["bits"] == "16" and suffix not in DEEP:
        raise click.UsageError("--bits 16 belongs to a .png or .tif.")
    if suffix in FILMS and options["number"] and (options["over"] or "slices") == "slices":
        raise click.BadParameter("a film shows all slices.", param_hint="--slice")
    if options["back"] and options["over"] not in (None, "slices", "steps"):
        raise click.UsageError(f"--film {options['over']} runs there and back: leave out --back.")


def _refuse(options: dict[str, Any], names: tuple[str, ...], kind: str) -> None:
    for name in names:
        if options[name]:
            raise click.UsageError(f"--{SAID.get(name, name)} belongs to {kind}.")


def _styled(spec: FigureSpec, options: dict[str, Any]) -> FigureSpec:
    """The description with the look and the film that the options ask for."""
    from dataclasses import replace

    from ctstudio.figures.description import FigureSpec
    from ctstudio.figures.motion import usual_seconds

    style = {k: options[k] for k in ("width_mm", "dpi", "font_pt", "theme", "letters")}
    style["pixel_exact"] = options["pixel_exact"] or None
    film = {k: options[k] for k in ("over", "seconds", "greys", "dither", "limit_mb")}
    film["back"] = options["back"] or None
    over = options["over"]
    if over and over != spec.film.over and options["seconds"] is None:
        film["seconds"] = usual_seconds(over)
    spec = replace(
        spec,
        style=replace(spec.style, **_given(style)),
        film=replace(spec.film, **_given(film)),
    )
    return FigureSpec.from_dict(spec.to_dict())  # what was changed is checked, too


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


def _tell_codec() -> None:
    """Say it where an older player may not show the file."""
    from ctstudio.figures.video import encoder_for

    if "av1" in encoder_for(".mp4"):
        click.echo(
            "It is AV1, since OpenH264 is not there: for players older than about 2020 make a "
            ".webm (VP9) or a .gif.",
            err=True,
        )
