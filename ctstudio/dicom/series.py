"""From headers to series: what belongs together, in which order, and what is odd about it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.events import Work
from ctstudio.ct.volume import Geometry, Source
from ctstudio.ct.window import Window
from ctstudio.dicom.headers import Header
from ctstudio.dicom.irregularities import (
    MOST_COMPARED,
    Irregularity,
    Kind,
    near,
    of_copies,
    of_frames_of_reference,
    of_headers,
    of_mixture,
    of_patients,
    of_stack,
    of_studies,
    of_thickness,
    of_values,
)
from ctstudio.dicom.patients import by_patient
from ctstudio.dicom.repeats import without_copies
from ctstudio.dicom.stray_bits import bits_in_use
from ctstudio.dicom.texts import read_texts

_TEXT_TAGS = (
    "StudyDate", "StudyDescription", "SeriesDescription", "PatientName", "PatientID",
    "ConvolutionKernel", "FrameOfReferenceUID", "WindowCenter", "WindowWidth",
)  # fmt: skip

_WIDEST_WINDOW = 1e6  # HU; 32 bits hold more, but no display window means it


@dataclass(frozen=True)
class SeriesInfo:
    """One series as found on disk: everything but its pixels.

    ``source.files`` and ``headers`` are in slice order, along the normal of the slices.
    ``irregularities`` are what is odd about it, each with what can be done; ``warnings`` are the
    sentences of those that matter to whoever looks at the pictures, and others.
    """

    source: Source
    slices: int
    rows: int
    columns: int
    geometry: Geometry = field(repr=False)
    transfer_syntax: str
    warnings: tuple[str, ...]
    headers: tuple[Header, ...] = field(repr=False)
    irregularities: tuple[Irregularity, ...] = ()

    @property
    def title(self) -> str:
        """A short label: the series' own description, else its number, else its modality."""
        if self.source.description:
            return self.source.description
        if self.source.series_number is not None:
            return f"Series {self.source.series_number}"
        return f"{self.source.modality or 'Unnamed'} series"


@dataclass(frozen=True)
class Group:
    """Headers of one stack, and what set them apart from others of the same series."""

    members: tuple[Header, ...]
    mixture: tuple[Irregularity, ...] = ()


def group(headers: Iterable[Header]) -> list[Group]:
    """Sort headers into stacks: by UID, study and patient, then by what cannot be one volume.

    That is localiser, size, modality, frame of reference, orientation and spacing. An empty
    SeriesInstanceUID falls back to study, series number and folder.
    """
    series: dict[tuple[object, ...], list[Header]] = {}
    studies: dict[object, set[str]] = {}
    for header in headers:
        uid: tuple[object, ...] = (header.series_uid,)
        if not header.series_uid:
            uid = (header.study_uid, header.series_number, header.path.parent)
        studies.setdefault(uid, set()).add(header.study_uid)
        series.setdefault((header.study_uid, uid), []).append(header)
    found: list[Group] = []
    for key, members in series.items():
        patients = by_patient(members)
        odd = (*of_studies(len(studies[key[1]])), *of_patients(len(patients)))
        for images in patients:
            stacks, spaces = _stacks(images)
            mixture = (*of_mixture(stacks), *spaces, *odd)
            found += [Group(tuple(stack), mixture) for stack in stacks]
    return found


