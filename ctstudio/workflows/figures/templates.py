"""The figures that people make again and again, as descriptions to start from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ctstudio.core.errors import StudioError
from ctstudio.figures.description import (
    CellSpec,
    FigureSpec,
    FilmSpec,
    InsetSpec,
    LayerSpec,
    StyleSpec,
)

ORIGINAL, REFERENCE, TRAINING = "original", "reference", "training"
METRICS = "{metrics}\n{window}"
SECOND, RESULT, RUN = "a second series", "a denoised series", "a training"


@dataclass(frozen=True)
class Given:
    """What there is to show.

    ``methods`` are names or network files in order; ``series`` counts the series that are opened,
    of which the first is the original, the second what it is compared with. ``both``: the second is
    shown, also where a template takes one.
    """

    methods: Sequence[str] = ()
    series: int = 1
    training: bool = False
    window: str = ""
    both: bool = False


@dataclass(frozen=True)
class Template:
    """One of them: its name on the command line, its title, what it is good for, what it needs."""

    name: str
    title: str
    help: str
    draw: Callable[[Given], FigureSpec]
    needs: Sequence[str] = ()

    def lacks(self, given: Given) -> list[str]:
        """What it needs and is not there, in words."""
        there = {
            SECOND: given.series > 1,
            RESULT: bool(given.methods) or (given.both and self.name == "residual"),
            RUN: given.training,
        }
        return [need for need in self.needs if not there[need]]

    def make(self, given: Given) -> FigureSpec:
        """The description.

        Raises
        ------
        StudioError
            Where something that it needs is not there.
        """
        if lacks := self.lacks(given):
            raise StudioError(
                f"The template {self.name} needs {' and '.join(lacks)}.",
                hint="Give it (--reference PATH, --method NAME, --run FOLDER) or take another one.",
            )
        return self.draw(given)


def template(name: str) -> Template:
    """The template of that name.

    Raises
    ------
    StudioError
        Where there is none.
    """
    if name in TEMPLATES:
        return TEMPLATES[name]
    raise StudioError(f"There is no template {name!r}.", hint=f"There are {', '.join(TEMPLATES)}.")


def _layers(given: Given, *, differences: bool = False) -> list[LayerSpec]:
    """The series, what each method makes of the first, and what it changes."""
    layers = [LayerSpec(ORIGINAL)]
    if given.series > 1:
        layers.append(LayerSpec(REFERENCE, number=2))
    for number, method in enumerate(given.methods, start=1):
        layers.append(LayerSpec(_denoised(number), "method", method=method, of=ORIGINAL))
    if differences:
        for number in range(1, len(given.methods) + 1):
            layers.append(
                LayerSpec(f"residual {number}", "difference", of=_denoised(number), minus=ORIGINAL)
            )
    return layers


def _denoised(number: int) -> str:
    return f"denoised {number}"


def _against(given: Given) -> str:
    return REFERENCE if given.series > 1 else ""


def _cell(given: Given, layer: str) -> CellSpec:
    against = "" if layer == REFERENCE else _against(given)
    caption = METRICS if against else "{window}"
    return CellSpec(layer, caption=caption, against=against)


def _pair(given: Given, *, difference: bool) -> FigureSpec:
    """Two series side by side, without any method: another reconstruction, another dose."""
    layers = [LayerSpec(ORIGINAL), LayerSpec(REFERENCE, number=2)]
    row = [_cell(given, ORIGINAL), _cell(given, REFERENCE)]
    if difference:
        layers.append(LayerSpec("residual 1", "difference", of=REFERENCE, minus=ORIGINAL))
        row.append(CellSpec("residual 1", caption="{window}"))
    style = StyleSpec() if difference else StyleSpec(width_mm=120, letters="none")
    return FigureSpec(
        tuple(layers), (tuple(row),), window=given.window, footer="{slice}", style=style
    )


def _single(given: Given) -> FigureSpec:
    if given.both and given.series > 1:
        return _pair(given, difference=False)
    return FigureSpec(
        (LayerSpec(ORIGINAL),),
        ((CellSpec(ORIGINAL, caption="{slice}, {window}"),),),
        window=given.window,
        style=StyleSpec(width_mm=85, letters="none"),
    )


def _residual(given: Given) -> FigureSpec:
    if not given.methods:
        return _pair(given, difference=True)
    rows = []
    for number in range(1, len(given.methods) + 1):
        rows.append(
            (
                _cell(given, ORIGINAL),
                _cell(given, _denoised(number)),
                CellSpec(f"residual {number}", caption="{window}"),
            )
        )
    layers = _layers(given, differences=True)
    if given.series < 2:
        layers = [layer for layer in layers if layer.name != REFERENCE]
    return FigureSpec(tuple(layers), tuple(rows), window=given.window, footer="{slice}")


def _grid(given: Given) -> FigureSpec:
    """The articles' two by two; in the place that is empty there another method, or the change."""
    last = CellSpec("residual 1", caption="{window}")
    if len(given.methods) > 1:
        last = _cell(given, _denoised(2))
    rows = (
        (_cell(given, REFERENCE), _cell(given, ORIGINAL)),
        (_cell(given, _denoised(1)), last),
    )
    style = StyleSpec(width_mm=120, letters="none")
    layers = tuple(_layers(given, differences=len(given.methods) == 1))
    return FigureSpec(layers, rows, window=given.window, footer="{slice}", style=style)


