"""What a machine reads of a network on board: what it was trained on, and for which scans it is.

The card stands beside the network as ``NAME.json``, with the same in words in ``NAME.md``. Reading
it loads no torch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ctstudio.core.atomic import explain_os_error
from ctstudio.core.errors import StudioError

FORMAT = "ctstudio card"
VERSION = 1
LONGEST, LONGEST_TITLE = 1_000_000, 200
"""Characters: of a card, and of what stands in lists."""
SLACK = 1.1
"""A scan counts as within a range up to a tenth beyond its ends."""

HU = "takes HU and returns HU: stored value = HU, scale 1, offset 0; it subtracts predicted noise"


@dataclass(frozen=True)
class Range:
    """From ``low`` to ``high``, both included."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Range | None:
        """The range of the numbers among ``values``; None where there is none."""
        known = [float(value) for value in values if math.isfinite(value)]
        return cls(min(known), max(known)) if known else None

    def holds(self, value: float) -> bool:
        """Whether ``value`` is in it, or not far beyond."""
        return self.low / SLACK <= value <= self.high * SLACK

    def __str__(self) -> str:
        low, high = f"{self.low:.3g}", f"{self.high:.3g}"
        return low if low == high else f"{low} to {high}"


@dataclass(frozen=True)
class TrainedOn:
    """One series that a network learnt from; nothing here tells whose it is."""

    slices: int
    spacing_mm: float | None = None
    thickness_mm: float | None = None
    kernel: str = ""


@dataclass(frozen=True)
class Card:
    """What is known of a network on board.

    ``reach_px`` is how far it looks to each side, None where that is not known. ``noise_hu`` is
    the SD in soft tissue of the scans that it learnt from, as `ctstudio.ct.tissue_noise` tells it.
    ``conditioned`` says where the network has the noise level from, "" where it is told none.
    ``protocol`` names how ``metrics`` were measured.
    """

    title: str
    network: str
    parameters: int
    steps: int
    series: tuple[TrainedOn, ...] = ()
    data: str = ""
    licence: str = ""
    author: str = ""
    note: str = ""
    noise: str = ""
    doses: Range | None = None
    simulated_kernels: tuple[str, ...] = ()
    noise_hu: Range | None = None
    reach_px: int | None = None
    multiply_adds: int | None = None
    neighbours: int = 1
    conditioned: str = ""
    hu: str = HU
    train_again: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    protocol: str = "A"
    created: str = ""
    ctstudio: str = ""

    @property
    def kernels(self) -> tuple[str, ...]:
        """The reconstruction kernels of the series, each once."""
        return tuple(dict.fromkeys(each.kernel for each in self.series if each.kernel))

    @property
    def spacing_mm(self) -> Range | None:
        """Of the pixels of the series."""
        return Range.of([s.spacing_mm for s in self.series if s.spacing_mm is not None])

    @property
    def thickness_mm(self) -> Range | None:
        """Of the slices of the series."""
        return Range.of([s.thickness_mm for s in self.series if s.thickness_mm is not None])

    def to_json(self) -> str:
        """As text, to be read by `from_json`."""
        return json.dumps(
            {"format": FORMAT, "version": VERSION, **asdict(self)}, indent=1, ensure_ascii=False
        )

    @classmethod
    def from_json(cls, text: str) -> Card:
        """Raises StudioError for what is no card, or one of another version."""
        try:
            data = json.loads(text)
            if data.pop("format") != FORMAT or data.pop("version") != VERSION:
                raise ValueError("it is of another kind or version")
            for name in ("doses", "noise_hu"):
                if data.get(name) is not None:
                    data[name] = Range(float(data[name]["low"]), float(data[name]["high"]))
            data["series"] = tuple(TrainedOn(**each) for each in data.get("series", ()))
            data["simulated_kernels"] = tuple(map(str, data.get("simulated_kernels", ())))
            card = cls(**data)
            if not all(isinstance(getattr(card, name), str) for name in _TEXTS):
                raise ValueError("a text is none")
            if len(text) > LONGEST or max(len(card.title), len(card.network)) > LONGEST_TITLE:
                raise ValueError("a text is too long")
            return card
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise StudioError(
                "This is no card of a network.",
                hint="Write it again with `ctstudio models --from`.",
                details=str(error),
            ) from error

    @classmethod
    def load(cls, path: Path) -> Card:
        """Read a card. Raises StudioError, naming the file."""
        try:
            return cls.from_json(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise explain_os_error(error, path, "read") from error
        except (UnicodeDecodeError, StudioError) as error:
            hint = error.hint if isinstance(error, StudioError) else ""
            raise StudioError(f"{path} is no card of a network.", hint=hint, path=path) from error

    def markdown(self) -> list[str]:
        """The lines that stand in ``NAME.md``: for which scans, and how to train it again."""
        rows = [
            ("Network", f"{self.network}, {self.parameters:,} weights"),
            ("Looks around", _or_unknown(self.reach_px, "{} px to each side")),
            ("Work", _or_unknown(self.multiply_adds, "{:,} multiplications a slice of 512 x 512")),
            ("Values", self.hu),
            ("Noise level", self.conditioned or "is not told"),
            ("Noise", self.noise),
            ("Doses", _or_unknown(self.doses, "{} of the full dose")),
            ("Kernels simulated", ", ".join(self.simulated_kernels)),
            ("Kernels of the scans", ", ".join(self.kernels)),
            ("Pixels", _or_unknown(self.spacing_mm, "{} mm")),
            ("Slices", _or_unknown(self.thickness_mm, "{} mm")),
            ("Noise in soft tissue", _or_unknown(self.noise_hu, "{} HU")),
        ]
        lines = ["## For which scans", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {text.replace('|', '/')} |" for name, text in rows if text]
        if self.series:
            lines += ["", "| series | slices | pixels (mm) | thickness (mm) | kernel |"]
            lines += ["|---|---|---|---|---|"]
        for number, one in enumerate(self.series, start=1):
            spacing, thickness = (
                f"{value:.3g}" if value is not None else "-"
                for value in (one.spacing_mm, one.thickness_mm)
            )
            kernel = one.kernel.replace("|", "/") or "-"
            lines.append(f"| {number} | {one.slices} | {spacing} | {thickness} | {kernel} |")
        if self.train_again:
            lines += ["", "## How to train it again", "", "```", self.train_again, "```"]
        return [*lines, ""]


_TEXTS = tuple(each.name for each in fields(Card) if each.type == "str")


def _or_unknown(value: Any, form: str) -> str:
    return "" if value is None else form.format(value)
