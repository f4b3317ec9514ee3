"""Everything that the history reads or moves on disk, in jobs; of each kind one at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QImage

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Preview, Progress, Work
from ctstudio.ct.window import PRESETS
from ctstudio.gui.history.comparison import RunDetails, read_details, read_earlier
from ctstudio.gui.history.picture import classes_window, grey_image
from ctstudio.gui.session import Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.workflows.runs import RunSummary, scan_runs, thumbnail, trash

if TYPE_CHECKING:
    from ctstudio.learn.checkpoint import TrainedModel

AT_ONCE = 12  # small pictures a job, so that those that are scrolled to come soon
SETTLE_MS = 40
WINDOW = PRESETS["Abdomen"]


class Reader(QObject):
    """Starts the jobs. A wish that comes while its kind is busy is kept, the newest alone."""

    scanned = Signal(object)  # list[RunSummary]
    pictured = Signal(object)  # list[tuple[RunSummary, QImage | None]]
    detailed = Signal(object)  # list[RunDetails]
    earlier = Signal(object, object)  # list[RunDetails], list[Preview | None]
    loaded = Signal(object, object)  # RunSummary, TrainedModel
    binned = Signal(object)  # list[str]: what could not be deleted, and why
    failed = Signal(object)  # Exception

    def __init__(self, session: Session, folder: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._folder = folder
        self._runs: list[RunSummary] = []
        self._scan_again = False
        self._details_of: list[RunSummary] | None = None
        self._earlier_of: tuple[list[RunDetails], int] | None = None
        self._shown_of: list[RunDetails] = []
        self._pictures_of: dict[Path, RunSummary] = {}
        self._loading: RunSummary | None = None
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._read_pictures)

    # -- the list --------------------------------------------------------------------------------

    def scan(self) -> None:
        """Read the list of runs, anew where they changed."""
        self._scan_again = self._session.jobs.busy("history")
        if not self._scan_again and not self._session.closing:
            folder, known = self._folder, list(self._runs)
            self._session.jobs.start(
                "history", tr("Reading trainings"), lambda: scan_runs(folder, known),
                succeeded=self._scanned, failed=self._failed,
            )  # fmt: skip

    def _scanned(self, runs: list[RunSummary]) -> None:
        self._runs = runs
        self.scanned.emit(runs)
        if self._scan_again:
            self.scan()

    def _failed(self, error: Exception) -> None:
        self.failed.emit(error)

    # -- small pictures --------------------------------------------------------------------------

    def want_picture(self, run: RunSummary) -> None:
        """Read the small picture of ``run`` soon; the last that were wanted come first."""
        self._pictures_of.pop(run.folder, None)
        self._pictures_of[run.folder] = run
        if not self._settle.isActive():
            self._settle.start()

    def _read_pictures(self) -> None:
        busy = self._session.jobs.busy("history pictures") or self._session.closing
        if busy or not self._pictures_of:
            return
        wanted = [
            self._pictures_of.popitem()[1] for _ in range(min(AT_ONCE, len(self._pictures_of)))
        ]
        self._session.jobs.start(
            "history pictures", tr("Reading pictures"), lambda: _small_pictures(wanted),
            succeeded=self._pictured, failed=self._failed,
        )  # fmt: skip

    def _pictured(self, pictures: list[tuple[RunSummary, QImage | None]]) -> None:
        self.pictured.emit(pictures)
        self._read_pictures()

    # -- one or two runs -------------------------------------------------------------------------

    def read_details(self, runs: list[RunSummary]) -> None:
        """Read curves and pictures of these."""
        if self._session.jobs.busy("history details"):
            self._details_of = runs
        elif not self._session.closing:
            self._details_of = None
            self._session.jobs.start(
                "history details", tr("Reading a training"), lambda: read_details(runs),
                succeeded=self._detailed, failed=self._failed,
            )  # fmt: skip

    def read_earlier(self, details: list[RunDetails], step: int) -> None:
        """Read the pictures that these runs had made up to a step."""
        if self._session.jobs.busy("history preview"):
            self._earlier_of = details, step
        elif not self._session.closing:
            self._earlier_of, self._shown_of = None, details
            self._session.jobs.start(
                "history preview", tr("Reading pictures"), lambda: read_earlier(details, step),
                succeeded=self._earlier, failed=self._failed,
            )  # fmt: skip

    def _earlier(self, previews: list[Preview | None]) -> None:
        self.earlier.emit(self._shown_of, previews)
        if self._earlier_of is not None:
            self.read_earlier(*self._earlier_of)

    def _detailed(self, details: list[RunDetails]) -> None:
        if self._details_of is not None:
            self.read_details(self._details_of)
        else:
            self.detailed.emit(details)

    # -- networks and the bin --------------------------------------------------------------------

    def load(self, run: RunSummary) -> bool:
        """Read a run's network; False where another is being read."""
        if run.network is None or self._session.jobs.busy("history network"):
            return False
        path, self._loading = run.network, run
        self._session.jobs.start(
            "history network", tr("Opening a network"), lambda: _load(path),
            succeeded=self._loaded, failed=self._failed,
        )  # fmt: skip
        return True

    def _loaded(self, model: TrainedModel) -> None:
        self.loaded.emit(self._loading, model)

    def trash(self, runs: list[RunSummary]) -> bool:
        """Move runs to the bin; False where that is under way already."""
        if self._session.jobs.busy("history bin"):
            return False
        self._session.jobs.start(
            "history bin", tr("Moving to the bin"), lambda: _trash(runs),
            succeeded=self._binned, failed=self._failed,
        )  # fmt: skip
        return True

    def _binned(self, problems: list[str]) -> None:
        self.binned.emit(problems)


def _small_pictures(runs: list[RunSummary]) -> Work[list[tuple[RunSummary, QImage | None]]]:
    pictures: list[tuple[RunSummary, QImage | None]] = []
    for run in runs:
        yield Progress(len(pictures), len(runs), "Reading pictures")
        found = thumbnail(run.folder)
        image = None
        if found is not None:
            hu, labels = found
            image = grey_image(hu, classes_window(hu) if labels else WINDOW)
        pictures.append((run, image))
    return pictures


def _load(path: Path) -> Work[TrainedModel]:
    yield Progress(0, 0, "Opening a network")
    from ctstudio.learn.checkpoint import load

    return load(path)


def _trash(runs: list[RunSummary]) -> Work[list[str]]:
    problems: list[str] = []
    for done, run in enumerate(runs):
        yield Progress(done, len(runs), "Moving to the bin")
        try:
            trash(run.folder)
        except StudioError as error:
            problems.append(str(error))
    return problems
