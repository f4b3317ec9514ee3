"""The previews of a training in a row: scrub to see an earlier one, play to see it learn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PySide6.QtCore import QEvent, QObject, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QIcon, QKeyEvent, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QSlider, QToolButton, QWidget

from ctstudio.ct.window import PRESETS, Window
from ctstudio.gui import theme
from ctstudio.gui.dialogs import ask_where_to_save
from ctstudio.gui.export import Exporter
from ctstudio.gui.forms.buttons import picture_button
from ctstudio.gui.history.picture import grey_image
from ctstudio.gui.job import Job
from ctstudio.gui.session import KeptPreview, Run, Session
from ctstudio.gui.translation.catalogue import tr

PLAY_MS = 180
SMALL_PX = 32
LABEL_PX, END_PX = 264, 168
DEFAULT_WINDOW = PRESETS["Abdomen"]


class EndButton(QToolButton):
    """A preview worth going back to: its picture, its step and its score; a click shows it."""

    def __init__(self, title: str, tip: str) -> None:
        super().__init__()
        self.title = title
        self.preview: KeptPreview | None = None
        self.setAutoRaise(True)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setIconSize(QSize(SMALL_PX, SMALL_PX))
        self.setFixedSize(END_PX, SMALL_PX + 6)
        self.setToolTip(tip)
        self.setAccessibleName(tip)
        self.hide()

    def show_preview(self, preview: KeptPreview | None, window: Window) -> None:
        """Show this one, or nothing."""
        if preview is not self.preview and preview is not None:
            small = shrunk(preview, 2 * SMALL_PX)
            self.setIcon(QIcon(QPixmap.fromImage(grey_image(small, window))))
            self.setText(
                tr("{0}, step {1}\n{2}").format(self.title, preview.step, score(preview)).strip()
            )
        self.preview = preview
        self.setVisible(preview is not None)


class Timeline(QWidget):
    """A slider over a run's previews; at its right end it follows the newest.

    Left and Right go from one to the next, Home and End to the first and the newest.
    """

    picked = Signal(object)  # KeptPreview, or None: the newest as it arrives

    def __init__(self, session: Session, exporter: Exporter) -> None:
        super().__init__()
        self._session = session
        self._exporter = exporter
        self._run: Run | None = None
        self._shown: KeptPreview | None = None  # an earlier one, while it is looked at
        self._play = picture_button(
            "mdi6.play", tr("Play the previews from the first to the newest")
        )
        self._play.clicked.connect(self._toggle)
        self.best = EndButton(tr("Best"), "Show the best preview")
        self.last = EndButton(tr("Last"), "Show the newest preview, and follow")
        self.best.clicked.connect(self._go_best)
        self.last.clicked.connect(self.follow)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName(tr("Training preview"))
        self.slider.setPageStep(10)
        self.slider.valueChanged.connect(self._moved)
        self._label = QLabel(tr("No previews yet"))
        self._label.setProperty("role", "muted")
        self._label.setFixedWidth(LABEL_PX)
        self.export = picture_button(
            "mdi6.tray-arrow-down", tr("Save previews as a GIF or a picture")
        )
        self.export.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.export)
        menu.addAction(tr("All previews as a GIF ...")).triggered.connect(self.ask_gif)
        menu.addAction(tr("This preview as a PNG ...")).triggered.connect(self.ask_picture)
        self.export.setMenu(menu)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self._play)
        layout.addWidget(self.best)
        layout.addWidget(self.slider, 1)
        for widget in (self.last, self._label, self.export):
            layout.addWidget(widget)
        for button in (self._play, self.best, self.last, self.export):
            button.installEventFilter(self)  # else arrows would go from button to button
        self._timer = QTimer(self)
        self._timer.setInterval(PLAY_MS)
        self._timer.timeout.connect(self._advance)
        self.grew()

    # -- what there is ---------------------------------------------------------------------------

    @property
    def previews(self) -> list[KeptPreview]:
        """Those that are kept, from the first to the newest."""
        return self._run.previews if self._run is not None else []

    @property
    def following(self) -> bool:
        """Whether the newest preview is shown as it arrives."""
        return self._shown is None and not self._timer.isActive()

    @property
    def current(self) -> KeptPreview | None:
        """The preview that is shown."""
        return self._shown or (self.previews[-1] if self.previews else None)

    def set_run(self, run: Run) -> None:
        """Show the previews of a (possibly growing) run from its newest."""
        self._run = run
        self._shown = None
        self._stop()
        self.grew()

    def grew(self) -> None:
        """The run has a new preview; those between may have become fewer."""
        previews = self.previews
        self.slider.blockSignals(True)
        self.slider.setRange(0, max(len(previews) - 1, 0))
        self.slider.setValue(self._place())
        self.slider.blockSignals(False)
        self.setEnabled(bool(previews))
        window = self._window()
        self.best.show_preview(best_preview(self._run) if self._run else None, window)
        self.last.show_preview(previews[-1] if previews else None, window)
        self._tell()
        self._describe()

    def _window(self) -> Window:
        """How the small pictures are shown."""
        run = self._run
        if run is None or run.newest is None:
            return DEFAULT_WINDOW
        if run.newest.labels:
            highest = max(float(np.max(run.newest.panels["target"])), 1.0)
            return Window(highest / 2, highest)
        return run.source.stack.source.window or DEFAULT_WINDOW

    def _place(self) -> int:
        """Where the shown preview stands among those that are kept."""
        previews, shown = self.previews, self._shown
        if shown is None:
            return max(len(previews) - 1, 0)
        return min(range(len(previews)), key=lambda k: abs(previews[k].step - shown.step))

    def _tell(self) -> None:
        run = self._run
        tip = tr("Earlier previews of this training (Left, Right); the right end follows live")
        if run is not None and run.every > 1:
            kept = tr(
                "Of {0} previews {1} are kept: about every {2}th, the first, the best and the "
                "newest."
            )
            tip += "\n" + kept.format(run.seen, len(run.previews), run.every)
        self.slider.setToolTip(tip)

    def _describe(self) -> None:
        shown, previews = self.current, self.previews
        if shown is None:
            self._label.setText(tr("No previews yet"))
            return
        place = tr("{0} of {1}").format(self._place() + 1, len(previews))
        where = tr("live") if self.following else place
        if self._run is not None and self._run.every > 1:
            where += tr(", of {0}").format(self._run.seen)
        words = score(shown)
        if words:
            told = "{0} (protocol A, this slice)" if "psnr" in shown.metrics else "{0} (this slice)"
            words = "\n" + tr(told).format(words)
        self._label.setText(tr("Step {0}   {1}{2}").format(shown.step, where, words))

    # -- going through them ----------------------------------------------------------------------

    def _moved(self, position: int) -> None:
        previews = self.previews
        if not previews:
            return
        live = position == len(previews) - 1 and not self._timer.isActive()
        self._show(None if live else previews[position])

    def _show(self, preview: KeptPreview | None) -> None:
        self._shown = preview
        self.slider.blockSignals(True)
        self.slider.setValue(self._place())
        self.slider.blockSignals(False)
        self._describe()
        self.picked.emit(preview)

    def follow(self) -> None:
        """Show the newest, now and as it arrives."""
        self._stop()
        if self.previews:
            self._show(None)

    def _go_best(self) -> None:
        self._stop()
        best = self.best.preview
        if best is not None:
            self._show(None if best is self.previews[-1] else best)

    def step(self, by: int) -> None:
        """Go ``by`` previews on, or back."""
        self._stop()
        self.slider.setValue(self.slider.value() + by)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        arrows = (Qt.Key.Key_Left, Qt.Key.Key_Right)
        pressed = event.type() == QEvent.Type.KeyPress
        if pressed and isinstance(event, QKeyEvent) and event.key() in arrows:
            self.keyPressEvent(event)
            return True
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
        key = Qt.Key(event.key())
        if key in steps:
            self.step(steps[key])
        elif key == Qt.Key.Key_Home:
            self._stop()
            self.slider.setValue(0)
        elif key == Qt.Key.Key_End:
            self.follow()
        else:
            super().keyPressEvent(event)

    def _toggle(self) -> None:
        if self._timer.isActive():
            self._stop()
        elif self.previews:
            self._timer.start()
            self._show(self.previews[0])
        self._set_icon()

    def _advance(self) -> None:
        if self.slider.value() >= self.slider.maximum():
            self.follow()
        else:
            self.slider.setValue(self.slider.value() + 1)

    def _stop(self) -> None:
        self._timer.stop()
        self._set_icon()

    def _set_icon(self) -> None:
        playing = self._timer.isActive()
        self._play.setIcon(theme.icon("mdi6.pause" if playing else "mdi6.play"))

    # -- taking them away ------------------------------------------------------------------------

    def ask_gif(self) -> None:
        """Ask for a file and save all previews as a film."""
        self._ask("Save the GIF", "training.gif", "GIF (*.gif)", self._exporter.save_training_gif)

    def ask_picture(self) -> None:
        """Ask for a file and save what is shown."""
        shown = self.current
        if shown is not None:
            name = f"preview-step-{shown.step}.png"
            self._ask(
                "Save the preview", name, "PNG (*.png)",
                lambda path: self._exporter.save_preview(path, shown),
            )  # fmt: skip

    def _ask(self, title: str, name: str, kinds: str, save: Callable[[Path], Job | None]) -> None:
        try:
            path = ask_where_to_save(self, self._session, title, name, kinds)
            if path is not None:
                save(path)
        except Exception as error:
            self._session.report(error)


def score(preview: KeptPreview) -> str:
    """How good a preview is, "" where it is not known."""
    if "psnr" in preview.metrics:
        return f"PSNR {preview.metrics['psnr']:.2f} dB"
    return f"Dice {preview.metrics['dice']:.3f}" if "dice" in preview.metrics else ""


def best_preview(run: Run) -> KeptPreview | None:
    """That with the best score; without a target, that nearest to the least validation loss."""
    loss = run.history.metrics.get("loss")
    if run.best is not None or loss is None or not run.previews:
        return run.best
    values = loss.values
    if not np.isfinite(values).any():
        return None
    step = int(run.history.validation_step[int(np.nanargmin(values))])
    return min(run.previews, key=lambda preview: abs(preview.step - step))


def shrunk(preview: KeptPreview, side_px: int) -> np.ndarray:
    """The reconstruction ``(y, x)`` float32, averaged over squares; about ``side_px`` wide."""
    hu = preview.reconstruction
    by = max(max(hu.shape) // side_px, 1)
    rows, columns = hu.shape[0] // by, hu.shape[1] // by
    squares = hu[: rows * by, : columns * by].reshape(rows, by, columns, by)
    return np.asarray(squares.mean((1, 3), dtype=np.float32))
