"""The status bar: HU under the cursor in every pane, the running job, the device."""

from __future__ import annotations

import time

import psutil
from PySide6.QtCore import QPointF, Qt, QTimer, Signal
from PySide6.QtGui import QFont, QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QSizePolicy, QToolButton, QWidget

from ctstudio.gui import theme
from ctstudio.gui.job import Job, Jobs
from ctstudio.gui.session import Layer
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import called, said
from ctstudio.gui.viewer.picture_view import Probe
from ctstudio.gui.words import plain_label, plain_tip, seconds_in_words

MEMORY_MS = 2000
PLACE_PX, VALUE_PX, LETTER_PX = 340, 100, 8  # what mm and voxel take, a value, a letter of a name
BETWEEN = "  ·  "  # two layers
UNREAD_S, MOST_LINES = 1.5, 3  # of the banner: what follows so soon is put below
CPU, NO_ENGINE = "CPU", "no engine"
QUIET = (
    "agreement",
    "autosave",
    "figure",
    "preview",
    "metrics",
    "noise_level",
    "guards",
    "warm-up",
    "history",
    "history pictures",
    "history details",
    "history preview",
    "tags",
    "report",
    "noise",
)  # too short or too humble to be announced


class ProbeLabel(QLabel):
    """HU at the cursor in every linked pane, then mm and voxel.

    It paints its words itself: as rich text they would be parsed, and the whole status bar laid out
    anew, for every slice that one scrolls through.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)  # names are painted as they are
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setAccessibleName(tr("Value at the cursor"))
        self._parts: list[tuple[str, bool]] = []  # words, and whether they are bold

    def text(self) -> str:
        """What it says; bold words stand between ``<b>`` and ``</b>``."""
        return "".join(f"<b>{words}</b>" if bold else words for words, bold in self._parts)

    def show_probes(self, probes: list[tuple[Layer, Probe | None]]) -> None:
        """Show the values; None where a layer has none at that place."""
        parts: list[tuple[str, bool]] = []
        place = ""
        # Names in full where there is room; else their ends, which tell series apart.
        room = (self.width() - PLACE_PX) / max(len(probes), 1) - VALUE_PX
        most = max(int(room / LETTER_PX), 22)
        for layer, probe in probes:
            name = called(layer, short=True)
            short = name if len(name) <= most else f"{name[: most - 13]}...{name[-10:]}"
            if probe is None:
                continue
            value = (
                f"{probe.value:.0f}" if probe.value == round(probe.value) else f"{probe.value:.1f}"
            )
            parts += [(f"{short} ", False), (value, True), (f" {probe.unit}".rstrip(), False)]
            parts.append((BETWEEN, False))
            if not place:
                x, y, z = probe.point_mm
                sides = ("L" if x >= 0 else "R", "P" if y >= 0 else "A", "S" if z >= 0 else "I")
                lengths = zip(sides, (x, y, z), strict=True)
                place = "  ".join(f"{side} {abs(mm):.1f}" for side, mm in lengths) + " mm"
                if not layer.stack.geometry.spacing_known:
                    place = ""
                vx, vy, vz = probe.voxel
                place += f"   {tr('voxel')} {vx}, {vy}, {vz}"
        parts += [(place, False)] if parts else []
        if parts != self._parts:
            self._parts = parts
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        fonts = self.font(), QFont(self.font())
        fonts[1].setBold(True)
        metrics = [QFontMetricsF(font) for font in fonts]
        widths = [metrics[bold].horizontalAdvance(words) for words, bold in self._parts]
        backwards = self.isRightToLeft()
        x = self.width() - sum(widths) if backwards else 0.0
        y = (self.height() + metrics[0].ascent() - metrics[0].descent()) / 2
        for (words, bold), width in zip(self._parts, widths, strict=True):
            painter.setFont(fonts[bold])
            painter.drawText(QPointF(x, y), words)
            x += width
        painter.end()


class MessageLabel(QLabel):
    """What happened last, for as long as it is news."""

    LONGEST = 90

    def __init__(self) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("role", "muted")
        self.setContentsMargins(0, 0, 16, 0)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.clear)

    def say(self, text: str, milliseconds: int) -> None:
        """Show ``text`` for so long, 0 for until the next; a long one is cut at its beginning."""
        text = said(text)
        short = text if len(text) < self.LONGEST else "..." + text[3 - self.LONGEST :]
        self.setText(short)
        self.setToolTip(plain_tip(text))
        self._timer.stop()  # that of the message before
        if milliseconds:
            self._timer.start(milliseconds)


class JobStrip(QWidget):
    """Progress, time left and cancel of the newest job."""

    def __init__(self, jobs: Jobs) -> None:
        super().__init__()
        self._jobs: list[Job] = []
        self._text = plain_label()
        self._text.setAccessibleName(tr("Running job"))
        self._bar = QProgressBar()
        self._bar.setFixedWidth(140)
        self._bar.setTextVisible(False)
        self._left = QLabel()
        self._left.setProperty("role", "muted")
        self.cancel = QToolButton()
        self.cancel.setIcon(theme.icon("mdi6.close-circle-outline"))
        self.cancel.setAutoRaise(True)
        self.cancel.setToolTip(tr("Cancel"))
        self.cancel.setAccessibleName(tr("Cancel the job"))
        self.cancel.clicked.connect(self._cancel)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        for widget in (self._text, self._bar, self._left, self.cancel):
            layout.addWidget(widget)
        self._timer = QTimer(self)
        self._timer.setInterval(200)
        self._timer.timeout.connect(self._refresh)
        jobs.started.connect(self._started)
        jobs.stopped.connect(self._stopped)
        self.hide()

    def _started(self, job: Job) -> None:
        if job.objectName() not in QUIET:
            self._jobs.append(job)
            self._timer.start()
            self._refresh()
            self.show()

    def _stopped(self, job: Job) -> None:
        if job in self._jobs:
            self._jobs.remove(job)
        if not self._jobs:
            self._timer.stop()
            self.hide()
        else:
            self._refresh()

    def _refresh(self) -> None:
        job = self._jobs[-1]
        progress = job.progress
        more = f" (+{len(self._jobs) - 1})" if len(self._jobs) > 1 else ""
        title = said(job.title)
        title = title if len(title) < 48 else title[:46] + "..."
        state = tr("Stopping: ") if job.cancelling else tr("Paused: ") if job.paused else ""
        self._text.setText(f"{state}{title}{more}")
        self.cancel.setEnabled(not job.cancelling)
        elapsed = time.monotonic() - job.started_at
        estimate = job.estimate()
        if estimate is not None:
            share, left = estimate
            self._bar.setRange(0, 1000)
            self._bar.setValue(round(share * 1000))
            self._left.setText("" if job.paused else tr("{0} left").format(seconds_in_words(left)))
        elif progress.total > 0:
            self._bar.setRange(0, progress.total)
            self._bar.setValue(progress.done)
            if progress.done and elapsed > 1 and not job.paused:
                left = elapsed / progress.done * (progress.total - progress.done)
                self._left.setText(tr("{0} left").format(seconds_in_words(left)))
            else:
                self._left.setText("")
        else:
            self._bar.setRange(0, 0)
            self._left.setText(seconds_in_words(elapsed) if elapsed > 2 else "")

    def _cancel(self) -> None:
        if self._jobs:
            self._jobs[-1].cancel()
            self._refresh()


class DeviceBadge(QLabel):
    """Where networks are computed, and why; and how much memory is in use."""

    def __init__(self) -> None:
        super().__init__("...")
        self.setProperty("role", "badge")
        self.setToolTip(tr("The learning engine is loading"))
        self.setAccessibleName(tr("Device"))
        self._name, self._reason = "", ""
        self._process = psutil.Process()
        self._timer = QTimer(self)
        self._timer.setInterval(MEMORY_MS)
        self._timer.timeout.connect(self._refresh)

    def show_device(self, name: str, reason: str) -> None:
        self._name, self._reason = name, reason
        self._refresh()
        self._timer.start()

    @property
    def device(self) -> str:
        """The device's name."""
        return self._name

    def _refresh(self) -> None:
        used, whole = self._process.memory_info().rss, psutil.virtual_memory().total
        self.setText(f"{self._name}   {_gigabytes(used)}")
        lines = [said(self._reason)] if self._reason else []
        uses = tr("CT Studio uses {0} of {1} of memory.")
        lines += [uses.format(_gigabytes(used), _gigabytes(whole))]
        if self._name not in (CPU, NO_ENGINE):
            from ctstudio.learn import device

            held = device.memory_in_use(device.choose().torch)
            holds = tr("Its networks hold {0} of the GPU's memory.")
            lines += [holds.format(_gigabytes(held))]
        self.setToolTip("\n".join(lines))


