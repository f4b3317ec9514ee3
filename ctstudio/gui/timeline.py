"""The previews of a training in a row: scrub to see an earlier one, play to see it learn."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QToolButton, QWidget

from ctstudio.gui import theme
from ctstudio.gui.session import KeptPreview

PLAY_MS = 180


class Timeline(QWidget):
    """A slider over a run's previews; at its right end it follows the newest."""

    picked = Signal(object)  # KeptPreview

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._previews: list[KeptPreview] = []
        self._play = QToolButton()
        self._play.setAutoRaise(True)
        self._play.setToolTip("Play the previews from the first to the newest")
        self._play.setAccessibleName("Play previews")
        self._play.clicked.connect(self._toggle)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Training preview")
        self.slider.setToolTip("Earlier previews of this training; the right end follows live")
        self.slider.valueChanged.connect(self._moved)
        self._label = QLabel("No previews yet")
        self._label.setProperty("role", "muted")
        self._label.setMinimumWidth(360)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self._play)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self._label)
        self._timer = QTimer(self)
        self._timer.setInterval(PLAY_MS)
        self._timer.timeout.connect(self._advance)
        self._following = True
        self._set_icon()
        self.set_previews([])

    @property
    def following(self) -> bool:
        """Whether the newest preview is shown as it arrives."""
        return self._following

    def set_previews(self, previews: list[KeptPreview]) -> None:
        """Show this (possibly growing) list from its newest."""
        self._previews = previews
        self._following = True
        self._timer.stop()
        self._set_icon()
        self.grew()

    def grew(self) -> None:
        """The list has a new preview at its end."""
        count = len(self._previews)
        self.slider.blockSignals(True)
        self.slider.setRange(0, max(count - 1, 0))
        if self._following:
            self.slider.setValue(max(count - 1, 0))
        self.slider.blockSignals(False)
        self.setEnabled(count > 0)
        self._describe()

    def _moved(self, position: int) -> None:
        self._following = position == len(self._previews) - 1 and not self._timer.isActive()
        self._describe()
        if self._previews:
            self.picked.emit(self._previews[position])

    def _describe(self) -> None:
        if not self._previews:
            self._label.setText("No previews yet")
            return
        preview = self._previews[self.slider.value()]
        psnr = preview.metrics.get("psnr")
        text = f"Step {preview.step}"
        if psnr is not None:
            text += f"   PSNR {psnr:.2f} dB (protocol A, this slice)"
        text += (
            "   live"
            if self._following
            else f"   {self.slider.value() + 1} of {len(self._previews)}"
        )
        self._label.setText(text)

    def _toggle(self) -> None:
        if self._timer.isActive():
            self._timer.stop()
        elif self._previews:
            self._timer.start()
            self.slider.setValue(0)
        self._set_icon()

    def _advance(self) -> None:
        if self.slider.value() >= self.slider.maximum():
            self._timer.stop()
            self._following = True
            self._set_icon()
            self._describe()
        else:
            self.slider.setValue(self.slider.value() + 1)

    def _set_icon(self) -> None:
        playing = self._timer.isActive()
        self._play.setIcon(theme.icon("mdi6.pause" if playing else "mdi6.play"))
