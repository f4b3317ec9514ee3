"""Edit > Preferences: changes act at once, but for those that say from when on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from ctstudio.gui import units
from ctstudio.gui.preferences import cache, values
from ctstudio.gui.preferences.values import Preferences
from ctstudio.gui.translation import catalogue
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.words import plain_label

TEXT_SIZES = (12, 13, 14, 16)
MOST_GB = 4096


class PreferencesDialog(QDialog):
    """Tabs with forms; `changed` says which preference has a new value."""

    changed = Signal(str)
    clear_requested = Signal()

    def __init__(
        self, parent: QWidget, preferences: Preferences, cache_folder: Path, runs_folder: Path
    ) -> None:
        super().__init__(parent)
        self._preferences = preferences
        self._cache, self._runs = cache_folder, runs_folder
        self.setWindowTitle(tr("Preferences"))
        self.setMinimumWidth(560)
        tabs = QTabWidget()
        tabs.setDocumentMode(True)
        tabs.setAccessibleName(tr("Preferences"))
        tabs.addTab(self._looks(), tr("Appearance"))
        tabs.addTab(self._work(), tr("Performance"))
        tabs.addTab(self._storage(), tr("Storage"))
        self.tabs = tabs
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(tabs, 1)
        layout.addWidget(buttons)

    # -- pages -----------------------------------------------------------------------------------

    def _looks(self) -> QWidget:
        page, form = _page()
        self.theme = self._choice(
            values.THEME,
            {"dark": tr("Dark"), "light": tr("Light"), values.SYSTEM: tr("As the system")},
        )
        form.addRow(tr("Theme"), self.theme)
        languages = {catalogue.SYSTEM: tr("As the system"), **catalogue.LANGUAGES}
        self.language = self._choice(values.LANGUAGE, languages)
        form.addRow(tr("Language"), self.language)
        self.language_note = _note(tr("The language changes with the next start."))
        self.language.currentIndexChanged.connect(self._tell_of_language)
        form.addRow("", self.language_note)
        self.text = self._choice(values.TEXT, {str(px): f"{px} px" for px in TEXT_SIZES})
        form.addRow(tr("Size of texts"), self.text)
        names = {units.MILLIMETRES: tr("Millimetres"), units.CENTIMETRES: tr("Centimetres")}
        self.units = self._choice(values.UNITS, names)
        form.addRow(tr("Lengths in"), self.units)
        self.patient = self._flag(
            values.PATIENT, tr("Show patient details when the program starts")
        )
        form.addRow("", self.patient)
        _name_fields(form)
        return page

    def _tell_of_language(self) -> None:
        """When it changes, in the language that was chosen: who asked for it reads that."""
        text = "The language changes with the next start."
        chosen = catalogue.catalogue(catalogue.resolve(str(self.language.currentData())))
        self.language_note.setText(chosen.get(text, text))

    def _work(self) -> QWidget:
        page, form = _page()
        self.threads = self._number(values.THREADS, os.cpu_count() or 1, tr("All but one"), "")
        form.addRow(tr("Threads for networks"), self.threads)
        form.addRow("", _note(tr("Fewer leave more of the computer to others.")))
        self.memory = self._number(values.MEMORY, MOST_GB, tr("What is free"), tr(" GB"))
        form.addRow(tr("Memory for series"), self.memory)
        form.addRow("", _note(tr("A series that needs more is kept in a file of the cache.")))
        from ctstudio.figures.video import encoders  # it loads the encoders' library

        names = {"": tr("The best that is there")} | {name: name for name in encoders()}
        self.encoder = self._choice(values.ENCODER, names)
        form.addRow(tr("Film encoder"), self.encoder)
        form.addRow(
            "", _note(tr("Where it does not suit the ending of a file, the best is taken."))
        )
        self.autosave = self._flag(values.AUTOSAVE, tr("Keep what is open against a crash"))
        form.addRow("", self.autosave)
        _name_fields(form)
        return page

    def _storage(self) -> QWidget:
        page, form = _page()
        self.cache_folder = self._folder(values.CACHE, self._cache, tr("Folder of the cache"))
        form.addRow(tr("Cache"), self.cache_folder)
        form.addRow("", _note(tr("Another folder is used from the next start.")))
        self.limit = self._number(values.CACHE_LIMIT, MOST_GB, tr("No limit"), tr(" GB"))
        form.addRow(tr("Layers of sessions, at most"), self.limit)
        self.sizes = plain_label()
        self.sizes.setProperty("role", "muted")
        _stretch(self.sizes)
        self.clear = QPushButton(tr("Clear the cache ..."))
        self.clear.clicked.connect(self._clear)
        row = QHBoxLayout()
        row.addWidget(self.clear)
        row.addStretch(1)
        form.addRow("", self.sizes)
        form.addRow("", row)
        self.runs_folder = self._folder(values.RUNS, self._runs, tr("Folder of the trainings"))
        form.addRow(tr("Trainings"), self.runs_folder)
        form.addRow("", _note(tr("Another folder is used from the next start.")))
        _name_fields(form)
        self.measure()
        return page

    def measure(self) -> None:
        """Tell again what the cache holds."""
        sizes = cache.contents(self._cache)
        told = tr("Sessions {0}, found series {1}, demo {2}.")
        self.sizes.setText(
            told.format(*(_size(sizes[kind]) for kind in ("sessions", "scans", "demo")))
        )

    # -- fields ----------------------------------------------------------------------------------

    def _choice(self, key: str, titles: dict[str, str]) -> QComboBox:
        box = QComboBox()
        for value, title in titles.items():
            box.addItem(title, value)
        box.setCurrentIndex(max(box.findData(self._preferences.text(key)), 0))

        def set_() -> None:
            value = box.currentData()
            self._set(key, int(value) if isinstance(values.DEFAULTS[key], int) else str(value))

        box.currentIndexChanged.connect(set_)
        return box

    def _flag(self, key: str, title: str) -> QCheckBox:
        box = QCheckBox(title)
        box.setChecked(self._preferences.flag(key))
        box.toggled.connect(lambda on: self._set(key, on))
        return box

    def _number(self, key: str, most: int, none: str, unit: str) -> QSpinBox:
        box = QSpinBox()
        box.setRange(0, most)
        box.setSpecialValueText(none)
        box.setSuffix(unit)
        box.setKeyboardTracking(False)
        box.setMinimumWidth(140)
        box.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        box.setValue(self._preferences.number(key))
        box.valueChanged.connect(lambda value: self._set(key, value))
        return box

    def _folder(self, key: str, now: Path, title: str) -> QWidget:
        line = plain_label(self._preferences.text(key) or str(now))
        line.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        line.setWordWrap(True)
        pick = QPushButton(tr("Change ..."))
        pick.setAccessibleName(title)
        pick.clicked.connect(lambda: self._pick_folder(key, title, line.setText))
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(line, 1)
        layout.addWidget(pick, 0, Qt.AlignmentFlag.AlignTop)
        return row

    def _pick_folder(self, key: str, title: str, show: Callable[[str], None]) -> None:
        start = self._preferences.text(key)
        folder = QFileDialog.getExistingDirectory(self, title, start)
        if folder:
            show(folder)
            self._set(key, folder)

    def _set(self, key: str, value: str | int | bool) -> None:
        self._preferences.set(key, value)
        self.changed.emit(key)

    def _clear(self) -> None:
        box = QMessageBox(self)
        box.setWindowTitle(tr("Clear the cache"))
        box.setIcon(QMessageBox.Icon.Question)
        box.setText(tr("Remove what CT Studio keeps in its cache?"))
        box.setInformativeText(
            tr(
                "Saved sessions lose the layers that were made here, but for the session that is "
                "open; the images themselves are not touched. The demo is made again when it is "
                "opened."
            )
        )
        clear = box.addButton(tr("Clear"), QMessageBox.ButtonRole.DestructiveRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.exec()
        if box.clickedButton() is clear:
            self.clear_requested.emit()
            self.measure()
        box.deleteLater()


def _page() -> tuple[QWidget, QFormLayout]:
    page = QWidget()
    form = QFormLayout(page)
    form.setContentsMargins(16, 16, 16, 16)
    form.setHorizontalSpacing(16)
    form.setVerticalSpacing(8)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    return page, form


def _note(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("role", "muted")
    _stretch(label)
    return label


def _stretch(label: QLabel) -> None:
    """Let a text have the width of the page before it is broken."""
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)


def _name_fields(form: QFormLayout) -> None:
    """Each field is called as the label before it."""
    for row in range(form.rowCount()):
        label = form.itemAt(row, QFormLayout.ItemRole.LabelRole)
        field = form.itemAt(row, QFormLayout.ItemRole.FieldRole)
        widget = field.widget() if field is not None else None
        text = label.widget() if label is not None else None
        if isinstance(text, QLabel) and widget is not None and text.text():
            widget.setAccessibleName(text.text())


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GB" if count >= 2**30 else f"{count / 2**20:.0f} MB"
