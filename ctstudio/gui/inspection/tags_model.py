"""The elements of a header as a model for a tree: searched at once, filled as far as it is seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor

from ctstudio.ct.header import Element, FileHeader
from ctstudio.gui import theme
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.words import plain_tip

TITLES = ("Tag", "Name", "VR", "Value")
TAG, NAME, VR, VALUE = range(4)
LONGEST_SHOWN, LONGEST_TIP = 200, 2000

_Index = QModelIndex | QPersistentModelIndex
_NOWHERE = QModelIndex()


class Node:
    """An element at its place in the tree; its children are made when they are asked for."""

    __slots__ = ("_children", "_shown", "element", "parent", "row")

    def __init__(
        self,
        element: Element,
        parent: Node | None,
        row: int,
        shown: Sequence[tuple[Element, Any]] | None = None,
    ) -> None:
        self.element = element
        self.parent = parent
        self.row = row
        self._shown = shown  # what a search leaves of the children; None for all of them
        self._children: list[Node] | None = None

    @property
    def count(self) -> int:
        """How many children there are."""
        return len(self.element.children if self._shown is None else self._shown)

    @property
    def children(self) -> list[Node]:
        if self._children is None:
            found = self._shown
            if found is None:
                found = [(child, None) for child in self.element.children]
            self._children = [Node(e, self, row, part) for row, (e, part) in enumerate(found)]
        return self._children

    @property
    def path(self) -> tuple[str, ...]:
        """What finds it again in another file's header."""
        own = (self.element.tag or self.element.name,)
        return own if self.parent is None else (*self.parent.path, *own)

    @property
    def depth(self) -> int:
        return 0 if self.parent is None else self.parent.depth + 1


class TagsModel(QAbstractItemModel):
    """Four columns: tag, name, VR, value."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._header: FileHeader | None = None
        self._words: tuple[str, ...] = ()
        self._hidden = False
        self.top: list[Node] = []
        self.found = 0  # elements that the search has hit; all of them without one

    def show(self, header: FileHeader | None) -> None:
        """Show another header."""
        self._header = header
        self._fill()

    def search(self, text: str) -> None:
        """Keep the elements that have every word of ``text``, and what they are inside of."""
        self._words = tuple(text.casefold().split())
        self._fill()

    def hide_personal(self, hidden: bool) -> None:
        """Show or hide what may tell whose the image is."""
        if hidden != self._hidden:
            self._hidden = hidden
            self._fill()

    @property
    def searching(self) -> bool:
        return bool(self._words)

    def _fill(self) -> None:
        self.beginResetModel()
        elements = self._header.elements if self._header is not None else ()
        self.found = 0
        if self._words:
            kept = self._kept(elements)
            self.top = [Node(e, None, row, part) for row, (e, part) in enumerate(kept)]
        else:
            self.top = [Node(e, None, row) for row, e in enumerate(elements)]
            self.found = self._header.count if self._header is not None else 0
        self.endResetModel()

    def _kept(self, elements: Sequence[Element]) -> list[tuple[Element, Any]]:
        """What a search leaves of ``elements``: each with what it leaves inside (None: all)."""
        result: list[tuple[Element, Any]] = []
        first, others = self._words[0], self._words[1:]
        for element in elements:
            part = []
            if element.children and _has(element.inside, self._words):
                part = self._kept(element.children)
            words = element.words
            if self._hidden and element.personal:
                words = element.words_without_value
            hit = first in words and _has(words, others)
            self.found += hit
            if part:
                result.append((element, part))
            elif hit:
                result.append((element, None))
        return result

    # -- what Qt asks ----------------------------------------------------------------------------

    def node(self, index: _Index) -> Node | None:
        """The node at ``index``; None outside of the tree."""
        found = index.internalPointer() if index.isValid() else None
        return found if isinstance(found, Node) else None

    def index(self, row: int, column: int, parent: _Index = _NOWHERE) -> QModelIndex:
        node = self.node(parent)
        siblings = self.top if node is None else node.children
        if not (0 <= row < len(siblings) and 0 <= column < len(TITLES)):
            return QModelIndex()
        return self.createIndex(row, column, siblings[row])

    def parent(self, index: _Index = _NOWHERE) -> QModelIndex:  # type: ignore[override]
        node = self.node(index)
        if node is None or node.parent is None:
            return QModelIndex()
        return self.createIndex(node.parent.row, 0, node.parent)

    def rowCount(self, parent: _Index = _NOWHERE) -> int:
        if parent.isValid() and parent.column() != 0:
            return 0
        node = self.node(parent)
        return len(self.top) if node is None else node.count

    def columnCount(self, parent: _Index = _NOWHERE) -> int:
        return len(TITLES)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return tr(TITLES[section])
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        node = self.node(index)
        if node is None:
            return None
        element, column = node.element, index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            if column == VALUE:
                return _short(self.value(node), LONGEST_SHOWN)
            return (element.tag, element.name, element.vr)[column]
        if role == Qt.ItemDataRole.ToolTipRole:
            keyword = f" ({element.keyword})" if element.keyword else ""
            value = _short(self.value(node), LONGEST_TIP, lines=True)
            return plain_tip(f"{element.tag} {element.name}{keyword}\n{value}".strip())
        if role == Qt.ItemDataRole.ForegroundRole:
            muted = element.private if column != VALUE else element.personal and self._hidden
            if muted or (column == VR):
                return QColor(theme.current().muted)
        return None

    # -- texts -----------------------------------------------------------------------------------

    def value(self, node: Node) -> str:
        """The whole value as it may be shown."""
        return node.element.shown(hide_personal=self._hidden)

    def lines(self, node: Node) -> str:
        """The element and all that is inside it as text, an element a line."""
        return "\n".join(self._lines(node))

    def _lines(self, node: Node) -> Iterator[str]:
        yield node.element.line(node.depth, hide_personal=self._hidden)
        for child in node.children:
            yield from self._lines(child)

    def all_text(self) -> str:
        """The whole header, or what the search has left of it."""
        if self._header is None:
            return ""
        if not self._words:
            return self._header.as_text(hide_personal=self._hidden)
        return "\n".join(self.lines(node) for node in self.top) + "\n"


def _has(text: str, words: Sequence[str]) -> bool:
    return all(word in text for word in words)


def _short(text: str, longest: int, *, lines: bool = False) -> str:
    """``text`` cut to what can be read at a glance."""
    cut = text[: longest + 1]
    if not lines:
        cut = " ".join(cut.splitlines())
    return cut if len(cut) <= longest else f"{cut[:longest].rstrip()} ..."
