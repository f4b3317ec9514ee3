"""A report of a denoising or a training: what was done, how and how well, to be repeated."""

from __future__ import annotations

import math
import platform
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ctstudio import __version__
from ctstudio.core.events import Progress, Work
from ctstudio.ct.metrics import PROTOCOLS, bias, evaluate, noise_sd, uniform_regions
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
from ctstudio.workflows.figures.make import still, travelling
from ctstudio.workflows.figures.material import Material, Training

JUDGED = 9
"""Numbers are the mean over at most so many slices, spread over the series."""
PACKAGES = ("numpy", "scipy", "scikit-image", "torch", "pydicom", "Pillow")
PROTOCOL = "A"


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
    blocks: list[Block] = []
    scans = [la.name for la in spec.layers if la.source == "series" and la.name in material.stacks]
    made = [la.name for la in spec.layers if la.source == "method" and la.name in material.stacks]
    if scans:
        blocks += [Heading("Series"), _series(material, scans)]
    if made:
        blocks += [Heading("What was done"), *_deeds(spec, material, made)]
    yield Progress(0, 0, "Drawing the figure")
    blocks += [Heading("Figure"), Figure(still(spec, material))]
    if scans and material.stacks[scans[0]].unit == "HU":
        blocks += yield from _numbers(material, scans, made)
    folders: dict[Path, Training] = {t.folder: t for t in material.trainings.values()}
    for training in folders.values():
        blocks += _training(training)
    blocks += [Heading("Made with"), Paragraph(_versions()), Heading("To make it again")]
    blocks.append(Paragraph(_again(spec)))
    title = spec.title or ("Report of a training" if folders and not made else "Report")
    if made and not spec.title:
        names = ", ".join(material.titles.get(name, name) for name in made)
        title = f"Denoising: {names}"
    return Document(material.hide(title), blocks, travelling(spec, material))


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
            spacing = f"{geometry.slice_spacing_mm:.4g} x {dy:.4g} x {dx:.4g} mm"
        source = stack.source
        thick = source.slice_thickness_mm
        rows.append(
            (
                material.titles.get(name, name),
                f"{z} x {y} x {x}",
                spacing,
                source.kernel or "-",
                f"{thick:.4g} mm" if thick is not None else "-",
                stack.unit or "none",
                "; ".join(material.hide(step) for step in stack.derivation) or "as acquired",
            )
        )
    head = ("Series", "Slices x rows x columns", "Spacing", "Kernel", "Thickness", "Unit", "State")
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


def _numbers(material: Material, scans: Sequence[str], made: Sequence[str]) -> Work[list[Block]]:
    """Metrics against the reference, and the noise of every layer."""
    leader = material.stacks[scans[0]]
    count = len(leader)
    slices = sorted({round(p) for p in np.linspace(0.1 * (count - 1), 0.9 * (count - 1), JUDGED)})
    truth = material.stacks[scans[1]] if len(scans) > 1 else None
    comparable = truth is not None and truth.shape == leader.shape and truth.unit == "HU"
    shown = [*scans, *made]
    metrics, noise = [], []
    done = 0
    for name in shown:
        stack = material.stacks[name]
        title = material.titles.get(name, name)
        if stack.shape != leader.shape or stack.unit != "HU":
            continue
        figures: list[dict[str, float]] = []
        levels: list[tuple[float, float]] = []
        for z in slices:
            yield Progress(done, len(shown) * len(slices), f"Measuring: {title}")
            done += 1
            image = stack.slice_hu(z)
            against = truth if comparable and truth is not None else leader
            target = against.slice_hu(z)
            where = uniform_regions(target)
            levels.append((_noise(image, where), bias(image, target, where)))
            if comparable and name != scans[1]:
                figures.append(evaluate(image, target, PROTOCOL))
        if figures:
            means = [np.mean([f[key] for f in figures]) for key in ("psnr", "ssim", "rmse")]
            metrics.append((title, f"{means[0]:.2f} dB", f"{means[1]:.3f}", f"{means[2]:.1f} HU"))
        sd, offset = (_mean([level[k] for level in levels]) for k in (0, 1))
        noise.append((title, _hu(sd), _hu(offset, sign=True)))
    words = ", ".join(str(z + 1) for z in slices)
    blocks: list[Block] = []
    if metrics:
        rule = PROTOCOLS[PROTOCOL].title
        blocks += [
            Heading("Image quality"),
            Paragraph(
                f"Against {material.titles.get(scans[1], scans[1]).lower()}, protocol {rule}; "
                f"mean over the slices {words}."
            ),
            Table(("", "PSNR", "SSIM", "RMSE"), tuple(metrics)),
        ]
    reference = scans[1] if comparable else scans[0]
    blocks += [
        Heading("Noise"),
        Paragraph(
            "In uniform soft tissue: the standard deviation within squares of 17 pixels (median), "
            f"and the mean difference from {material.titles.get(reference, reference).lower()}; "
            f"mean over the slices {words}."
        ),
        Table(("", "Noise SD", "Bias"), tuple(noise)),
    ]
    return blocks


def _noise(image: NDArray[np.float32], where: NDArray[np.bool_]) -> float:
    return noise_sd(image, where) if where.any() else math.nan


def _mean(values: Sequence[float]) -> float:
    known = [v for v in values if math.isfinite(v)]
    return float(np.mean(known)) if known else math.nan


def _hu(value: float, *, sign: bool = False) -> str:
    if not math.isfinite(value):
        return "no uniform region"
    return f"{value:{'+' if sign else ''}.2f} HU".replace("-", "\N{MINUS SIGN}")


def _training(training: Training) -> list[Block]:
    """Recipe, curves and the best metrics of a run."""
    from ctstudio.workflows.runs import summarise

    run = summarise(training.folder)
    history = training.history
    state = f"{run.state}, {run.steps:,} of {run.total_steps:,} steps, {run.seconds / 60:.1f} min"
    rows = [("Recipe", run.title or "-"), ("State", state)]
    names = {"psnr": "PSNR", "ssim": "SSIM", "rmse": "RMSE", "dice": "Dice", "loss": "Loss"}
    for key, value in run.best.items():
        before = run.baseline.get(key, math.nan)
        unit = {"psnr": " dB", "rmse": " HU"}.get(key, "")
        words = f"{value:.4g}{unit}"
        words += f" (noisy input {before:.4g}{unit})" if math.isfinite(before) else ""
        label = f"{names.get(key, key)}, protocol {run.protocol}, step {run.best_step:,}"
        rows.append((label, words))
    plots = [
        Plot({n: (history.step, v) for n, v in history.losses.items()}, "Loss", logarithmic=True)
    ]
    for key in ("psnr", "dice"):
        if key in history.validation:
            level = history.baseline.get(key)
            line = {"validation": (history.validation_step, history.validation[key])}
            plots.append(
                Plot(
                    line, names[key], label="dB" if key == "psnr" else "",
                    level=None if level is None else (level, "noisy input"),
                )
            )  # fmt: skip
    style = StyleSpec(width_mm=170, disclaimer=False, letters="none")
    settings = [
        (name, _plain(value))
        for name, value in run.settings.items()
        if value != "" and not _tells_path(value)
    ]
    return [
        Heading("Training"),
        Table((), tuple(rows)),
        Figure(arrange(Sheet([plots], style))),
        Heading("Settings of the training"),
        Table(("Setting", "Value"), tuple(settings)),
    ]


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
    if any(layer.source == "method" and Path(layer.method).suffix for layer in layers):
        text += ". Networks are named by their file alone: say with --method where they lie"
    return f"{text}."
