"""A description to a file: a still or a film, whole or not at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Progress, Work
from ctstudio.figures import film as films
from ctstudio.figures import stills
from ctstudio.figures.description import CellSpec, FigureSpec, LayerSpec
from ctstudio.figures.film import Film, Quality, save_film, shrink
from ctstudio.figures.glyphs import lacking
from ctstudio.figures.motion import Draw, blend, cine_order, flicker, swipe
from ctstudio.figures.panel import Panel
from ctstudio.figures.scene import Scene, draw
from ctstudio.figures.sheet import MM_PER_INCH, Sheet, arrange
from ctstudio.figures.text import ink
from ctstudio.workflows.figures.ahead import ahead
from ctstudio.workflows.figures.build import At, Builder
from ctstudio.workflows.figures.captions import FIXED
from ctstudio.workflows.figures.fitting import require_fit
from ctstudio.workflows.figures.material import Material
from ctstudio.workflows.figures.origin import with_content, without_content
from ctstudio.workflows.figures.together import windows_told

SUFFIXES = (*stills.SUFFIXES, *films.SUFFIXES)
FILM_PX = 1600
"""A film is about so wide: what a screen or a slide shows."""
FLICKER_SECONDS = 6.0
"""How long a flicker takes at least in a film that does not begin again by itself."""
ROOM = 1.2
"""As many times that width, for images that are then shown pixel by pixel."""


def travelling(
    spec: FigureSpec, material: Material | None = None, *, keep_paths: bool = False
) -> str:
    """The description as it goes into a file: of networks their files' names, not where they lie.

    One line of ASCII. With the ``material`` it tells which series it was made of, by a checksum,
    and names of networks tell nothing of a patient.
    """
    spec = FigureSpec.from_dict(spec.to_dict())  # 80 mm are written as 80.0 mm are
    spec = without_content(spec) if material is None else with_content(spec, material)
    if keep_paths:
        return spec.to_json()
    spec = without_paths(spec)
    if material is not None:
        hidden = (replace(layer, method=material.hide(layer.method)) for layer in spec.layers)
        spec = replace(spec, layers=tuple(hidden))
    return spec.to_json()


def without_paths(spec: FigureSpec) -> FigureSpec:
    """The description with the names of networks' files alone."""
    layers = (
        replace(layer, method=Path(layer.method).name) if layer.method else layer
        for layer in spec.layers
    )
    return replace(spec, layers=tuple(layers))


def make(
    spec: FigureSpec, material: Material, path: Path, *, bits: int = 8, keep_paths: bool = False
) -> Work[Path]:
    """Write the figure by the ending of ``path``: a still, or a film of what its ``film`` says.

    Yields Progress. ``keep_paths`` lets the places of network files travel in the metadata.

    Raises
    ------
    StudioError
        For another ending, a slice or step that is not there, a limit that cannot be kept.
    """
    suffix = path.suffix.lower()
    text = travelling(spec, material, keep_paths=keep_paths)
    if suffix in stills.SUFFIXES:
        yield from ahead(spec, material)
        yield Progress(0, 2, "Drawing")
        scene = still(spec, material)
        if words := small_text(spec, scene):
            yield Note(words)
        if suffix != ".svg" and (words := lacking_words(scene)):
            yield Note(words)
        yield Progress(1, 2, "Writing")
        return stills.save_still(scene, path, description=text, bits=bits)
    if suffix not in films.SUFFIXES:
        raise StudioError(
            f"{path.name} does not say what kind of file it is.",
            hint=f"Give a name that ends in {', '.join(SUFFIXES)}.",
            path=path,
        )
    yield Progress(0, 0, "Drawing")
    limit = round(spec.film.limit_mb * 1e6) or None
    quality = Quality(spec.film.greys, spec.film.dither, limit)
    made = film(spec, material, text)
    if spec.film.over == "slices" and (words := films_part(spec, material)):
        yield Note(words)
    if suffix != ".gif" and spec.film.over == "flicker":
        # A GIF begins again by itself; other films are over before one has seen anything.
        turns = math.ceil(FLICKER_SECONDS / (made.count * made.seconds_per_frame))
        made = replace(made, count=made.count * turns)
    return (yield from save_film(made, path, quality))


