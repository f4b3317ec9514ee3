"""A titled part of a form that folds; it may let one choose the entry whose settings it shows."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QComboBox, QLabel, QToolButton, QVBoxLayout, QWidget

from ctstudio.core.registry import Choice, Entry, Registry
from ctstudio.gui import theme
from ctstudio.gui.forms.choice_form import ChoiceForm
from ctstudio.gui.translation.catalogue import tr


class Section(QWidget):
    """A heading that folds a combo box (where there is a choice) and a `ChoiceForm`."""

    changed = Signal()

    def __init__(self, title: str, opened: bool = True) -> None:
        super().__init__()
        title = tr(title)
        self._registry: Registry[Any] | None = None
        self._head = QToolButton()
        self._head.setText(title)
        self._head.setProperty("role", "section")
        self._head.setCheckable(True)
        self._head.setChecked(opened)
        self._head.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._head.setAccessibleName(tr("{0} settings").format(title))
        self._head.setToolTip(tr("Show or hide the settings of: {0}").format(title.lower()))
        font = self._head.font()
        font.setBold(True)
        self._head.setFont(font)
        self._head.toggled.connect(self._fold)
        self._body = QWidget()
        self.combo = QComboBox()
        self.combo.setAccessibleName(title)
        self.combo.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.combo.currentIndexChanged.connect(self._entry_changed)
        self._help = QLabel()
        self._help.setWordWrap(True)
        self._help.setProperty("role", "muted")
        self.form = ChoiceForm(sliders=False)
        self.form.changed.connect(self.changed)
        body = QVBoxLayout(self._body)
        body.setContentsMargins(20, 0, 0, 8)
        body.setSpacing(8)
        body.addWidget(self.combo)
        body.addWidget(self._help)
        body.addWidget(self.form)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._head)
        layout.addWidget(self._body)
        self.combo.hide()
        self._help.hide()
        self._fold(opened)

    def set_title(self, title: str) -> None:
        """Change the heading."""
        self._head.setText(title)

    def add(self, widget: QWidget) -> None:
        """Put something of one's own below the settings."""
        layout = self._body.layout()
        assert layout is not None
        layout.addWidget(widget)

    def set_choice(self, registry: Registry[Any], choice: Choice) -> None:
        """Offer the entries of ``registry`` and select ``choice``."""
        self._registry = registry
        self._offer(list(registry), choice.name)
        self._show(registry[choice.name], dict(choice.params))

    def offer(self, names: Container[str]) -> None:
        """Offer the entries of these names alone, and the one that is chosen."""
        if self._registry is not None:
            chosen = self.choice.name
            self._offer([e for e in self._registry if e.name in names or e.name == chosen], chosen)

    def _offer(self, entries: list[Entry], chosen: str) -> None:
        with QSignalBlocker(self.combo):
            self.combo.clear()
            for entry in entries:
                self.combo.addItem(tr(entry.title), entry.name)
            self.combo.setCurrentIndex(max(self.combo.findData(chosen), 0))
        self.combo.setVisible(self.combo.count() > 1)

    def set_fields(self, entry: Entry, values: dict[str, Any]) -> None:
        """Show one fixed group of settings."""
        self._show(entry, values)

    @property
    def choice(self) -> Choice:
        return self.form.choice

    def _entry_changed(self) -> None:
        if self._registry is not None and self.combo.currentData() is not None:
            self._show(self._registry[self.combo.currentData()], {})
            self.changed.emit()

    def _show(self, entry: Entry, params: dict[str, Any]) -> None:
        self._help.setText(tr(entry.help))
        self._help.setVisible(bool(entry.help))
        self.form.set_entry(entry, params)

    def _fold(self, opened: bool) -> None:
        self._body.setVisible(opened)
        aside = "left" if self.isRightToLeft() else "right"
        self._head.setIcon(theme.icon(f"mdi6.chevron-{'down' if opened else aside}"))
