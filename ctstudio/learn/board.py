"""A training's figures as TensorBoard event files, for those who look at their runs there."""

from __future__ import annotations

from pathlib import Path

from ctstudio.core.events import Step, Validation


class Board:
    """Writes scalars into ``path``: losses, learning rate, metrics by their protocol.

    ``resume_at`` is the step after which what an interrupted run wrote counts for nothing.
    """

    def __init__(self, path: Path, resume_at: int | None) -> None:
        from tensorboardX import SummaryWriter

        # TensorBoard leaves out whatever is later than the step that a file begins with.
        purge = None if resume_at is None else resume_at + 1
        self._writer = SummaryWriter(str(path), purge_step=purge, write_to_disk=True)

    def add_step(self, event: Step) -> None:
        """A step's losses and learning rate."""
        for name, value in event.losses.items():
            self._writer.add_scalar(f"loss/{name}", value, event.step)
        self._writer.add_scalar("learning_rate", event.lr, event.step)

    def add_validation(self, event: Validation) -> None:
        """The metrics of held-out slices, and those of their noisy input."""
        for name, value in event.metrics.items():
            self._writer.add_scalar(f"protocol_{event.protocol}/{name}", value, event.step)
        for name, value in event.baseline.items():
            self._writer.add_scalar(f"noisy_protocol_{event.protocol}/{name}", value, event.step)

    def close(self) -> None:
        """Write what waits."""
        self._writer.close()
