"""The gradients of a training: what its run folder kept of them, and three ways compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, Work
from ctstudio.figures import gradients as figures
from ctstudio.figures.gradients import Effect

if TYPE_CHECKING:
    from ctstudio.core.registry import Choice
    from ctstudio.figures.curves import History
    from ctstudio.learn.gradients.compare import Comparison

SIDE_PX = 256
"""Of the middle of the preview's slice, on which gradients are compared."""
WAIT_S = 20.0


def effect_in_run(
    folder: Path,
    *,
    dilated: Choice | None = None,
    ask_to_save: Callable[[], object] | None = None,
) -> Work[Effect]:
    """The three gradients of a run's network as it was last saved, on the slice of its previews.

    Parameters
    ----------
    folder
        Of the run, whose network is one with a gradient of its own.
    dilated
        Settings of the dilated gradient; by default those of the recipe, or the article's.
    ask_to_save
        For a training that is running: asks it for a checkpoint, which is then waited for.

    Raises
    ------
    StudioError
        When there is no checkpoint or no clean image of the slice, or the network is of another
        kind.
    """
    import torch

    from ctstudio.learn.checkpoint import load_training
    from ctstudio.learn.gradients.compare import compare
    from ctstudio.learn.losses import LOSSES
    from ctstudio.learn.run_folder import preview_steps, read_previews

    folder = Path(folder)
    path = folder / "last.pt"
    if ask_to_save is not None:
        yield from _wait_for_newer(path, ask_to_save)
    if not path.exists():
        raise StudioError(
            f"{folder} holds no checkpoint yet.", hint="Let the training go on for a while."
        )
    yield Progress(0, 2, "Comparing gradients")
    model, state = load_training(path)
    steps = preview_steps(folder)
    preview = next(read_previews(folder, step=steps[0]), None) if steps else None
    if preview is None or "target" not in preview.panels:
        raise StudioError(
            f"The run in {folder.name} knows no clean image to compare gradients on.",
            hint="Choose a training that adds noise to clean images, or learns from pairs.",
        )
    module = model.module
    if state.get("weights"):  # where it learns, and not their mean
        module.load_state_dict(state["weights"])
    module.train()
    rows, columns = preview.panels["noisy"].shape
    top, left = max(rows - SIDE_PX, 0) // 2, max(columns - SIDE_PX, 0) // 2
    noisy, clean = (
        torch.from_numpy(preview.panels[n][None, None, top:, left:][..., :SIDE_PX, :SIDE_PX].copy())
        for n in ("noisy", "target")
    )
    losses = model.recipe.phases[-1].losses
    # An adversary's share depends on its own weights at that step, and is left out.
    played = [term for term in losses if "game" in LOSSES[term.choice.name].tags]
    terms = [
        (
            term.weight,
            LOSSES.make(term.choice),
            noisy if "inputs" in LOSSES[term.choice.name].tags else clean,
        )
        for term in losses
        if term not in played
    ]

    def objective(prediction: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(())
        for weight, loss, other in terms:
            assert callable(loss)
            total = total + weight * loss(prediction, other)
        return total

    yield Progress(1, 2, "Comparing gradients")
    recipe = model.recipe.gradient
    chosen = dilated or (recipe if recipe.name == "dilated" else None)
    epoch = float(state["place"]["epoch"]) if state else 0.0
    found = compare(module, noisy, objective, epoch=epoch, dilated=chosen)
    effect = as_effect(found, f"{model.recipe.title or folder.name}, step {model.step}")
    return replace(effect, note=f"{effect.note}; without the adversary") if played else effect


def as_effect(found: Comparison, title: str = "") -> Effect:
    """A comparison as figures take it; without the dilated gradient where there is none."""
    from ctstudio.learn.gradients.compare import MODES

    modes = MODES[:2] if found.why_not else MODES
    norms = {m: [layer.norms[k] for layer in found.layers] for k, m in enumerate(modes)}
    cosines = {m: [layer.cosines[k] for layer in found.layers] for k, m in enumerate(modes)}
    received = {"by the chain rule": [layer.received for layer in found.layers]}
    settings = found.dilated.params
    note = found.why_not
    if not note:
        received["with dilation"] = [layer.received_dilated for layer in found.layers]
        received["of which skipped layers"] = [layer.skipped for layer in found.layers]
        note = f"P = {settings['proportion']:g}, D = {settings['decay']:g}, {settings['join']}, "
        note += f"epoch {int(found.epoch)}"
    return Effect([layer.name for layer in found.layers], norms, cosines, received, title, note)


def save_effect(effect: Effect, path: Path) -> None:
    """Write a comparison as a CSV, or by any other ending as a PNG."""
    is_table = path.suffix.lower() == ".csv"
    (figures.save_effect_csv if is_table else figures.save_effect_png)(effect, path)


def save_gradients(histories: Mapping[str, History], path: Path) -> None:
    """Write the layers' gradients of runs, by name, as a CSV, or by any other ending as a PNG."""
    is_table = path.suffix.lower() == ".csv"
    (figures.save_gradients_csv if is_table else figures.save_gradients_png)(histories, path)


def _wait_for_newer(path: Path, ask: Callable[[], object]) -> Work[None]:
    """Ask for a checkpoint and wait until it is there, or has not come for a long time."""

    def stamp() -> int:
        return path.stat().st_mtime_ns if path.exists() else 0

    before, begun = stamp(), time.monotonic()
    ask()
    while stamp() == before and time.monotonic() - begun < WAIT_S:
        yield Progress(0, 0, "Waiting for the training")
        time.sleep(0.05)
