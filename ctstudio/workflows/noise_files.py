"""The files of the noise tools: numbers and curves as CSV and JSON, plots and pictures as PNG."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ctstudio import __version__
from ctstudio.core.atomic import atomic_file
from ctstudio.workflows.noise_measures import CURVE_NAMES, TITLES, Finding, Tool, axis_units

CAPTIONS: dict[Tool, tuple[tuple[str, str], ...]] = {
    "spectrum": (("noise_sd", "SD {:.1f} {unit}"), ("mean_frequency", "mean {:.3f} {per}")),
    "edge": (("mtf_50", "50 % at {:.3f} {per}"), ("mtf_10", "10 % at {:.3f} {per}")),
    "map": (("median", "median {:.1f} {unit}"),),
    "contrast": (("cnr", "CNR {:.2f}"),),
}
"""What a legend says of a layer beside its name."""


def save_findings(
    path: Path, tool: Tool, findings: Sequence[Finding], about: Mapping[str, Any]
) -> Path:
    """Write the findings as JSON, or as CSV (numbers first, then the curves) by ``path``'s ending.

    ``about`` says what was looked at: regions, slices, squares.

    Raises
    ------
    StudioError
        When the file cannot be written.
    """
    with atomic_file(path) as temporary:
        if path.suffix.lower() == ".json":
            told = {
                "program": f"CT Studio {__version__}",
                "purpose": "For research use, not for diagnosis.",
                "tool": tool,
                "title": TITLES[tool],
                **about,
                "layers": [_as_json(finding) for finding in findings],
            }
            temporary.write_text(json.dumps(told, indent=1, allow_nan=False) + "\n", "utf-8")
        else:
            with temporary.open("w", encoding="utf-8", newline="") as stream:
                _write_csv(csv.writer(stream), tool, findings, about)
    return path


def _write_csv(
    writer: Any, tool: Tool, findings: Sequence[Finding], about: Mapping[str, Any]
) -> None:
    names = list(dict.fromkeys(name for finding in findings for name in finding.numbers))
    writer.writerow(["tool", *about, "layer", "unit", "slice", "length_unit", *names, "note"])
    for f in findings:
        cells = [_number(f.numbers.get(name, math.nan)) for name in names]
        head = [TITLES[tool], *(str(value) for value in about.values())]
        writer.writerow([*head, f.layer, f.unit, f.slice_index + 1, f.length_unit, *cells, f.note])
    for name in dict.fromkeys(name for finding in findings for name in finding.curves):
        x_name, y_name = CURVE_NAMES[name]
        writer.writerow([])
        having = [f for f in findings if name in f.curves]
        writer.writerow(
            [text for f in having for text in (f"{f.layer}: {x_name}", f"{f.layer}: {y_name}")]
        )
        columns = [column for f in having for column in f.curves[name]]
        for k in range(max(len(column) for column in columns)):
            row = [_number(float(c[k])) if k < len(c) else "" for c in columns]
            writer.writerow(row)


def _as_json(finding: Finding) -> dict[str, Any]:
    curves = {}
    for name, (x, y) in finding.curves.items():
        x_name, y_name = CURVE_NAMES[name]
        units = axis_units(name, finding)
        curves[name] = {
            "x": x_name, "x_unit": units[0], "y": y_name, "y_unit": units[1],
            "points": [[_finite(float(a)), _finite(float(b))] for a, b in zip(x, y, strict=True)],
        }  # fmt: skip
    return {
        "layer": finding.layer,
        "unit": finding.unit,
        "length_unit": finding.length_unit,
        "slice": finding.slice_index + 1,
        **{name: _finite(value) for name, value in finding.numbers.items()},
        "note": finding.note,
        "curves": curves,
    }


def _finite(value: float) -> float | None:
    return float(f"{value:.8g}") if math.isfinite(value) else None


def _number(value: float) -> str:
    return f"{value:.8g}" if math.isfinite(value) else ""


def caption(tool: Tool, finding: Finding) -> str:
    """The numbers that matter most, in words; the note where there are none."""
    told = [
        text.format(finding.numbers[name], unit=finding.unit, per=f"1/{finding.length_unit}")
        for name, text in CAPTIONS[tool]
        if math.isfinite(finding.numbers.get(name, math.nan))
    ]
    return ", ".join(told) or finding.note


def save_plots(path: Path, tool: Tool, findings: Sequence[Finding], footer: str) -> Path:
    """Draw what ``tool`` found of all layers into one PNG on white.

    Raises
    ------
    StudioError
        When the file cannot be written.
    """
    from ctstudio.figures.plots import Bars, Lines, Picture, save_plots_png

    parts: list[Lines | Bars | Picture] = []
    named = [(f, f"{f.layer}: {caption(tool, f)}") for f in findings]
    for name in ("mtf", "response", "spectrum"):
        having = [(f, text) for f, text in named if name in f.curves]
        if having:
            first = having[0][0]
            labels = (
                f"{text} ({unit})" if unit else text
                for text, unit in zip(CURVE_NAMES[name], axis_units(name, first), strict=True)
            )
            x, y = (label[:1].upper() + label[1:] for label in labels)
            title = {"mtf": "MTF", "response": "Edge response"}.get(name, TITLES[tool])
            curves = [(text, *f.curves[name]) for f, text in having]
            levels = (0.5, 0.1) if name == "mtf" else ()
            marks = {f.numbers["nyquist"] for f, _ in having} if name == "mtf" else set()
            named_marks = [("Nyquist", value) for value in sorted(marks)]
            parts.append(Lines(title, x, y, curves, levels, named_marks))
    pictures = [f for f in findings if f.picture is not None]
    if pictures:
        shown = [np.asarray(f.picture) for f in pictures]
        top = max(float(np.nanpercentile(p, 98.0)) for p in shown)
        unit = pictures[0].unit if tool == "map" else axis_units("spectrum", pictures[0])[1]
        for f, picture in zip(pictures, shown, strict=True):
            text = f"{f.layer}\n{caption(tool, f)}"
            parts.append(Picture(text, picture, f.spacing, top, unit))
    if tool == "contrast":
        bars = [(f.layer, f.numbers["cnr"]) for f in findings if "cnr" in f.numbers]
        parts.append(Bars("Contrast to noise", "CNR", bars))
    save_plots_png(path, parts, title=TITLES[tool], footer=footer)
    return path
