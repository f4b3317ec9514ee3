"""A report of a denoising or a training: what was done, how and how well, to be repeated."""

from __future__ import annotations

import math
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ctstudio import __version__
from ctstudio.core.events import Progress, Work
from ctstudio.ct.common_place import common_slices, counterpart, misfit
from ctstudio.ct.metrics import (
    PROTOCOLS,
    SSIM_WINDOW_PX,
    bias,
    evaluate,
    noise_sd,
    uniform_regions,
)
from ctstudio.figures.description import FigureSpec, StyleSpec
from ctstudio.figures.document import (
    Block,
    Document,
    Figure,
    Heading,
    Paragraph,
    Table,
    save_document,
)
from ctstudio.figures.plot import Plot
from ctstudio.figures.sheet import Sheet, arrange
from ctstudio.workflows.figures.ahead import ahead
from ctstudio.workflows.figures.fitting import without_misfits
from ctstudio.workflows.figures.make import still, travelling
from ctstudio.workflows.figures.material import HIDDEN, Material, Training
from ctstudio.workflows.figures.naming import short
from ctstudio.workflows.runs import RunSummary, summarise

NOT_HU = "The values of the series are not HU: neither metrics nor noise are told."
JUDGED = 9
"""Numbers are the mean over at most so many slices, spread over the series."""
PACKAGES = ("numpy", "scipy", "scikit-image", "torch", "pydicom", "Pillow")
PROTOCOL = "A"
"""Where no cell of the figure names another."""
MINUS, TIMES, DASH = "\N{MINUS SIGN}", " \N{MULTIPLICATION SIGN} ", "\N{EN DASH}"
NAMES = {
    "psnr": "PSNR", "ssim": "SSIM", "rmse": "RMSE", "dice": "Dice", "iou": "IoU", "auc": "AUC",
}  # fmt: skip


def save_report(
    spec: FigureSpec, material: Material, path: Path, *, keep_paths: bool = False
) -> Work[Path]:
    """Write the report of a figure's layers to HTML or PDF.

    Yields Progress. ``keep_paths`` is that of `ctstudio.workflows.figures.make.make`.

    Raises
    ------
    StudioError
        For another ending of ``path``, or when something that it shows cannot be read.
    """
    document = yield from report(spec, material)
    if keep_paths:
        text = travelling(spec, material, keep_paths=True)
        document = replace(document, description=text)
    yield Progress(1, 1, "Writing")
    return save_document(document, path)


def report(spec: FigureSpec, material: Material) -> Work[Document]:
    """What the layers of a figure are, how they were made, how they compare; with the figure."""
    whole, left_out = without_misfits(spec, material)
    blocks: list[Block] = []
    scans = [la.name for la in spec.layers if la.source == "series" and la.name in material.stacks]
    made = [la.name for la in spec.layers if la.source == "method" and la.name in material.stacks]
    folders = {t.folder: t for t in material.trainings.values()}
    runs = {folder: summarise(folder) for folder in folders}
    if scans:
        blocks += [Heading("Series"), _series(material, scans)]
    if made:
        blocks += [Heading("What was done"), *_deeds(spec, material, made)]
    for run in runs.values():
        blocks += [Heading("Training"), _came_to(run)]
    yield from ahead(whole, material)
    yield Progress(0, 0, "Drawing the figure")
    blocks += [Heading("Figure"), Figure(still(whole, material))]
    blocks += [Paragraph(material.hide(words)) for words in left_out]
    curves = {cell.layer for cell in spec.cells if cell.curve}
    for folder, training in folders.items():
        shown = {name for name, other in material.trainings.items() if other.folder == folder}
        if not curves & shown:
            blocks += [Heading("Curves"), _curves(training)]
    if scans and material.stacks[scans[0]].unit == "HU":
        protocols = list(dict.fromkeys(c.protocol for c in spec.cells if c.against)) or [PROTOCOL]
        blocks += yield from _numbers(material, scans, made, protocols)
    elif scans:
        blocks += [Heading("Image quality and noise"), Paragraph(NOT_HU)]
    for run in runs.values():
        blocks += [Heading("Settings of the training"), _settings(run)]
    blocks += [Heading("To make it again"), Paragraph(_versions()), Paragraph(_again(spec))]
    title = spec.title or _title(material, scans, made, list(runs.values()))
    return Document(material.hide(title), blocks, travelling(spec, material))


