"""Joins the window "Figure" to what is open: live picture, templates, files, clipboard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QMimeData, QObject
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QInputDialog, QMessageBox, QWidget

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Event, Note, Progress, Work
from ctstudio.figures.description import FigureSpec
from ctstudio.figures.scene import Scene
from ctstudio.gui.composer.preview import to_qimage
from ctstudio.gui.composer.sources import Sources
from ctstudio.gui.composer.store import TemplateStore
from ctstudio.gui.composer.window import FigureWindow
from ctstudio.gui.dialogs import ask_where_to_save
from ctstudio.gui.translation.catalogue import tr
from ctstudio.workflows.figures.build import Builder
from ctstudio.workflows.figures.material import Material
from ctstudio.workflows.figures.templates import TEMPLATES

if TYPE_CHECKING:
    from ctstudio.ct.series import SeriesInfo
    from ctstudio.gui.main_window import MainWindow

ROLE = "figure"
SCREEN, OWN = "screen", "own:"
STILLS = "PNG (*.png);;TIFF (*.tif);;SVG (*.svg);;PDF (*.pdf)"
FILMS = "GIF (*.gif);;MP4 (*.mp4);;WebM (*.webm)"
SCREEN_PX = 1800
"""The live picture is drawn no wider: the resolution of paper would only make it late."""


class Composer(QObject):
    """Shows the window, and does what it asks for."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._session, self._grid, self._parent = window.session, window.grid, window
        self.store = TemplateStore(window.settings.data_folder / "figures")
        self.window: FigureWindow | None = None
        self._sources: Sources | None = None
        self._again = False  # something changed while the last picture was drawn

    def handlers(self) -> dict[str, Callable[..., Any]]:
        """What the window's actions do here."""
        return {"figure": self.show}

    def show(self) -> None:
        """Open the window upon what is on the screen; again, with what it showed."""
        window = self._make_window()
        self._gather(window)
        if window.spec is None or not self._fits(window.spec):
            self._pick(SCREEN)
        else:
            self._later()
        window.open_over(self._parent)

    def _make_window(self) -> FigureWindow:
        if self.window is None:
            self.window = window = FigureWindow(self._parent)
            window.described.connect(self._later)
            window.settle.timeout.connect(self._draw)
            window.template_picked.connect(self._pick)
            window.wanted.connect(self._do)
            self._session.layer_added.connect(self._layers_changed)
            self._session.layer_removed.connect(self._layers_changed)
        return self.window

    # -- what there is ----------------------------------------------------------------------------

    def _layers_changed(self, *_: object) -> None:
        window = self.window
        if window is not None and window.isVisible() and not self._session.closing:
            self._gather(window)
            self._later()

    def _gather(self, window: FigureWindow) -> None:
        """Take stock of what is open, and of the templates."""
        self._sources = sources = Sources(self._session, self._grid)
        labels = {offer.spec.name: offer.label for offer in sources.offers}
        trainings = {o.spec.name for o in sources.offers if o.spec.source == "run"}
        window.set_layers(labels, trainings)
        box, key = window.templates, window.templates.currentData()
        box.clear()
        box.addItem(tr("As on the screen"), SCREEN)
        for template in TEMPLATES.values():
            try:
                template.make(sources.given)
            except StudioError:
                continue  # it needs more than is open
            box.addItem(tr(template.title), template.name)
        for name in self.store.names():
            box.addItem(name, f"{OWN}{name}")
        box.setCurrentIndex(max(box.findData(key), 0))
        window.buttons["each"].setEnabled(bool(self._session.series))

    def _fits(self, spec: FigureSpec) -> bool:
        assert self._sources is not None
        return not self._sources.missing(spec)

    def _pick(self, key: str | None) -> None:
        """Show a template: what is on the screen, a built-in one, or one of the user's."""
        window, sources = self.window, self._sources
        assert window is not None
        assert sources is not None
        if key is None:
            return
        try:
            if key == SCREEN:
                spec = sources.as_on_screen()
                if spec is None:
                    window.view.say(tr("Open a series, and the figure of it appears here."))
                    return
            elif key.startswith(OWN):
                spec = self.store.load(key.removeprefix(OWN))
            else:
                spec = TEMPLATES[key].make(sources.given)
            spec = sources.fitted(spec)
            missing = sources.missing(spec)
            if missing:
                raise StudioError(
                    f"The template shows {', '.join(missing)}, which is not open.",
                    hint="Open it, or denoise the series first, then choose the template again.",
                )
        except StudioError as error:
            window.banner.show_trouble(error.message, error.hint, error.details)
            return
        window.view.selected = (0, 0)
        window.set_spec(spec)
        self._later()

    # -- the live picture -------------------------------------------------------------------------

    def _later(self, *_: object) -> None:
        if self.window is not None:
            self.window.settle.start()

    def _draw(self) -> None:
        window = self.window
        if window is None or window.spec is None or self._session.closing:
            return
        if self._session.jobs.busy(ROLE):
            self._again = True
            return
        self._again = False
        spec = window.spec
        try:
            material = self._material(spec)
        except StudioError as error:
            window.view.say(str(error))
            return
        self._session.jobs.start(
            ROLE,
            tr("Figure"),
            lambda: _picture(spec, material),
            succeeded=self._drawn,
            cancelled=self._next,
            failed=self._not_drawn,
        )

    def _material(self, spec: FigureSpec) -> Material:
        assert self._sources is not None
        return self._sources.material(spec)

    def _drawn(self, result: tuple[Scene, QImage]) -> None:
        if self.window is not None:
            self.window.view.show_scene(*result)
        self._next()

    def _not_drawn(self, error: Exception) -> None:
        if self.window is not None and isinstance(error, StudioError):
            self.window.view.say(str(error))
        else:
            self._session.report(error)
        self._next()

    def _next(self) -> None:
        if self._again:
            self._later()

    # -- what is done with it ---------------------------------------------------------------------

    def _do(self, what: str) -> None:
        window = self.window
        assert window is not None
        if window.spec is None:
            return
        todo = {
            "save": self._save, "film": self._film, "each": self._each, "copy": self._copy,
            "keep": self._keep, "report": self._report, "estimate": self._estimate,
        }  # fmt: skip
        try:
            todo[what](window, FigureSpec.from_dict(window.spec.to_dict()))
        except Exception as error:
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        if self.window is not None and self.window.isVisible() and isinstance(error, StudioError):
            self.window.banner.show_trouble(error.message, error.hint, error.details)
        else:
            self._session.report(error)

    def _save(self, window: FigureWindow, spec: FigureSpec) -> None:
        path = ask_where_to_save(window, self._session, tr("Save the figure"), "figure.png", STILLS)
        if path is not None:
            self._write(spec, path)

    def _film(self, window: FigureWindow, spec: FigureSpec) -> None:
        path = ask_where_to_save(window, self._session, tr("Save the film"), "film.gif", FILMS)
        if path is not None:
            self._write(spec, path)

    def _write(self, spec: FigureSpec, path: Path) -> None:
        from ctstudio.workflows.figures.make import make

        material = self._material(spec)
        bits = 16 if self.window is not None and self.window.deep.isChecked() else 8
        self._start(
            tr("Export: {0}").format(path.name), lambda: make(spec, material, path, bits=bits)
        )

    def _start(self, title: str, work: Callable[[], Work[Any]]) -> None:
        if self._session.jobs.busy("export"):
            raise StudioError(
                "An export is running already.", hint="Wait for it, or cancel it, then try again."
            )
        self._session.jobs.start(
            "export", title, work,
            stepped=self._stepped, succeeded=self._done, failed=self._tell,
        )  # fmt: skip

    def _stepped(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Note):
                self._session.message.emit(event.text, 10_000)

    def _done(self, result: Any) -> None:
        if isinstance(result, int):
            if self.window is not None:
                self.window.estimate.setText(
                    tr("The GIF takes about {0:.1f} MB.").format(result / 1000000.0)
                )
            return
        many = isinstance(result, list)
        words = (
            tr("Saved {0} figures").format(len(result)) if many else tr("Saved {0}").format(result)
        )
        self._session.message.emit(words, 10_000)

    def _each(self, window: FigureWindow, spec: FigureSpec) -> None:
        """The same figure of every series that is listed: methods are applied to each."""
        from ctstudio.workflows.figures.batch import existing, make_each, numbered

        name = "figure.png"
        kinds = f"{STILLS};;{FILMS}"
        path = ask_where_to_save(window, self._session, tr("Name of the figures"), name, kinds)
        if path is None:
            return
        series: list[SeriesInfo] = list(self._session.series)
        there = existing(numbered(path, len(series)))
        if there and not self._may_overwrite(window, there):
            return
        self._start(
            tr("Export: {0} figures").format(len(series)),
            lambda: make_each(spec, series, [], path, overwrite=True),
        )

    @staticmethod
    def _may_overwrite(window: QWidget, there: list[Path]) -> bool:
        box = QMessageBox(window)
        box.setWindowTitle(tr("Overwrite?"))
        box.setText(
            tr("{0} of these files exist already, such as {1}.").format(len(there), there[0].name)
        )
        box.setStandardButtons(QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No)
        answer = box.exec()
        box.deleteLater()
        return bool(answer == QMessageBox.StandardButton.Yes)

    def _copy(self, window: FigureWindow, spec: FigureSpec) -> None:
        material = self._material(spec)
        self._session.jobs.start(
            "copy", tr("Copying the figure"), lambda: _copied(spec, material),
            succeeded=self._copied, failed=self._tell,
        )  # fmt: skip

    def _copied(self, result: tuple[QImage, str]) -> None:
        image, svg = result
        data = QMimeData()
        data.setImageData(image)
        data.setData("image/svg+xml", svg.encode())
        QGuiApplication.clipboard().setMimeData(data)
        self._session.message.emit(tr("The figure is on the clipboard."), 6000)

    def _keep(self, window: FigureWindow, spec: FigureSpec) -> None:
        name, agreed = QInputDialog.getText(
            window, tr("Save as template"), tr("Name of the template:")
        )
        if not agreed or not name.strip():
            return
        if self.store.path(name).exists() and not self._may_overwrite(
            window, [self.store.path(name)]
        ):
            return
        path = self.store.save(name, Builder(spec, self._material(spec)).portable())
        self._gather(window)
        window.templates.setCurrentIndex(window.templates.findData(f"{OWN}{path.stem}"))
        self._session.message.emit(
            tr("The template {0} can be chosen from now on.").format(path.stem), 6000
        )

    def _estimate(self, window: FigureWindow, spec: FigureSpec) -> None:
        material = self._material(spec)
        self._start(tr("Estimating the size"), lambda: _estimated(spec, material))

    def _report(self, window: FigureWindow, spec: FigureSpec) -> None:
        from ctstudio.workflows.figures.report import save_report

        kinds = "HTML (*.html);;PDF (*.pdf)"
        path = ask_where_to_save(window, self._session, tr("Save the report"), "report.html", kinds)
        if path is not None:
            material = self._material(spec)
            self._start(tr("Report"), lambda: save_report(spec, material, path))


