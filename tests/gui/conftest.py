"""The real window, offscreen: one program a test, small series, and hands for mouse and keys.

Whatever a test leaves behind fails it: widgets, running threads, Qt's and Python's warnings.
"""

from __future__ import annotations

import gc
import os
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pyqtgraph as pg
import pytest
import shiboken6
from PySide6.QtCore import (
    QCoreApplication,
    QEvent,
    QEventLoop,
    QMimeData,
    QPoint,
    QPointF,
    Qt,
    QTimer,
    QUrl,
)
from PySide6.QtGui import (
    QAction,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QImage,
    QMouseEvent,
    QWheelEvent,
)
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QDialog,
    QFileDialog,
    QMenu,
    QMessageBox,
    QWidget,
)

from ctstudio.core.events import finish
from ctstudio.ct.volume import Geometry, Source, Volume
from ctstudio.ct.window import Window
from ctstudio.dicom.write import write_series
from ctstudio.gui.app import Program
from ctstudio.gui.job import Job
from ctstudio.gui.panels import series
from ctstudio.gui.session import Layer
from ctstudio.gui.settings import Settings
from ctstudio.gui.translation import catalogue
from ctstudio.gui.viewer import control
from ctstudio.gui.viewer.picture_view import Framing
from ctstudio.gui.viewer.slice_view import SliceView

PATIENT = {
    "name": "Secret^Name",
    "id": "ID-4711-X",
    "birth": "19480229",
    "accession": "ACC0815Z",
    "date": "20210317",
}
SLICES, ROWS, COLUMNS = 14, 96, 80
SPACING = (3.0, 0.8, 1.1)  # dz, dy, dx
FRAME, STUDY = "1.2.826.0.1.3680043.8.498.11", "1.2.826.0.1.3680043.8.498.12"
PATIENCE_MS = 20_000

Left, Middle, Right = (
    Qt.MouseButton.LeftButton,
    Qt.MouseButton.MiddleButton,
    Qt.MouseButton.RightButton,
)
NoButton, NoModifier = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier


# -- data ----------------------------------------------------------------------------------------


