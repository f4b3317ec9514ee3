"""An evaluation as a table: for people (Markdown), spreadsheets (CSV) and programs (JSON)."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ctstudio import __version__
from ctstudio.core.atomic import atomic_file
from ctstudio.workflows.evaluation.cases import Case
from ctstudio.workflows.evaluation.contest import Entry
from ctstudio.workflows.evaluation.detect import DEMO, Seen
from ctstudio.workflows.evaluation.measure import CONFIDENCE, FEWEST, MEASURES, mean

UNITS = {"psnr": "PSNR (dB)", "ssim": "SSIM", "rmse": "RMSE (HU)"}
DIGITS = {"psnr": 2, "ssim": 4, "rmse": 2, "bias_hu": 2, "noise_sd_hu": 2, "noise_frequency": 3,
          "edge_width": 3, "structure": 3}  # fmt: skip


def write(
    folder: Path,
    cases: Sequence[Case],
    entries: Sequence[Entry],
    command: str,
    seen: Sequence[Seen] = (),
) -> list[Path]:
    """Write ``evaluation.md``, ``.csv`` and ``.json`` into the folder; returns their paths."""
    texts = {
        "evaluation.md": markdown(cases, entries, command, seen),
        "evaluation.csv": as_csv(cases, entries),
        "evaluation.json": as_json(cases, entries, command, seen),
    }
    paths = []
    for name, text in texts.items():
        with atomic_file(folder / name) as part:
            part.write_text(text, encoding="utf-8")
        paths.append(folder / name)
    return paths


def title(measure: str) -> str:
    """What a measure is called, with its unit and protocol."""
    kind, _, protocol = measure.partition(" ")
    return f"{UNITS[kind]}, {protocol}" if kind in UNITS else MEASURES[measure]


def number(measure: str, value: float) -> str:
    """A value with as many digits as mean something."""
    if not math.isfinite(value):
        return "-" if math.isnan(value) else "inf"
    return f"{value:.{DIGITS[measure.partition(' ')[0]]}f}"


def markdown(
    cases: Sequence[Case], entries: Sequence[Entry], command: str, seen: Sequence[Seen] = ()
) -> str:
    """A page with one table for each case: means, and the interval of the first measure."""
    lines = ["# Evaluation of denoisers", ""]
    if command:
        lines += ["Made by", "", f"    {command}", ""]
    for case in cases:
        mine = [entry for entry in entries if entry.case == case.name]
        slices = ", ".join(str(one.index + 1) for one in case.slices)
        lines += [f"## {case.name}", "", f"Noise: {case.noise}. Slices {slices}.", ""]
        measures = list(mine[0].rows[0])
        lines += _table(mine, [m for m in measures if m not in MEASURES], _nothing)
        lines += ["", *_table(mine, [m for m in measures if m in MEASURES], _cost), ""]
        lines += ["Settings:", ""]
        lines += [f"- {entry.method}: {entry.settings}" for entry in mine[1:]]
        lines.append("")
    for phantom in dict.fromkeys(one.phantom for one in seen):
        mine_seen = [one for one in seen if one.phantom == phantom]
        lines += [f"## Discs of low contrast: {phantom}", "", *_discs(mine_seen), ""]
    lines += [
        "## How to read it",
        "",
        f"- Means over the slices; in brackets the interval that holds the mean with "
        f"{CONFIDENCE:.0%} confidence (bootstrap over the slices of one series; with fewer than "
        f"{FEWEST} slices none is given).",
        "- A: clip to [-160, 240] HU, data range 400 HU. B: the window of the body region. full: "
        "no clip, range 4096 HU.",
        "- Where the strength of a classical method was tuned it is the one that suits the truth "
        "best (an oracle), so that no rival is weak; the settings are listed.",
        "- A method with a percentage is blended with the noisy input by the share that suits the "
        "truth best, an oracle too; a filter has the strength that suits it so. It is below 100 % "
        "where the truth is noisy itself: whoever removes that noise as well is off from it by as "
        "much.",
        "- Bias, noise SD and the mean frequency of the noise are those of image less truth in "
        "uniform soft tissue. Edge width: the frequency at which half of the contrast is left in "
        "the truth, over that of the image; the median of straight edges. Structure removed: the "
        "correlation of input less output with the fine structure of the truth; 0 for noise alone.",
    ]
    if any(one.phantom == DEMO for one in seen):
        lines.append(
            f"- {DEMO}: the detectability index d' of a channelised Hotelling observer (Laguerre-"
            "Gauss channels) with its SD; what it cannot tell from the background has 0."
        )
    if any(one.phantom != DEMO for one in seen):
        lines.append(
            "- Disc phantom: d' of a matched filter (non-prewhitening) that knows the disc, with "
            "its SD; the noise is the same for all methods, so they compare better than that SD."
        )
    lines.append("")
    return "\n".join(lines)


def as_csv(cases: Sequence[Case], entries: Sequence[Entry]) -> str:
    """One line for each slice, by its number in the series, and method."""
    out = io.StringIO()
    numbers = {case.name: [one.index + 1 for one in case.slices] for case in cases}
    measures = list(entries[0].rows[0])
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["case", "method", "slice", *measures, "seconds"])
    for entry in entries:
        for k, row in enumerate(entry.rows):
            seconds = f"{entry.seconds[k]:.4g}" if entry.seconds else ""
            values = [f"{row[m]:.6g}" for m in measures]
            place = [entry.case, entry.method, numbers[entry.case][k]]
            writer.writerow([*place, *values, seconds])
    return out.getvalue()


def as_json(
    cases: Sequence[Case], entries: Sequence[Entry], command: str, seen: Sequence[Seen] = ()
) -> str:
    """All that was measured, with means and intervals; what is not known is null."""
    document: dict[str, Any] = {
        "program": f"CT Studio {__version__}",
        "command": command,
        "cases": [
            {"name": case.name, "noise": case.noise, "slices": [one.index for one in case.slices]}
            for case in cases
        ],
        "entries": [
            {
                "case": entry.case,
                "method": entry.method,
                "settings": entry.settings,
                "parameters": entry.parameters,
                "seconds": [_known(s) for s in entry.seconds],
                "slices": [{k: _known(v) for k, v in row.items()} for row in entry.rows],
                "means": {
                    measure: {
                        "value": _known(got.value),
                        "low": _known(got.low),
                        "high": _known(got.high),
                    }
                    for measure in entry.rows[0]
                    for got in [mean([row[measure] for row in entry.rows])]
                },
            }
            for entry in entries
        ],
        "discs": [
            {
                "phantom": one.phantom,
                "method": one.method,
                "contrast_hu": one.contrast_hu,
                "diameter_mm": one.diameter_mm,
                "d_prime": _known(one.found.d_prime),
                "error": _known(one.found.error),
                "auc": _known(one.found.auc),
            }
            for one in seen
        ],
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def _table(
    entries: Sequence[Entry],
    measures: Sequence[str],
    more: Callable[[Entry | None], list[str]],
) -> list[str]:
    """Lines of a table of means; ``more`` gives further headings (for None) and cells."""
    head = ["Method", *map(title, measures), *more(None)]
    lines = [_row(head), _row(["---"] * len(head))]
    for entry in entries:
        cells = [entry.method]
        for measure in measures:
            got = mean([row[measure] for row in entry.rows])
            cell = number(measure, got.value)
            if measure.startswith("psnr") and math.isfinite(got.low):
                cell += f" ({number(measure, got.low)} to {number(measure, got.high)})"
            cells.append(cell)
        lines.append(_row([*cells, *more(entry)]))
    return lines


def _nothing(entry: Entry | None) -> list[str]:
    return []


def _cost(entry: Entry | None) -> list[str]:
    if entry is None:
        return ["s a slice", "Weights"]
    seconds = f"{mean(entry.seconds).value:.3g}" if entry.seconds else "-"
    return [seconds, f"{entry.parameters:,}" if entry.parameters else "-"]


def _discs(seen: Sequence[Seen]) -> list[str]:
    """Lines of a table with one column for each disc."""
    kinds = list(dict.fromkeys((one.contrast_hu, one.diameter_mm) for one in seen))
    head = ["Method", *(f"{contrast:+g} HU, {diameter:g} mm" for contrast, diameter in kinds)]
    lines = [_row(head), _row(["---"] * len(head))]
    for name in dict.fromkeys(one.method for one in seen):
        cells = [name]
        mine = {(s.contrast_hu, s.diameter_mm): s for s in seen if s.method == name}
        for kind in kinds:
            one = mine[kind]
            cells.append(f"{one.found.d_prime:.2f} ± {one.found.error:.2f}")
        lines.append(_row(cells))
    return lines


def _known(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
