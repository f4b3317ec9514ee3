"""The stack of what can be taken back: deeds, and steps between two states of the window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from ctstudio.ct.views import Blend, SliceStack
from ctstudio.ct.volume import Volume

if TYPE_CHECKING:
    from ctstudio.gui.session import Layer

MOST_UNDONE = 200
SHARE = 0.25  # of the free memory, that layers which were closed may keep


class Memory(Protocol):
    """A part of the window that knows how it is, and can go back to how it was."""

    def state(self) -> Any:
        """How it is now, comparable with `==`; what does not count as a change compares equal."""

    def change(self, old: Any, new: Any) -> None:
        """Go from ``old`` to ``new``; what has changed otherwise since then stays as it is."""


class UndoStack(QUndoStack):
    """Deeds that know how to take themselves back, and steps that compare the window's state."""

    let_go = Signal()  # a step that was to be taken back had been given up for its memory

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setUndoLimit(MOST_UNDONE)
        self.memories: list[Memory] = []  # in the order in which they are restored
        self.settling: list[Callable[[], object]] = []  # end what is under way, as a deed
        self._inside = False  # a step, or its undoing: what is done then belongs to it
        self._settles = False
        self._begun: tuple[str, list[Any]] | None = None  # a step of the mouse, under way
        self.settling.append(self.end)

    def push(self, command: QUndoCommand) -> None:
        """Do a deed; what was under way before it is a deed of its own."""
        self._settle()
        super().push(command)

    def undo(self) -> None:
        """Take the last deed back."""
        self._settle()
        super().undo()

    def redo(self) -> None:
        """Do again what was taken back."""
        self._settle()
        super().redo()

    def _settle(self) -> None:
        if not self._settles:
            self._settles = True
            try:
                for settle in self.settling:
                    settle()
            finally:
                self._settles = False

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """What is done inside can be taken back, as far as the memories know about it."""
        if self._inside:
            yield
            return
        self._settle()
        self._inside = True
        before = self._states()
        try:
            yield
            after = self._states()
        finally:
            self._inside = False
        if before != after:
            self.push(Step(self, text, before, after))
            self._save_memory()

    def begin(self, text: str) -> None:
        """The same as `step` for what the mouse does until `end`, or until something else is done.

        Said again meanwhile it changes nothing.
        """
        if self._begun is None and not self._inside:
            self._settle()
            self._begun = text, self._states()

    def end(self) -> None:
        """Let what was done since `begin` be one step."""
        begun, self._begun = self._begun, None
        if begun is not None and begun[1] != (after := self._states()):
            self.push(Step(self, begun[0], begun[1], after))

    def _states(self) -> list[Any]:
        return [memory.state() for memory in self.memories]

    def go(self, old: list[Any], new: list[Any]) -> tuple[list[Any], list[Any]]:
        """Go from ``old`` to ``new``; returns what was there before and what is there after."""
        before = self._states()
        self._inside = True
        try:
            for memory, was, becomes in zip(self.memories, old, new, strict=True):
                if was != becomes:
                    memory.change(was, becomes)
        finally:
            self._inside = False
        return before, self._states()

    def _save_memory(self) -> None:
        """Give up the oldest steps while closed layers take too much memory."""
        from ctstudio.dicom.room import free_memory

        steps = [s for s in map(self.command, range(self.count())) if isinstance(s, Step)]
        room = SHARE * free_memory()
        for step in reversed(steps):
            room -= step.size
            if room < 0:
                step.give_up()


class Step(QUndoCommand):
    """From one state of the window to another."""

    def __init__(self, stack: UndoStack, text: str, before: list[Any], after: list[Any]) -> None:
        super().__init__(text)
        self._stack = stack
        self._before, self._after = before, after
        self._done = True  # when it is pushed

    @property
    def size(self) -> int:
        """Bytes of the voxels that nothing but this step keeps."""
        closed = [
            layer
            for was, becomes in zip(self._before, self._after, strict=True)
            if isinstance(was, Layers) and isinstance(becomes, Layers)
            for layer in was.all
            if layer not in becomes.all
        ]
        return sum(_bytes(layer.stack) for layer in closed)

    def give_up(self) -> None:
        """Keep nothing any more: it cannot be taken back."""
        self._before = self._after = []

    def undo(self) -> None:
        if not self._before:
            self.setObsolete(True)  # the stack drops it after this
            self._stack.let_go.emit()
            return
        self._stack.go(self._after, self._before)

    def redo(self) -> None:
        if self._done:
            self._done = False
        else:
            # What has come since then may go with the rest: it is to come back with it.
            self._before, self._after = self._stack.go(self._before, self._after)


class Layers:
    """The layers of a state: a snapshot that `Step` counts the bytes of."""

    def __init__(self, layers: list[Layer]) -> None:
        self.all = tuple(layers)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layers) and self.all == other.all

    __hash__ = None  # type: ignore[assignment]  # it is compared alone


def _bytes(stack: SliceStack) -> int:
    if isinstance(stack, Blend):
        return _bytes(stack.other)
    return stack.voxels.nbytes if isinstance(stack, Volume) else 0
