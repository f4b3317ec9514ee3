"""File > Open session, Save session, and the question after a crash."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QMenu, QMessageBox

from ctstudio.core.errors import StudioError
from ctstudio.gui.chrome import LINKS, OVERLAYS
from ctstudio.gui.dialogs import ask_where_to_save
from ctstudio.gui.sessions.autosave import Autosave
from ctstudio.gui.sessions.capture import Capture
from ctstudio.gui.sessions.forms import (
    DenoisePart,
    NoisePart,
    SegmentPart,
    TabPart,
    TrainPart,
)
from ctstudio.gui.sessions.parts import (
    BoxPart,
    ComparingPart,
    MaskPart,
    MeasurePart,
    PanelPart,
    Part,
    PlainPart,
    SwitchPart,
    ViewPart,
)
from ctstudio.gui.sessions.restoring import Restorer
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.words import plain_title
from ctstudio.workflows.sessions.document import SUFFIX, Document, load, missing_sources
from ctstudio.workflows.sessions.reopen import relocated
from ctstudio.workflows.sessions.writing import store_of, write

if TYPE_CHECKING:
    from ctstudio.gui.main_window import MainWindow

ROLE = "save session"


def kinds() -> str:
    """What file dialogs offer."""
    return f"{tr('Sessions')} (*{SUFFIX})"


class Sessions(QObject):
    """Everything that has to do with session files in one window."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window, self._session = window, window.session
        self._settings = window.settings
        self.path: Path | None = None  # where the session was saved or opened last
        self.store: Path | None = None  # where its pixels are kept
        self._crash: Path | None = None  # what a crash left behind, while it is restored
        self._whole = True  # whether all of what was opened last is there
        self._kept: object = None  # what was made, as it was saved or opened last
        self.parts: dict[str, Part] = {
            "switches": SwitchPart(
                window.actions_by_name,
                (*OVERLAYS, *LINKS, "masks", "measurements"),
                window.view_control.overlays,
            ),
            "view": ViewPart(window.grid),
            "comparing": ComparingPart(window.grid, window.view_control.comparing),
            "masks": MaskPart(window.masks),
            "measurements": MeasurePart(window.measuring.measurements),
            "display": PlainPart(window.windowing),
            "boxes": BoxPart(window.view_control.boxes),
            "panels": PanelPart(window.train_panel, window.compare_panel),
            "denoise": DenoisePart(window.denoise_panel),
            "train": TrainPart(window.train_panel),
            "segment": SegmentPart(window.mask_desk.panel),
            "noise tools": NoisePart(window.measuring.noise),
            "form": TabPart(window.tabs),
        }
        self.capture = Capture(self._session, self.parts)
        self.autosave = Autosave(
            self._session, self._settings.data_folder / "autosave", self._document
        )
        self.restorer = Restorer(self._session, window.opener, self.capture, self.parts)
        self.restorer.restored.connect(self._restored)
        self.restorer.ended.connect(self._opened)
        window.opener.scanned.connect(self.capture.note_opened)
        self._watch()

    def _watch(self) -> None:
        """What changes the session is written before long."""
        session, grid, touch = self._session, self._window.grid, self.autosave.touch
        for signal in (
            session.layer_added, session.layer_removed, session.layer_changed, session.run_changed,
            session.undo.indexChanged, grid.slice_changed, grid.window_changed,
            grid.layout_changed, self._window.masks.changed, self._window.tabs.currentChanged,
            self._window.view_control.boxes.changed, self._window.denoise_panel.form.changed,
            self._window.denoise_panel.method.currentIndexChanged,
            self._window.measuring.noise.page.changed,
        ):  # fmt: skip
            signal.connect(touch)
        for section in self._window.train_panel.form.sections.values():
            section.changed.connect(touch)

    def handlers(self) -> dict[str, Callable[..., Any]]:
        """What each action does, by the action's name."""
        return {
            "open_session": self.ask,
            "save_session": self.save,
            "save_session_as": self.ask_where,
        }

    def keep_filled(self, menu: QMenu) -> None:
        """Fill ``menu`` with the recent sessions whenever it opens."""
        menu.aboutToShow.connect(lambda: self._fill(menu))

    def _fill(self, menu: QMenu) -> None:
        menu.clear()
        for path in self._settings.recent_sessions:
            action = menu.addAction(plain_title(str(path)))
            action.triggered.connect(lambda _=False, path=path: self.open(path))
        if not menu.actions():
            menu.addAction(tr("No session yet")).setEnabled(False)

    def take(self, paths: Sequence[Path]) -> list[Path]:
        """Open the session among ``paths``, if there is one; returns the other paths."""
        sessions = [path for path in paths if path.suffix.lower() == SUFFIX]
        if sessions:
            self.open(sessions[0])
        return [path for path in paths if path not in sessions]

    # -- saving ----------------------------------------------------------------------------------

    def _document(self) -> tuple[Document, dict[str, Any]]:
        runs = [shown.log.folder for shown in self._window.curves.runs if shown.log.folder]
        if self._session.run is not None and self._session.run.folder not in runs:
            runs.insert(0, self._session.run.folder)
        return self.capture.document([run.absolute() for run in runs])

    def save(self) -> None:
        """Save where it was saved or opened last, else where the user says."""
        if self.path is None:
            self.ask_where()
        else:
            self._save(self.path)

    def ask_where(self) -> None:
        """Save where the user says."""
        if not self._session.layers:
            self._session.message.emit(
                tr("Open a series first: it is what a session is about."), 6000
            )
            return
        try:
            name = self.path.name if self.path is not None else f"session{SUFFIX}"
            path = ask_where_to_save(self._window, self._session, tr("Save session"), name, kinds())
        except StudioError as error:
            self._session.report(error)
            return
        if path is not None:
            if path != self.path:
                self.store = None  # two sessions share no pixels: one may be deleted
            self._save(path)

    def _save(self, path: Path) -> None:
        if self._session.jobs.busy(ROLE):
            self._session.message.emit(tr("The session is being saved."), 4000)
            return
        document, volumes = self._document()
        sessions = self._settings.cache_folder / "sessions"
        store = self.store or sessions / uuid.uuid4().hex
        others = self.autosave.folder / "layers"
        self.path, self.store = path, store
        self._session.jobs.start(
            ROLE,
            tr("Saving {0}").format(path.name),
            lambda: write(document, path, volumes, store, others),
            succeeded=self._saved,
            failed=self._session.fail,
        )

    def _made(self, document: Document | None = None) -> object:
        """What would be lost for good with the session: layers made here, measurements."""
        document = document or self._document()[0]
        made = [layer for layer in document.layers if layer.kind not in ("original", "residual")]
        items = dict(document.state).get("measurements", {}).get("items", [])
        return (made, items) if made or items else None

    def _saved(self, document: Document) -> None:
        self._kept = self._made(document)
        if self.path is not None:
            self._settings.add_recent_session(self.path)
            self._session.message.emit(tr("Saved {0}").format(self.path), 10000)

    # -- opening ---------------------------------------------------------------------------------

    def ask(self) -> None:
        """Let the user choose a session file."""
        start = str(self._session.export_folder)
        path, _ = QFileDialog.getOpenFileName(self._window, tr("Open a session"), start, kinds())
        if path:
            self.open(Path(path))

    def open(self, path: Path) -> bool:
        """Open a session file; whether that has begun."""
        return self._open(path, path)

    def _open(self, path: Path, name: Path | None) -> bool:
        try:
            document = load(path)
        except StudioError as error:
            self._session.report(error)
            return False
        store = store_of(document, path)
        if not self._may_close():
            return False
        found = self._located(document)
        if found is None or not self.restorer.start(found, store):
            return False
        self.autosave.on = self._whole = False
        self.path = name
        self.store = store if name is not None else None
        if name is not None:
            self._settings.add_recent_session(name)
        return True

    def _may_close(self) -> bool:
        """Whether what is open may go: the user is asked where it was never saved as it is."""
        made = self._made()
        if made is None or made == self._kept:
            return True
        box = QMessageBox(self._window)
        box.setWindowTitle(tr("Open session"))
        box.setIcon(QMessageBox.Icon.Question)
        box.setText(tr("The session takes the place of what is open."))
        box.setInformativeText(
            tr("Layers that were made here, masks and measurements are not saved and would go.")
        )
        box.addButton(tr("Go on without saving"), QMessageBox.ButtonRole.DestructiveRole)
        save = box.addButton(tr("Save first ..."), QMessageBox.ButtonRole.AcceptRole)
        cancel = box.addButton(QMessageBox.StandardButton.Cancel)
        box.setDefaultButton(save)
        box.setEscapeButton(cancel)
        box.exec()
        picked = box.clickedButton()
        box.deleteLater()
        if picked is save:
            self.save()
        return picked is not None and picked not in (save, cancel)

    def _located(self, document: Document) -> Document | None:
        """The session with every source where it is now; None when the user thinks better of it."""
        for source in missing_sources(document):
            box = QMessageBox(self._window)
            box.setWindowTitle(tr("Open session"))
            box.setIcon(QMessageBox.Icon.Question)
            box.setText(tr("The images of this session are not where they were."))
            box.setInformativeText(
                tr(
                    "There is no {0} any more. It may have been moved, or its disk is not there."
                ).format(source)
            )
            locate = box.addButton(tr("Locate ..."), QMessageBox.ButtonRole.AcceptRole)
            without = box.addButton(tr("Open without it"), QMessageBox.ButtonRole.DestructiveRole)
            box.addButton(QMessageBox.StandardButton.Cancel)
            box.setDefaultButton(locate)
            box.exec()
            picked = box.clickedButton()
            box.deleteLater()
            if picked is locate:
                place = self._locate(source)
                if place is None:
                    return None
                document = relocated(document, source, place)
            elif picked is not without:
                return None
        return document

    def _locate(self, source: Path) -> Path | None:
        title = tr("Where is {0} now?").format(source.name)
        if source.suffix.lower() in (".zip", ".nii", ".gz", ".npy", ".npz", ".dcm"):
            path, _ = QFileDialog.getOpenFileName(self._window, title)
        else:
            path = QFileDialog.getExistingDirectory(self._window, title)
        return Path(path) if path else None

    def _restored(self, document: Document, whole: bool) -> None:
        curves = self._window.curves
        self._whole, self._kept = whole, self._made()
        for run in document.runs:
            if run.is_dir():
                curves.add_run(run)
                self._window.curves_dock.show()
        if whole:
            self._session.message.emit(tr("The session is open."), 6000)

    def _opened(self) -> None:
        """Opening has ended: what is not all there may not take the place of what is kept."""
        crash, self._crash = self._crash, None
        if not self._whole:
            self.path = self.store = None
            self._session.message.emit(
                tr("The session's file stays as it is: saving asks for another one."), 12000
            )
        elif crash is not None:
            self.autosave.supersede(crash)
        self.autosave.on = True
        self.autosave.touch()

    # -- crash and end ---------------------------------------------------------------------------

    def ask_about_crash(self) -> None:
        """After a crash: ask whether to have back what was open. Does not wait for the answer."""
        found = self.autosave.crashed()
        if not found or self._session.closing:
            return
        path = found[0]  # of several the newest; the others are asked about at the next starts
        box = QMessageBox(self._window)
        box.setWindowTitle(tr("Restore the session?"))
        box.setIcon(QMessageBox.Icon.Question)
        box.setText(tr("CT Studio did not end as it should have."))
        box.setInformativeText(tr("What was open can be restored: series, layers, measurements."))
        restore = box.addButton(tr("Restore"), QMessageBox.ButtonRole.AcceptRole)
        discard = box.addButton(tr("Discard"), QMessageBox.ButtonRole.DestructiveRole)
        later = box.addButton(tr("Ask again later"), QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(restore)
        box.setEscapeButton(later)
        restore.clicked.connect(lambda: self._restore(path))
        discard.clicked.connect(lambda: self.autosave.forget(path.parent))
        box.finished.connect(box.deleteLater)
        box.open()

    def _restore(self, path: Path) -> None:
        if self._open(path, None):
            self._crash = path.parent

    def end(self) -> None:
        """The window closes as it should."""
        self.autosave.end()
