"""The CT image as everything else sees it: voxels as stored, exact HU, patient geometry.

Axes are always ``(z, y, x)``: slice, row, column. Patient coordinates are DICOM's (x to the
patient's left, y to the back, z to the head), in mm, and refer to voxel centres.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctstudio.ct.labels import Label
from ctstudio.ct.window import Window


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where the slices lie in the patient.

    Parameters
    ----------
    positions_mm
        ``(z, 3)`` float64: patient position of the centre of each slice's first voxel
        (ImagePositionPatient), sorted along ``normal``.
    row_direction, column_direction
        Unit vectors ``(3,)``: the direction in which the column index (x) grows along a row, and
        in which the row index (y) grows down a column (ImageOrientationPatient's two halves).
    spacing_mm
        ``(dy, dx)``: distance between rows and between columns. (1, 1) where it is unknown.
    spacing_known
        False where the file states no spacing; lengths are then shown in px.
    orientation_known
        False where the file does not say how the slices lie: the directions are a guess then, and
        no side of the patient is named.
    """

    positions_mm: NDArray[np.float64]
    row_direction: NDArray[np.float64]
    column_direction: NDArray[np.float64]
    spacing_mm: tuple[float, float]
    spacing_known: bool = True
    orientation_known: bool = True

    @classmethod
    def axial(
        cls, slices: int, spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    ) -> Geometry:
        """``slices`` axial slices with spacing ``(dz, dy, dx)``, head first, supine."""
        positions = np.zeros((slices, 3))
        positions[:, 2] = np.arange(slices) * spacing_mm[0]
        return cls(
            positions, np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), (spacing_mm[1], spacing_mm[2])
        )

    @cached_property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector ``(3,)`` across the slices: row direction x column direction."""
        across: NDArray[np.float64] = np.cross(self.row_direction, self.column_direction)
        across.flags.writeable = False
        return across

    @cached_property
    def offsets_mm(self) -> NDArray[np.float64]:
        """``(z,)``: each slice's distance along ``normal`` from the patient origin."""
        offsets: NDArray[np.float64] = self.positions_mm @ self.normal
        offsets.flags.writeable = False
        return offsets

    @cached_property
    def slice_spacing_mm(self) -> float:
        """Median distance between neighbouring slices along the normal; 0 for a single slice."""
        if len(self.positions_mm) < 2:
            return 0.0
        return float(np.median(np.abs(np.diff(self.offsets_mm))))

    @cached_property
    def uniform(self) -> bool:
        """Whether neighbouring slices are equally far apart, to 1 % of their spacing."""
        gaps = np.diff(self.offsets_mm)
        return len(gaps) < 2 or bool(np.ptp(gaps) <= 0.01 * abs(np.median(gaps)) + 1e-4)

    @cached_property
    def tilted(self) -> bool:
        """Whether the stack is sheared (gantry tilt): slices displaced along their own plane."""
        if len(self.positions_mm) < 2:
            return False
        steps = np.diff(self.positions_mm, axis=0)
        in_plane = steps - np.outer(steps @ self.normal, self.normal)
        return bool(np.max(np.linalg.norm(in_plane, axis=1)) > 0.01)

    @cached_property
    def edge_letters(self) -> tuple[str, str, str, str]:
        """The patient's sides at the left, right, top and bottom edge of a slice as stored.

        As ``orientation_letters`` has them; empty where the orientation is not known.
        """
        if not self.orientation_known:
            return ("", "", "", "")
        row, column = self.row_direction, self.column_direction
        return (
            orientation_letters(-row),
            orientation_letters(row),
            orientation_letters(-column),
            orientation_letters(column),
        )

    def to_patient(self, z: float, y: float, x: float) -> NDArray[np.float64]:
        """Voxel index (fractions allowed, integers at voxel centres) to patient mm, ``(3,)``."""
        index = np.arange(len(self.positions_mm))
        origin = np.array([np.interp(z, index, self.positions_mm[:, k]) for k in range(3)])
        dy, dx = self.spacing_mm
        result: NDArray[np.float64] = (
            origin + x * dx * self.row_direction + y * dy * self.column_direction
        )
        return result

    def nearest_slice(self, point_mm: NDArray[np.float64]) -> int:
        """Index of the slice nearest to a patient point, along the normal."""
        return int(np.argmin(np.abs(self.offsets_mm - float(np.dot(point_mm, self.normal)))))

    def to_voxel(self, point_mm: NDArray[np.float64]) -> tuple[int, float, float]:
        """Patient mm ``(3,)`` to (nearest slice, y, x); y and x are fractional voxel indices."""
        z = self.nearest_slice(point_mm)
        offset = np.asarray(point_mm, float) - self.positions_mm[z]
        dy, dx = self.spacing_mm
        y, x = float(offset @ self.column_direction) / dy, float(offset @ self.row_direction) / dx
        return z, y, x

    def select(self, slices: slice) -> Geometry:
        """The geometry of a run of slices."""
        return replace(self, positions_mm=self.positions_mm[slices])


