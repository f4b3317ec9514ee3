"""From a series and a trained network of classes to a segmentation on disk."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.atomic import atomic_file
from ctstudio.core.errors import StudioError
from ctstudio.core.events import Work
from ctstudio.workflows.denoise import require_free_folder
from ctstudio.workflows.stages import stage

if TYPE_CHECKING:
    from ctstudio.ct.series import SeriesInfo
    from ctstudio.ct.volume import Volume
    from ctstudio.dicom.deidentify import Deidentifier
    from ctstudio.learn.blobs import Blobs
    from ctstudio.learn.checkpoint import TrainedModel

AGREEMENT = "agreement.csv"
"""Scores of a segmentation whose truth is known: a line a label, and their mean."""


def network_of_classes(path: Path) -> TrainedModel:
    """The trained network of a checkpoint, a published file or a run folder.

    Raises
    ------
    StudioError
        When there is none, or it does not tell classes.
    """
    from ctstudio.learn import checkpoint
    from ctstudio.learn.recipe_check import learns_classes

    model = checkpoint.load(path)
    if not learns_classes(model.recipe):
        raise StudioError(
            f"The network in {path} denoises; it tells no classes.",
            hint="Choose a network that was trained on masks.",
            path=path,
        )
    return model


def segment_series(
    series: SeriesInfo,
    model: TrainedModel,
    out: Path,
    kind: Literal["dicom", "nifti"] | None = None,
    *,
    blobs: Blobs,
    deidentify: Deidentifier | None = None,
    truth: Sequence[Path] = (),
) -> Work[list[Path]]:
    """Read a series, tell the classes of its voxels and write them into ``out``.

    As a DICOM segmentation, NIfTI with a table of names, or where ``kind`` is None as both;
    ``deidentify`` cleans what DICOM takes over. Where the true mask is known, `AGREEMENT` is
    written too. Yields ``Progress`` (its text names the stage) and ``Note``; returns the files
    written.

    Raises
    ------
    StudioError
        When the series cannot be read, ``out`` exists and is not empty, nothing can be written, or
        ``truth`` is not just one mask that fits.
    """
    from ctstudio.learn.segment import segmenting
    from ctstudio.workflows.open import read
    from ctstudio.workflows.save import require_grid, save, save_labels

    require_free_folder(out, series.source)
    if kind == "dicom" and series.source.format != "DICOM":  # before what may take hours
        raise StudioError(
            f"{series.title} is made of {series.source.format} files, which hold no DICOM header "
            "for a segmentation to carry over.",
            hint="Write NIfTI instead (--as nifti).",
        )
    require_grid(series, out, kind)
    volume = yield from stage(read(series), "Reading")
    true = (yield from _one_mask(truth, volume)) if truth else None
    told = yield from stage(segmenting(volume, model), f"Segmenting ({model.title})")
    labels = told.labels(blobs)
    title, method = model.title, model.method
    if kind is None:
        writing = save_labels(
            labels, out, description=title, algorithm=method, deidentify=deidentify
        )
    else:
        writing = save(
            labels, out, kind, description=title, method=method, deidentify=deidentify
        )  # fmt: skip
    files = yield from stage(writing, "Writing")
    if true is None:
        return files
    agreement = yield from stage(agreement_of(labels, told.inside, true), "Comparing")
    return [*files, _write(agreement, out / AGREEMENT)]


def _one_mask(paths: Sequence[Path], on: Volume) -> Work[Volume]:
    from ctstudio.workflows.masks import read_masks

    found = yield from stage(read_masks(paths, on), "Reading the true mask")
    if len(found) != 1:
        raise StudioError(
            f"There are {len(found)} masks in what was given as the truth; one is needed.",
            hint="Name the file of one mask.",
        )
    return found[0][1]


def agreement_of(
    labels: Volume, inside: NDArray[np.uint8], truth: Volume
) -> Work[dict[str, dict[str, float]]]:
    """How well a segmentation agrees with the truth, by label and as "mean".

    `ctstudio.workflows.mask_scores.METRICS`; with the mean "weighted_accuracy", and "auc" of
    ``inside`` ``(z, y, x)``, which ranks how likely any label is.
    """
    from ctstudio.ct.overlap import auc, weighted_accuracy
    from ctstudio.workflows.mask_scores import METRICS, score

    scores = yield from score(labels, truth)
    names = {label.number: label.name for label in (*labels.labels, *truth.labels)}
    rows = {names.get(k, f"Label {k}"): row for k, row in scores.by_label.items()}
    found, true = np.asarray(labels.voxels), np.asarray(truth.voxels)
    known = true >= 0
    mean = {metric: scores.mean(metric) for metric in METRICS}
    mean["weighted_accuracy"] = weighted_accuracy(found, true)
    mean["auc"] = auc(inside[known].astype(np.float32), true[known] > 0)
    return {**rows, "mean": mean}


def _write(agreement: Mapping[str, Mapping[str, float]], path: Path) -> Path:
    columns = list(agreement["mean"])
    with (
        atomic_file(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.writer(stream)
        writer.writerow(["label", *columns])
        for name, row in agreement.items():
            values = [row.get(column, math.nan) for column in columns]
            writer.writerow([name, *("" if math.isnan(v) else f"{v:.6g}" for v in values)])
    return path
