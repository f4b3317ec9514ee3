"""The pictures of a run folder: previews/, from which a film of the training is made."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.atomic import atomic_file, explain_os_error
from ctstudio.core.errors import StudioError
from ctstudio.core.events import Preview
from ctstudio.learn.levels import from_levels

FOLDER = "previews"
STILL = "still.npz"
NAME = re.compile(r"step-([0-9]{8,15})\.npz")


def preview_steps(path: Path) -> list[int]:
    """The steps of which a run folder holds a preview, in order."""
    found = (NAME.fullmatch(file.name) for file in (Path(path) / FOLDER).glob("step-*.npz"))
    return sorted(int(match[1]) for match in found if match)


def file_of(path: Path, step: int) -> Path:
    """Where a run folder keeps the preview of a step."""
    return Path(path) / FOLDER / f"step-{step:08d}.npz"


def read_previews(path: Path, *, step: int | None = None) -> Iterator[Preview]:
    """The previews of a run folder, in order, for a film of the training; or one step's alone.

    None where the images that stay the same are gone: without them no preview is whole.
    """
    file = Path(path) / FOLDER / STILL
    if not file.exists():
        return
    still = load_arrays(file)
    noisy = _single(still["noisy"], {})
    target = _single(still["target"], {}) if "target" in still else None
    for number in preview_steps(path) if step is None else [step]:
        arrays = load_arrays(file_of(path, number))
        about = json.loads(str(arrays["about"]))
        yield make_preview(
            about["step"], about["slice"], noisy, _single(arrays["reconstruction"], about), target,
            about["metrics"], labels=about.get("labels", False), inside=_inside(arrays),
        )  # fmt: skip


def _inside(arrays: Mapping[str, Any]) -> NDArray[np.float32] | None:
    """How likely each pixel is of any class, from 0 to 1, where that was kept."""
    if "inside" not in arrays:
        return None
    likely: NDArray[np.float32] = arrays["inside"].astype(np.float32) / np.float32(255)
    return likely


def read_exactly(path: Path, step: int) -> NDArray[np.float64]:
    """The reconstruction of one preview ``(y, x)`` in HU, with all the digits that were kept."""
    arrays = load_arrays(file_of(path, step))
    return from_levels(arrays["reconstruction"], json.loads(str(arrays["about"])))


def newest_reconstruction(path: Path) -> tuple[NDArray[np.float32], bool] | None:
    """That of the last preview alone, ``(y, x)``, and whether it holds classes and not HU.

    None where there is no preview.
    """
    steps = preview_steps(path)
    if not steps:
        return None
    arrays = load_arrays(file_of(path, steps[-1]))
    about = json.loads(str(arrays["about"]))
    return _single(arrays["reconstruction"], about), about.get("labels", False)


def make_preview(
    step: int,
    index: int,
    noisy: NDArray[np.float32],
    reconstruction: NDArray[np.float32],
    target: NDArray[np.float32] | None,
    metrics: Mapping[str, float],
    *,
    labels: bool = False,
    inside: NDArray[np.float32] | None = None,
) -> Preview:
    """A preview from ``(y, x)`` HU; the residual is the reconstruction minus the noisy input.

    With ``labels`` reconstruction and target are class numbers, and the residual is what the one
    has more than the other.

    Without a known ``target`` that panel is left out.
    """
    panels = {"noisy": noisy, "reconstruction": reconstruction}
    if target is not None:
        panels["target"] = target
    panels["residual"] = residual(panels, labels)
    for panel in (*panels.values(), *([] if inside is None else [inside])):
        panel.setflags(write=False)
    return Preview(step, index, panels, "HU", metrics, labels, inside)


def residual(panels: Mapping[str, NDArray[np.float32]], labels: bool) -> NDArray[np.float32]:
    """The reconstruction minus the noisy image; of classes, minus the target where it is known."""
    if not labels:
        return panels["reconstruction"] - panels["noisy"]
    target = panels.get("target")
    if target is None:
        return np.zeros_like(panels["reconstruction"])
    return np.where(target < 0, 0, panels["reconstruction"] - target).astype(np.float32)


def _single(stored: NDArray[np.int16], about: Mapping[str, Any]) -> NDArray[np.float32]:
    return from_levels(stored, about).astype(np.float32)


def save_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Write arrays by their names, whole or not at all."""
    with atomic_file(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def load_arrays(path: Path) -> dict[str, Any]:
    """Read what `save_arrays` wrote.

    Raises
    ------
    StudioError
        When it cannot be read or is damaged.
    """
    try:
        # NumPy leaves a damaged file open that it has opened itself.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise explain_os_error(error, path, "read") from error
    except (ValueError, EOFError, BadZipFile, zlib.error) as error:
        raise StudioError(f"{path} is damaged.", hint="Delete it.", path=path) from error
