"""Texts of a header, decoded, for people: no broken value raises, none steers a terminal."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pydicom

from ctstudio.dicom.places import open_binary

_DIRECTIONS = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))


def read_texts(path: Path, keywords: Sequence[str]) -> dict[str, str]:
    """The values of ``keywords`` in a file; "" for what is not there or cannot be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset: pydicom.Dataset
        try:
            with open_binary(path) as stream:
                dataset = pydicom.dcmread(
                    stream,
                    stop_before_pixels=True,
                    force=True,
                    specific_tags=["SpecificCharacterSet", *keywords],
                )
        except Exception:  # the file was readable a moment ago; its texts are a nicety
            dataset = pydicom.Dataset()
        return {keyword: _text(dataset, keyword) for keyword in keywords}


def _text(dataset: pydicom.Dataset, keyword: str) -> str:
    try:
        value: Any = dataset.get(keyword)
        if value is None:
            return ""
        if isinstance(value, (list, tuple, pydicom.multival.MultiValue)):
            return _one_line("\\".join(str(v) for v in value))
        return _one_line(str(value))
    except Exception:  # whatever a broken value makes pydicom raise
        return ""


def _one_line(text: str) -> str:
    """``text`` without what would steer a terminal or turn the direction of writing."""
    clean = "".join(" " if unicodedata.category(c) == "Cc" else c for c in text)
    return " ".join(clean.translate(_DIRECTIONS).split(" ")).strip()
