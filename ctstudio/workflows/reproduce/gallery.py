"""The gallery of all finished reports: ``index.md`` and ``index.html``, with relative links."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ctstudio.core.atomic import atomic_file
from ctstudio.workflows.reproduce.experiments import EXPERIMENTS, FAITHFUL, FORMS
from ctstudio.workflows.reproduce.figures import SLICES_GIF, curves_file, epochs_file, grid_file
from ctstudio.workflows.reproduce.report import NUMBERS, REPORT, number, table
from ctstudio.workflows.reproduce.segment_report import KIND as MASKS
from ctstudio.workflows.reproduce.segment_report import summary

TITLE = "Reproductions"
INTRODUCTION = (
    "J. D. Seo's experiments of 2018 on denoising lung CT, each as the author ran it and repaired. "
    "PSNR in the [0, 1] form: 0 is black, 1 the largest value of the clean slice, peak 1, no "
    "clipping; mean over held-out slices."
)
DISCLAIMER = "For research use, not for diagnosis."

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8884; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
section { margin: 3rem 0; }
.forms { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1.5rem; }
figure { margin: 0; } img { max-width: 100%; height: auto; display: block; margin-bottom: .5rem; }
"""


def write_gallery(out: Path) -> Path:
    """Gather the finished reports in ``out``; returns the page to open."""
    told = finished(out)
    pages = {"index.md": as_markdown(told), "index.html": as_html(told)}
    for name, text in pages.items():
        with atomic_file(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return out / "index.html"


def finished(out: Path) -> list[dict[str, Any]]:
    """What the finished reports tell, in the order of the articles; damaged ones are left out."""
    order = {experiment.name: place for place, experiment in enumerate(EXPERIMENTS)}
    told = [one for path in out.glob(f"*/{REPORT}") if (one := finished_report(path.parent))]
    return sorted(told, key=lambda one: (order.get(one["name"], len(order)), one["name"]))


def finished_report(folder: Path) -> dict[str, Any]:
    """What the report of one experiment tells; empty where there is none, or a damaged one."""
    if not (folder / REPORT).is_file():
        return {}
    try:
        found: dict[str, Any] = json.loads((folder / NUMBERS).read_text("utf-8"))
        as_html([found])
        as_markdown([found])
        ours = found["name"] == folder.name
    except (OSError, ValueError, LookupError, TypeError, AttributeError, StopIteration):
        return {}  # another program's report, or a damaged one: it does not end a night's work
    return found if ours else {}


def _cells(one: Mapping[str, Any]) -> list[str]:
    """The numbers of a row: the noisy input (of masks the mean mask), then each form."""
    if one.get("kind") == MASKS:
        return list(summary(one))
    forms = one["forms"]
    noisy = next(iter(forms.values()))["noisy"]["psnr_unit"]
    values = [noisy, *(forms[f]["numbers"]["psnr_unit"] if f in forms else None for f in FORMS)]
    return [number(value) for value in values]


ON_MASKS = (
    "Experiments of J. D. Seo's articles of 2018 on segmentation, each trained as its author did "
    "and in a repaired form. Dice and AUC over all pixels of held-out images, and beside them "
    "those of the mean mask of the images that were learnt from, where these have one size."
)


HEAD = ("Experiment", "The author saw", "Seen here", "Noisy (dB)", *(f"{f} (dB)" for f in
        FORMS.values()))  # fmt: skip


MASKS_HEAD = (
    "Experiment", "The author saw", "Seen here",
    *(f"{form}, {name}" for form in ("Mean mask", *FORMS.values()) for name in ("Dice", "AUC")),
)  # fmt: skip


def _kinds(told: Sequence[Mapping[str, Any]]) -> list[tuple[str, tuple[str, ...], list[Any]]]:
    """Introduction, heading and reports of each kind that there is."""
    masks = [one for one in told if one.get("kind") == MASKS]
    others = [one for one in told if one.get("kind") != MASKS]
    kinds: list[tuple[str, tuple[str, ...], list[Any]]] = []
    if others or not masks:
        kinds.append((INTRODUCTION, HEAD, others))
    if masks:
        kinds.append((ON_MASKS, MASKS_HEAD, masks))
    return kinds


def _seen(one: Mapping[str, Any]) -> str:
    sights = one["sights"]
    if not sights:
        return "-"
    held = sum(bool(sight["seen"]) for sight in sights)
    text = f"{held} of {len(sights)}"
    wanted, epochs = one.get("article_epochs"), one["forms"][FAITHFUL]["epochs"]
    if wanted and epochs and epochs < wanted:
        text += f", after {epochs:g} of {wanted} epochs"
    return text


def as_markdown(told: Sequence[Mapping[str, Any]]) -> str:
    """The gallery as Markdown."""
    parts = [f"# {TITLE}"]
    for introduction, head, some in _kinds(told):
        rows = [
            (f"[{one['title']}]({one['name']}/{REPORT})", one["seen"], _seen(one), *_cells(one))
            for one in some
        ]
        parts += [introduction, table(head, rows)]
    for one in told:
        parts.append(f"## {one['title']}")
        for form in one["forms"]:
            parts.append(f"![{FORMS[form]}]({one['name']}/{grid_file(form)})")
        parts.append(f"[Report]({one['name']}/{REPORT})")
    return "\n\n".join([*parts, DISCLAIMER]) + "\n"


def as_html(told: Sequence[Mapping[str, Any]]) -> str:
    """The gallery as a page of its own; pictures load as they come into view."""
    tables = "".join(_table(*kind) for kind in _kinds(told))
    sections = []
    for one in told:
        name, title = html.escape(one["name"]), html.escape(one["title"])
        figures = "".join(_form(one["name"], form) for form in one["forms"])
        why = html.escape(one["why"])
        sections.append(
            f'<section id="{name}"><h2>{title}</h2><p>{html.escape(one["seen"])}</p>'
            f'<div class="forms">{figures}<figure>{_image(one["name"], SLICES_GIF)}'
            f"<figcaption>Over the slices</figcaption></figure></div>"
            f'<p>{why}</p><p><a href="{name}/{REPORT}">Report with all numbers</a></p></section>'
        )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{TITLE}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f"<h1>{TITLE}</h1>{tables}{''.join(sections)}<p>{DISCLAIMER}</p>"
        "</body></html>\n"
    )


def _table(introduction: str, head: Sequence[str], some: Sequence[Mapping[str, Any]]) -> str:
    titles = "".join(
        f"<th{' class=n' if place > 2 else ''}>{html.escape(text)}</th>"
        for place, text in enumerate(head)
    )
    rows = []
    for one in some:
        name, title = html.escape(one["name"]), html.escape(one["title"])
        values = "".join(f"<td class=n>{html.escape(cell)}</td>" for cell in _cells(one))
        rows.append(
            f'<tr><td><a href="#{name}">{title}</a></td><td>{html.escape(one["seen"])}</td>'
            f"<td>{_seen(one)}</td>{values}</tr>"
        )
    return (
        f"<p>{html.escape(introduction)}</p><table><thead><tr>{titles}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _form(name: str, form: str) -> str:
    files = (grid_file(form), epochs_file(form), curves_file(form))
    images = "".join(_image(name, file) for file in files)
    late = "first epochs beside the last" if form == FAITHFUL else "first pictures beside the last"
    return f"<figure>{images}<figcaption>{FORMS[form]}: slice, {late}, cost</figcaption></figure>"


def _image(name: str, file: str) -> str:
    return f'<img loading="lazy" src="{html.escape(name)}/{file}" alt="{html.escape(file)}">'
