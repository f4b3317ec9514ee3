"""``ctstudio reproduce``: the articles' experiments, as they were and repaired."""

from __future__ import annotations

from pathlib import Path

import click

from ctstudio.cli.common import ANY_PATH, EXISTING, Number, examples, series_option
from ctstudio.cli.progress import drain

MOST_MINUTES = 100_000


@click.command(
    "reproduce",
    epilog=examples(
        "ctstudio reproduce --list",
        "ctstudio reproduce residual-1a --out reproductions",
        "ctstudio reproduce autoencoder-sgd path/to/series --slices 10 --out reproductions",
        "ctstudio reproduce --all path/to/series --slices 10 --minutes 5 --out reproductions",
        "ctstudio reproduce lai-article path/to/images-and-masks --out reproductions",
    ),
)
@click.argument("arguments", nargs=-1, metavar="[NAME] [SERIES]")
@click.option("--list", "listing", is_flag=True, help="List the experiments.")
@click.option("--all", "everything", is_flag=True, help="Reproduce all of them.")
@click.option("--out", type=ANY_PATH, help="A folder for runs, figures and reports.")
@click.option(
    "--form",
    type=click.Choice(["both", "faithful", "repaired"]),
    default="both",
    show_default=True,
    help="What to train: as in the article, repaired, or both. The other can follow later.",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    help="Epochs of the faithful form; by default the article's.",
)
@click.option(
    "--slices",
    type=click.IntRange(min=1),
    help="Slices that the faithful form learns from, spread through the series; by default all "
    "that are not held out.",
)
@click.option(
    "--minutes",
    type=Number(min=0, min_open=True, max=MOST_MINUTES),
    default=15.0,
    show_default=True,
    help="Time for the training of the repaired form.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    help="Where to compute; by default what the recipes say.",
)
@series_option
@click.option(
    "--masks",
    type=EXISTING,
    multiple=True,
    metavar="PATH",
    help="Masks of the series, for experiments on masks, where they are not found with it.",
)
def command(
    arguments: tuple[str, ...],
    listing: bool,
    everything: bool,
    out: Path | None,
    form: str,
    epochs: int | None,
    slices: int | None,
    minutes: float,
    device: str | None,
    selector: str | None,
    masks: tuple[Path, ...],
) -> None:
    """Reproduce the experiment NAME of the articles, faithfully and repaired.

    SERIES (a folder, a zip archive or files of DICOM, pictures or NIfTI) is by default the
    built-in phantom. Experiments on masks need these with it: pictures paired by their names, a
    DICOM segmentation, NIfTI labels. The folder NAME in --out receives both runs, the article's
    figures and films, the cost curves and report.md with all numbers; index.html gathers the
    reports. What is finished is skipped, and what was interrupted goes on: Ctrl+C saves. To train
    one form again, delete its folder and report.md.
    """
    from ctstudio.workflows.reproduce.data import load
    from ctstudio.workflows.reproduce.experiments import FORMS, find, known
    from ctstudio.workflows.reproduce.plan import Wish
    from ctstudio.workflows.reproduce.run import reproduce_all
    from ctstudio.workflows.reproduce.segment_data import load_masks

    if listing:
        click.echo(as_text())
        return
    if everything:
        experiments, places = list(known().values()), arguments
    elif arguments:
        experiments, places = [find(arguments[0])], arguments[1:]
    else:
        raise click.UsageError("Give an experiment, or --all; --list names them.")
    if len(places) > 1:
        raise click.UsageError("Give one series.")
    if out is None:
        raise click.UsageError("Missing option '--out': a folder for runs and reports.")
    context = click.get_current_context()
    path = EXISTING.convert(places[0], None, context) if places else None
    forms = tuple(FORMS) if form == "both" else (form,)
    wish = Wish(epochs=epochs, slices=slices, minutes=minutes, device=device, forms=forms)
    work = reproduce_all(
        experiments,
        lambda: load(path, selector),
        out,
        wish,
        lambda: load_masks(path, masks, selector),
    )
    page = drain(work, "Reproducing")
    click.echo(f"The reports are gathered in {page}")


def as_text() -> str:
    """A heading for each article, then a line for each run: name, title, what the author saw."""
    from ctstudio.workflows.reproduce.experiments import by_article, known

    width = max(map(len, known()))
    parts = []
    for article, experiments in by_article().items():
        lines = [f"  {e.name:{width}}  {e.title}. {e.seen}" for e in experiments]
        parts.append("\n".join([f"{capital(article)}:", *lines]))
    return "\n\n".join(parts)


def capital(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]
