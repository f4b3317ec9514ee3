"""The gradients.csv of a run folder: how long each layer's gradient was. Loads no torch."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ctstudio.core.atomic import atomic_file, explain_os_error
from ctstudio.core.errors import StudioError
from ctstudio.core.events import GradientNorms

FILE = "gradients.csv"
WAY_OUT = "Give it another name: a training goes on without it."
LEFT = ("step", "epoch")
"""The columns before those of the layers."""


class GradientLog:
    """Writes the file, which begins with the first row.

    ``folder`` is that of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._rows: list[GradientNorms] = []

    def add(self, events: Iterable[GradientNorms]) -> None:
        """Keep rows until `write`."""
        self._rows += events

    def write(self) -> None:
        """Write what waits; where that fails it goes on waiting.

        Raises
        ------
        StudioError
            When the disk is full or the folder is gone.
        """
        if not self._rows:
            return
        text = io.StringIO()
        size = 0
        try:
            with self.path.open("a", newline="", encoding="utf-8") as stream:
                size = stream.tell()
                _write_rows(text, self._rows, head=not size)
                stream.write(text.getvalue())
        except OSError as error:
            with suppress(OSError):
                os.truncate(self.path, size)  # half a row must not stay before the next
            raise explain_os_error(error, self.path) from error
        self._rows.clear()

    def forget_after(self, step: int) -> None:
        """Drop the rows of later steps, which are about to be made again."""
        if not self.path.exists():
            return
        kept = [event for event in read_gradients(self.path.parent) if event.step <= step]
        text = io.StringIO()
        _write_rows(text, kept, head=True)
        with atomic_file(self.path) as temporary:
            temporary.write_text(text.getvalue(), encoding="utf-8", newline="")


def _write_rows(text: io.StringIO, events: Sequence[GradientNorms], *, head: bool) -> None:
    writer = csv.writer(text)
    if head and events:
        writer.writerow([*LEFT, *events[0].norms])
    writer.writerows(
        [event.step, f"{event.epoch:.5g}", *(f"{value:.7g}" for value in event.norms.values())]
        for event in events
    )


def read_gradients(folder: Path) -> Iterator[GradientNorms]:
    """The rows of a run folder's gradients.csv, in order; none where there is no such file.

    A last row that was cut off while it was written is left out.

    Raises
    ------
    StudioError
        When the file cannot be read or is damaged.
    """
    path = Path(folder) / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    except OSError as error:
        raise explain_os_error(error, path, "read") from error
    except UnicodeDecodeError as error:
        raise StudioError(f"{path} is damaged.", hint=WAY_OUT, path=path) from error
    whole = text[: text.rfind("\n") + 1]
    rows = csv.reader(whole.splitlines())
    head = next(rows, [*LEFT])
    try:
        if tuple(head[:2]) != LEFT:
            raise ValueError(f"the columns are {head}")
        for step, epoch, *norms in rows:
            told = dict(zip(head[2:], map(float, norms), strict=True))
            yield GradientNorms(int(step), float(epoch), told)
    except (ValueError, csv.Error) as error:
        raise StudioError(
            f"{path} is damaged.", hint=WAY_OUT, path=path, details=str(error)
        ) from error