def _five(given: Given) -> FigureSpec:
    layers = _layers(given, differences=True)
    layers.append(LayerSpec("error", "difference", of=_denoised(1), minus=REFERENCE))
    rows = (
        (
            _cell(given, REFERENCE),
            _cell(given, ORIGINAL),
            _cell(given, _denoised(1)),
            CellSpec("residual 1", caption="{window}"),
            CellSpec("error", caption="{window}"),
        ),
    )
    style = StyleSpec(width_mm=180, font_pt=6)
    layers_ = tuple(layers)
    return FigureSpec(layers_, rows, window=given.window, footer="{slice}", style=style)


def _methods(given: Given) -> FigureSpec:
    compared = given.series > 1
    shown = [REFERENCE] if compared else []
    shown += [ORIGINAL, *(_denoised(k) for k in range(1, len(given.methods) + 1))]
    row = tuple(_cell(given, name) for name in shown)
    ground = REFERENCE if compared else ORIGINAL
    return FigureSpec(
        tuple(_layers(given)),
        (row,),
        window=given.window,
        footer="{slice}",
        differences=ground,
        insets=(InsetSpec((0.55, 0.5, 0.2, 0.2), "below"),),
        style=StyleSpec(font_pt=7),
    )


def _progress(given: Given) -> FigureSpec:
    layers = (
        LayerSpec("noisy", "run", picture="noisy"),
        LayerSpec(TRAINING, "run"),
        LayerSpec("difference", "run", picture="residual"),
        LayerSpec("target", "run", picture="target"),
    )
    pictures = tuple(
        CellSpec(TRAINING, step=step, title="{step}", caption="{metrics}")
        for step in ("first", "30%", "last")
    )
    return FigureSpec(
        layers,
        (
            pictures,
            (
                CellSpec(TRAINING, curve="loss", title="Loss"),
                CellSpec(TRAINING, curve="psnr", title="PSNR, protocol A"),
                # Below pictures of the same window: their colour bars take one place.
                CellSpec("target", title="Target", caption="{window}"),
            ),
        ),
        window=given.window,
        film=FilmSpec(over="steps", seconds=0.25),
    )


TEMPLATES: dict[str, Template] = {
    t.name: t
    for t in (
        Template("single", "One picture", "A slice as it is", _single),
        Template(
            "residual", "Original, denoised, difference",
            "A row for each method, with denoised \N{MINUS SIGN} original", _residual, (RESULT,),
        ),
        Template(
            "grid", "Two by two",
            "The articles' reference, noisy and denoised, with a second method or the difference",
            _grid, (SECOND, RESULT),
        ),
        Template(
            "five", "Five panels",
            "Reference, noisy, denoised, and denoised \N{MINUS SIGN} each of the two", _five,
            (SECOND, RESULT),
        ),
        Template(
            "methods", "Methods compared",
            "All methods side by side, an enlarged part below each, and a row of differences",
            _methods, (RESULT,),
        ),
        Template(
            "progress", "Training progress", "Pictures from the first step to the last, and curves",
            _progress, (RUN,),
        ),
    )
}  # fmt: skip
"""By name."""