def _title(
    material: Material, scans: Sequence[str], made: Sequence[str], runs: Sequence[RunSummary]
) -> str:
    """What the report is about: what was made, else what was learnt, else what is compared."""
    if made:
        return f"Denoising: {'; '.join(material.titles.get(name, name) for name in made)}"
    if runs:
        names = "; ".join(run.title for run in runs if run.title)
        return f"Training: {names}" if names else "Report of a training"
    named = [material.titles.get(name, name) for name in scans]
    return f"Comparison: {'; '.join(named)}" if len(named) > 1 else "Report of a series"


def _series(material: Material, names: Sequence[str]) -> Table:
    """What they are, and nothing about whom they show."""
    rows = []
    for name in names:
        stack = material.stacks[name]
        z, y, x = stack.shape
        geometry = stack.geometry
        spacing = "not stated"
        if geometry.spacing_known:
            dy, dx = geometry.spacing_mm
            sides = [geometry.slice_spacing_mm] * (z > 1) + [dy, dx]  # one slice has no next one
            spacing = f"{TIMES.join(f'{side:.4g}' for side in sides)} mm"
        source = stack.source
        thick = source.slice_thickness_mm
        rows.append(
            (
                material.titles.get(name, name),
                TIMES.join(map(str, (z, y, x))),
                spacing,
                re.sub(r"\d{5,}", HIDDEN, material.hide(source.kernel)) or DASH,  # no date
                f"{thick:.4g} mm" if thick is not None else DASH,
                stack.unit or "none",
                "; ".join(material.hide(step) for step in stack.derivation) or "as in its files",
            )
        )
    head = (
        "Series",
        f"Slices{TIMES}rows{TIMES}columns",
        "Spacing",
        "Kernel",
        "Thickness",
        "Unit",
        "State",
    )
    return Table(head, tuple(rows))


def _deeds(spec: FigureSpec, material: Material, names: Sequence[str]) -> list[Block]:
    rows = []
    for name in names:
        layer = spec.layer(name)
        words = material.methods.get(name, "") or layer.method
        rows.append(
            (
                material.titles.get(name, name),
                material.titles.get(layer.of, layer.of),
                material.hide(words),
            )
        )
    return [Table(("Result", "Made from", "Method and settings"), tuple(rows))]


