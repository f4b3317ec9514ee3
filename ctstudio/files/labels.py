"""What labels mean, as a text file: the label descriptions of ITK-SNAP, which others read too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ctstudio.core.atomic import atomic_file
from ctstudio.ct.labels import Label

_HEAD = """\
# ITK-SnAP Label Description File
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
"""


def write_label_table(labels: Sequence[Label], path: Path) -> None:
    """Write number, colour (0 to 255), opacity, visibility and name of each label, a line each.

    Raises
    ------
    StudioError
        When the file cannot be written.
    """
    lines = ['    0     0    0    0        0  0  0    "Clear Label"']
    for label in labels:
        if label.number < 0:
            continue  # what is not annotated: the format counts from 0
        red, green, blue = label.colour
        name = " ".join(label.name.replace('"', "'").split())
        lines.append(f'{label.number:5d} {red:5d}{green:5d}{blue:5d}        1  1  1    "{name}"')
    with atomic_file(path) as temporary:
        temporary.write_text(_HEAD + "\n".join(lines) + "\n", encoding="utf-8")
