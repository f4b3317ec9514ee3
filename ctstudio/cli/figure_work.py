"""What `ctstudio figure` and `ctstudio report` show, and of which series they make it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ctstudio.cli.common import how_many, open_series, parse_settings
from ctstudio.cli.progress import drain
from ctstudio.core.errors import StudioError

if TYPE_CHECKING:
    from ctstudio.core.events import Work
    from ctstudio.ct.series import SeriesInfo
    from ctstudio.figures.description import FigureSpec, LayerSpec
    from ctstudio.workflows.figures.material import Material

    Writer = Callable[[FigureSpec, Material, Path], Work[Path]]


def described(options: dict[str, Any]) -> FigureSpec:
    """The description: of a file or a template, changed by the other options.

    Raises
    ------
    StudioError, click.UsageError
        When the template needs more than is given, or less, so that something would be left out.
    """
    from dataclasses import replace

    from ctstudio.figures.description import FigureSpec
    from ctstudio.figures.stills import read_description
    from ctstudio.workflows.figure import parse_window

    if options["origin"]:
        spec = _by_methods(read_description(options["origin"]), options["methods"])
    else:
        spec = _from_template(options)
    if options["settings"]:
        spec = _with_settings(spec, options)
    if options["window"] is not None:
        parse_window(options["window"])
        spec = replace(spec, window=options["window"])
    spec = _with_masks(spec, options)
    if options["differences"] is not None:
        spec = _with_differences(spec, options["differences"])
    if options["protocol"] is not None:
        spec = _under(spec, options["protocol"])
    if options["number"] is not None:
        _require_slice(options["number"])
        rows = tuple(
            tuple(replace(cell, slice=options["number"]) for cell in row) for row in spec.rows
        )
        spec = replace(spec, rows=rows)
    if options["title"] is not None:
        spec = replace(spec, title=options["title"])
    _require_all_shown(spec, options)
    return FigureSpec.from_dict(spec.to_dict())  # what was changed is checked, too


def _require_slice(text: str) -> None:
    from ctstudio.figures.description import place

    try:
        place(text, 2)
    except StudioError as error:
        raise click.BadParameter(f"{text!r} is none. {error.hint}", param_hint="--slice") from error


def _with_differences(spec: FigureSpec, ground: str) -> FigureSpec:
    """The description with differences from a layer; a name of none is told with those there are.

    Raises
    ------
    click.BadParameter
        For another name, or where nothing else is shown that could differ from it.
    """
    from dataclasses import replace

    pictures = [la.name for la in spec.layers if la.source in ("series", "method")]
    if ground not in pictures:
        told = f"they are {', '.join(pictures)}" if pictures else "there is none"
        raise click.BadParameter(
            f"{ground!r} is no layer of a series or method: {told}.", param_hint="--differences"
        )
    if {cell.layer for cell in spec.cells} & set(pictures) <= {ground}:
        raise click.BadParameter(
            f"nothing but {ground!r} is shown: add a --method or a --reference.",
            param_hint="--differences",
        )
    return replace(spec, differences=ground)


def _under(spec: FigureSpec, name: str) -> FigureSpec:
    """The description with its metrics under another protocol.

    Raises
    ------
    click.BadParameter
        For a name of none, or where nothing is measured.
    """
    from dataclasses import replace

    from ctstudio.ct.metrics import PROTOCOLS

    known = {each.casefold(): each for each in PROTOCOLS}
    found = known.get(" ".join(name.replace("-", " ").split()).casefold())
    if found is None:
        raise click.BadParameter(
            f"{name!r} is none. It must be {', '.join(map(repr, PROTOCOLS))}.",
            param_hint="--protocol",
        )
    if not any(cell.against for cell in spec.cells):
        training = " A training is judged under protocol A."
        raise click.BadParameter(
            "there is nothing to measure against: add a --reference."
            + training * any(layer.source == "run" for layer in spec.layers),
            param_hint="--protocol",
        )
    rows = tuple(
        tuple(replace(cell, protocol=found) if cell.against else cell for cell in row)
        for row in spec.rows
    )
    return replace(spec, rows=rows)


def _by_methods(spec: FigureSpec, methods: Sequence[str]) -> FigureSpec:
    """A file's description with other methods.

    One that is called as a layer's method (a description knows of networks their files' names) is
    taken for that; the others stand in order for those that are left.
    """
    from dataclasses import replace

    known = [layer.method for layer in spec.layers if layer.source == "method"]
    same = {Path(method).name: method for method in methods if Path(method).name in known}
    others = iter([method for method in methods if Path(method).name not in same])
    layers = []
    for layer in spec.layers:
        if layer.source == "method" and layer.method in same:
            layer = replace(layer, method=same[layer.method])
        elif layer.source == "method" and (other := next(others, "")):
            layer = replace(layer, method=other, settings={}, content="")
        layers.append(layer)
    return replace(spec, layers=tuple(layers))


def _from_template(options: dict[str, Any]) -> FigureSpec:
    from ctstudio.workflows.figures.templates import Given, template

    methods, training = options["methods"], options["run"] is not None
    series = 2 if options["demo"] else 1 + len(options["references"])
    usual = "residual" if methods else "single"
    if training and not (options["path"] or options["demo"]):
        usual = "progress"
    name = options["template"] or usual
    try:
        window = options["window"] or ""
        both = bool(options["references"]) and not methods
        return template(name).make(Given(methods, series, training, window, both))
    except StudioError as error:
        lacking = []
        if name in ("grid", "five") and series < 2:
            lacking.append("the other series with --reference PATH")
        if name != "progress" and not methods:
            lacking.append("a method with --method NAME")
        if not lacking:
            raise
        raise StudioError(error.message, hint=f"Give {' and '.join(lacking)}.") from error


def _with_settings(spec: FigureSpec, options: dict[str, Any]) -> FigureSpec:
    """The description with other settings of its methods; wrong ones are told at once."""
    from dataclasses import replace

    from ctstudio.workflows.denoise import ClassicalMethod, method_from

    named = [layer.method for layer in spec.layers if layer.source == "method"]
    wanted: dict[str, dict[str, str]] = {}
    for key, value in parse_settings(options["settings"]).items():
        method, dot, setting = key.rpartition(".")
        if not dot and len(set(named)) == 1:
            method = named[0]
        if method not in named:
            told = ", ".join(dict.fromkeys(named)) or "none"
            raise click.BadParameter(
                f"{key}: name its method, as METHOD.{setting}; the methods are {told}.",
                param_hint="--set",
            )
        wanted.setdefault(method, {})[setting] = value
    layers = []
    for layer in spec.layers:
        if layer.source == "method" and layer.method in wanted:
            settings = {**layer.settings, **wanted[layer.method]}
            made = method_from(layer.method, settings)  # says what is wrong with them
            if isinstance(made, ClassicalMethod):  # numbers rather than texts
                settings = {key: made.choice.params[key] for key in settings}
            layer = replace(layer, settings=settings)
        layers.append(layer)
    return replace(spec, layers=tuple(layers))


def _with_masks(spec: FigureSpec, options: dict[str, Any]) -> FigureSpec:
    """The description with the masks over its pictures; one that has its own keeps to these."""
    from dataclasses import replace

    from ctstudio.figures.description import ALL, CellSpec, LayerSpec

    known = sum(layer.source == "mask" for layer in spec.layers)
    new = [
        LayerSpec(f"mask {k}", "mask", number=k)
        for k in range(known + 1, len(options["masks"]) + 1)
    ]
    style = options["mask_as"]

    def dressed(cell: CellSpec) -> CellSpec:
        if not cell.layer or spec.layer(cell.layer).source not in ("series", "method"):
            return cell
        return replace(cell, mask=ALL if new else cell.mask, mask_as=style or cell.mask_as)

    rows = tuple(tuple(dressed(cell) for cell in row) for row in spec.rows)
    return replace(spec, layers=(*spec.layers, *new), rows=rows)


def _require_all_shown(spec: FigureSpec, options: dict[str, Any]) -> None:
    """Nothing that was asked for is left out without a word."""
    shown = spec.without_spares().layers
    name = options["template"]
    what = f"The template {name}" if name else "The figure"

    def count(source: str) -> int:
        return len({_which(layer) for layer in shown if layer.source == source})

    methods, given = len(options["methods"]), 1 + len(options["references"])
    if methods > (most := sum(layer.source == "method" for layer in shown)):
        raise click.UsageError(
            f"{what} shows {_number(most, 'result')} of methods, but {methods} were given: take "
            "another --template, such as methods, or leave out --method."
        )
    series = count("series")
    if options["path"] and not series:
        raise click.UsageError(f"{what} shows a training alone: leave out PATH.")
    if options["path"] and given > series:
        raise click.UsageError(
            f"{what} shows {_number(series, 'series')}, but {given} were given: add a --method, "
            "take another --template, or leave out --reference."
        )
    if options["run"] and not count("run"):
        raise click.UsageError(
            f"{what} shows no training: --run goes with --template progress; the network of a "
            "training is a --method."
        )
    if options["masks"] and not count("mask"):
        raise click.UsageError("--mask lies over pictures of a series, and none is shown.")


def _which(layer: LayerSpec) -> object:
    return layer.number if layer.source == "series" else layer.name


def _number(count: int, thing: str) -> str:
    many = thing if thing.endswith("s") else f"{thing}s"
    return f"no {thing}" if not count else f"1 {thing}" if count == 1 else f"{count} {many}"


# -- what it is made of ---------------------------------------------------------------------------


def write_all(spec: FigureSpec, options: dict[str, Any], write: Writer) -> None:
    """Gather what the description needs and let ``write`` make the file, or one for each."""
    out: Path = options["out"]
    if options["each"]:
        from ctstudio.workflows.figures.batch import make_each, numbered

        series = _all_series(options["path"]) if options["path"] else []
        runs = _all_runs(options["run"]) if options["run"] else []
        overwrite = options["overwrite"]
        _require_no_source(numbered(out, len(runs or series)), options, series)
        written = drain(make_each(spec, series, runs, out, overwrite=overwrite, write=write))
        click.echo(f"{how_many(written)} written, from {written[0]} on")
        return
    from ctstudio.workflows.figures.fitting import require_fit
    from ctstudio.workflows.figures.material import gather

    series = _series(options)
    _require_no_source([out], options, series)
    material = drain(gather(spec, series, options["run"], options["masks"]))
    if options["origin"]:
        spec = _same(spec, material, options["other_series"])
    require_fit(spec, material)
    _tell_unit(options["window"], material)
    drain(write(spec, material, out))
    click.echo(f"{out} written")


def _require_no_source(
    targets: Sequence[Path], options: dict[str, Any], series: Sequence[SeriesInfo]
) -> None:
    """Not even --overwrite replaces what a figure is made of: a series may be a PNG."""
    given = [options["path"], *options["references"], *options["masks"]]
    read = {path.resolve() for path in given if path and path.is_file()}
    read |= {file.resolve() for one in series for file in one.source.files}
    for target in targets:
        if target.resolve() in read:
            raise StudioError(
                f"{target} is what this is made of, and is not written over.",
                hint="Choose another name.",
                path=target,
            )


def _tell_unit(window: str | None, material: Material) -> None:
    """Say it where a window of HU is laid upon numbers that are none, such as those of a JPEG."""
    units = {stack.unit for stack in material.stacks.values()}
    if window and "/" not in window and units and "HU" not in units:
        click.echo(
            f"Note: The values of the series are not HU, as those of the window {window} are: give "
            "--window width/centre in its own numbers, or leave it out.",
            err=True,
        )


def _same(spec: FigureSpec, material: Material, go_on: bool) -> FigureSpec:
    """The description; of another series than before it is not made, unless that is wanted."""
    from ctstudio.workflows.figures.origin import by_parts, others

    told = others(spec, material)
    if told and not go_on:
        raise StudioError(
            told, hint="Give what it was made of, or add --other-series to go on with this."
        )
    if told:
        click.echo(told, err=True)
    return by_parts(spec) if told else spec


def _series(options: dict[str, Any]) -> list[SeriesInfo]:
    """The series in the order of their numbers in the description."""
    if options["demo"]:
        from ctstudio.workflows.demo_series import ensure_demo

        demo = drain(ensure_demo(), "Making the demo")
        return [open_series([folder]) for folder in demo.folders]
    found = [open_series([options["path"]], options["selector"])] if options["path"] else []
    return [*found, *(open_series([other]) for other in options["references"])]


def _all_series(path: Path) -> list[SeriesInfo]:
    from ctstudio.workflows.open import scan

    return list(drain(scan([path]), "Looking for series").series)


def _all_runs(folder: Path) -> list[Path]:
    from ctstudio.workflows.runs import scan_runs

    return [run.folder for run in reversed(drain(scan_runs(folder)))]
