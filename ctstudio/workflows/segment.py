"""From a series and a trained network of classes to a segmentation on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Work
from ctstudio.workflows.denoise import require_free_folder
from ctstudio.workflows.stages import stage

if TYPE_CHECKING:
    from ctstudio.ct.series import SeriesInfo
    from ctstudio.dicom.deidentify import Deidentifier
    from ctstudio.learn.blobs import Blobs
    from ctstudio.learn.checkpoint import TrainedModel


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
) -> Work[list[Path]]:
    """Read a series, tell the classes of its voxels and write them into ``out``.

    As a DICOM segmentation, NIfTI with a table of names, or where ``kind`` is None as both;
    ``deidentify`` cleans what DICOM takes over. Yields ``Progress`` (its text names the stage) and
    ``Note``; returns the files written.

    Raises
    ------
    StudioError
        When the series cannot be read, ``out`` exists and is not empty, or nothing can be written.
    """
    from ctstudio.learn.segment import segment
    from ctstudio.workflows.open import read
    from ctstudio.workflows.save import kind_for, save, save_labels

    require_free_folder(out, series.source)
    kind_for(series, kind)
    volume = yield from stage(read(series), "Reading")
    labels = yield from stage(segment(volume, model, blobs=blobs), f"Segmenting ({model.title})")
    title, method = model.title, model.method
    if kind is None:
        writing = save_labels(
            labels, out, description=title, algorithm=method, deidentify=deidentify
        )
    else:
        writing = save(
            labels, out, kind, description=title, method=method, deidentify=deidentify
        )  # fmt: skip
    return (yield from stage(writing, "Writing"))
