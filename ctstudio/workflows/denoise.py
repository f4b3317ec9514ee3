"""One call for every way to denoise: the classical filters and the trained networks.

The window, the command line and the figures ask for a `Method` by name or by checkpoint
file, and need not know which kind it is. Torch is imported only when a network is asked for.
"""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.atomic import explain_os_error
from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, Work
from ctstudio.core.registry import Choice
from ctstudio.ct.volume import Source, Volume
from ctstudio.learn import on_board
from ctstudio.learn.context import slab
from ctstudio.learn.on_board import OnBoard
from ctstudio.workflows import scan_alone
from ctstudio.workflows.scan_alone import ScanAlone
from ctstudio.workflows.stages import stage

if TYPE_CHECKING:
    from ctstudio.ct.series import SeriesInfo
    from ctstudio.ct.views import SliceStack
    from ctstudio.dicom.deidentify import Deidentifier
    from ctstudio.learn.checkpoint import TrainedModel
    from ctstudio.workflows.save import Kind

CHECKPOINT_SUFFIXES = (".pt", ".pth", ".safetensors")


class Method(Protocol):
    """A way to denoise, with its settings fixed."""

    @property
    def name(self) -> str:
        """Its name in the registry of denoisers, or the checkpoint's file name."""

    @property
    def title(self) -> str:
        """Short, for captions: "Total variation"."""

    @property
    def description(self) -> str:
        """The title with all settings, for the history of a volume and a series' header."""

    @property
    def neighbours(self) -> int:
        """How many neighbouring slices, the slice itself included, it looks at."""

    def denoise(self, volume: Volume, *, first: int | None = None) -> Work[Volume]:
        """Denoise all slices, slice ``first`` (default the middle) first where that is possible.

        Yields ``Partial`` with the first slice, then ``SliceReady`` and ``Progress`` for each.
        """

    def denoise_slice(self, hu: NDArray[np.float32]) -> NDArray[np.float32]:
        """One slice ``(y, x)`` float32 HU, same shape back: for live previews and figures.

        A method that looks at ``n`` slices is given ``(n, y, x)``, the slice in the middle (see
        `around`); a slice that stands alone takes its neighbours' place.
        """


@dataclass(frozen=True)
class ClassicalMethod:
    """A classical filter; ``choice`` holds all its settings."""

    choice: Choice
    neighbours: ClassVar[int] = 1

    @property
    def name(self) -> str:
        return self.choice.name

    @property
    def title(self) -> str:
        from ctstudio.classical.denoisers import DENOISERS

        return DENOISERS[self.choice.name].title

    @property
    def description(self) -> str:
        from ctstudio.classical import apply

        return apply.describe(self.choice)

    def denoise(self, volume: Volume, *, first: int | None = None) -> Work[Volume]:
        from ctstudio.classical import apply

        return apply.denoise(volume, self.choice, first=first)

    def denoise_slice(self, hu: NDArray[np.float32]) -> NDArray[np.float32]:
        from ctstudio.classical.denoisers import DENOISERS

        result: NDArray[np.float32] = DENOISERS.make(self.choice, hu)
        return result


@dataclass(frozen=True, eq=False)
class NetworkMethod:
    """A trained network; ``name`` is its checkpoint's file name, or its title."""

    model: TrainedModel
    name: str

    @property
    def neighbours(self) -> int:
        from ctstudio.learn.context import context_of

        return context_of(self.model.module).slices

    @property
    def title(self) -> str:
        return self.model.title

    @property
    def description(self) -> str:
        return self.model.method

    def denoise(self, volume: Volume, *, first: int | None = None) -> Work[Volume]:
        from ctstudio.learn import apply

        return apply.denoise(volume, self.model, first=first)

    def denoise_slice(self, hu: NDArray[np.float32]) -> NDArray[np.float32]:
        from ctstudio.learn import apply

        return apply.denoise_slice(hu, self.model)


