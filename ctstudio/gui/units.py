"""Lengths and areas as the user wants to read them."""

from __future__ import annotations

MILLIMETRES, CENTIMETRES = "mm", "cm"
UNITS = (MILLIMETRES, CENTIMETRES)

_chosen = [MILLIMETRES]


def choose(unit: str) -> None:
    """Say lengths in ``unit`` from now on; one that is not known is no change."""
    if unit in UNITS:
        _chosen[0] = unit


def length(mm: float, *, known: bool = True) -> str:
    """A length with its unit; in pixels where the spacing is not ``known``."""
    if not known:
        return f"{mm:.1f} px"
    return f"{mm / 10:.2f} cm" if _chosen[0] == CENTIMETRES else f"{mm:.1f} mm"


def area(mm2: float) -> str:
    """An area with its unit."""
    return f"{mm2 / 100:.2f} cm²" if _chosen[0] == CENTIMETRES else f"{mm2:.1f} mm²"