def _numbers(
    material: Material, scans: Sequence[str], made: Sequence[str], protocols: Sequence[str]
) -> Work[list[Block]]:
    """Metrics against the reference under each of ``protocols``, and the noise of every layer."""
    leader = material.stacks[scans[0]]
    truth = material.stacks[scans[1]] if len(scans) > 1 else None
    if truth is not None and misfit(leader, truth):
        truth = None
    shared = common_slices(leader, leader if truth is None else truth)
    last = len(shared) - 1
    slices = [shared[k] for k in sorted({round(p * last) for p in np.linspace(0.1, 0.9, JUDGED)})]
    target_name = scans[0] if truth is None else scans[1]
    targets = leader if truth is None else truth
    shown = [*scans, *made]
    rows: list[tuple[str, ...]] = []
    done = 0
    for name in shown:
        stack = material.stacks[name]
        title = material.titles.get(name, name)
        if misfit(leader, stack):
            continue
        found: dict[str, list[dict[str, float]]] = {protocol: [] for protocol in protocols}
        levels: list[tuple[float, float]] = []
        for z in slices:
            yield Progress(done, len(shown) * len(slices), f"Measuring: {title}")
            done += 1
            at, there = counterpart(leader, z, stack), counterpart(leader, z, targets)
            if at is None or there is None:
                continue
            image, target = stack.slice_hu(at), targets.slice_hu(there)
            where = uniform_regions(target)
            levels.append((_noise(image, where), bias(image, target, where)))
            if truth is not None and name != target_name:
                for protocol, those in found.items():
                    those.append(evaluate(image, target, protocol))
        metrics = [words for those in found.values() for words in _metrics(those)]
        sd, offset = (_mean([level[k] for level in levels]) for k in (0, 1))
        same = name == target_name
        rows.append(
            (
                title,
                *(metrics if truth is not None else ()),
                _hu(sd),
                *((DASH if same else _hu(offset, sign=True),) if len(shown) > 1 else ()),
            )
        )
    named = f"the {short(material.titles.get(target_name, target_name))}"
    numbers = ", ".join(str(z + 1) for z in slices)
    several = f"Mean over the slices {numbers}" if len(slices) > 1 else f"Of slice {numbers}"
    words = f"{several} of {len(leader)}. "
    head = ["", "Noise SD", *(["Bias"] if len(shown) > 1 else [])]
    if truth is not None:
        marks = [f" ({protocol})" if len(protocols) > 1 else "" for protocol in protocols]
        head[1:1] = [f"{name}{mark}" for mark in marks for name in ("PSNR", "SSIM", "RMSE")]
        rules = "; ".join(PROTOCOLS[protocol].title for protocol in protocols)
        told = "protocol" if len(protocols) == 1 else "protocols"
        words += f"PSNR, SSIM and RMSE against {named}, {told} {rules.replace('-', MINUS)}. "
    words += (
        f"Noise SD: in the uniform soft tissue of {named}, the median of the standard deviation "
        "within squares of 17 pixels. What CT Studio shows on the screen may differ, since it is "
        "of squares of 6.5 mm, of other slices, or of a region that was drawn."
    )
    if len(shown) > 1:
        words += f" Bias: in the same tissue, the mean difference from {named}."
    title = "Noise" if truth is None else "Image quality and noise"
    return [Heading(title), Paragraph(words), Table(tuple(head), tuple(rows))]


def _metrics(found: Sequence[Mapping[str, float]]) -> tuple[str, str, str]:
    """PSNR, SSIM and RMSE in words, the mean over slices; dashes where nothing was measured."""
    if not found:
        return DASH, DASH, DASH
    psnr, ssim, rmse = (float(np.mean([f[key] for f in found])) for key in ("psnr", "ssim", "rmse"))
    ratio = f"{psnr:.2f} dB" if math.isfinite(psnr) else "\N{INFINITY}"
    return ratio, "not defined" if math.isnan(ssim) else f"{ssim:.3f}", f"{rmse:.1f} HU"


def _noise(image: NDArray[np.float32], where: NDArray[np.bool_]) -> float:
    return noise_sd(image, where) if where.any() else math.nan


def _mean(values: Sequence[float]) -> float:
    known = [v for v in values if math.isfinite(v)]
    return float(np.mean(known)) if known else math.nan


def _hu(value: float, *, sign: bool = False) -> str:
    if not math.isfinite(value):
        return "no uniform region"
    return f"{value:{'+' if sign else ''}.2f} HU".replace("-", MINUS)