def _gigabytes(size: int) -> str:
    return f"{size / 2**30:.1f} GB"


class Banner(QWidget):
    """A quiet line above the panes: what went wrong, what to do, and details on demand."""

    details_requested = Signal(str, str)  # title, details

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("banner")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        self._icon = QLabel()
        self._icon.setPixmap(theme.icon("mdi6.alert-outline", "warning").pixmap(18, 18))
        self.text = plain_label()
        self.text.setWordWrap(True)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._details = ""
        self._said_at = -UNREAD_S
        self._more = QToolButton()
        self._more.setText(tr("Details"))
        self._more.setAutoRaise(True)
        self._more.clicked.connect(self._ask_details)
        self._close = QToolButton()
        self._close.setIcon(theme.icon("mdi6.close"))
        self._close.setAutoRaise(True)
        self._close.setToolTip(tr("Dismiss"))
        self._close.setAccessibleName(tr("Dismiss the message"))
        self._close.clicked.connect(self.hide)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 8, 8, 8)
        layout.setSpacing(8)
        layout.addWidget(self._icon)
        layout.addWidget(self.text, 1)
        layout.addWidget(self._more)
        layout.addWidget(self._close)
        self.hide()

    def _ask_details(self) -> None:
        self.details_requested.emit(self.text.text(), self._details)

    def show_trouble(self, what: str, hint: str, details: str = "") -> None:
        """Say something; what was said a moment ago, and cannot have been read, stays above it."""
        text = f"{said(what)} {said(hint)}".strip()
        earlier = self.text.text() if not self.isHidden() else ""
        now = time.monotonic()
        if earlier and now - self._said_at < UNREAD_S and text not in earlier.splitlines():
            text = "\n".join([*earlier.splitlines()[1 - MOST_LINES :], text])
            details = "\n\n".join(part for part in (self._details, details) if part)
        self._said_at = now
        self.text.setText(text)
        self._details = details
        self._more.setVisible(bool(details))
        self.show()