def body(slices: int = SLICES, dz: float = SPACING[0], seed: int = 7) -> np.ndarray:
    """A slab of body ``(z, y, x)`` int16 HU: soft tissue, two lungs, a bone, mild noise."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS].astype(float)
    noise = np.random.default_rng(seed)
    volume = np.full((slices, ROWS, COLUMNS), -1000.0)
    for k in range(slices):
        z = k * dz
        inside = ((y - 47) / 42) ** 2 + ((x - 40) / 36) ** 2 < 1
        volume[k][inside] = 40 + 0.5 * z
        for centre in (22, 57):
            lung = ((y - 36) / (14 + z / 6)) ** 2 + ((x - centre) / 12) ** 2 < 1
            volume[k][lung] = -800
        volume[k][(y - 76) ** 2 + (x - 40) ** 2 < 25] = 700
        volume[k][2:5, 2:5] = 10 * k  # tells the slices apart
        volume[k][inside] += noise.normal(0, 4, int(inside.sum()))
    return np.rint(volume).astype(np.int16)


def write(
    folder: Path,
    hu: np.ndarray,
    *,
    dz: float = SPACING[0],
    description: str,
    number: int,
    frame: str = FRAME,
    rows: tuple[float, float, float] = (1, 0, 0),
    columns: tuple[float, float, float] = (0, 1, 0),
    origin: tuple[float, float, float] = (-44.0, -38.4, 100.0),
) -> Path:
    row, column = np.array(rows, float), np.array(columns, float)
    along = np.cross(row, column)
    positions = np.array(origin) + np.arange(len(hu))[:, None] * dz * along
    geometry = Geometry(positions, row, column, (SPACING[1], SPACING[2]))
    source = Source(
        description=description,
        study_uid=STUDY,
        frame_of_reference_uid=frame,
        modality="CT",
        kernel="B30f",
        slice_thickness_mm=dz,
        patient_name=PATIENT["name"],
        patient_id=PATIENT["id"],
        study_description="Chest of a slab",
        study_date=PATIENT["date"],
        window=Window(40, 400),
    )
    n = len(hu)
    volume = Volume(hu, np.ones(n), np.zeros(n), "HU", geometry, source)
    tags = {"PatientBirthDate": PATIENT["birth"], "AccessionNumber": PATIENT["accession"]}
    finish(write_series(volume, folder, series_number=number, tags=tags))
    return folder


@dataclass(frozen=True)
class Sample:
    """A series on disk and the values that went into it."""

    folder: Path
    hu: np.ndarray
    name: str


@pytest.fixture(scope="session")
def thin(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """14 slices of 96 x 80, 3 mm apart, pixels of 0.8 x 1.1 mm."""
    hu = body()
    folder = tmp_path_factory.mktemp("ct") / "thin"
    return Sample(write(folder, hu, description="Thin slab", number=1), hu, "Thin slab")


@pytest.fixture(scope="session")
def thick(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """The same place, every second slice."""
    hu = body()[::2] + np.int16(5)
    folder = tmp_path_factory.mktemp("ct") / "thick"
    return Sample(write(folder, hu, dz=6.0, description="Thick slab", number=2), hu, "Thick slab")


@pytest.fixture(scope="session")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """The thin series as a scanner may store it that writes rows from patient left to right."""
    hu = np.ascontiguousarray(body()[:, ::-1, ::-1])
    last = (-44.0 + (COLUMNS - 1) * SPACING[2], -38.4 + (ROWS - 1) * SPACING[1], 100.0)
    folder = write(
        tmp_path_factory.mktemp("ct") / "mirrored", hu, description="Mirrored slab", number=3,
        rows=(-1, 0, 0), columns=(0, -1, 0), origin=last,
    )  # fmt: skip
    return Sample(folder, hu, "Mirrored slab")


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """A series in another frame of reference."""
    hu = body(5, seed=9)
    folder = tmp_path_factory.mktemp("ct") / "elsewhere"
    write(folder, hu, description="Elsewhere", number=4, frame=FRAME + "9")
    return Sample(folder, hu, "Elsewhere")


# -- the program ---------------------------------------------------------------------------------


class PickedMenu(QMenu):
    """A menu that opens nothing: it notes what it offered and gives what the test picks."""

    asked: ClassVar[list[str]] = []
    offered: ClassVar[list[str]] = []
    pick: ClassVar[str | None] = None

    def exec(self, *_: object) -> QAction | None:
        self.asked.append("menu")
        self.offered[:] = [action.text() for action in self.actions() if action.text()]
        found = [*self.actions(), *(a for m in self.findChildren(QMenu) for a in m.actions())]
        return next((action for action in found if action.text() == self.pick), None)


@pytest.fixture(autouse=True)
def no_dialog_blocks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Dialogs never wait: file dialogs are cancelled, others rejected. What was asked, in order."""
    asked: list[str] = []

    def note(what: str, answer: object) -> Callable[..., object]:
        def reply(*_: object, **__: object) -> object:
            asked.append(what)
            return answer

        return reply

    monkeypatch.setattr(QFileDialog, "getExistingDirectory", note("folder", ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", note("files", ([], "")))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", note("file", ("", "")))
    monkeypatch.setattr(QFileDialog, "getSaveFileName", note("save", ("", "")))
    monkeypatch.setattr(QDialog, "exec", note("dialog", 0))
    monkeypatch.setattr(QMessageBox, "exec", note("message", 0))
    # PySide looks QMenu.exec up past the class: only a subclass can answer for it.
    for module in (control, series):
        monkeypatch.setattr(module, "QMenu", PickedMenu)
    monkeypatch.setattr(PickedMenu, "asked", asked)
    monkeypatch.setattr(PickedMenu, "pick", None)
    return asked


@pytest.fixture(autouse=True)
def jobs_as_quick_as_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """No lower priority: the tests of other workers, on the same cores, do not have it either."""
    monkeypatch.setattr("ctstudio.gui.job.NICE", 0)


@pytest.fixture
def english_afterwards(qapp: QApplication) -> Iterator[None]:
    """For tests that choose another language."""
    yield
    catalogue.choose(qapp, catalogue.ENGLISH)


@pytest.fixture(autouse=True)
def nothing_left(qapp: QApplication, qtlog: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No widget, no running thread and no Qt warning outlives a test."""
    before = set(QApplication.topLevelWidgets())
    jobs: weakref.WeakSet[Job] = weakref.WeakSet()
    launch = Job.launch

    def launched(job: Job) -> None:
        jobs.add(job)
        launch(job)

    monkeypatch.setattr(Job, "launch", launched)
    # pyqtgraph's menus have no parent: Qt cannot know that they belong to a window.
    menus: list[QMenu] = []
    make_plot = pg.PlotItem.__init__

    def made(plot: pg.PlotItem, *args: Any, **kwargs: Any) -> None:
        make_plot(plot, *args, **kwargs)
        menus.append(plot.ctrlMenu)

    monkeypatch.setattr(pg.PlotItem, "__init__", made)
    yield
    delete_later()
    for menu in menus:
        if shiboken6.isValid(menu):
            shiboken6.delete(menu)
    running = [job.title for job in jobs if shiboken6.isValid(job) and job.isRunning()]
    assert not running, f"threads still run: {running}"
    left = [w for w in QApplication.topLevelWidgets() if w not in before]
    assert not left, f"widgets are left over: {left}"
    loud = [
        record.message
        for record in qtlog.records
        if record.type_name != "QtDebugMsg" and not record.ignored
    ]
    assert not loud, f"Qt complained: {loud}"


def delete_later() -> None:
    """Let Qt delete what was handed to deleteLater; a test runs outside its event loop."""
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    QApplication.processEvents()


def let_run(milliseconds: int) -> None:
    """Let Qt's loop run. QTest.qWait would keep Python's lock and starve the threads."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def wait_until(done: Callable[[], object], what: str = "", timeout_ms: int = PATIENCE_MS) -> None:
    deadline = time.monotonic() + timeout_ms / 1000
    while not done():
        assert time.monotonic() < deadline, f"waited {timeout_ms} ms in vain {what}"
        let_run(5)


def dismantle(program: Program) -> None:
    """Cancel, wait, close, delete: in this order, and at once."""
    window = program.window
    window.session.jobs.cancel_all()
    wait_until(lambda: not window.session.jobs.busy(), "for the jobs to end")
    window.close()
    assert not window.isVisible()
    window.deleteLater()
    delete_later()
    program.collector.stop()
    program.collector.deleteLater()
    gc.unfreeze()


@pytest.fixture
def make_program(tmp_path: Path) -> Iterator[Callable[[], Program]]:
    """Start the program, again if asked, with settings and runs in the test's own folder."""
    made: list[Program] = []

    def make() -> Program:
        for program in made:
            if shiboken6.isValid(program.window):
                dismantle(program)
        program = Program(Settings(tmp_path / "settings.ini"), runs_folder=tmp_path / "runs")
        made.append(program)
        return program

    yield make
    for program in made:
        if shiboken6.isValid(program.window):
            dismantle(program)


@pytest.fixture
def program(make_program: Callable[[], Program]) -> Program:
    """The program with its window shown and active."""
    program = make_program()
    program.window.resize(1440, 900)
    program.window.show()
    program.window.activateWindow()
    wait_until(lambda: program.window.isActiveWindow(), "for the window")
    return program


# -- hands ---------------------------------------------------------------------------------------


class Hands:
    """What a person does with the window, and what they see of it."""

    def __init__(self, program: Program, asked: list[str]) -> None:
        self.program = program
        self.window = program.window
        self.session = program.window.session
        self.grid = program.window.grid
        self.asked = asked
        self.troubles: list[tuple[str, str, str]] = []
        self.session.trouble.connect(self._trouble)

    def _trouble(self, what: str, hint: str, details: str) -> None:
        self.troubles.append((what, hint, details))

    # waiting

    def wait(self, done: Callable[[], object], what: str = "") -> None:
        wait_until(done, what)

    def idle(self, *roles: str) -> None:
        """Wait until no job (of ``roles``) runs."""
        wait_until(lambda: not self.session.jobs.busy(*roles), f"for {roles or 'all jobs'}")
        QApplication.processEvents()

    def pause(self, milliseconds: int) -> None:
        let_run(milliseconds)

    # opening

    def open(self, *samples: Sample) -> list[Layer]:
        """Open each sample to the end; the layers in the order asked for."""
        layers = []
        for sample in samples:
            self.window.open_paths([sample.folder])
            self.wait(lambda s=sample: self.layer(s.name, complete=True), f"for {sample.name}")
            layers.append(self.layer(sample.name))
        self.idle("scan", "read")
        return [layer for layer in layers if layer is not None]

    def layer(self, name: str, *, complete: bool = False) -> Layer | None:
        return next(
            (la for la in self.session.layers if la.name == name and (la.complete or not complete)),
            None,
        )

    def drag_in(self, urls: list[QUrl]) -> bool:
        """Drag addresses over the window; whether it would take them."""
        data = QMimeData()
        data.setUrls(urls)
        place, copy = QPoint(400, 300), Qt.DropAction.CopyAction
        enter = QDragEnterEvent(place, copy, data, Left, NoModifier)
        enter.ignore()
        QApplication.sendEvent(self.window, enter)
        return enter.isAccepted()

    def drop(self, *paths: Path) -> None:
        """Drag files over the window and let go."""
        urls = [QUrl.fromLocalFile(str(path)) for path in paths]
        assert self.drag_in(urls)
        data = QMimeData()
        data.setUrls(urls)
        place, copy = QPointF(400, 300), Qt.DropAction.CopyAction
        event = QDropEvent(place, copy, data, Left, NoModifier)
        QApplication.sendEvent(self.window, event)
        assert event.isAccepted()

    def drag_out(self) -> None:
        QApplication.sendEvent(self.window, QDragLeaveEvent())

    # mouse and keys

    @property
    def view(self) -> SliceView:
        """The active pane's view."""
        return self.grid.active_pane.view

    def mouse(
        self,
        view: SliceView,
        kind: QEvent.Type,
        at: QPointF,
        button: Qt.MouseButton = NoButton,
        held: Qt.MouseButton = NoButton,
        modifiers: Qt.KeyboardModifier = NoModifier,
    ) -> None:
        port = view.viewport()
        everywhere = QPointF(port.mapToGlobal(at.toPoint()))
        QApplication.sendEvent(port, QMouseEvent(kind, at, everywhere, button, held, modifiers))

    def move(
        self, view: SliceView, at: QPointF, modifiers: Qt.KeyboardModifier = NoModifier
    ) -> None:
        self.mouse(view, QEvent.Type.MouseMove, at, modifiers=modifiers)

    def drag(
        self, view: SliceView, button: Qt.MouseButton, start: QPointF, by: QPointF, steps: int = 8
    ) -> None:
        self.mouse(view, QEvent.Type.MouseButtonPress, start, button, button)
        for k in range(1, steps + 1):
            self.mouse(view, QEvent.Type.MouseMove, start + by * k / steps, NoButton, button)
        self.mouse(view, QEvent.Type.MouseButtonRelease, start + by, button)

    def click(self, view: SliceView, button: Qt.MouseButton, at: QPointF | None = None) -> None:
        self.drag(view, button, at or middle(view), QPointF(0, 0), 0)

    def double_click(self, view: SliceView) -> None:
        at = middle(view)
        self.click(view, Left, at)
        self.mouse(view, QEvent.Type.MouseButtonDblClick, at, Left, Left)
        self.mouse(view, QEvent.Type.MouseButtonRelease, at, Left)

    def wheel(
        self,
        view: SliceView,
        notches: float,
        at: QPointF | None = None,
        modifiers: Qt.KeyboardModifier = NoModifier,
    ) -> None:
        port, at = view.viewport(), at or middle(view)
        event = QWheelEvent(
            at, QPointF(port.mapToGlobal(at.toPoint())), QPoint(), QPoint(0, round(notches * 120)),
            NoButton, modifiers, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(port, event)

    def key(self, key: Qt.Key, modifiers: Qt.KeyboardModifier = NoModifier) -> None:
        """Press a key in whatever has the focus."""
        target = QApplication.focusWidget()
        assert target is not None, "nothing has the focus"
        QTest.keyClick(target, key, modifiers)

    def press(self, button: QWidget) -> None:
        """Click a button in the middle of it."""
        assert button.isEnabled(), "the button is disabled"
        QTest.mouseClick(button, Left)

    def pick(self, text: str) -> list[str]:
        """Choose ``text`` in the next menu; returns the list that it will offer."""
        PickedMenu.pick = text
        return PickedMenu.offered

    def click_item(self, items: QAbstractItemView, at: QPoint) -> None:
        """Click into a list, tree or table at a place of its viewport."""
        QTest.mouseClick(items.viewport(), Left, NoModifier, at)

    # seeing

    def picture(self, widget: QWidget) -> QImage:
        """What ``widget`` looks like, one image pixel a widget pixel."""
        QApplication.processEvents()
        return widget.grab().toImage()

    def banner(self) -> str:
        banner = self.window.banner
        return banner.text.text() if banner.isVisible() else ""


def middle(view: SliceView) -> QPointF:
    size = view.viewport().size()
    return QPointF(size.width() / 2, size.height() / 2)


@pytest.fixture
def hands(program: Program, no_dialog_blocks: list[str]) -> Hands:
    return Hands(program, no_dialog_blocks)


PAIR_WINDOW = Window(40, 100)  # the series are 5 HU apart: 13 greys


@pytest.fixture
def pair(hands: Any, thin: Any, thick: Any) -> Any:
    """The thin series in one pane, the thick one loaded too, on a slice that both have."""
    one, _ = hands.open(thin, thick)
    hands.grid.show_in(hands.grid.active_pane, one)
    hands.grid.go_to(4)
    hands.grid.set_window(PAIR_WINDOW)
    for name in ("info", "scale", "letters", "patient"):
        hands.window.actions_by_name[name].setChecked(False)
    hands.view.set_framing(Framing(hands.view.framing.u, hands.view.framing.v, 8.0))
    hands.view.setFocus()
    return hands
