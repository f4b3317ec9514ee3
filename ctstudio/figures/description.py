"""What a figure shows and how, as a table that people can read, keep and hand on.

It names layers by what they are, never by a patient or a path, so that it may travel inside the
files that are made from it and be used on another series.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal

from ctstudio.core.errors import StudioError
from ctstudio.figures.checked import make_table, wrong
from ctstudio.figures.parts import parse_part

VERSION = 1
KEY = "ctstudio_figure"
"""The entry that a description begins with: its version."""

LayerSource = Literal["series", "method", "difference", "run", "mask"]
Plane = Literal["stored", "axial", "coronal", "sagittal"]
Place = Literal["lower right", "lower left", "upper right", "upper left", "below"]
Letters = Literal["none", "a", "A", "(a)"]
MaskStyle = Literal["fill", "contour"]
Together = Literal["swipe", "swipe_down", "checkerboard", "blend"]
Colours = Literal["grey", "ember", "ocean", "viola"]
Motion = Literal["slices", "steps", "flicker", "swipe", "blend"]
MIDDLE, LAST = "middle", "last"
ALL = "all"


@dataclass(frozen=True)
class LayerSpec:
    """Where pictures come from.

    Parameters
    ----------
    name
        What cells call it.
    source
        "series": one that is opened, the ``number``-th. "method": what ``method`` (with its
        ``settings``) makes of the layer ``of``. "difference": ``of`` minus ``minus``. "run":
        the pictures of a training, ``picture`` of them. "mask": the ``number``-th one that is
        given; it lies over pictures.
    content
        Of a series or a network: what its values were when the figure was made (a size and a
        checksum), so that another one is not taken for it.
    """

    name: str
    source: LayerSource = "series"
    number: int = 1
    method: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    of: str = ""
    minus: str = ""
    picture: Literal["noisy", "reconstruction", "target", "residual"] = "reconstruction"
    content: str = ""


@dataclass(frozen=True)
class CellSpec:
    """One picture of the grid, or a curve of a training.

    Parameters
    ----------
    layer
        The name of a layer; empty for an empty place.
    slice
        A number from 1, "middle", or a part of the way such as "25%".
    step
        Of a training: a step, "last", or a part of the way.
    window
        A preset's name, width/centre ("400/40"), or "" for the figure's common one. Of a
        difference: what is shown on either side of zero, such as "100".
    title, caption
        Texts above and below; {window}, {slice}, {method}, {metrics} and {step} are filled in.
    against
        The layer that {metrics} compare with, under ``protocol``.
    mask
        The layer of a mask that lies over the picture, or "all" of them; "" for none.
    mask_as
        Whether its areas are filled, or outlined alone.
    curve
        "loss", "psnr", "ssim" or "rmse" of the layer's training, in place of a picture.
    beside
        A second layer in the same picture; "" for none.
    together, amount
        How: from a line on, which stands at so many per cent of the way ("swipe", "swipe_down"); in
        every other square of so many mm ("checkerboard"); or with a share of so many per cent
        ("blend").
    part
        Left, top, width and height in per cent of the picture, such as "25 20 50 50"; "" for all of
        it. Metrics are of the whole slice all the same.
    colours
        Of the window's greys; differences have colours of their own.
    """

    layer: str = ""
    slice: str = MIDDLE
    plane: Plane = "stored"
    step: str = LAST
    window: str = ""
    title: str = ""
    caption: str = ""
    against: str = ""
    protocol: str = "A"
    mask: str = ""
    mask_as: MaskStyle = "fill"
    curve: Literal["", "loss", "psnr", "ssim", "rmse", "dice"] = ""
    beside: str = ""
    together: Together = "swipe"
    amount: float = 50.0
    part: str = ""
    colours: Colours = "grey"


@dataclass(frozen=True)
class InsetSpec:
    """A part of every picture, enlarged: left, top, width, height as parts of the picture.

    ``size`` is the inset's width as a part of the picture's; below it, it is as wide.
    """

    box: tuple[float, float, float, float] = (0.4, 0.4, 0.2, 0.2)
    place: Place = "lower right"
    size: float = 0.4


@dataclass(frozen=True)
class ArrowSpec:
    """An arrow in every picture: where its tip is (parts of width, height), whence it comes.

    ``angle`` in degrees: 0 from the right, 90 from above.
    """

    at: tuple[float, float] = (0.5, 0.5)
    angle: float = 45.0


@dataclass(frozen=True)
class StyleSpec:
    """How it looks: sizes in mm and points, as a journal asks for them.

    ``mask_opacity`` from 0 to 1 is that of areas; ``legend`` names the colours of masks.
    """

    width_mm: float = 180.0
    dpi: int = 300
    font_pt: float = 8.0
    theme: Literal["light", "dark"] = "light"
    letters: Letters = "a"
    scale_bar: bool = True
    colour_bar: bool = True
    orientation: bool = True
    disclaimer: bool = True
    pixel_exact: bool = False
    mask_opacity: float = 0.4
    legend: bool = True


@dataclass(frozen=True)
class FilmSpec:
    """What moves, where a film is made of it.

    ``first`` and ``last`` number slices from 1; 0 is the outermost. ``frames`` is of swipe and
    blend. ``limit_mb`` of 0 is no limit.
    """

    over: Motion = "slices"
    seconds: float = 0.12
    first: int = 0
    last: int = 0
    every: int = 1
    back: bool = False
    frames: int = 30
    greys: int = 256
    dither: Literal["none", "ordered", "diffusion"] = "none"
    limit_mb: float = 0.0


@dataclass(frozen=True)
class FigureSpec:
    """A figure: its layers, its rows of cells, what is marked, how it looks.

    Where ``differences`` names a layer, a row follows each row of pictures: these minus that layer.
    """

    layers: tuple[LayerSpec, ...]
    rows: tuple[tuple[CellSpec, ...], ...]
    title: str = ""
    footer: str = ""
    window: str = ""
    differences: str = ""
    insets: tuple[InsetSpec, ...] = ()
    arrows: tuple[ArrowSpec, ...] = ()
    style: StyleSpec = StyleSpec()
    film: FilmSpec = FilmSpec()

    @property
    def cells(self) -> list[CellSpec]:
        """All cells, row by row."""
        return [cell for row in self.rows for cell in row]

    def layer(self, name: str) -> LayerSpec:
        """The layer of that name."""
        return next(layer for layer in self.layers if layer.name == name)

    def without_spares(self) -> FigureSpec:
        """With the layers alone that it shows, and those that these are made of."""
        masks = {layer.name for layer in self.layers if layer.source == "mask"}
        used = {name for c in self.cells for name in (c.layer, c.against, c.mask, c.beside)}
        used |= {self.differences} | (masks if ALL in used else set())
        for layer in reversed(self.layers):  # each comes after what it is made of
            if layer.name in used:
                used |= {layer.of, layer.minus}
        return replace(self, layers=tuple(la for la in self.layers if la.name in used))

    def to_dict(self) -> dict[str, Any]:
        """For a file; what is as usual is left out."""
        data = {KEY: VERSION, **_short(self)}
        data["rows"] = [{"cells": [_short(cell) for cell in row]} for row in self.rows]
        return data

    def to_json(self) -> str:
        """One line of JSON, in ASCII: it fits into any file's metadata."""
        return json.dumps(self.to_dict(), separators=(",", ":"))

    def to_toml(self) -> str:
        """For people."""
        import tomli_w

        return tomli_w.dumps(self.to_dict())

    @classmethod
    def parse(cls, text: str) -> FigureSpec:
        """A description from JSON or TOML.

        Raises
        ------
        StudioError
            When it is neither, of another version, or says what cannot be.
        """
        try:
            data = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise StudioError(
                "That is not the description of a figure.",
                hint="Give a TOML or JSON file, or a figure that CT Studio has made.",
                details=str(error),
            ) from error
        return cls.from_dict(data)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FigureSpec:
        """Check a table and make a description of it.

        Raises
        ------
        StudioError
            Naming the entry that is wrong, and what it may be.
        """
        data = dict(data)
        version = data.pop(KEY, None)
        if version != VERSION:
            told = "does not say its version" if version is None else f"is of version {version!r}"
            raise StudioError(
                f"The description of the figure {told}.",
                hint=f"It must begin with {KEY} = {VERSION}.",
            )
        rows = data.pop("rows", [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise wrong("rows", "a list of tables that each have cells")
        parsed = []
        for number, row in enumerate(rows, start=1):
            if set(row) != {"cells"} or not isinstance(row["cells"], list):
                raise wrong(f"row {number}", "a table with cells alone")
            where = f"row {number}, cell"
            cells = [make_table(CellSpec, c, f"{where} {k}") for k, c in enumerate(row["cells"], 1)]
            parsed.append(tuple(cells))
        spec = make_table(cls, {**data, "rows": ()}, "the figure", given=("rows",))
        object.__setattr__(spec, "rows", tuple(parsed))
        _check(spec)
        return spec


def _check(spec: FigureSpec) -> None:
    """What the types alone do not say."""
    if not any(spec.rows):
        raise wrong("rows", "at least one row of at least one cell")
    names = [layer.name for layer in spec.layers]
    for index, layer in enumerate(spec.layers):
        where = f"layer {layer.name!r}"
        if not layer.name or names.count(layer.name) > 1:
            raise wrong(where, "a name of its own")
        # Only those before it: so no layer is ever made from itself.
        needed = {"method": (layer.of,), "difference": (layer.of, layer.minus)}
        for name in needed.get(layer.source, ()):
            if name not in names[:index]:
                raise wrong(f"{where}: {name!r}", "the name of a layer before it")
        if layer.source == "method" and not layer.method:
            raise wrong(f"{where}: method", "the name of a method, or of a network's file")
        if layer.source in ("series", "mask") and layer.number < 1:
            raise wrong(f"{where}: number", "a number from 1")
    for cell in spec.cells:
        for what in ("layer", "against", "beside"):
            name = getattr(cell, what)
            if name and name not in names:
                raise wrong(f"{what} {name!r}", f"one of {', '.join(names)}")
        if cell.curve and (not cell.layer or spec.layer(cell.layer).source != "run"):
            raise wrong(f"curve {cell.curve!r}", "of a layer that is a training")
        if cell.layer and spec.layer(cell.layer).source == "mask":
            raise wrong(f"layer {cell.layer!r}", "an image; a mask lies over one (mask)")
        masks = [layer.name for layer in spec.layers if layer.source == "mask"]
        if cell.mask not in ("", ALL, *masks):
            raise wrong(f"mask {cell.mask!r}", f"one of {', '.join((ALL, *masks))}")
        if cell.beside and spec.layer(cell.beside).source in ("mask", "run"):
            raise wrong(f"beside {cell.beside!r}", "an image of slices")
        if cell.beside and not 0.1 <= cell.amount <= 1000 and cell.together == "checkerboard":
            raise wrong(f"amount = {cell.amount:g}", "between 0.1 and 1000 mm")
        if cell.beside and not 0 <= cell.amount <= 100 and cell.together != "checkerboard":
            raise wrong(f"amount = {cell.amount:g}", "between 0 and 100 per cent")
        parse_part(cell.part)
        place(cell.slice, 2)
        place(cell.step, 2, "step")
    if spec.differences and (
        spec.differences not in names
        or spec.layer(spec.differences).source not in ("series", "method")
    ):
        raise wrong(f"differences {spec.differences!r}", "the name of a series' or method's layer")
    style, film = spec.style, spec.film
    for what, value, low, high in (
        ("width_mm", style.width_mm, 20, 1000), ("dpi", style.dpi, 30, 2400),
        ("font_pt", style.font_pt, 3, 72), ("seconds", film.seconds, 0.02, 60),
        ("every", film.every, 1, 10_000), ("frames", film.frames, 2, 10_000),
        ("mask_opacity", style.mask_opacity, 0, 1),
        ("greys", film.greys, 2, 256), ("limit_mb", film.limit_mb, 0, 1e5),
    ):  # fmt: skip
        if not low <= value <= high:
            raise wrong(f"{what} = {value:g}", f"between {low:g} and {high:g}")
    for inset in spec.insets:
        left, top, width, height = inset.box
        inside = min(left, top) >= 0 and max(left + width, top + height) <= 1 + 1e-9
        if not (inside and min(width, height) > 0.005):
            raise wrong(f"box {list(inset.box)}", "parts of the picture, within it")
        if not 0.05 <= inset.size <= 1:
            raise wrong(f"size = {inset.size:g}", "between 0.05 and 1")
    if not all(0 <= part <= 1 for arrow in spec.arrows for part in arrow.at):
        raise wrong("an arrow's tip", "within the picture: two numbers from 0 to 1")


def place(text: str, count: int, what: str = "slice") -> int:
    """Which of ``count`` things ``text`` means, from 0: a number from 1, "middle", "last", "25%".

    ``what`` they are called in messages.

    Raises
    ------
    StudioError
        For anything else, or a number above ``count`` (of more than two).
    """
    words = text.strip().lower()
    named = {MIDDLE: count // 2, LAST: count - 1, "first": 0}
    if words in named:
        return named[words]
    try:
        if words.endswith("%") and 0 <= float(words[:-1]) <= 100:
            return round(float(words[:-1]) / 100 * (count - 1))
        if (number := int(words)) >= 1:
            if number > count > 2:
                raise StudioError(
                    f"There is no {what} {number}.", hint=f"There are {count}, from 1."
                )
            return number - 1
    except ValueError:
        pass
    raise wrong(f"{text!r}", 'a number from 1, "first", "middle", "last" or a part such as "25%"')


def _short(thing: Any) -> dict[str, Any]:
    """A dataclass as a table of what is not as usual."""
    result = {}
    for f in fields(thing):
        value = getattr(thing, f.name)
        usual = f.default_factory() if f.default_factory is not MISSING else f.default
        if value != usual and f.name != "rows":
            result[f.name] = _plain(value)
    return result


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _short(value)
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    return value