def orientation_letters(direction: NDArray[np.float64]) -> str:
    """Letters of the patient side that ``direction`` ``(3,)`` points to, the dominant one first.

    L, R, P, A, S (head), I (feet). A second and third letter follow where the direction is
    oblique by more than about 6 degrees.
    """
    pairs = (("L", "R"), ("P", "A"), ("S", "I"))
    order = np.argsort(-np.abs(direction), kind="stable")
    return "".join(pairs[k][0 if direction[k] > 0 else 1] for k in order if abs(direction[k]) > 0.1)


@dataclass(frozen=True)
class Source:
    """Where a volume came from. Nothing here ever enters a picture or a log unless asked for.

    ``files`` holds one path a slice, in the volume's order, for series read from single-frame
    files; the writer of derived series takes its headers from them. ``described_by`` are the files
    of a series that was resampled, so that no file is a slice any more. ``format`` is what the
    files are: "DICOM", "JPEG", "NIfTI" and so on.
    """

    description: str = ""
    series_uid: str = ""
    study_uid: str = ""
    frame_of_reference_uid: str = ""
    modality: str = ""
    series_number: int | None = None
    kernel: str = ""
    slice_thickness_mm: float | None = None
    patient_name: str = ""
    patient_id: str = ""
    study_description: str = ""
    study_date: str = ""
    window: Window | None = None
    format: str = "DICOM"
    files: tuple[Path, ...] = field(default=(), repr=False)
    described_by: tuple[Path, ...] = field(default=(), repr=False)


@dataclass(frozen=True, eq=False)
class Volume:
    """A stack of CT slices.

    Parameters
    ----------
    voxels
        ``(z, y, x)``, any integer or float32 dtype, as stored. A read-only view: whoever fills it
        (the reader, a denoiser) keeps the writable base and announces each slice.
    slope, intercept
        ``(z,)`` float64: ``value = stored * slope + intercept`` slice by slice, exactly.
    unit
        "HU", or "" where the values are not Hounsfield units.
    geometry, source
        Where the slices lie, and where they came from.
    derivation
        What was done to the source, oldest step first; empty for an original.
    labels
        Of a label map (see `ctstudio.ct.labels`): what its numbers stand for.
    """

    voxels: NDArray[np.generic]
    slope: NDArray[np.float64]
    intercept: NDArray[np.float64]
    unit: str
    geometry: Geometry
    source: Source = Source()
    derivation: tuple[str, ...] = ()
    labels: tuple[Label, ...] = ()

    def __post_init__(self) -> None:
        if self.voxels.ndim != 3:
            raise ValueError(f"voxels must be (z, y, x), not of shape {self.voxels.shape}")
        n = self.voxels.shape[0]
        if not (len(self.slope) == len(self.intercept) == len(self.geometry.positions_mm) == n):
            raise ValueError("slope, intercept and positions need one entry a slice")
        view = self.voxels.view()
        view.flags.writeable = False
        object.__setattr__(self, "voxels", view)

    @classmethod
    def from_hu(
        cls,
        hu: NDArray[np.floating],
        geometry: Geometry,
        *,
        source: Source = Source(),
        derivation: tuple[str, ...] = (),
        unit: str = "HU",
    ) -> Volume:
        """A volume whose stored values are HU themselves, ``(z, y, x)`` float32."""
        n = hu.shape[0]
        return cls(
            np.asarray(hu, np.float32), np.ones(n), np.zeros(n), unit, geometry, source, derivation
        )

    def __len__(self) -> int:
        return int(self.voxels.shape[0])

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(z, y, x)``."""
        z, y, x = self.voxels.shape
        return z, y, x

    def slice_hu(self, index: int) -> NDArray[np.float32]:
        """HU (or the volume's unit) of one axial slice, ``(y, x)`` float32, computed exactly.

        The rescale is done in float64 and rounded once; for integer slope and intercept the
        result is the exact integer.
        """
        stored: NDArray[Any] = self.voxels[index]
        slope, intercept = self.slope[index], self.intercept[index]
        exact: NDArray[np.float32]
        if slope == 1.0 and np.can_cast(stored.dtype, np.float32):
            # Integers up to 16 bit and their sum with an integer intercept are exact in float32.
            if intercept == 0.0:
                exact = stored.astype(np.float32)
                return exact
            if float(intercept).is_integer() and abs(intercept) < 2**22:
                exact = stored.astype(np.float32) + np.float32(intercept)
                return exact
        exact = (stored.astype(np.float64) * slope + intercept).astype(np.float32)
        return exact

    def hu(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """HU of slices ``start`` to ``stop`` (exclusive), ``(z, y, x)`` float32; a copy."""
        indices = range(len(self))[start:stop]
        out = np.empty((len(indices), *self.shape[1:]), np.float32)
        for row, index in enumerate(indices):
            out[row] = self.slice_hu(index)
        return out

    def derived(self, hu: NDArray[np.floating], *steps: str) -> Volume:
        """The same geometry and source with new values ``(z, y, x)`` and a longer history."""
        return Volume.from_hu(
            hu,
            self.geometry,
            source=self.source,
            derivation=(*self.derivation, *steps),
            unit=self.unit,
        )
