"""Coded names of what a segment shows, by the words of its label (SNOMED CT, PS3.16)."""

from __future__ import annotations

import re
from typing import TypeAlias

Code: TypeAlias = tuple[str, str, str]
"""Value, scheme, meaning."""

_ANATOMY: Code = ("123037004", "SCT", "Anatomical Structure")
_ABNORMAL: Code = ("49755003", "SCT", "Morphologically Abnormal Structure")
_TISSUE: Code = ("85756007", "SCT", "Tissue")

# The longer words come first: a rib is no ribcage, a nodule of the lung is no lung.
_KNOWN: tuple[tuple[str, Code, Code], ...] = (
    (r"nodule", _ABNORMAL, ("27925004", "SCT", "Nodule")),
    (r"tumou?r|cancer|neoplasm", _ABNORMAL, ("108369006", "SCT", "Neoplasm")),
    (r"cyst", _ABNORMAL, ("441457006", "SCT", "Cyst")),
    (r"lesion", _ABNORMAL, ("52988006", "SCT", "Lesion")),
    (r"lungs?\b.*", _ANATOMY, ("39607008", "SCT", "Lung")),
    (r"liver", _ANATOMY, ("10200004", "SCT", "Liver")),
    (r"spleen", _ANATOMY, ("78961009", "SCT", "Spleen")),
    (r"pancreas", _ANATOMY, ("15776009", "SCT", "Pancreas")),
    (r"kidney", _ANATOMY, ("64033007", "SCT", "Kidney")),
    (r"stomach", _ANATOMY, ("69695003", "SCT", "Stomach")),
    (r"gall ?bladder", _ANATOMY, ("28231008", "SCT", "Gallbladder")),
    (r"urinary bladder|bladder", _ANATOMY, ("89837001", "SCT", "Urinary bladder")),
    (r"heart", _ANATOMY, ("80891009", "SCT", "Heart")),
    (r"aorta", _ANATOMY, ("15825003", "SCT", "Aorta")),
    (r"trachea", _ANATOMY, ("44567001", "SCT", "Trachea")),
    (r"(o?)esophagus", _ANATOMY, ("32849002", "SCT", "Esophagus")),
    (r"brain", _ANATOMY, ("12738006", "SCT", "Brain")),
    (r"vertebra", _ANATOMY, ("51282000", "SCT", "Vertebra")),
    (r"ribs?\b", _ANATOMY, ("113197003", "SCT", "Rib")),
    (r"bones?\b", _TISSUE, ("3138006", "SCT", "Bone")),
    (r"body|skin", _ANATOMY, ("38266002", "SCT", "Entire body")),
)

UNANNOTATED: tuple[Code, Code] = (
    ("SPATIAL", "99CTSTUDIO", "Extent of the annotation"),
    ("UNANNOTATED", "99CTSTUDIO", "Not annotated"),
)
"""Category and type of the segment that holds what nobody annotated."""


def concept(name: str) -> tuple[Code, Code]:
    """Category and type of a segment named ``name``: those of a known word in it, else tissue."""
    words = re.sub(r"[_\-./]+", " ", name.lower())
    for pattern, category, kind in _KNOWN:
        if re.search(rf"\b{pattern}", words):
            return category, kind
    return _TISSUE, _TISSUE