def _stacks(headers: Sequence[Header]) -> tuple[list[list[Header]], list[Irregularity]]:
    """``headers`` of one series, stack by stack, and what is odd about their patient spaces."""
    spaces = {h.frame_of_reference for h in headers if not h.localiser} - {""}
    images = sum(not h.localiser for h in headers)
    # What is different in every image says nothing of volumes.
    apart = 1 < len(spaces) <= max(2, images // 2)
    stacks: dict[Hashable, list[list[Header]]] = {}
    exact: dict[Hashable, list[Header]] = {}
    for header in headers:
        space = header.frame_of_reference if apart and not header.localiser else ""
        key = (header.localiser, header.rows, header.columns, header.modality, space)
        same = exact.get((key, header.orientation, header.spacing))
        if same is not None:
            same.append(header)
            continue
        alike = stacks.setdefault(key, [])
        for members in alike[-MOST_COMPARED:]:
            first = members[0]
            # Scanners jitter in the sixth digit; 1e-3 is 0.06 degrees.
            if near(first.orientation, header.orientation, 1e-3) and near(
                first.spacing, header.spacing, 1e-3 * (header.spacing or (1.0,))[0]
            ):
                break
        else:
            members = []
            alike.append(members)
        members.append(header)
        exact[key, header.orientation, header.spacing] = members
    found = [members for alike in stacks.values() for members in alike]
    return found, of_frames_of_reference(len(spaces), images, apart=apart)


def build(members: Group) -> Work[list[SeriesInfo]]:
    """Order one group's slices; several when images of one position can be told apart.

    Opens one file of each series again for its texts, and those of images that are there twice.
    Yields Progress.
    """
    ordered = sorted(members.members, key=lambda h: str(h.path))
    found = yield from without_copies(ordered)
    notes: list[str] = []
    if shared := found.elsewhere:
        images = "1 image has" if shared == 1 else f"{shared} images have"
        notes.append(
            f"{images} the SOP instance UID of another one, but another place: kept all the same."
        )
    if copies := found.copies:
        one = "1 file repeats an image that is already there and was left out."
        many = f"{copies} files repeat images that are already there and were left out."
        notes.append(one if copies == 1 else many)
    if broken := found.unreadable:
        one = "1 copy of an image cannot be read and was left out: another copy can."
        many = f"{broken} copies of images cannot be read and were left out: other copies can."
        notes.append(one if broken == 1 else many)
    odd = (*members.mixture, *of_copies(found.differing))
    parts = _split_positions(list(found.images))
    if len(parts) == 1 and len(parts := _split_folders(parts[0])) > 1:
        notes.append(
            f"The images of {len(parts)} folders share their places: each folder is shown as a "
            "series of its own."
        )
    return [_info(part, notes, odd) for part in parts]


def _split_positions(headers: list[Header]) -> list[list[Header]]:
    """Take apart several volumes in one series (phases, echoes, kernels).

    They are told apart by the first header value that leaves no position used twice.
    """
    if not _shared_positions(headers):
        return [headers]
    for k in range(len(headers[0].parts)):
        parts: dict[str, list[Header]] = defaultdict(list)
        for header in headers:
            parts[header.parts[k]].append(header)
        # A value that is different in every image (a time) says nothing of volumes.
        several = 1 < len(parts) <= max(2, len(headers) // 2)
        if several and not any(_shared_positions(part) for part in parts.values()):
            return [parts[key] for key in sorted(parts)]
    return [headers]


def _split_folders(headers: list[Header]) -> list[list[Header]]:
    """Take apart a volume and its double in another folder, such as one that was filtered."""
    folders: dict[Path, list[Header]] = defaultdict(list)
    for header in headers:
        folders[header.path.parent].append(header)
    others = len(headers) - max(len(members) for members in folders.values())
    # Folders that only meet in a few places are parts of one volume.
    doubles = 2 * _shared_positions(headers) >= others > 0
    if not doubles or any(_shared_positions(members) for members in folders.values()):
        return [headers]
    return [folders[folder] for folder in sorted(folders)]


def _shared_positions(headers: Sequence[Header]) -> int:
    counts = Counter(
        tuple(round(v, 3) for v in h.position) for h in headers if h.position is not None
    )
    return sum(n - 1 for n in counts.values())


def _info(
    headers: list[Header], notes: Sequence[str], mixture: Sequence[Irregularity]
) -> SeriesInfo:
    first = headers[0]
    orientation = first.orientation or (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    odd = [*mixture, *of_headers(first, len(headers))]
    thickness, uneven = of_thickness([h.thickness for h in headers])
    headers, positions = _ordered(headers, np.cross(row, column), odd)
    spacing = first.spacing or (1.0, 1.0)
    geometry = Geometry(
        positions,
        row,
        column,
        (spacing[0], spacing[1]),
        spacing_known=first.spacing is not None,
        orientation_known=first.orientation is not None,
    )
    middle = headers[len(headers) // 2]
    odd += of_stack(geometry, thickness)
    odd += [*uneven, *of_values(middle, bits_in_use(middle) or bits_in_use(headers[0]))]
    remarks = [*notes, *(entry.sentence for entry in odd if entry.warns)]
    if any(h.codestream_disagrees for h in headers):
        remarks.append(
            "The compressed images and their headers disagree about bits or sign; "
            "the images are followed."
        )
    if first.modality == "CT" and not first.localiser and not all(h.rescaled for h in headers):
        remarks.append(
            "Some slices state no usable rescale to HU (slope and intercept): "
            "their values are shown as stored."
        )
    names = Counter(h.syntax_name for h in headers)
    return SeriesInfo(
        source=_source(headers, thickness),
        slices=len(headers),
        rows=first.rows,
        columns=first.columns,
        geometry=geometry,
        transfer_syntax=" and ".join(name for name, _ in names.most_common()),
        warnings=tuple(remarks),
        headers=tuple(headers),
        irregularities=tuple(odd),
    )


def _ordered(
    headers: list[Header], normal: NDArray[np.float64], odd: list[Irregularity]
) -> tuple[list[Header], NDArray[np.float64]]:
    """Headers along the normal, with positions ``(z, 3)`` in mm.

    Without positions the slice location, then the instance number orders them, and the distance
    between slices is what the header calls it.
    """
    if all(h.position is not None for h in headers):
        positions = np.array([h.position for h in headers], float)
        order = np.argsort(positions @ normal, kind="stable")
        return [headers[k] for k in order], positions[order]
    step = headers[0].between_slices or headers[0].thickness or 1.0
    if all(h.slice_location is not None for h in headers):
        headers = sorted(headers, key=lambda h: h.slice_location or 0.0)
        along = np.array([h.slice_location for h in headers], float)
        by = "slice location"
    else:
        headers = sorted(headers, key=lambda h: (h.instance_number or 0, str(h.path)))
        along = np.arange(len(headers)) * abs(step)
        by = "instance number"
    if len(headers) > 1:
        sentence = f"The files state no usable positions: slices are ordered by {by}."
        odd.append(Irregularity(Kind.MISSING_POSITION, sentence))
    return headers, along[:, None] * normal


def _source(headers: Sequence[Header], thickness: float | None) -> Source:
    middle = headers[len(headers) // 2]
    texts = read_texts(middle.path, _TEXT_TAGS)
    return Source(
        description=texts["SeriesDescription"],
        series_uid=middle.series_uid,
        study_uid=middle.study_uid,
        frame_of_reference_uid=texts["FrameOfReferenceUID"],
        modality=middle.modality,
        series_number=middle.series_number,
        kernel=texts["ConvolutionKernel"],
        slice_thickness_mm=thickness,
        patient_name=texts["PatientName"],
        patient_id=texts["PatientID"],
        study_description=texts["StudyDescription"],
        study_date=texts["StudyDate"],
        window=_window(texts["WindowCenter"], texts["WindowWidth"]),
        files=files_of(headers),
    )


def files_of(headers: Sequence[Header]) -> tuple[Path, ...]:
    """One file a slice; fewer where a file holds several, each named once."""
    if all(header.frames == 1 for header in headers):
        return tuple(header.path for header in headers)
    return tuple(dict.fromkeys(header.path for header in headers))


def _window(centre: str, width: str) -> Window | None:
    """The first window of the header, or None where it makes no sense."""
    try:
        values = float(centre.split("\\")[0]), float(width.split("\\")[0])
    except ValueError:
        return None
    usable = all(abs(v) <= _WIDEST_WINDOW for v in values) and values[1] >= 1e-6
    if not usable:
        return None
    return Window(*values)
