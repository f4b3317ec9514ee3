"""What the window "Figure" gives away: files, many at once, the clipboard, reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QMimeData, QObject
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Event, Note, Progress, Work
from ctstudio.figures.description import FigureSpec
from ctstudio.gui.composer.preview import to_qimage
from ctstudio.gui.composer.window import FigureWindow
from ctstudio.gui.dialogs import ask_where_to_save
from ctstudio.gui.session import Session, in_sentences
from ctstudio.gui.translation.catalogue import tr
from ctstudio.workflows.figures.material import Material

if TYPE_CHECKING:
    from ctstudio.ct.series import SeriesInfo
    from ctstudio.workflows.denoise import Method

STILLS = "PNG (*.png);;TIFF (*.tif);;SVG (*.svg);;PDF (*.pdf)"
FILMS = "GIF (*.gif);;MP4 (*.mp4);;WebM (*.webm)"
REPORTS = "HTML (*.html);;PDF (*.pdf)"


class Exports(QObject):
    """Asks for names and starts the work; one export runs at a time.

    Parameters
    ----------
    material
        What the layers of a description stand for.
    networks
        Trained networks that are loaded, by what a description calls them.
    """

    def __init__(
        self,
        session: Session,
        material: Callable[[FigureSpec], Material],
        networks: Callable[[], dict[str, Method]],
    ) -> None:
        super().__init__(session)
        self._session = session
        self._material = material
        self._networks = networks
        self.window: FigureWindow | None = None
        self._notes: list[str] = []  # of the work that is running
        self._count = 0  # of the figures that it makes

    def do(self, what: str, window: FigureWindow, spec: FigureSpec) -> None:
        """What a button asks for.

        Raises
        ------
        StudioError
            When something that is shown is not open any more, or an export is running.
        """
        todo = {
            "save": self._save, "film": self._film, "each": self._each, "runs": self._runs,
            "copy": self._copy, "report": self._report, "estimate": self._estimate,
        }  # fmt: skip
        todo[what](window, spec)

    def _save(self, window: FigureWindow, spec: FigureSpec) -> None:
        path = ask_where_to_save(window, self._session, tr("Save the figure"), "figure.png", STILLS)
        if path is not None:
            self._write(window, spec, path)

    def _film(self, window: FigureWindow, spec: FigureSpec) -> None:
        path = ask_where_to_save(window, self._session, tr("Save the film"), "film.gif", FILMS)
        if path is not None:
            self._write(window, spec, path)

    def _write(self, window: FigureWindow, spec: FigureSpec, path: Path) -> None:
        from ctstudio.workflows.figures.make import make

        material, bits = self._material(spec), _bits(window)
        title = tr("Export: {0}").format(path.name)
        self._start(title, lambda: make(spec, material, path, bits=bits))

    def _start(self, title: str, work: Callable[[], Work[Any]]) -> None:
        if self._session.jobs.busy("export"):
            raise StudioError(
                "An export is running already.", hint="Wait for it, or cancel it, then try again."
            )
        self._notes = []
        self._session.jobs.start(
            "export", title, work,
            stepped=self._stepped, succeeded=self._done, cancelled=self._cancelled,
            failed=self.tell,
        )  # fmt: skip

    def _stepped(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Note):
                self._notes.append(event.text)
                self._session.message.emit(event.text, 10_000)

    def _done(self, result: Any) -> None:
        if isinstance(result, int):
            if self.window is not None:
                self.window.estimate.setText(
                    tr("The GIF takes about {0:.1f} MB.").format(result / 1000000.0)
                )
            return
        self._warn(result)
        words = (
            tr("Saved {0} figures").format(len(result))
            if isinstance(result, list)
            else tr("Saved {0}").format(result)
        )
        self._session.message.emit(words, 10_000)
        self._tell_codec(result)

    def _warn(self, result: Any) -> None:
        """What the work had to say stays until it is read: a file may be missing."""
        if not self._notes or self.window is None or not self.window.isVisible():
            return
        *others, last = self._notes
        lost = self._count - len(result) if isinstance(result, list) else 0
        words = tr("{0} of {1} figures were not made.").format(lost, self._count) if lost else last
        details = "\n".join(self._notes) if others else ""
        self.window.banner.show_trouble(words, last if lost else "", details)

    def _tell_codec(self, result: Any) -> None:
        """Say where an older player may not show a film; a bar that says more stays."""
        written = result if isinstance(result, list) else [result]
        films = [path for path in written if Path(path).suffix.lower() == ".mp4"]
        if not films or "av1" not in mp4_codec():
            return
        words = tr("It is AV1, which players older than about 2020 do not know.")
        hint = tr("OpenH264 is not there. For older players save a WebM (VP9) or a GIF.")
        if self.window is not None and self.window.isVisible() and not self._notes:
            self.window.banner.show_trouble(words, hint)
        else:
            self._session.message.emit(f"{words} {hint}", 10_000)

    def _cancelled(self) -> None:
        self._session.message.emit(tr("Cancelled; nothing was written."), 6000)

    def tell(self, error: Exception) -> None:
        """Say what went wrong, in the window where it is open."""
        if self.window is not None and self.window.isVisible():
            self.window.banner.show_trouble(*in_sentences(error))
        else:
            self._session.report(error)

    # -- many at once -----------------------------------------------------------------------------

    def _each(self, window: FigureWindow, spec: FigureSpec) -> None:
        """The same figure of every series that is listed: methods are applied to each.

        At the same part of the way through each: they are of many lengths.
        """
        from ctstudio.workflows.figures.build import Builder

        portable = Builder(spec, self._material(spec)).portable()
        self._many(window, portable, list(self._session.series), [])

    def _runs(self, window: FigureWindow, spec: FigureSpec) -> None:
        """The same figure of every training in a folder."""
        from ctstudio.workflows.runs import default_folder

        run = self._session.run
        start = run.folder.parent if run is not None else default_folder()
        chosen = QFileDialog.getExistingDirectory(window, tr("Folder of the trainings"), str(start))
        if not chosen:
            return
        folder = Path(chosen)
        self._session.jobs.start(
            "runs", tr("Looking for trainings"), lambda: _runs_in(folder),
            succeeded=lambda found: self._found(window, spec, folder, found), failed=self.tell,
        )  # fmt: skip

    def _found(
        self, window: FigureWindow, spec: FigureSpec, folder: Path, runs: list[Path]
    ) -> None:
        try:
            if not runs:
                raise StudioError(
                    f"There is no training in {folder}.",
                    hint="Choose the folder that holds their folders.",
                )
            self._many(window, spec, list(self._session.series), runs)
        except StudioError as error:
            self.tell(error)

    def _many(
        self, window: FigureWindow, spec: FigureSpec, series: list[SeriesInfo], runs: list[Path]
    ) -> None:
        from ctstudio.workflows.figures.batch import existing, make_each, numbered

        kinds = f"{STILLS};;{FILMS}"
        path = ask_where_to_save(
            window, self._session, tr("Name of the figures"), "figure.png", kinds
        )
        if path is None:
            return
        count = len(runs) or len(series)
        there = existing(numbered(path, count))
        if there and not may_overwrite(window, there):
            return
        self._count = count
        bits, known = _bits(window), self._networks()
        self._start(
            tr("Export: {0} figures").format(count),
            lambda: make_each(spec, series, runs, path, bits=bits, overwrite=True, known=known),
        )

    # -- the rest ---------------------------------------------------------------------------------

    def _copy(self, window: FigureWindow, spec: FigureSpec) -> None:
        material = self._material(spec)
        self._session.jobs.start(
            "copy", tr("Copying the figure"), lambda: _copied(spec, material),
            succeeded=self._copied, failed=self.tell,
        )  # fmt: skip

    def _copied(self, result: tuple[QImage, str]) -> None:
        image, svg = result
        data = QMimeData()
        data.setImageData(image)
        data.setData("image/svg+xml", svg.encode())
        QGuiApplication.clipboard().setMimeData(data)
        self._session.message.emit(tr("The figure is on the clipboard."), 6000)

    def _estimate(self, window: FigureWindow, spec: FigureSpec) -> None:
        material = self._material(spec)
        self._start(tr("Estimating the size"), lambda: _estimated(spec, material))

    def _report(self, window: FigureWindow, spec: FigureSpec) -> None:
        from ctstudio.workflows.figures.report import save_report

        path = ask_where_to_save(
            window, self._session, tr("Save the report"), "report.html", REPORTS
        )
        if path is not None:
            material = self._material(spec)
            self._start(tr("Report"), lambda: save_report(spec, material, path))


def may_overwrite(window: QWidget, there: Sequence[Path]) -> bool:
    """Ask whether files that are there already may go."""
    box = QMessageBox(window)
    box.setWindowTitle(tr("Overwrite?"))
    box.setText(
        tr("{0} of these files exist already, such as {1}.").format(len(there), there[0].name)
    )
    box.setStandardButtons(QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No)
    answer = box.exec()
    box.deleteLater()
    return bool(answer == QMessageBox.StandardButton.Yes)


def mp4_codec() -> str:
    """The encoder of MP4 films here; it takes a moment to look for."""
    from ctstudio.figures.video import encoder_for

    return encoder_for(".mp4")


def _bits(window: FigureWindow) -> int:
    return 16 if window.deep.isChecked() else 8


def _runs_in(folder: Path) -> Work[list[Path]]:
    from ctstudio.workflows.runs import scan_runs

    found = yield from scan_runs(folder)
    return [run.folder for run in reversed(found)]


def _copied(spec: FigureSpec, material: Material) -> Work[tuple[QImage, str]]:
    from ctstudio.figures.svg import to_svg
    from ctstudio.workflows.figures.make import still, travelling

    yield Progress(0, 1, "Drawing")
    scene = still(spec, material)
    return to_qimage(scene), to_svg(scene, travelling(spec, material))


def _estimated(spec: FigureSpec, material: Material) -> Work[int]:
    from ctstudio.figures.film import Quality, estimate_gif
    from ctstudio.workflows.figures.make import film

    yield Progress(0, 1, "Estimating the size")
    return estimate_gif(film(spec, material), Quality(spec.film.greys, spec.film.dither))
