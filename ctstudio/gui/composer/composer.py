"""Joins the window "Figure" to what is open: live picture, templates, files, clipboard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFileDialog, QInputDialog

from ctstudio.core.errors import StudioError
from ctstudio.figures.description import FigureSpec
from ctstudio.figures.scene import Scene
from ctstudio.gui.composer.drawing import drawn_for_screen
from ctstudio.gui.composer.exports import Exports, may_overwrite
from ctstudio.gui.composer.left_out import left_out
from ctstudio.gui.composer.missing import what_is_missing
from ctstudio.gui.composer.seen import original_of
from ctstudio.gui.composer.sources import Sources
from ctstudio.gui.composer.store import TemplateStore
from ctstudio.gui.composer.window import FigureWindow
from ctstudio.gui.dialogs import show_details
from ctstudio.gui.translation.catalogue import tr
from ctstudio.workflows.figures.build import Builder
from ctstudio.workflows.figures.material import Material, Training
from ctstudio.workflows.figures.origin import by_parts, others, without_content
from ctstudio.workflows.figures.templates import TEMPLATES

if TYPE_CHECKING:
    from ctstudio.gui.main_window import MainWindow
    from ctstudio.gui.session import Layer
    from ctstudio.workflows.denoise import Method

ROLE = "figure"
SCREEN, OWN, PROGRESS, FILE = "screen", "own:", "progress", "file"
ORIGINS = (
    "Figures and descriptions (*.png *.tif *.tiff *.svg *.pdf *.gif *.mp4 *.webm *.html *.toml "
    "*.json)"
)


class Composer(QObject):
    """Shows the window, and does what it asks for."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._session, self._grid, self._parent = window.session, window.grid, window
        self._masks = window.masks
        self._exports = Exports(self._session, self._material, self._networks)
        self.store = TemplateStore(window.settings.data_folder / "figures")
        self.window: FigureWindow | None = None
        self._sources: Sources | None = None
        self._folder: Path | None = None  # of a training that is not in the window
        self._first: Layer | None = None  # the original of a figure from a file, where it is open
        self._template = SCREEN
        self._picked: FigureSpec | None = None  # as the template made it, before any change
        self._file: tuple[str, FigureSpec] | None = None  # its name, and what it says
        self._lacking = False  # the bar says that something of the figure could not be drawn
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
        elif not self._follow(window):
            self._later()
        window.open_over(self._parent)

    def _activated(self) -> None:
        """One comes back to the window: the panes may show something else by now."""
        window = self.window
        if window is None or not self._following or self._session.closing:
            return
        self._sources = self._made_sources()
        self._follow(window)

    @property
    def _following(self) -> bool:
        """Whether the figure is what the panes show, and nothing of it was changed by hand."""
        spec = self.window.spec if self.window is not None else None
        if self._template != SCREEN or spec is None or self._picked is None:
            return False
        return replace(spec, layers=()) == replace(self._picked, layers=())

    def _follow(self, window: FigureWindow) -> bool:
        """Show what is on the screen now, where that is chosen; False where all is as it was."""
        assert self._sources is not None
        if not self._following:
            return False
        try:
            spec = self._sources.as_on_screen()
            if spec is None or self._sources.missing(spec):
                return False
            spec = self._sources.fitted(spec)
        except StudioError:
            return False  # the picture itself says what is wrong
        window.say_left_out(left_out(self._grid.visible_panes))
        if spec == window.spec:
            return False
        self._picked = spec
        window.set_spec(spec)
        self._later()
        return True

    def _make_window(self) -> FigureWindow:
        if self.window is None:
            self.window = window = FigureWindow(self._session.jobs, self._parent)
            window.described.connect(self._later)
            window.settle.timeout.connect(self._draw)
            window.template_picked.connect(self._pick)
            window.wanted.connect(self._do)
            window.activated.connect(self._activated)
            window.banner.details_requested.connect(partial(show_details, window))
            self._exports.window = window
            self._session.trouble.connect(self._trouble)
            self._session.message.connect(window.message.say)
            self._session.layer_added.connect(self._layers_changed)
            self._session.layer_removed.connect(self._layers_changed)
            self._session.layer_changed.connect(self._layer_changed)
        return self.window

    def _trouble(self, what: str, hint: str, details: str) -> None:
        """What the main window says would stay unseen behind this one."""
        if self.window is not None and self.window.isActiveWindow():
            self.window.banner.show_trouble(what, hint, details)

    # -- what there is ----------------------------------------------------------------------------

    def _layers_changed(self, *_: object) -> None:
        window = self.window
        if window is not None and window.isVisible() and not self._session.closing:
            self._gather(window)
            if window.spec is None:  # the first series, and it was promised
                self._pick(SCREEN)
            else:
                self._follow(window)
            self._later()

    def _layer_changed(self, _layer: object, index: int) -> None:
        if index < 0:  # all of it: it has become whole
            self._layers_changed()

    def _made_sources(self) -> Sources:
        return Sources(self._session, self._grid, self._masks, self._folder, self._first)

    def _gather(self, window: FigureWindow) -> None:
        """Take stock of what is open, and of the templates."""
        self._sources = sources = self._made_sources()
        offers = sources.offers
        masks = {o.spec.name: o.label for o in offers if o.spec.source == "mask"}
        labels = {o.spec.name: o.label for o in offers if o.spec.name not in masks}
        trainings = {o.spec.name for o in offers if o.spec.source == "run"}
        grounds = {o.spec.name: o.label for o in offers if o.spec.source in ("series", "method")}
        window.set_layers(labels, trainings, masks, grounds)
        box, key = window.templates, window.templates.currentData()
        box.clear()
        box.addItem(tr("As on the screen"), SCREEN)
        if self._file is not None:
            box.addItem(tr("From the file {0}").format(self._file[0]), FILE)
        for template in TEMPLATES.values():
            lacks = template.lacks(sources.given)
            # A training can be chosen.
            window.offer(template, [] if template.name == PROGRESS else lacks)
        for name in self.store.names():
            box.addItem(name, f"{OWN}{name}")
        box.setCurrentIndex(max(box.findData(key), 0))
        window.buttons["each"].setEnabled(bool(self._session.series))
        if window.spec is not None:  # what has come since can be chosen
            window.set_spec(sources.fitted(window.spec, own_methods=False))

    def _fits(self, spec: FigureSpec) -> bool:
        assert self._sources is not None
        return not self._sources.missing(spec)

    def _pick(self, key: str | None) -> None:
        """Show a template: what is on the screen, a built-in one, or one of the user's."""
        window = self.window
        assert window is not None
        if key is None:
            return
        if key != FILE and self._first is not None:
            self._first = None
            self._gather(window)
        sources = self._sources
        assert sources is not None
        try:
            if key == SCREEN:
                spec = sources.as_on_screen()
                if spec is None:
                    window.view.say(tr("Open a series, and the figure of it appears here."))
                    return
            elif key == FILE:
                assert self._file is not None
                self._show_file(window, *self._file)
                return
            elif key.startswith(OWN):
                spec = self.store.load(key.removeprefix(OWN))
            else:
                if key == PROGRESS and not sources.given.training:
                    sources = self._with_training(window)
                    if sources is None:
                        self._keep_template(window)
                        return
                spec = sources.as_looked_at(TEMPLATES[key].make(sources.given))
            spec = sources.fitted(spec)
            self._require_all(spec)
        except StudioError as error:
            self._exports.tell(error)
            self._keep_template(window)
            return
        window.banner.hide()
        self._show_spec(window, key, spec)

    def _show_spec(self, window: FigureWindow, key: str, spec: FigureSpec) -> None:
        self._template, self._picked = key, spec
        window.say_left_out(left_out(self._grid.visible_panes) if key == SCREEN else "")
        self._keep_template(window)
        window.view.selected = (0, 0)
        window.set_spec(spec)
        self._later()

    def _keep_template(self, window: FigureWindow) -> None:
        """Name the template that is shown still."""
        window.templates.setCurrentIndex(max(window.templates.findData(self._template), 0))

    def _with_training(self, window: FigureWindow) -> Sources | None:
        """Ask for the folder of a training; None when cancelled.

        Raises
        ------
        StudioError
            When it has no pictures of one.
        """
        from ctstudio.workflows.runs import default_folder

        chosen = QFileDialog.getExistingDirectory(
            window, tr("Folder of a training"), str(default_folder())
        )
        if not chosen:
            return None
        _ = Training(Path(chosen)).steps  # it says so where there are none
        self._folder = Path(chosen)
        self._gather(window)
        window.templates.setCurrentIndex(window.templates.findData(PROGRESS))
        return self._sources

    def _require_all(self, spec: FigureSpec) -> None:
        assert self._sources is not None
        missing = self._sources.missing(spec)
        if missing:
            raise StudioError(
                f"The figure shows what is not open: {what_is_missing(spec, missing)}.",
                hint="Open it, or denoise the series first, then try again. The reference is the "
                "second series that is open.",
            )

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
        window.view.set_busy(True)
        self._session.jobs.start(
            ROLE,
            tr("Figure"),
            lambda: drawn_for_screen(spec, material),
            succeeded=self._drawn,
            cancelled=self._next,
            failed=self._not_drawn,
        )

    def _material(self, spec: FigureSpec) -> Material:
        assert self._sources is not None
        return self._sources.material(spec)

    def _networks(self) -> dict[str, Method]:
        assert self._sources is not None
        return self._sources.networks

    def _drawn(self, result: tuple[Scene, QImage]) -> None:
        from ctstudio.workflows.figures.make import lacking_words

        if self.window is not None:
            self.window.view.show_scene(*result)
            words = lacking_words(result[0])
            if words:
                self.window.banner.show_trouble(words, "")
            elif self._lacking:
                self.window.banner.hide()
            self._lacking = bool(words)
        self._next()

    def _not_drawn(self, error: Exception) -> None:
        if self.window is not None and isinstance(error, StudioError):
            self.window.view.say(str(error))
        else:
            self._exports.tell(error)
        self._next()

    def _next(self) -> None:
        if self.window is not None:
            self.window.view.set_busy(False)
        if self._again:
            self._later()

    # -- what is done with it ---------------------------------------------------------------------

    def _do(self, what: str) -> None:
        window = self.window
        assert window is not None
        window.banner.hide()
        try:
            if what == "open":
                self._open(window)
            elif window.spec is not None:
                spec = FigureSpec.from_dict(window.spec.to_dict()).without_spares()
                if what == "keep":
                    self._keep(window, spec)
                else:
                    self._exports.do(what, window, spec)
            else:
                raise StudioError(
                    "There is no figure yet.", hint="Open a series; its figure appears here."
                )
        except Exception as error:
            self._exports.tell(error)

    def _open(self, window: FigureWindow) -> None:
        """Show what a file says, of the series that are open."""
        from ctstudio.figures.stills import read_description

        chosen, _ = QFileDialog.getOpenFileName(
            window, tr("Make it as in a file"), str(self._session.export_folder), ORIGINS
        )
        if not chosen:
            return
        self._show_file(window, Path(chosen).name, read_description(chosen))

    def _show_file(self, window: FigureWindow, name: str, found: FigureSpec) -> None:
        """Show what a file says, and name the file in the list of templates."""
        assert self._sources is not None
        series = (o.layer for o in self._sources.offers if o.spec.source == "series")
        self._first = original_of(found, series)
        sources = self._sources = self._made_sources()
        spec = sources.fitted(found, own_methods=False)
        self._require_all(spec)
        told = others(found, self._material(spec))
        spec = by_parts(spec) if told else spec
        self._file = (name, found)
        self._gather(window)
        window.banner.hide()
        self._show_spec(window, FILE, without_content(spec))
        if told:
            window.banner.show_trouble(told, tr("It is drawn of the open one here."))

    def _keep(self, window: FigureWindow, spec: FigureSpec) -> None:
        name, agreed = QInputDialog.getText(
            window, tr("Save as template"), tr("Name of the template:")
        )
        if not agreed or not name.strip():
            return
        target = self.store.path(name)
        if target.exists() and not may_overwrite(window, [target]):
            return
        path = self.store.save(name, Builder(spec, self._material(spec)).portable())
        self._gather(window)
        window.templates.setCurrentIndex(window.templates.findData(f"{OWN}{path.stem}"))
        self._session.message.emit(
            tr("The template {0} can be chosen from now on.").format(path.stem), 6000
        )
