"""How panes lie beside and below one another: a tree of splits, and the widget that shows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

FINE = 10_000  # parts of a whole, since Qt counts sizes in whole numbers
GAP = 4


@dataclass(frozen=True)
class Split:
    """Panes (by number) and further splits, side by side (``across``) or one below another.

    ``shares`` are their parts of the whole; they need not add up to one.
    """

    across: bool
    parts: tuple[Node, ...]
    shares: tuple[float, ...]


Node = int | Split


def grid_of(rows: int, columns: int, panes: Sequence[int] = ()) -> Node:
    """Panes 0, 1, 2 ..., or ``panes``, in rows from left to right, all of one size."""
    panes = panes or range(rows * columns)
    lines: list[Node] = []
    for row in range(rows):
        numbers = tuple(panes[row * columns : (row + 1) * columns])
        lines.append(numbers[0] if columns == 1 else Split(True, numbers, (1.0,) * columns))
    return lines[0] if rows == 1 else Split(False, tuple(lines), (1.0,) * rows)


def numbers_of(node: Node) -> list[int]:
    """The panes of a tree, from left to right and from top to bottom."""
    if isinstance(node, int):
        return [node]
    return [number for part in node.parts for number in numbers_of(part)]


def same_shape(a: Node, b: Node) -> bool:
    """Whether two trees differ in sizes at most."""
    if isinstance(a, int) or isinstance(b, int):
        return a == b
    return (
        a.across == b.across
        and len(a.parts) == len(b.parts)
        and all(same_shape(x, y) for x, y in zip(a.parts, b.parts, strict=True))
    )


def divided(node: Node, number: int, new: int, across: bool) -> Node:
    """The tree with pane ``new`` on the right of (``across``) or below pane ``number``."""
    if isinstance(node, int):
        return Split(across, (node, new), (1.0, 1.0)) if node == number else node
    if number in node.parts and node.across == across:
        at = node.parts.index(number)
        half = node.shares[at] / 2
        parts = (*node.parts[: at + 1], new, *node.parts[at + 1 :])
        return Split(across, parts, (*node.shares[:at], half, half, *node.shares[at + 1 :]))
    return replace(node, parts=tuple(divided(p, number, new, across) for p in node.parts))


def without(node: Node, number: int) -> Node | None:
    """The tree without a pane, whose place goes to its neighbours; None if nothing is left."""
    if isinstance(node, int):
        return None if node == number else node
    left = [(without(p, number), s) for p, s in zip(node.parts, node.shares, strict=True)]
    kept = [(part, share) for part, share in left if part is not None]
    if len(kept) < 2:
        return kept[0][0] if kept else None
    return Split(node.across, tuple(p for p, _ in kept), tuple(s for _, s in kept))


def as_data(node: Node) -> Any:
    """The tree in numbers, lists and words alone, for a file."""
    if isinstance(node, int):
        return node
    return {
        "across": node.across,
        "parts": [as_data(part) for part in node.parts],
        "shares": [round(share, 4) for share in node.shares],
    }


def from_data(data: Any, most: int) -> Node | None:
    """The tree that `as_data` wrote, of panes below ``most``; None where it is none."""
    node = _read(data)
    if node is None:
        return None
    numbers = numbers_of(node)
    whole = len(set(numbers)) == len(numbers) and all(0 <= n < most for n in numbers)
    return node if whole else None


def _read(data: Any, depth: int = 0) -> Node | None:
    if isinstance(data, int) and not isinstance(data, bool):
        return data
    if not isinstance(data, dict) or depth > 9:
        return None
    parts, shares = data.get("parts"), data.get("shares")
    if not (isinstance(parts, list) and isinstance(shares, list) and 2 <= len(parts) <= 9):
        return None
    if len(parts) != len(shares) or not all(isinstance(s, int | float) and s > 0 for s in shares):
        return None
    read = [_read(part, depth + 1) for part in parts]
    known = tuple(part for part in read if part is not None)
    if len(known) < len(parts):
        return None
    return Split(bool(data.get("across")), known, tuple(float(s) for s in shares))


class Arranged(QWidget):
    """Shows panes as a tree says; the lines between them can be dragged."""

    resized = Signal()  # the user dragged a line
    dropped = Signal(object)  # Node: how it was before the line was dragged and let go

    def __init__(self, panes: Sequence[QWidget]) -> None:
        super().__init__()
        self._panes = panes
        self._node: Node = 0
        self._before: Node | None = None  # while the mouse holds a line
        self._splitters: list[tuple[QSplitter, Split]] = []
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        for pane in panes:  # also those that no tree has held yet
            pane.setParent(self)
            pane.hide()

    def set_node(self, node: Node, only: int | None = None) -> None:
        """Show the panes of ``node``; or pane ``only``, over all of it."""
        self._node = node
        for pane in self._panes:
            pane.hide()
            pane.setParent(self)
        for splitter, _ in self._splitters:
            splitter.hide()
            splitter.deleteLater()
        self._splitters = []
        while self._layout.count():
            self._layout.takeAt(0)
        whole = self._panes[only] if only is not None else self._made(node)
        self._layout.addWidget(whole)
        for number in numbers_of(node) if only is None else [only]:
            self._panes[number].show()
        whole.show()
        self.settle()

    def _made(self, node: Node) -> QWidget:
        if isinstance(node, int):
            return self._panes[node]
        way = Qt.Orientation.Horizontal if node.across else Qt.Orientation.Vertical
        splitter = QSplitter(way)
        splitter.setHandleWidth(GAP)
        splitter.setChildrenCollapsible(False)
        for part in node.parts:
            splitter.addWidget(self._made(part))
        whole = sum(node.shares)
        parts = [max(round(FINE * share / whole), 1) for share in node.shares]
        for at, part_size in enumerate(parts):
            splitter.setStretchFactor(at, part_size)
        splitter.setSizes(parts)
        splitter.splitterMoved.connect(self._moved)
        for at in range(1, splitter.count()):
            splitter.handle(at).installEventFilter(self)
        self._splitters.append((splitter, node))
        return splitter

    def settle(self) -> None:
        """Give the panes their sizes at once, not when Qt comes to it."""
        self._layout.activate()
        for splitter, node in reversed(self._splitters):  # from the outermost in
            splitter.refresh()
            length = splitter.width() if node.across else splitter.height()
            room = length - GAP * (len(node.parts) - 1)
            splitter.setSizes(_rounded(node.shares, max(room, len(node.parts))))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.MouseButtonPress:
            self._before = self._node
        elif event.type() == QEvent.Type.MouseButtonRelease:
            before, self._before = self._before, None
            if before is not None and before is not self._node:
                self.dropped.emit(before)
        return super().eventFilter(watched, event)

    def _moved(self) -> None:
        self._node = self._measured(self._node, iter(self._splitters))
        self._splitters = self._with_nodes(self._node)
        for splitter, split in self._splitters:  # a larger window keeps what was chosen
            for at, share in enumerate(split.shares):
                splitter.setStretchFactor(at, round(share))
        self.resized.emit()

    @property
    def node(self) -> Node:
        """The tree with the sizes that the user has given."""
        return self._node

    def _measured(self, node: Node, splitters: Iterable[tuple[QSplitter, Split]]) -> Node:
        by_node = {id(split): splitter for splitter, split in splitters}

        def anew(part: Node) -> Node:
            if isinstance(part, int):
                return part
            sizes = by_node[id(part)].sizes()
            shares = tuple(float(max(size, 1)) for size in sizes)
            return Split(part.across, tuple(anew(p) for p in part.parts), shares)

        return anew(node)

    def _with_nodes(self, node: Node) -> list[tuple[QSplitter, Split]]:
        """The splitters, inner ones first as they were made, each with its part of ``node``."""
        found: list[Split] = []

        def walk(part: Node) -> None:
            if isinstance(part, Split):
                for inner in part.parts:
                    walk(inner)
                found.append(part)

        walk(node)
        return [(s, part) for (s, _), part in zip(self._splitters, found, strict=True)]


def _rounded(shares: Sequence[float], room: int) -> list[int]:
    """Whole numbers in these proportions that add up to ``room``."""
    whole = sum(shares)
    edges = [0.0]
    for share in shares:
        edges.append(edges[-1] + share / whole * room)
    marks = [round(edge) for edge in edges]
    return [b - a for a, b in pairwise(marks)]
