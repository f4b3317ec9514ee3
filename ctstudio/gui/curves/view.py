"""The curves of a training as it runs, with those of earlier ones laid over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QStackedWidget, QVBoxLayout, QWidget

from ctstudio.gui.curves.bar import CurvesBar
from ctstudio.gui.curves.gradients import GradientsPage
from ctstudio.gui.curves.lines import GRADIENTS, PLOTS, Manner, has
from ctstudio.gui.curves.plot import MOST_RUNS, CurvePlot, Shown
from ctstudio.gui.session import Run, Session
from ctstudio.gui.training.run_log import RunLog, read_log
from ctstudio.gui.translation.catalogue import tr

REDRAW_MS = 800
CURSOR_MS = 30


class CurvesView(QWidget):
    """Small multiples side by side: loss | PSNR | SSIM | RMSE | learning rate.

    Only those that have something to show are there. A second page shows the layers' gradients of
    runs that have read them. ``bar`` is the row of buttons with the
    legend, which whoever makes this places. While a run grows the curves follow a little more
    often than once a second, since what is painted here the training pays for.
    """

    def __init__(self, session: Session, runs_folder: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("curves")
        self._session = session
        self._runs_folder = runs_folder
        self.runs: list[Shown] = []
        self._wanted: list[Path] = []  # folders to read
        self._hidden: set[str] = set()  # plots
        self._dirty = False
        self._at: float | None = None
        self._hovered: CurvePlot | None = None
        self.bar = CurvesBar()
        self.plots = {spec.key: CurvePlot(spec) for spec in PLOTS}
        self._nothing = QLabel(tr("The curves of a training appear here."))
        self._nothing.setProperty("role", "muted")
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        first = QWidget()
        layout = QHBoxLayout(first)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self._nothing, 1)
        for plot in self.plots.values():
            layout.addWidget(plot, 1)
            plot.hide()
            plot.hovered.connect(self._hover)
        self.gradients = GradientsPage()
        self.gradients.plot.hovered.connect(self._hover)
        self._pages = QStackedWidget()
        self._pages.addWidget(first)
        self._pages.addWidget(self.gradients)
        around = QVBoxLayout(self)
        around.setContentsMargins(0, 0, 0, 0)
        around.addWidget(self._pages)
        self._timer = QTimer(self)
        self._timer.setInterval(REDRAW_MS)
        self._timer.timeout.connect(self._redraw)
        self._cursor_timer = QTimer(self)
        self._cursor_timer.setSingleShot(True)
        self._cursor_timer.setInterval(CURSOR_MS)
        self._cursor_timer.timeout.connect(self._show_cursor)
        self._connect()
        self.update_now()

    def _connect(self) -> None:
        bar = self.bar
        bar.changed.connect(self.update_now)
        bar.log_changed.connect(self._set_log)
        bar.plot_toggled.connect(self._toggle_plot)
        bar.fit_requested.connect(self.show_all)
        bar.add_requested.connect(self.ask_run)
        bar.toggled.connect(self._toggle_run)
        bar.removed.connect(self._remove)
        bar.page_changed.connect(self._turn_to)
        self.gradients.changed.connect(self.update_now)
        self.gradients.effect_wanted.connect(self.show_effect)
        self.gradients.save_wanted.connect(self.save_gradients)

    # -- the runs --------------------------------------------------------------------------------

    def show_run(self, run: Run) -> None:
        """Show the training in the window, which may grow; the one before goes."""
        log = run.history
        log.name = log.name or run.recipe.title or run.folder.name
        log.folder = run.folder
        log.network = run.recipe.phases[-1].model.name
        kept = [shown for shown in self.runs if not shown.live]
        # What was read from the same folder is part of what is told now.
        kept = [shown for shown in kept if shown.log.folder != run.folder]
        self.runs = kept[: MOST_RUNS - 1]
        self.runs.insert(0, Shown(log, self._free_number(), live=True))
        self.show_all()
        self._runs_changed()

    def show_runs(self, logs: Sequence[RunLog]) -> None:
        """Show these and no others, at most six."""
        self.runs = [Shown(log, number) for number, log in enumerate(logs[:MOST_RUNS])]
        self.show_all()
        self._runs_changed()

    def ask_run(self) -> None:
        """Ask for the folder of a run to lay over the others."""
        start = str(self._runs_folder) if self._runs_folder.is_dir() else ""
        folder = QFileDialog.getExistingDirectory(self, tr("The folder of a training"), start)
        if folder:
            self.add_run(Path(folder))

    def add_run(self, folder: Path) -> None:
        """Read the log of a run in a job and lay its curves over the others."""
        listed = [shown.log.folder for shown in self.runs]
        if folder in listed or folder in self._wanted:
            self._session.message.emit(tr("{0} is shown already.").format(folder.name), 6000)
        elif len(listed) + len(self._wanted) >= MOST_RUNS:
            self._session.message.emit(
                tr("{0} runs are shown; take one away before you add another.").format(MOST_RUNS),
                8000,
            )
        else:
            self._wanted.append(folder)
            self._read_next()

    def _read_next(self) -> None:
        jobs = self._session.jobs
        if not self._wanted or jobs.busy("curves") or self._session.closing:
            return
        folder = self._wanted[0]
        jobs.start(
            "curves", tr("Reading {0}").format(folder.name), lambda: read_log(folder),
            succeeded=self._read, cancelled=self._not_read, failed=self._failed,
        )  # fmt: skip

    def _read(self, log: RunLog) -> None:
        self._wanted = [folder for folder in self._wanted if folder != log.folder]
        if log.folder not in [shown.log.folder for shown in self.runs]:
            self.runs.append(Shown(log, self._free_number()))
            self._runs_changed()
        self._read_next()

    def _not_read(self) -> None:
        self._wanted.clear()

    def _failed(self, error: Exception) -> None:
        del self._wanted[:1]
        self._session.report(error)
        self._read_next()

    def show_effect(self, shown: Shown) -> None:
        """Compare the gradients of a run's network in a window of its own."""
        folder, run = shown.log.folder, self._session.run
        if folder is None:
            return
        from ctstudio.gui.curves.effect import EffectDialog

        ask = None
        if shown.live and run is not None and run.state == "running" and run.look is not None:
            ask = partial(setattr, run.look, "save", True)
        dialog = EffectDialog(self._session, folder, shown.name, ask, self)
        dialog.show()
        dialog.compare()

    def save_gradients(self) -> None:
        """Ask for a file, and write the gradients of the runs that are shown as PNG or CSV."""
        from ctstudio.gui.curves.effect import save_in_job
        from ctstudio.workflows.gradients import save_gradients

        histories = self.gradients.histories()
        save_in_job(
            self, self._session, tr("Save the gradients"), "gradients.png",
            lambda path: save_gradients(histories, path),
        )  # fmt: skip

    def _free_number(self) -> int:
        taken = {shown.number for shown in self.runs}
        return next((n for n in range(MOST_RUNS) if n not in taken), 0)

    def _remove(self, run: Shown) -> None:
        self.runs.remove(run)
        self._runs_changed()

    def _toggle_run(self, run: Shown, on: bool) -> None:
        run.visible = on
        self.update_now()

    def _runs_changed(self) -> None:
        self.bar.show_runs(self.runs)
        self.update_now()

    # -- drawing ---------------------------------------------------------------------------------

    def touch(self, _run: object = None) -> None:
        """A run has grown; redraw soon, at most a few times a second."""
        self._dirty = True
        if not self._timer.isActive():
            self._timer.start()

    def update_now(self) -> None:
        """Bring everything up to date at once."""
        self._dirty = True
        self._redraw(coarse=False)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._redraw(coarse=False)

    def _redraw(self, *, coarse: bool = True) -> None:
        if not self._dirty or not self.isVisible():
            self._timer.stop()
            return
        self._dirty = False
        shown = [run for run in self.runs if run.visible]
        bar = self.bar
        alone = len(shown) == 1
        manner = Manner(bar.time.isChecked(), bar.window_length, bar.terms.isChecked(), alone)
        bar.offer_gradients(any(has(run.log, GRADIENTS.key) for run in self.runs))
        if self._pages.currentIndex() == 1:
            alone = sum(has(run.log, GRADIENTS.key) for run in shown) == 1
            manner = replace(manner, alone=alone, hidden=self.gradients.hidden)
            self.gradients.draw(shown, manner, coarse=coarse)
            bar.terms.hide()
            if self._at is not None:
                self._show_cursor()
            return
        some = False
        for key, plot in self.plots.items():
            able = any(has(run.log, key) for run in shown)
            for actions in (bar.log_actions, bar.plot_actions):
                actions[key].setVisible(able)
            plot.setVisible(able and key not in self._hidden)
            some = some or not plot.isHidden()
            plot.draw([] if plot.isHidden() else shown, manner, coarse=coarse)
        self._nothing.setVisible(not some)
        bar.set_useful(bool(self.runs))
        bar.terms.setVisible(any(run.log.terms for run in shown))
        if self._at is not None:
            self._show_cursor()

    def retheme(self) -> None:
        """Take the colours of the theme in force."""
        self.bar.retheme()
        for plot in self._all_plots():
            plot.retheme()
        self.update_now()

    def show_all(self) -> None:
        """Show the whole of every curve, and follow it."""
        for plot in self._all_plots():
            plot.show_all()

    def _all_plots(self) -> list[CurvePlot]:
        return [*self.plots.values(), self.gradients.plot]

    def _turn_to(self, page: int) -> None:
        self._at = None
        self._show_cursor()
        self._pages.setCurrentIndex(page)
        self.update_now()

    def _set_log(self, key: str, on: bool) -> None:
        self.plots[key].set_log(on)
        self.update_now()

    def _toggle_plot(self, key: str, on: bool) -> None:
        self._hidden.discard(key) if on else self._hidden.add(key)
        self.update_now()

    def _hover(self, plot: CurvePlot, x: float | None) -> None:
        """The cursor goes through all plots; it is drawn at most so many times a second."""
        self._at, self._hovered = x, plot
        if not self._cursor_timer.isActive():
            self._cursor_timer.start()

    def _show_cursor(self) -> None:
        for plot in self._all_plots():
            if not plot.isHidden():
                plot.show_cursor(self._at, plot is self._hovered)
