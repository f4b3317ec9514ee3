"""Which key does what: the defaults, what the user made of them, and clashes."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QWidget

from ctstudio.gui.actions import place, set_tip
from ctstudio.gui.settings import Settings

PREFIX = "shortcuts/"


class Keymap(QObject):
    """The keys of all actions that have a name; what differs from the defaults is remembered."""

    changed = Signal()

    def __init__(
        self,
        actions: Mapping[str, QAction],
        settings: Settings,
        window: QWidget,
        viewer: QWidget,
    ) -> None:
        super().__init__(window)
        self.actions = dict(actions)
        self._settings, self._window, self._viewer = settings, window, viewer
        self.defaults = {name: action.shortcut() for name, action in self.actions.items()}
        for name in self.actions:
            stored = settings.get(PREFIX + name, "-")
            if stored != "-":  # an empty text is an action without a key
                self._put(name, QKeySequence(stored))

    def key(self, name: str) -> QKeySequence:
        """The key of an action."""
        return self.actions[name].shortcut()

    def is_default(self, name: str) -> bool:
        """Whether an action has the key that it came with."""
        return self.key(name) == self.defaults[name]

    def holder(self, key: QKeySequence, but: str = "") -> str | None:
        """The name of the action, other than ``but``, that has ``key`` or begins with it."""
        if key.isEmpty():
            return None
        exact = QKeySequence.SequenceMatch.NoMatch
        for name in self.actions:
            other = self.key(name)
            if name == but or other.isEmpty():
                continue
            if key.matches(other) != exact or other.matches(key) != exact:
                return name
        return None

    def set(self, name: str, key: QKeySequence) -> None:
        """Give an action a key (an empty one: none); whoever had it loses it."""
        while (holder := self.holder(key, name)) is not None:
            self._store(holder, QKeySequence())
        self._store(name, key)
        self.changed.emit()

    def reset(self, name: str) -> None:
        """The key that an action came with."""
        self.set(name, self.defaults[name])

    def reset_all(self) -> None:
        """The keys that all actions came with."""
        for name, key in self.defaults.items():
            self._store(name, key)
        self.changed.emit()

    def _store(self, name: str, key: QKeySequence) -> None:
        if key == self.defaults[name]:
            self._settings.remove(PREFIX + name)
        else:
            text = key.toString(QKeySequence.SequenceFormat.PortableText)
            self._settings.set(PREFIX + name, text)
        self._put(name, key)

    def _put(self, name: str, key: QKeySequence) -> None:
        action = self.actions[name]
        action.setShortcut(key)
        place(action, self._window, self._viewer)
        set_tip(action)
