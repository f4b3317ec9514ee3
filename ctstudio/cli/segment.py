"""``ctstudio segment``: a series in, the classes of its voxels out."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from ctstudio.cli.common import (
    ANY_PATH,
    EXISTING,
    Number,
    deidentify_option,
    examples,
    how_many,
    open_series,
    series_option,
)
from ctstudio.cli.progress import drain


@click.command(
    "segment",
    epilog=examples(
        "ctstudio segment my-run path/to/series -o masks",
        "ctstudio segment my-run/best.pt path/to/series -o masks --largest 1",
        "ctstudio segment my-run path/to/series -o masks --as nifti --least-mm3 50",
        "ctstudio segment my-run path/to/series -o masks --truth true-mask.nii.gz",
    ),
)
@click.argument("model", type=EXISTING)
@click.argument("path", type=EXISTING)
@series_option
@click.option("-o", "--out", type=ANY_PATH, required=True, help="A new folder for the files.")
@click.option(
    "--as",
    "kind",
    type=click.Choice(["dicom", "nifti"]),
    help="What to write: a DICOM segmentation or NIfTI; default both, where PATH allows it.",
)
@click.option(
    "--largest",
    type=click.IntRange(0, 999),
    default=0,
    show_default=True,
    help="How many connected pieces of each class to keep, the largest first; 0 for all.",
)
@click.option(
    "--least-mm3",
    type=Number(0),
    default=0.0,
    show_default=True,
    help="Leave out connected pieces that are smaller.",
)
@click.option(
    "--truth",
    type=EXISTING,
    multiple=True,
    metavar="PATH",
    help="The true mask (DICOM SEG, NIfTI, pictures), to be compared with: Dice, IoU, sensitivity, "
    "specificity, Hausdorff and surface distance, weighted accuracy and AUC.",
)
@deidentify_option
def command(
    model: Path,
    path: Path,
    selector: str | None,
    out: Path,
    kind: Literal["dicom", "nifti"] | None,
    largest: int,
    least_mm3: float,
    truth: tuple[Path, ...],
    deidentify: bool,
) -> None:
    """Tell the class of every voxel of the series in PATH with the network MODEL.

    MODEL is a run folder or a trained network (.pt, .safetensors) that learnt from masks.
    """
    from ctstudio.learn.blobs import Blobs
    from ctstudio.workflows.deidentify import deidentifier
    from ctstudio.workflows.denoise import require_free_folder
    from ctstudio.workflows.segment import AGREEMENT, network_of_classes, segment_series

    require_free_folder(out)
    network = network_of_classes(model)
    series = open_series([path], selector)
    blobs = Blobs(largest=largest, least_mm3=least_mm3)
    cleaner = deidentifier() if deidentify else None
    files = drain(
        segment_series(series, network, out, kind, blobs=blobs, deidentify=cleaner, truth=truth)
    )
    click.echo(f"{how_many(files)} written to {out} ({network.method})")
    if truth:
        click.echo((out / AGREEMENT).read_text(encoding="utf-8").rstrip().replace(",", "  "))
