"""What a training's job does: the training itself, after what an earlier one told."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctstudio.core.events import Look, Preview, Work
from ctstudio.gui.training.data import Data
from ctstudio.gui.training.run_log import event_of

if TYPE_CHECKING:
    from ctstudio.learn.recipe import Recipe


def free_folder(parent: Path) -> Path:
    """A folder's name, by the time of day, that is not taken."""
    stamp = time.strftime("%Y-%m-%d_%H%M%S")
    folder = parent / stamp
    number = 2
    while folder.exists():
        folder = parent / f"{stamp}-{number}"
        number += 1
    return folder


@dataclass(eq=False)
class RunWork:
    """One training as a job's function.

    ``earlier`` receives the previews that a resumed run left behind; it is filled before the
    first of its steps is told.
    """

    recipe: Recipe
    series: Sequence[Data]
    targets: Sequence[Data]
    folder: Path
    index: int
    resume: bool = False
    branch_from: Path | None = None
    look: Look = field(default_factory=Look)
    earlier: list[Preview] = field(default_factory=list)

    def __call__(self) -> Work[Any]:
        from ctstudio.workflows.training import train_on

        if self.resume:
            yield from self._told_before()
        return (
            yield from train_on(
                self.recipe,
                self.series,
                self.folder,
                targets=self.targets,
                preview_slice=self.index,
                resume=self.resume,
                branch_from=self.branch_from,
                look=self.look,
            )
        )

    def _told_before(self) -> Work[None]:
        """What was told up to the checkpoint, as it was when it was new."""
        from ctstudio.learn.checkpoint import load
        from ctstudio.learn.gradient_log import read_gradients
        from ctstudio.learn.run_folder import read_metrics, read_previews

        last = self.folder / "last.pt"
        if not last.exists():
            return
        until = load(last).step
        self.earlier += [p for p in read_previews(self.folder) if p.step <= until]
        for row in read_metrics(self.folder):
            event = event_of(row)
            if event.step > until:
                break
            yield event
        yield from (event for event in read_gradients(self.folder) if event.step <= until)