def _came_to(run: RunSummary) -> Table:
    """How far a training went, and the best of it."""
    state = f"{run.state}, {run.steps:,} of {run.total_steps:,} steps, {run.seconds / 60:.1f} min"
    rows = [("Recipe", run.title or "-"), ("State", state)]
    if run.best:
        rule = f", {run.protocol}" if run.protocol else ""
        if run.protocol in PROTOCOLS:
            title = PROTOCOLS[run.protocol].title.replace("-", MINUS)
            rule = f", protocol {title}"
        rows.append(("Best", f"step {run.best_step:,}{rule}"))
    for key, value in run.best.items():
        if math.isnan(value):
            small = f": the images are smaller than its window of {SSIM_WINDOW_PX} pixels"
            rows.append((_name(key), f"not defined{small if key == 'ssim' else ''}"))
            continue
        before = run.baseline.get(key, math.nan)
        unit = {"psnr": " dB", "rmse": " HU"}.get(key, "")
        words = f"{value:.4g}{unit}"
        words += f" (noisy input {before:.4g}{unit})" if math.isfinite(before) else ""
        rows.append((_name(key), words))
    return Table((), tuple(rows))


def _name(key: str) -> str:
    """Of a metric, as people write it."""
    return NAMES.get(key) or key.replace("_", " ").capitalize()


def _curves(training: Training) -> Figure:
    """Those of a training, for a figure that has none."""
    history = training.history
    plots = [
        Plot({n: (history.step, v) for n, v in history.losses.items()}, "Loss", logarithmic=True)
    ]
    for key in ("psnr", "dice"):
        if key in history.validation:
            level = history.baseline.get(key)
            line = {"validation": (history.validation_step, history.validation[key])}
            plots.append(
                Plot(
                    line, _name(key), label="dB" if key == "psnr" else "",
                    level=None if level is None else (level, "noisy input"),
                )
            )  # fmt: skip
    style = StyleSpec(width_mm=170, disclaimer=False, letters="none")
    return Figure(arrange(Sheet([plots], style)))


def _settings(run: RunSummary) -> Table:
    """Its recipe, in two columns: the second goes on where the first ends."""
    told = [
        (name, _plain(value))
        for name, value in run.settings.items()
        if value != "" and not _tells_path(value)
    ]
    half = (len(told) + 1) // 2
    told += [("", "")] * (2 * half - len(told))
    rows = tuple((*one, *other) for one, other in zip(told[:half], told[half:], strict=True))
    return Table(("Setting", "Value") * 2, rows)


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _tells_path(value: object) -> bool:
    """Whether a setting says where something lies on this computer."""
    return isinstance(value, str) and ("/" in value or "\\" in value)


def _versions() -> str:
    """A sentence of the packages that the numbers come from, and the system."""
    parts = [f"CT Studio {__version__}", f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            parts.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return f"{', '.join(parts)}, on {platform.system()} {platform.machine()}."


def _again(spec: FigureSpec) -> str:
    """The command that makes this report again, with all that it has to be given."""
    layers = spec.without_spares().layers
    series = {layer.number for layer in layers if layer.source == "series"}
    words = ["--from FILE"] + ["SERIES"] * bool(series)
    words += ["--reference SERIES"] * (max(series, default=1) - 1)
    words += ["--run FOLDER"] * any(layer.source == "run" for layer in layers)
    words += ["--mask MASK"] * len({la.number for la in layers if la.source == "mask"})
    line = f"{' '.join(words)} --out NAME"
    text = f"ctstudio report {line} makes this report again, ctstudio figure {line} its figure: "
    text += "its description travels in this file"
    if series:
        text += "; of another series with --other-series"
    if any(layer.source == "method" and not _by_name(layer.method) for layer in layers):
        text += ". Networks are named by their file alone: --method says where they lie"
    return f"{text}."


def _by_name(method: str) -> bool:
    """Whether a method is found by its name everywhere, unlike a network in a file."""
    from ctstudio.classical.denoisers import DENOISERS
    from ctstudio.learn import on_board
    from ctstudio.workflows import scan_alone

    return (
        method in DENOISERS
        or method == scan_alone.NAME
        or scan_alone.timed(method, scan_alone.NAME) != ""
        or any(
            network.name == method or scan_alone.timed(method, network.name)
            for network in on_board.networks()
        )
    )
