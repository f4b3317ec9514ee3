"""A finished training put on board: its network with cards, where the window finds it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ctstudio import __version__
from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, Work
from ctstudio.ct.averaging import averaged_below
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
) -> Work[Path]:
    """Write the best network of a run as ``folder/NAME.safetensors`` with both cards.

    ``series`` are those that it was trained on: the cards tell their kernels, pixels, slices and
    noise, and nothing of the patients.

    Raises
    ------
    StudioError
        When the run holds no network that denoises, a file is in the way and ``force`` is not
        given, or a series cannot be read.
    """
    from ctstudio.learn import publish
    from ctstudio.workflows.denoise import load_denoiser

    if not name or Path(name).name != name:
        raise StudioError(f"{name!r} cannot be a network's name.", hint="Give a word, no path.")
    _require_own_name(name, folder)
    if not force:
        publish.require_free(folder / f"{name}{publish.SUFFIX}")
    model = load_denoiser(run)
    card = yield from card_of(model, name, series, credits)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}{publish.SUFFIX}"
    return publish.publish(model, path, credits=credits, card=card, force=force)[0]


def _require_own_name(name: str, folder: Path) -> None:
    """Raise StudioError for the name of another method: it would be taken for that one."""
    from ctstudio.classical.denoisers import DENOISERS
    from ctstudio.learn import on_board
    from ctstudio.workflows import scan_alone

    taken = {*(entry.name for entry in DENOISERS), scan_alone.NAME}
    if folder.resolve() != on_board.packaged().resolve():
        taken |= {network.name for network in on_board.look([on_board.packaged()])[0]}
    if name in taken:
        raise StudioError(
            f"{name!r} is the name of a method that comes with the program.",
            hint="Give the network a name of its own.",
        )


def card_of(
    model: TrainedModel, name: str, series: Sequence[SeriesInfo], credits: Credits
) -> Work[Card]:
    """The card of a network that was trained on ``series``, as the network was shown them."""
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
        noise=wording.noise(recipe.noise),
        doses=Range.of(doses),
        simulated_kernels=tuple(_kernels(recipe)),
        noise_hu=Range.of(noises),
        reach_px=cost.reach_px,
        multiply_adds=cost.multiply_adds,
        neighbours=cost.slices,
        conditioned=CONDITIONED if recipe.phases[-1].model.name == "drunet" else "",
        train_again=f"ctstudio train {_recipe_name(recipe, name)} SERIES... --run FOLDER\n"
        f"ctstudio models --from FOLDER --name {name} SERIES...",
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
    spacing = volume.geometry.spacing_mm
    chosen = np.linspace(0, len(volume) - 1, min(MEASURED_SLICES, len(volume))).round().astype(int)
    found = []
    for done, z in enumerate(chosen):
        yield Progress(done, len(chosen), "Measuring the noise")
        with torch.inference_mode():
            clean = torch.from_numpy(volume.slice_hu(int(z)))
            noisy = noise.slice(clean, spacing, seed=done).numpy()
        found.append(noise_of_tissue(noise_of_tissues([noisy], spacing)))
    return found


def _kernels(recipe: Recipe) -> Iterator[str]:
    from ctstudio.learn.kernels import KERNELS

    if recipe.noise.name == "low_doses":
        yield from KERNELS
    elif "kernel" in recipe.noise.params:
        yield str(recipe.noise.params["kernel"])


def _recipe_name(recipe: Recipe, name: str) -> str:
    """What to give `ctstudio train`: the bundled recipe of the same title, or a file's name."""
    from ctstudio.learn.recipe import bundled

    same = (key for key, known in bundled().items() if known.title == recipe.title)
    return next(same, f"{name}.toml")