def small_text(spec: FigureSpec, scene: Scene) -> str:
    """A sentence where the text is smaller on paper than it was to be, for want of room, or ""."""
    style = spec.style
    wide = style.width_mm / MM_PER_INCH * style.dpi
    if style.pixel_exact or scene.width <= wide + 1:
        return ""
    points = style.font_pt * wide / scene.width
    return (
        f"The text is {points:.2g} points high instead of {style.font_pt:g}: there is no room for "
        f"more in {style.width_mm:g} mm."
    )


def lacking_words(scene: Scene) -> str:
    """A sentence on letters of a figure that the typeface has not, or ""."""
    letters = lacking(scene.texts)
    if not letters:
        return ""
    return (
        f"The typeface of figures has no {' '.join(letters[:12])}: bars stand in their places. "
        "In an SVG the fonts of whoever opens it are used."
    )


def films_part(spec: FigureSpec, material: Material) -> str:
    """A sentence on slices of the original that a film leaves out, or ""."""
    builder = Builder.of(spec, material)
    leader, shared = builder.leader, builder.shared_slices()
    if leader is None or len(shared) == len(leader):
        return ""
    return f"The film shows {len(shared)} of {len(leader)} slices: those that all its series have."


def still(spec: FigureSpec, material: Material) -> Scene:
    """The figure as a scene: for a still, and for what the window shows of it."""
    require_fit(spec, material)
    return arrange(Builder.of(spec, material).sheet())


def film(spec: FigureSpec, material: Material, comment: str = "") -> Film:
    """The film that a description asks for; its frames are drawn when they are needed.

    Raises
    ------
    StudioError
        When there is nothing that could move.
    """
    require_fit(spec, material)
    named = {name: replace(mask, all_named=True) for name, mask in material.masks.items()}
    builder = Builder.of(spec, replace(material, masks=named))
    motion = spec.film.over
    if motion == "slices":
        draw_frame, count = _over_slices(builder)
    elif motion == "steps":
        draw_frame, count = _over_steps(builder)
    else:
        draw_frame, count = _between(builder)
    return Film(draw_frame, count, spec.film.seconds, comment)


class _Frames:
    """Sheets to frames of one size, about `FILM_PX` wide."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._sizes: dict[float, tuple[int, int]] = {}
        self._exact: bool | None = None  # not known before the first frame

    def draw(self, at: At, scale: float) -> Image.Image:
        """One frame. What follows the first is cut or filled to its size."""
        scene = self.scene(at, scale)
        image = self.image(scene, scale, lean=True)
        return _filled(image, self._sizes.setdefault(scale, image.size), scene.background)

    def scene(
        self, at: At, scale: float, rows: Sequence[Sequence[CellSpec]] | None = None
    ) -> Scene:
        """What a frame shows; ``rows`` are other cells than the description's."""
        return self._arranged(self._builder.sheet(at, rows), scale)

    def image(self, scene: Scene, scale: float, *, lean: bool = False) -> Image.Image:
        """The pixels of a scene; ``lean`` as in `draw`."""
        image = draw(scene, lean=lean)
        exact = self._builder.spec.style.pixel_exact
        return shrink(image, scale) if exact and scale != 1.0 else image

    def _arranged(self, sheet: Sheet, scale: float) -> Scene:
        """Of whole px for every pixel of the images where that is hardly wider than wished for."""
        style = sheet.style
        if style.pixel_exact:
            return arrange(sheet)
        dpi = round(min(style.dpi, FILM_PX / style.width_mm * MM_PER_INCH) * scale)
        if scale == 1.0 and self._exact is not False:
            exact = arrange(replace(sheet, style=replace(style, dpi=dpi, pixel_exact=True)))
            if self._exact is None:
                self._exact = 0.7 * FILM_PX <= exact.width <= ROOM * FILM_PX
            if self._exact:
                return exact
        return arrange(replace(sheet, style=replace(style, dpi=max(dpi, 30))))


