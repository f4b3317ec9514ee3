"""Which pictures are masks of which others, by the names that data sets give them.

- Beside the image, with an ending: ``12_3.tif`` and ``12_3_mask.tif`` (ultrasound nerves),
  ``Image_01L.jpg`` and ``Image_01L_1stHO.png`` (CHASE_DB1, two readers).
- In a folder of their own beside that of the images, or in it: ``images`` and ``masks``,
  ``2d_images`` and ``2d_masks``, ``train_images`` and ``train_labels``.
- DRIVE: ``images/21_training.tif``, ``1st_manual/21_manual1.gif`` and ``2nd_manual``. Its folder
  ``mask`` holds the fields of view, which are no truth.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

FIELD_OF_VIEW = 0
"""The "reader" of a mask that says where the image is, and not what is in it."""

_ENDING = re.compile(
    r"(?P<image>.+?)[-_ .](?:masks?|seg|segmentation|labels?|gt|truth|annotation"
    r"|manual(?P<manual>\d?)|(?P<observer>\d)(?:st|nd|rd|th)ho)",
    re.IGNORECASE,
)
_PURPOSE = re.compile(r"(?P<image>.+)[-_ ](?:training|test|image|img)", re.IGNORECASE)
_ORDINAL = re.compile(r"(\d)(?:st|nd|rd|th)", re.IGNORECASE)
_OF_IMAGES = {"image", "images", "img", "imgs", "picture", "pictures", "original", "originals",
              "photo", "photos", "input", "inputs", "scan", "scans", "slices"}  # fmt: skip
_OF_READERS = {"manual", "observer", "reader", "annotator", "expert"}
_OF_MASKS = _OF_READERS | {
    "mask", "masks", "label", "labels", "seg", "segmentation", "segmentations", "annotation",
    "annotations", "gt", "truth", "groundtruth",
}  # fmt: skip


@dataclass(frozen=True)
class MaskName:
    """What a mask's name says: its image, None where that is not there, and who drew it.

    Readers count from 1; `FIELD_OF_VIEW` is no reader.
    """

    image: Path | None
    reader: int = 1


def masks_among(paths: Sequence[Path]) -> dict[Path, MaskName]:
    """The masks among the files ``paths``. Nothing is read.

    A name alone makes no mask: the image, or the folder of images, must be there too.
    """
    folders: dict[Path, dict[str, Path]] = defaultdict(dict)
    for path in paths:
        folders[path.parent].setdefault(stem(path), path)
    found: dict[Path, MaskName] = {}
    for path in paths:
        named = _beside(path, folders[path.parent])
        if named is not None:
            found[path] = named
    for folder in folders:
        found |= _in_folder(folder, folders, found)
    return found


def stem(path: PurePath) -> str:
    """A file's name without its ending, of which ".nii.gz" is one."""
    name = path.name
    return name[:-7] if name.lower().endswith(".nii.gz") else path.stem


def _beside(path: Path, there: dict[str, Path]) -> MaskName | None:
    """By the ending of its name, where the image has the same name without it."""
    match = _ENDING.fullmatch(stem(path))
    image = there.get(match["image"]) if match else None
    if match is None or image is None or image == path:
        return None
    return MaskName(image, int(match["manual"] or match["observer"] or 1))


def _in_folder(
    folder: Path, folders: dict[Path, dict[str, Path]], known: dict[Path, MaskName]
) -> dict[Path, MaskName]:
    """All of a folder whose name says masks, where there is one of their images."""
    words = _words(folder)
    roles = [word for word in words if word in _OF_MASKS]
    if not roles:
        return {}
    rest = _rest(words)
    siblings = [other for other in folders if other.parent == folder.parent and other != folder]
    of_images = [
        other
        for other in siblings
        if _OF_IMAGES & set(_words(other)) and _rest(_words(other)) == rest
    ]
    if not of_images and folder.parent in folders:
        of_images = [folder.parent]
    if len(of_images) != 1:
        return {}
    images = {n: p for n, p in folders[of_images[0]].items() if p not in known}
    reader = next((int(m[1]) for word in words if (m := _ORDINAL.fullmatch(word))), 1)
    drawn_elsewhere = any(_OF_READERS & set(_words(other)) for other in siblings)
    if drawn_elsewhere and not _OF_READERS & set(roles):
        reader = FIELD_OF_VIEW
    plain = _without_purpose(images)
    named = {}
    for name, path in folders[folder].items():
        ending = _ENDING.fullmatch(name)
        short = ending["image"] if ending else name
        purpose = _PURPOSE.fullmatch(short)
        image = (
            images.get(name)
            or images.get(short)
            or plain.get(short)
            or (plain.get(purpose["image"]) if purpose else None)
        )
        named[path] = MaskName(image, reader)
    # Of a folder of which nothing fits, the name was chance.
    return named if any(name.image for name in named.values()) else {}


def _without_purpose(images: dict[str, Path]) -> dict[str, Path]:
    """The images by their names without "_training" and the like, where these stay different."""
    short: dict[str, list[Path]] = defaultdict(list)
    for name, path in images.items():
        match = _PURPOSE.fullmatch(name)
        short[match["image"] if match else name].append(path)
    return {name: paths[0] for name, paths in short.items() if len(paths) == 1}


def _words(folder: Path) -> list[str]:
    return [word for word in re.split(r"[-_ .]+", folder.name.casefold()) if word]


def _rest(words: Sequence[str]) -> tuple[str, ...]:
    roles = _OF_MASKS | _OF_IMAGES | {"ground"}
    return tuple(word for word in words if word not in roles and not _ORDINAL.fullmatch(word))