@dataclass(frozen=True, eq=False)
class OnBoardMethod:
    """A network on board; it is loaded when it is first asked to denoise."""

    network: OnBoard

    @property
    def name(self) -> str:
        return self.network.name

    @property
    def neighbours(self) -> int:
        return self.network.card.neighbours

    @property
    def title(self) -> str:
        return self.network.name

    @property
    def description(self) -> str:
        card = self.network.card
        told = f"{card.network} trained for {card.steps:,} steps on {card.noise}"
        return f'{self.name} ({told}, with the recipe "{card.title}")'

    def loaded(self) -> NetworkMethod:
        """The network itself; torch and the file are read once."""
        return _loaded(self.network.file, self.network.name)

    def denoise(self, volume: Volume, *, first: int | None = None) -> Work[Volume]:
        yield Progress(0, len(volume), f"Denoising with {self.title}")
        return (yield from self.loaded().denoise(volume, first=first))

    def denoise_slice(self, hu: NDArray[np.float32]) -> NDArray[np.float32]:
        return self.loaded().denoise_slice(hu)


@cache
def _loaded(file: Path, name: str) -> NetworkMethod:
    from ctstudio.learn.checkpoint import load

    return NetworkMethod(replace(load(file), name=name), name)


def around(method: Method, stack: SliceStack, index: int) -> NDArray[np.float32]:
    """What `Method.denoise_slice` is given of a slice: ``(y, x)``, or ``(n, y, x)``.

    Beyond the ends the outermost slice is repeated, as where a series is denoised.
    """
    if method.neighbours == 1:
        return stack.slice_hu(index)
    return slab(stack, index, method.neighbours)


def method_from(name_or_path: str | Path, settings: Mapping[str, Any] | None = None) -> Method:
    """The method or network on board of that name, or the network of a checkpoint or run folder.

    ``settings`` override the defaults; their values may be texts, as a command line has them. A
    network on board has the setting ``minutes``: so long it learns from the scan first.

    Raises
    ------
    StudioError
        For an unknown name or setting, a value out of range, or a file that is no checkpoint.
    """
    from ctstudio.classical.denoisers import DENOISERS

    text = str(name_or_path)
    if isinstance(name_or_path, str) and text in DENOISERS:
        return method_from_choice(Choice(text, dict(settings or {})))

    networks, troubles = on_board.look()
    if isinstance(name_or_path, str):
        if text == scan_alone.NAME:
            return ScanAlone(scan_alone.minutes_of(settings or {}))
        for network in networks:
            if network.name == text:
                return _of_network(network, settings)
        if minutes := scan_alone.timed(text, scan_alone.NAME):
            return ScanAlone(scan_alone.minutes_of(_with(minutes, settings)))
        for network in networks:
            if minutes := scan_alone.timed(text, network.name):
                return _of_network(network, _with(minutes, settings))
        for trouble in troubles:
            if trouble.path is not None and Path(trouble.path).stem == text:
                raise trouble

    path = Path(name_or_path).expanduser()
    if path.suffix.lower() not in CHECKPOINT_SUFFIXES and not path.exists():
        known = [*(each.name for each in networks), *(entry.name for entry in DENOISERS),
                 scan_alone.NAME]  # fmt: skip
        near = difflib.get_close_matches(text, known, 1)
        raise StudioError(
            f"There is no method {text!r} and no such file.",
            hint=(f"Did you mean {near[0]!r}? " if near else "")
            + f"There are {', '.join(known)}; or give a trained network (.safetensors, .pt).",
        )
    _refuse(settings)
    return _method_from_checkpoint(path)


def _of_network(network: OnBoard, settings: Mapping[str, Any] | None) -> Method:
    """A network on board as it is, or with ``minutes`` to learn from the scan first."""
    if network.card.neighbours > 1:
        _refuse(settings)
    minutes = scan_alone.minutes_of(settings, network.name) if settings else 0.0
    return ScanAlone(minutes, network) if minutes else OnBoardMethod(network).loaded()


def _with(minutes: str, settings: Mapping[str, Any] | None) -> dict[str, Any]:
    if settings and "minutes" in settings:
        raise StudioError(
            f"The time is given twice: {minutes} and {settings['minutes']} minutes.",
            hint="Leave one of them out.",
        )
    return {"minutes": minutes, **(settings or {})}


def _refuse(settings: Mapping[str, Any] | None) -> None:
    if settings:
        raise StudioError(
            f"A trained network has no settings, but {', '.join(settings)} was given.",
            hint="Its settings were fixed when it was trained.",
        )