def _over_slices(builder: Builder) -> tuple[Draw, int]:
    leader, wanted = builder.leader, builder.spec.film
    if leader is None or len(leader) < 2:
        raise StudioError(
            "A film over slices needs a series of at least two slices.",
            hint="Show a series, or choose another kind of film.",
        )
    last = min(wanted.last or len(leader), len(leader)) - 1
    first = min(max(wanted.first, 1), len(leader)) - 1
    order = cine_order(first, last, step=wanted.every, back=wanted.back)
    shared = set(builder.shared_slices())
    order = [index for index in order if index in shared]
    if not order:
        raise StudioError(
            "There is no slice that all pictures of the film have.",
            hint="Give a series that covers more of the same place.",
        )
    frames = _Frames(builder)
    return (lambda index, scale: frames.draw(At(slice=order[index]), scale)), len(order)


def _over_steps(builder: Builder) -> tuple[Draw, int]:
    training = builder.training
    if training is None:
        raise StudioError(
            "A film over a training needs one.", hint="Give the folder of a training."
        )
    builder = replace(builder, **_all_moving(builder.spec, builder.material))
    count = len(training.steps)
    order = cine_order(0, count - 1, step=builder.spec.film.every, back=builder.spec.film.back)
    if order[-1] != count - 1 and not builder.spec.film.back:
        order.append(count - 1)  # where it came to is what people want to see
    frames = _Frames(builder)
    return (lambda index, scale: frames.draw(At(step=order[index]), scale)), len(order)


def _all_moving(spec: FigureSpec, material: Material) -> dict[str, Any]:
    """The description where no row shows the same picture of a training again and again.

    Pictures that differ by their step alone are one in a film over steps. The first of them stays,
    between what it is made of and what was changed.
    """
    layers, trainings = list(spec.layers), dict(material.trainings)
    rows = []
    for row in spec.rows:
        kept: list[CellSpec] = []
        for cell in row:
            alike = [c for c in kept if _but_for_step(c) == _but_for_step(cell)]
            if cell.curve or cell.layer not in material.trainings or not alike:
                kept.append(cell)
        for name in {cell.layer for cell in kept if len(kept) < len(row) and not cell.curve}:
            layer = spec.layer(name)
            if layer.source != "run" or layer.picture != "reconstruction":
                continue
            at = next(k for k, cell in enumerate(kept) if cell.layer == name and not cell.curve)
            around = {}
            for picture in ("noisy", "residual"):
                other = LayerSpec(f"{name}: {picture}", "run", picture=picture)
                if other.name not in trainings:
                    layers.append(other)
                    trainings[other.name] = trainings[name]
                around[picture] = CellSpec(other.name, caption="{window}", window=kept[at].window)
            around["residual"] = replace(around["residual"], window="")
            kept[at : at + 1] = [around["noisy"], kept[at], around["residual"]][: len(row)]
        rows.append(tuple(kept))
    return {
        "spec": replace(spec, layers=tuple(layers), rows=tuple(rows)),
        "material": replace(material, trainings=trainings),
    }


def _but_for_step(cell: CellSpec) -> CellSpec:
    return replace(cell, step="", title="")


