"""``ctstudio evaluate``: methods beside one another on series whose truth is known."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctstudio.cli.common import (
    ANY_PATH,
    EXISTING,
    examples,
    open_series,
    parse_settings,
    require_matchable,
    series_option,
    settings_option,
)
from ctstudio.cli.progress import drain
from ctstudio.core.errors import StudioError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctstudio.core.events import Work
    from ctstudio.core.registry import Choice
    from ctstudio.ct.volume import Volume
    from ctstudio.workflows.denoise import Method
    from ctstudio.workflows.evaluation.cases import Case
    from ctstudio.workflows.evaluation.contest import Entry
    from ctstudio.workflows.evaluation.detect import Seen


MANY_KINDS = "low_doses"
FEWEST_DISCS = 4
"""Realisations: the observer needs eight regions of a disc, and one is seen in two slices only."""


@click.command(
    "evaluate",
    epilog=examples(
        "ctstudio evaluate --demo --method tv --method nlm --out evaluation",
        "ctstudio evaluate full-dose --method tv --method runs/mine --set dose=0.1 --out tenth",
        "ctstudio evaluate low-dose --truth full-dose --method runs/mine --out measured",
        "ctstudio evaluate --disc-phantom fbp/dose_010 --method tv --method runs/mine --out discs",
    ),
)
@click.argument("paths", nargs=-1, type=EXISTING, metavar="[PATH...]")
@click.option("--demo", is_flag=True, help="The built-in phantom: quarter dose and its truth.")
@click.option(
    "--truth",
    type=EXISTING,
    help="What the series in PATH should be. Without it PATH is the truth, and noise is simulated.",
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    required=True,
    metavar="NAME|CHECKPOINT",
    help="A name from `ctstudio methods`, a trained network or a run folder; repeatable.",
)
@click.option("--noise", metavar="NAME", help="The noise to simulate.  [default: low_dose]")
@settings_option
@click.option(
    "--matched",
    is_flag=True,
    help="Take the noise's kernel and photons from that of each scan: a dose is then a fraction "
    "of the scan's own.",
)
@series_option
@click.option(
    "--truth-series", metavar="N|UID", help="Which series of --truth, where it holds several."
)
@click.option(
    "--slices", type=click.IntRange(1, 1000), default=8, show_default=True, help="Of each series."
)
@click.option(
    "--protocol",
    "protocols",
    multiple=True,
    metavar="NAME",
    help='"A", "B chest", "B abdomen", "B head" or "full"; repeatable. Default all but the head.',
)
@click.option(
    "--as-set",
    is_flag=True,
    help="Leave classical methods their default strength instead of the best one for the truth, "
    "and blend nothing.",
)
@click.option(
    "--discs",
    type=click.IntRange(0, 100),
    default=0,
    metavar="N",
    help="With --demo: whether discs of low contrast are still seen, in N realisations of the "
    f"noise; {FEWEST_DISCS} at least, 6 tell methods apart.",
)
@click.option(
    "--disc-phantom",
    "disc_phantoms",
    type=EXISTING,
    multiple=True,
    metavar="FOLDER",
    help="One dose of the simulated MITA disc phantom (LCD_CT: signal_present.mhd and "
    "signal_absent.mhd); repeatable.",
)
@click.option("--out", type=ANY_PATH, required=True, help="A new folder for tables and pictures.")
def command(
    paths: tuple[Path, ...],
    demo: bool,
    truth: Path | None,
    methods: tuple[str, ...],
    noise: str | None,
    settings: tuple[str, ...],
    matched: bool,
    selector: str | None,
    truth_series: str | None,
    slices: int,
    protocols: tuple[str, ...],
    as_set: bool,
    discs: int,
    disc_phantoms: tuple[Path, ...],
    out: Path,
) -> None:
    """Judge denoising methods on slices whose truth is known.

    Every PATH is a series of full dose that noise is simulated for, or with --truth one noisy
    series. --set changes settings of the noise, such as dose=0.1. Writes evaluation.md, .csv and
    .json, and a picture of each series.
    """
    from ctstudio.core.atomic import atomic_folder
    from ctstudio.learn.noise import NOISES
    from ctstudio.workflows.denoise import method_from, require_free_folder
    from ctstudio.workflows.evaluation import cases as evaluated
    from ctstudio.workflows.evaluation import contest, disc_phantom, picture, table
    from ctstudio.workflows.scan_alone import ScanAlone

    if (demo and paths) or not (demo or paths or disc_phantoms):
        raise click.UsageError("Give a series to evaluate on, or --demo; not both.")
    if truth and len(paths) != 1:
        raise click.UsageError("--truth belongs to one series.")
    if truth_series and not truth:
        raise click.UsageError("--truth-series belongs to --truth.")
    if matched or settings or noise:
        _require_simulated(paths, truth, matched, noise, settings)
    if 0 < discs < FEWEST_DISCS or (discs and not demo):
        raise click.UsageError(
            f"--discs belongs to --demo, and needs {FEWEST_DISCS} realisations or more."
        )
    judged = _protocols(protocols)
    require_free_folder(out)
    chosen = [method_from(name) for name in methods]
    if noise == MANY_KINDS and any(isinstance(method, ScanAlone) for method in chosen):
        raise click.UsageError(
            f"A method that learns from one scan cannot be judged on {MANY_KINDS}, where every "
            "slice has noise of another kind."
        )
    around = contest.neighbours_of(chosen)
    cases: list[Case] = []
    if demo:
        cases.append(_demo(slices, around))
    for name, path in zip(evaluated.folder_names(paths), paths, strict=True):
        if truth:
            noisy, clean = _read(path, selector, out), _read(truth, truth_series, out)
            cases.append(evaluated.paired(name, noisy, clean, count=slices, neighbours=around))
        else:
            made = NOISES.read(noise or "low_dose", parse_settings(settings))
            volume = _read(path, selector, out)
            cases.append(_simulated(name, path, volume, made, matched, slices, around))
    phantoms = [
        disc_phantom.read(folder, name)
        for name, folder in zip(evaluated.folder_names(disc_phantoms), disc_phantoms, strict=True)
    ]
    cases += [phantom.case() for phantom in phantoms]
    entries = drain(contest.evaluate(cases, chosen, protocols=judged, tune=not as_set))
    seen = drain(_discs(entries, cases[0].name, discs)) if discs else []
    for phantom in phantoms:
        used = _used(entries, phantom.name)
        seen += drain(disc_phantom.detect_in(phantom, used))
    line = "ctstudio " + shlex.join(sys.argv[1:])
    with atomic_folder(out) as folder:
        table.write(folder, cases, entries, line, seen)
        for number, case in enumerate(cases, 1):
            mine = [entry for entry in entries if entry.case == case.name]
            picture.draw(case, mine).save(folder / f"case-{number}.png")
    click.echo((out / "evaluation.md").read_text(encoding="utf-8"))
    click.echo(f"Written to {out}")


def _require_simulated(
    paths: tuple[Path, ...],
    truth: Path | None,
    matched: bool,
    noise: str | None,
    settings: tuple[str, ...],
) -> None:
    """--matched, --noise and --set would do nothing where no noise is simulated."""
    if truth or not paths:
        option = "--matched" if matched else "--noise" if noise else "--set"
        raise click.UsageError(f"{option} belongs to series that noise is simulated for.")
    if matched:
        require_matchable(noise or "low_dose", settings)


def _protocols(names: tuple[str, ...]) -> tuple[str, ...]:
    from ctstudio.ct.metrics import PROTOCOLS
    from ctstudio.workflows.evaluation.contest import PROTOCOLS_USED

    for name in names:
        if name not in PROTOCOLS:
            raise StudioError(
                f"There is no protocol {name!r}.",
                hint="Choose among " + ", ".join(map(repr, PROTOCOLS)) + ".",
            )
    return tuple(dict.fromkeys(names)) or PROTOCOLS_USED


def _demo(slices: int, around: int) -> Case:
    from ctstudio.workflows.demo_series import NOISE, ensure_demo
    from ctstudio.workflows.evaluation.cases import in_words, paired

    demo = drain(ensure_demo(), "Making the demo")
    noisy, clean = (_read(folder) for folder in demo.folders)
    return paired("Demo phantom, quarter dose", noisy, clean, count=slices, neighbours=around,
                  noise=in_words(NOISE))  # fmt: skip


def _discs(entries: Sequence[Entry], case: str, realisations: int) -> Work[list[Seen]]:
    from ctstudio.ct.phantom import phantom
    from ctstudio.workflows.demo_series import NOISE
    from ctstudio.workflows.evaluation.detect import detect

    truth = yield from phantom()
    used = _used(entries, case)
    return (yield from detect(truth, NOISE, used, realisations))


def _used(entries: Sequence[Entry], case: str) -> dict[str, Method | None]:
    """The methods of a case by themselves, not blended, by their titles."""
    return {e.method: e.used for e in entries if e.case == case and e.share == 1}


def _read(path: Path, selector: str | None = None, out: Path | None = None) -> Volume:
    """Read a series, in whose folder ``out`` must not lie."""
    from ctstudio.workflows.denoise import require_free_folder
    from ctstudio.workflows.open import read

    series = open_series([path], selector)
    if out is not None:
        require_free_folder(out, series.source)
    return drain(read(series))


def _simulated(
    name: str,
    path: Path,
    volume: Volume,
    noise: Choice,
    matched: bool,
    slices: int,
    around: int,
) -> Case:
    from ctstudio.workflows.evaluation.cases import simulated
    from ctstudio.workflows.matched_noise import matched_noise

    if matched:
        try:
            noise = drain(matched_noise(volume, noise))
        except StudioError as error:
            hint = f"{error.hint} Or leave out --matched.".strip()
            raise StudioError(f"{path}: {error.message}", hint=hint, path=path) from error
    return drain(simulated(name, volume, noise, count=slices, neighbours=around))
