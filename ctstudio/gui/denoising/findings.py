"""What was changed: the guards of a result as a calm list, each line with its meaning."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QFrame,
    QGraphicsOpacityEffect,
    QGridLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from ctstudio.gui import theme
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.words import plain_label
from ctstudio.workflows.guards import Finding

ICON_PX = 16
PALE = 0.35
ICONS = {"fine": ("mdi6.check-circle-outline", "muted"), "note": ("mdi6.alert-outline", "warning")}
WORDS = {"fine": "Fine", "note": "To note"}


class FindingsList(QFrame):
    """The lines; hidden while there are none, pale while they tell of something else."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName(tr("What was changed"))
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(8)
        self.findings: list[Finding] = []
        self._shown: tuple[str, list[Finding]] = ("", [])
        self._state: QLabel | None = None  # to what blend the lines belong
        self._lines: QWidget | None = None
        self.hide()

    def show_findings(self, name: str, findings: Sequence[Finding]) -> None:
        """Show what was found of the layer called ``name``; nothing where there is nothing."""
        if self._shown == (name, list(findings)):
            return
        self.findings = list(findings)
        self._shown = name, self.findings
        self._state = self._lines = None
        while (item := self._layout.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        if findings:
            heading = plain_label(tr("What was changed: {0}").format(name))
            heading.setProperty("role", "heading")
            heading.setWordWrap(True)
            self._layout.addWidget(heading)
            self._state = QLabel()
            self._state.setProperty("role", "muted")
            self._layout.addWidget(self._state)
            self._lines = QWidget()
            lines = QVBoxLayout(self._lines)
            lines.setContentsMargins(0, 0, 0, 0)
            lines.setSpacing(8)
            for finding in findings:
                lines.addWidget(_line(finding))
            self._layout.addWidget(self._lines)
        self.setVisible(bool(findings))

    @property
    def current(self) -> bool:
        """Whether the lines tell of the layer as it is."""
        return self._lines is None or self._lines.graphicsEffect() is None

    def show_state(self, percent: int, *, current: bool) -> None:
        """Say to what blend the lines belong, or that they are out of date: then they are pale."""
        if self._state is None or self._lines is None:
            return
        text = tr("{0} % denoised").format(percent) if current else tr("Checking again ...")
        self._state.setText(text)
        if current:
            self._lines.setGraphicsEffect(None)  # type: ignore[arg-type]
        elif self.current:
            pale = QGraphicsOpacityEffect(self._lines)
            pale.setOpacity(PALE)
            self._lines.setGraphicsEffect(pale)


def in_words(finding: Finding) -> str:
    """The value of a line, "-0.21 HU"."""
    return tr(finding.value).format(*finding.numbers)


def _line(finding: Finding) -> QWidget:
    line = QWidget()
    grid = QGridLayout(line)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setHorizontalSpacing(8)
    grid.setVerticalSpacing(0)
    grid.setColumnStretch(1, 1)
    sign = QLabel()
    name, role = ICONS[finding.verdict]
    sign.setPixmap(theme.icon(name, role).pixmap(QSize(ICON_PX, ICON_PX)))
    sign.setToolTip(tr(WORDS[finding.verdict]))
    sign.setAlignment(Qt.AlignmentFlag.AlignTop)
    title = QLabel(tr(finding.name))
    title.setWordWrap(True)
    value = plain_label(in_words(finding))
    value.setProperty("role", "number")
    meaning = QLabel(tr(finding.meaning))
    meaning.setProperty("role", "muted")
    meaning.setWordWrap(True)
    grid.addWidget(sign, 0, 0)
    if len(value.text()) > 18:  # beside its name there is no room for it
        grid.addWidget(title, 0, 1)
        value.setWordWrap(True)
        grid.addWidget(value, 1, 1)
    else:
        grid.addWidget(title, 0, 1)
        grid.addWidget(value, 0, 2)
    grid.addWidget(meaning, 2, 1, 1, 2)
    line.setAccessibleName(f"{title.text()}: {value.text()}. {meaning.text()}")
    return line