def _between(builder: Builder) -> tuple[Draw, int]:
    """Flicker, swipe or fade between the pictures of the first row, in one and the same place.

    Differences are left out where there are two other pictures: they have nothing in common with
    these, and every turn would begin with a flash.
    """
    spec, wanted = builder.spec, builder.spec.film
    cells = [cell for cell in spec.rows[0] if cell.layer and not cell.curve]
    pictures_alone = [cell for cell in cells if not _is_difference(spec, cell)]
    if len(pictures_alone) >= 2:
        cells = pictures_alone
    motion = wanted.over
    if len(cells) < 2:
        raise StudioError(
            f"A film as {motion} takes two pictures in the first row.",
            hint="Add a picture, or choose another kind of film.",
        )
    if motion != "flicker":
        # Both are seen at once: the words are of both, and do not move.
        contents = [builder.sheet(At(), [[cell]]).rows[0][0] for cell in cells[:2]]
        between = " | " if motion == "swipe" else " \N{LEFT RIGHT ARROW} "
        title = between.join(content.title for content in contents if content is not None)
        shown = [content for content in contents if isinstance(content, Panel)]
        words = windows_told(*shown)
        cells = [replace(cell, title=title, caption=words) for cell in cells[:2]]
    else:
        cells = _of_one_height(builder, cells)
    pictures = _Same(builder, cells)
    if motion == "flicker":
        return flicker([pictures.one(k) for k in range(len(cells))])
    if motion == "swipe":
        return swipe(pictures.one(0), pictures.one(1), wanted.frames, box=pictures.box)
    return blend(pictures.one(0), pictures.one(1), wanted.frames)


def _of_one_height(builder: Builder, cells: Sequence[CellSpec]) -> list[CellSpec]:
    """With captions of as many lines, so that what is below them does not move."""
    contents = [builder.sheet(At(), [[cell]]).rows[0][0] for cell in cells]
    captions = ["" if content is None else content.caption for content in contents]
    counts = [caption.count("\n") + bool(caption) for caption in captions]
    empty = f"\n{FIXED}"
    return [
        replace(
            cell,
            caption=(cell.caption or FIXED * (count < max(counts)))
            + empty * (max(counts) - max(count, 1)),
        )
        for cell, count in zip(cells, counts, strict=True)
    ]


def _is_difference(spec: FigureSpec, cell: CellSpec) -> bool:
    layer = spec.layer(cell.layer)
    return layer.source == "difference" or (layer.source == "run" and layer.picture == "residual")


class _Same:
    """One picture a figure, all of one size, for films that go from one to the next."""

    def __init__(self, builder: Builder, cells: Sequence[CellSpec]) -> None:
        plain = replace(builder.spec, style=replace(builder.spec.style, letters="none"))
        self._frames = _Frames(replace(builder, spec=plain))
        self._cells = cells
        self._kept: dict[float, list[Image.Image]] = {}

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Where the image lies: left, top, right, bottom as parts of the frame."""
        height = max(image.height for image in self._all(1.0))
        scene = self._frames.scene(At(), 1.0, [[self._cells[0]]])
        place = scene.places[0]
        right, bottom = place.left + place.width, place.top + place.height
        return (
            place.left / scene.width, place.top / height, right / scene.width, bottom / height,
        )  # fmt: skip

    def one(self, number: int) -> Draw:
        """How to draw one of them."""
        return lambda _index, scale: self._all(scale)[number]

    def _all(self, scale: float) -> list[Image.Image]:
        if scale not in self._kept:
            scenes = [self._frames.scene(At(), scale, [[cell]]) for cell in self._cells]
            images = [self._frames.image(scene, scale) for scene in scenes]
            size = tuple(max(getattr(i, side) for i in images) for side in ("width", "height"))
            ground = scenes[0].background
            self._kept = {scale: [_filled(image, (size[0], size[1]), ground) for image in images]}
        return self._kept[scale]


def _filled(image: Image.Image, size: tuple[int, int], ground: tuple[int, int, int]) -> Image.Image:
    """``image`` at the upper left of ``size``: a caption of another length moves what is below."""
    if image.size == size:
        return image
    whole = Image.new(image.mode, size, ink(image.mode, ground))
    whole.paste(image, (0, 0))
    return whole
