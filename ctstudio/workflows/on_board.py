"""A finished training put on board: its network with cards, where the window finds it."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ctstudio import __version__
from ctstudio.core.atomic import explain_os_error
from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, Work
from ctstudio.ct.averaging import averaged_below
from ctstudio.ct.padding import with_air
from ctstudio.ct.tissue_noise import noise_of_tissue, noise_of_tissues
from ctstudio.ct.volume import Volume
from ctstudio.learn.cards import Card, Range, TrainedOn
from ctstudio.workflows.stages import stage

if TYPE_CHECKING:
    from ctstudio.ct.series import SeriesInfo
    from ctstudio.learn.checkpoint import TrainedModel
    from ctstudio.learn.publish import Credits
    from ctstudio.learn.recipe import Recipe

MEASURED_SLICES = 8
"""Of each series; a noise of several kinds shows as many of them."""

CONDITIONED = "measures a map of it in the slice itself"


def put_on_board(
    run: Path,
    name: str,
    series: Sequence[SeriesInfo],
    folder: Path,
    credits: Credits,
    *,
    force: bool = False,
    began_with: Sequence[Path] = (),
) -> Work[Path]:
    """Write the best network of a run as ``folder/NAME.safetensors`` with both cards.

    ``series`` are those that it was trained on: the cards tell their kernels, pixels, slices and
    noise, and nothing of the patients. ``began_with`` are the runs before this one, each of which
    began with the weights of the one before it: their steps count, too.

    Raises
    ------
    StudioError
        When the run holds no network that denoises, a file is in the way and ``force`` is not
        given, or a series cannot be read.
    """
    from ctstudio.learn import on_board, publish
    from ctstudio.workflows.denoise import load_denoiser

    if not name.isprintable() or name.strip(" .-") != name or Path(name).name != name or not name:
        raise StudioError(f"{name!r} cannot be a network's name.", hint="Give a word, no path.")
    _require_own_name(name, folder)
    if not force:
        publish.require_free(folder / f"{name}{publish.SUFFIX}")
    model = load_denoiser(run)
    if len({Path(before).resolve() for before in began_with}) < len(began_with):
        raise StudioError(
            "A run is named twice among those that the training began with.",
            hint="Name each once, the first of them first.",
        )
    earlier = [_begun(Path(before), Path(run), model) for before in began_with]
    model = replace(model, step=sum(before.step for before in earlier) + model.step)
    recipes = [before.recipe for before in earlier]
    try:  # before the long work
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, folder) from error
    # What comes with the program keeps its name: who trains it again gives it another.
    again = f"my-{name}" if folder.resolve() == on_board.packaged().resolve() else name
    card = yield from card_of(model, again, series, credits, recipes)
    path = folder / f"{name}{publish.SUFFIX}"
    return publish.publish(model, path, credits=credits, card=card, force=force)[0]


def _begun(began_with: Path, run: Path, model: TrainedModel) -> TrainedModel:
    """What a branch of a run begins with: its newest weights, not the best."""
    from ctstudio.workflows.denoise import load_denoiser

    if began_with.resolve() == run.resolve():
        raise StudioError(
            f"{run} cannot have begun with itself.",
            hint="Name the run that it was branched from, or none.",
            path=run,
        )
    newest = began_with / "last.pt"
    before = load_denoiser(newest if newest.is_file() else began_with)
    if before.recipe.phases[-1].model != model.recipe.phases[0].model:
        raise StudioError(
            f"{began_with} holds another network, with which {run} cannot have begun.",
            hint="Name the run that it was branched from, or none.",
            path=began_with,
        )
    return before


def _require_own_name(name: str, folder: Path) -> None:
    """Raise StudioError for the name of another method: it would be taken for that one."""
    from ctstudio.classical.denoisers import DENOISERS
    from ctstudio.learn import on_board
    from ctstudio.workflows import scan_alone

    learning = {scan_alone.NAME}
    if folder.resolve() != on_board.packaged().resolve():
        learning |= {network.name for network in on_board.look([on_board.packaged()])[0]}
    if any(scan_alone.timed(name, method) for method in learning) or name in {
        *(entry.name for entry in DENOISERS),
        *learning,
    }:
        raise StudioError(
            f"{name!r} is the name of a method that comes with the program.",
            hint="Give the network a name of its own.",
        )


def card_of(
    model: TrainedModel,
    name: str,
    series: Sequence[SeriesInfo],
    credits: Credits,
    earlier: Sequence[Recipe] = (),
) -> Work[Card]:
    """The card of a network that was trained on ``series``, as the network was shown them.

    ``name`` is what it is called where the card tells how to train it again. ``earlier`` are the
    recipes of the runs before its last, see `put_on_board`.
    """
    from ctstudio.learn import wording
    from ctstudio.learn.cost import cost_of
    from ctstudio.learn.judge import PROTOCOL
    from ctstudio.learn.noise import NOISES
    from ctstudio.workflows.open import read

    recipe = model.recipe
    told: list[TrainedOn] = []
    noises: list[float] = []
    for number, info in enumerate(series, start=1):
        volume = yield from stage(read(info), f"Reading series {number} of {len(series)}")
        if quiet := float(recipe.task.params.get("quiet_hu", 0)):
            volume = yield from averaged_below(volume, quiet)
        noises += yield from _noises(recipe, volume)
        geometry, source = volume.geometry, volume.source
        spacing = float(np.mean(geometry.spacing_mm)) if geometry.spacing_known else None
        told.append(TrainedOn(len(volume), spacing, source.slice_thickness_mm, source.kernel))
    cost = cost_of(recipe.phases[-1].model)
    settings = NOISES.resolve(recipe.noise).params
    doses = [settings[key] for key in ("least", "most", "dose") if key in settings]
    return Card(
        title=recipe.title or wording.network(recipe),
        network=wording.network(recipe),
        parameters=cost.weights,
        steps=model.step,
        series=tuple(told),
        data=credits.data,
        licence=credits.licence,
        author=credits.author,
        note=credits.note,
        noise=wording.noise(recipe.noise),
        doses=Range.of(doses),
        simulated_kernels=tuple(_kernels(recipe)),
        noise_hu=Range.of(noises),
        reach_px=cost.reach_px,
        multiply_adds=cost.multiply_adds,
        neighbours=cost.slices,
        conditioned=CONDITIONED if recipe.phases[-1].model.name == "drunet" else "",
        train_again=_train_again([*earlier, recipe], name),
        metrics={key: value for key, value in model.metrics.items() if value == value},
        protocol=PROTOCOL,
        created=datetime.now(UTC).date().isoformat(),
        ctstudio=__version__,
    )


def _noises(recipe: Recipe, volume: Volume) -> Work[list[float]]:
    """The SD of the noise in soft tissue of some slices as the network was shown them, HU."""
    import torch

    from ctstudio.learn.noise import NOISES

    noise = NOISES.make(recipe.noise)
    settings = NOISES.resolve(recipe.noise).params
    amplitudes = [settings[key] for key in ("weakest", "strongest") if key in settings] or [1.0]
    spacing = volume.geometry.spacing_mm
    chosen = np.linspace(0, len(volume) - 1, min(MEASURED_SLICES, len(volume))).round().astype(int)
    found = []
    for done, z in enumerate(chosen):
        yield Progress(done, len(chosen), "Measuring the noise")
        with torch.inference_mode():
            clean = torch.from_numpy(with_air(volume.slice_hu(int(z))))
            noisy = noise.slice(clean, spacing, seed=done)
        for amplitude in amplitudes:
            shown = torch.lerp(clean, noisy, amplitude).numpy()
            found.append(noise_of_tissue(noise_of_tissues([shown], spacing)))
    return found


def _kernels(recipe: Recipe) -> Iterator[str]:
    from ctstudio.learn.kernels import KERNELS

    if recipe.noise.name == "low_doses":
        yield from KERNELS
    elif "kernel" in recipe.noise.params:
        yield str(recipe.noise.params["kernel"])


def _train_again(recipes: Sequence[Recipe], name: str) -> str:
    """The commands that train such a network, run after run."""
    from ctstudio.learn.recipe import bundled

    begun = recipes[0]
    known = next(((k, one) for k, one in bundled().items() if one.title == begun.title), None)
    changed = None if known is None else _set(begun, known[1])
    start = f"{known[0]} SERIES... --run FOLDER{changed}" if known and changed is not None else ""
    lines = [f"ctstudio train {start or f'{name}.toml SERIES... --run FOLDER'}"]
    runs = ["FOLDER"]
    for before, after in itertools.pairwise(recipes):
        runs.append("FURTHER" if len(runs) == 1 else f"FURTHER-{len(runs)}")
        line = f"ctstudio train --branch {runs[-2]} SERIES... --run {runs[-1]}"
        lines.append(line + (_set(after, before) or ""))
    options = "".join(f" --began-with {run}" for run in runs[:-1])
    return "\n".join(
        [*lines, f"ctstudio models --from {runs[-1]} --name {name}{options} SERIES..."]
    )


def _set(own: Recipe, other: Recipe) -> str | None:
    """The options that make another recipe this one; None where options cannot.

    How a training was watched is left out, and of a file's path all but its name.
    """
    from ctstudio.learn.publish import without_paths
    from ctstudio.workflows.run_settings import differences, flatten

    changed = differences(
        *(flatten(without_paths(one.checked()).to_dict()) for one in (own, other))
    )
    told = {key: pair for key, pair in changed.items() if not key.startswith("cadence.")}
    if any(value is None for pair in told.values() for value in pair):
        return None  # other parts, with settings of their own
    return "".join(f" --set {key}={_literal(value)}" for key, (value, _) in told.items())


def _literal(value: object) -> str:
    """A setting's value as a shell takes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.15g}" if isinstance(value, float) else shlex.quote(str(value))