def method_from_choice(choice: Choice) -> ClassicalMethod:
    """A classical filter with the given settings (texts are converted) and defaults for the rest.

    Raises
    ------
    StudioError
        For an unknown name or setting, or a value out of range.
    """
    from ctstudio.classical.denoisers import DENOISERS

    return ClassicalMethod(DENOISERS.read(choice.name, choice.params))


def method_from_model(model: TrainedModel, name: str = "") -> NetworkMethod:
    """A network that was trained or loaded; ``name`` is its file's name, where it has one."""
    return NetworkMethod(model, name or model.title)


def denoise_series(
    series: SeriesInfo,
    method: Method,
    out: Path,
    kind: Kind | None = None,
    *,
    deidentify: Deidentifier | None = None,
) -> Work[list[Path]]:
    """Read a series, denoise it and write the result into ``out``.

    It is written as ``kind``; by default a DICOM series becomes a derived DICOM series, NIfTI
    becomes NIfTI, and pictures become pictures. ``deidentify`` is as in `ctstudio.workflows.save`.

    Yields ``Progress`` (its text names the stage) and ``Note``; returns the files written, in
    slice order.

    Raises
    ------
    StudioError
        When the series cannot be read, ``out`` exists and is not empty, or the series cannot be
        written as ``kind``. The latter two are found before the long work.
    """
    from ctstudio.workflows.open import read
    from ctstudio.workflows.save import kind_for, require_grid, save

    require_free_folder(out, series.source)
    kind = kind_for(series, kind)
    require_grid(series, out, kind)
    volume = yield from stage(read(series), "Reading")
    denoised = yield from stage(method.denoise(volume), f"Denoising ({method.title})")
    return (
        yield from stage(
            save(
                denoised,
                out,
                kind,
                description=method.title,
                method=method.description,
                deidentify=deidentify,
            ),
            "Writing",
        )
    )


def require_free_folder(folder: Path, source: Source | None = None) -> None:
    """Make sure that ``folder`` is new or empty and can be made, before anything takes long.

    Raises
    ------
    StudioError
        When it is a file, not empty, where nothing can be written, or in the folder of the files
        of ``source``, which would then hold two series.
    """
    files: tuple[Path, ...] = ()
    if source is not None:
        files = source.files or source.described_by
        if source.format != "DICOM" and len(files) == 1:
            files = ()  # a series by itself, whatever lies beside it
    for taken_by in {path.parent.resolve() for path in files}:
        if folder.resolve().is_relative_to(taken_by):
            raise StudioError(
                f"Cannot write to {folder}: it lies in the folder of the series, which would then "
                "hold two.",
                hint="Choose a folder elsewhere.",
                path=folder,
            )
    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise explain_os_error(error, folder) from error
    if taken:
        raise StudioError(
            f"Cannot write to {folder}: it exists and is not empty.",
            hint="Choose a new folder; nothing is overwritten.",
            path=folder,
        )
    _require_writable(folder)


def _require_writable(folder: Path) -> None:
    """Only to make something tells whether a disk or a share lets one."""
    if folder.is_symlink() and not folder.exists():
        raise StudioError(
            f"Cannot write to {folder}: it is a link to something that does not exist.",
            hint="Choose a new folder.",
            path=folder,
        )
    place = folder.absolute().parent
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        Path(tempfile.mkdtemp(prefix=".tmp-", dir=place)).rmdir()
    except OSError as error:
        raise explain_os_error(error, folder) from error


def load_denoiser(path: Path) -> TrainedModel:
    """The trained network of a file or run folder; StudioError for one that tells classes."""
    from ctstudio.learn import checkpoint
    from ctstudio.learn.recipe_check import learns_classes

    model = checkpoint.load(path)
    if learns_classes(model.recipe):
        raise StudioError(
            f"The network in {path} tells classes; it does not denoise.",
            hint="Choose a network that was trained to denoise.",
            path=path,
        )
    return model


def _method_from_checkpoint(path: Path) -> Method:
    if not path.exists():
        raise StudioError(f"There is no checkpoint {path}.", hint="Check the path.", path=path)

    from ctstudio.learn import checkpoint

    found = checkpoint.find(path)
    model = load_denoiser(found)
    return method_from_model(model, found.name)