def _picture(spec: FigureSpec, material: Material) -> Work[tuple[Scene, QImage]]:
    """The figure at the resolution of a screen."""
    from dataclasses import replace

    from ctstudio.figures.sheet import MM_PER_INCH
    from ctstudio.workflows.figures.make import still

    yield Progress(0, 1, "Drawing")
    checked = FigureSpec.from_dict(spec.to_dict())
    style = checked.style
    if not style.pixel_exact:
        dpi = max(min(style.dpi, round(SCREEN_PX / style.width_mm * MM_PER_INCH)), 30)
        checked = replace(checked, style=replace(style, dpi=dpi))
    scene = still(checked, material)
    return scene, to_qimage(scene)


def _copied(spec: FigureSpec, material: Material) -> Work[tuple[QImage, str]]:
    from ctstudio.figures.svg import to_svg
    from ctstudio.workflows.figures.make import still, travelling

    yield Progress(0, 1, "Drawing")
    scene = still(spec, material)
    return to_qimage(scene), to_svg(scene, travelling(spec))


def _estimated(spec: FigureSpec, material: Material) -> Work[int]:
    from ctstudio.figures.film import Quality, estimate_gif
    from ctstudio.workflows.figures.make import film

    yield Progress(0, 1, "Estimating the size")
    return estimate_gif(film(spec, material), Quality(spec.film.greys, spec.film.dither))
