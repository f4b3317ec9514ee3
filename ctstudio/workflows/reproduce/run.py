"""Runs experiments: trains both forms, judges, draws, reports. Goes on where it was cut off."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from ctstudio.core.atomic import explain_os_error
from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Work
from ctstudio.ct.volume import Volume
from ctstudio.learn.recipe import Recipe
from ctstudio.workflows.reproduce.data import Data
from ctstudio.workflows.reproduce.experiments import FORMS, Experiment
from ctstudio.workflows.reproduce.plan import Wish, make_plan
from ctstudio.workflows.reproduce.segment_data import MaskData, load_masks
from ctstudio.workflows.reproduce.segment_experiments import Segmentation
from ctstudio.workflows.reproduce.segment_plan import plan_runs
from ctstudio.workflows.stages import stage

RECIPE = "recipe.toml"


def reproduce_all(
    experiments: Sequence[Experiment],
    series: Callable[[], Work[Data]],
    out: Path,
    wish: Wish,
    masks: Callable[[], Work[MaskData]] = lambda: load_masks(None),
) -> Work[Path]:
    """Reproduce experiments one after the other; returns the gallery's page.

    ``series`` loads what they learn from, and ``masks`` what those do that learn from masks; each
    is called where an experiment is of its kind. Those whose report stands in ``out`` with all
    forms wished for are skipped, also where they were run with other settings; a Note says so. It
    may be closed at any time: what is being trained is saved, and the
    same call goes on with it, bit for bit where steps and not time end a training.

    Raises
    ------
    StudioError
        When no experiment has the form wished for, or ``out`` holds reports of another series; when
        a folder in it holds an unfinished run with other settings or of another series, or cannot
        be written to, of several experiments after the others are done.
    """
    from ctstudio.workflows.reproduce.gallery import write_gallery

    out = Path(out)
    _make(out)
    there = [e for e in experiments if wish.of(e)]
    if lacking := [e.name for e in experiments if e not in there]:
        what = f"There is no such form of {', '.join(lacking)}"
        if not there:
            raise StudioError(f"{what}.", hint="The articles show no run of it.")
        yield Note(f"{what}: left out.")
    waiting = [e for e in there if not wish.of(e) <= finished_forms(out, e)]
    sources = Sources(series, masks)
    if not all(isinstance(experiment, Segmentation) for experiment in there):
        yield from sources.series()  # without it there is little to do
    if done := [e for e in there if e not in waiting]:
        yield Note(f"Finished already, and skipped: {', '.join(e.name for e in done)}.")
        yield from _require_alike(done, sources, out, wish)
    if not waiting:
        return write_gallery(out)
    began = time.monotonic()
    failed: dict[str, StudioError] = {}
    for number, experiment in enumerate(waiting, 1):
        where = f" ({number} of {len(waiting)})" if len(waiting) > 1 else ""
        try:
            report = yield from _one(experiment, sources, out, wish, where)
        except StudioError as error:
            if len(waiting) == 1:
                raise
            # A night's work does not end for one of many.
            failed[experiment.title] = error
            line = f"{experiment.title} failed: {error}"
        else:
            line = f"{experiment.title} is finished: {report}."
        page = write_gallery(out)
        if left := len(waiting) - number:
            each = (time.monotonic() - began) / number
            line += f" {left} to go, about {timedelta(seconds=round(each * left))} at this pace."
        yield Note(line)
    if failed:
        reasons: dict[str, list[str]] = {}  # where masks lack, nine experiments say the same
        for title, why in failed.items():
            reasons.setdefault(str(why), []).append(title)
        raise StudioError(
            f"{len(failed)} of {len(waiting)} experiments could not be reproduced.",
            hint=f"The others are gathered in {page}.",
            details="\n".join(f"{', '.join(who)}: {text}" for text, who in reasons.items()),
        )
    return page


class Sources:
    """What experiments learn from, each kind loaded when it is first wanted."""

    def __init__(
        self, series: Callable[[], Work[Data]], masks: Callable[[], Work[MaskData]]
    ) -> None:
        self._load_series, self._load_masks = series, masks
        self._series: Data | None = None
        self._masks: MaskData | StudioError | None = None

    def series(self) -> Work[Data]:
        """The series to denoise."""
        if self._series is None:
            self._series = yield from self._load_series()
        return self._series

    def masks(self) -> Work[MaskData]:
        """Images and masks; where there are none, nobody looks for them twice."""
        if self._masks is None:
            try:
                self._masks = yield from self._load_masks()
            except StudioError as error:
                self._masks = error
        if isinstance(self._masks, StudioError):
            raise self._masks
        return self._masks


def _one(experiment: Experiment, sources: Sources, out: Path, wish: Wish, where: str) -> Work[Path]:
    if isinstance(experiment, Segmentation):
        pairs = yield from sources.masks()
        return (yield from reproduce_masks(experiment, pairs, out, wish, where))
    data = yield from sources.series()
    return (yield from reproduce(experiment, data, out, wish, where))


def _require_alike(
    done: Sequence[Experiment], sources: Sources, out: Path, wish: Wish
) -> Work[None]:
    """Refuse to gather reports of several series; tell of those that were run otherwise."""
    from ctstudio.workflows.reproduce.gallery import finished_report

    others, changed = [], []
    for experiment in done:
        told = finished_report(out / experiment.name)
        try:
            runs = yield from _runs_of(experiment, sources, wish)
        except StudioError:
            continue  # it was run of masks that are not given now, and stays as it is
        if told.get("fingerprint", runs.fingerprint) != runs.fingerprint:
            others.append(experiment.name)
        for form in wish.of(experiment):
            try:
                words = _changes(runs.recipes[form], out / experiment.name / form)
            except StudioError:
                continue  # its report is sound, and it is not run again: only what it had is lost
            if words:
                changed.append(f"{experiment.name} ({FORMS[form].lower()}: {'; '.join(words)})")
    if others:
        raise StudioError(
            f"{out} holds reports of another series: {', '.join(others)}.",
            hint="Choose another folder, so that each gallery shows one series; or delete these.",
            path=out,
        )
    if changed:
        yield Note(
            f"Of these were run with other settings, and stay as they are: {', '.join(changed)}. "
            "To run one anew, delete its folder."
        )


class Runs(NamedTuple):
    """What an experiment would be run with: of which series, and each form's recipe."""

    fingerprint: str
    recipes: Mapping[str, Recipe]


def _runs_of(experiment: Experiment, sources: Sources, wish: Wish) -> Work[Runs]:
    if isinstance(experiment, Segmentation):
        pairs = yield from sources.masks()
        masked = plan_runs(experiment, pairs, wish)
        return Runs(pairs.fingerprint, {form: run.recipe for form, run in masked.items()})
    data = yield from sources.series()
    plan = make_plan(experiment, data, wish)
    return Runs(data.fingerprint, {form: run.recipe for form, run in plan.runs.items()})


def finished_forms(out: Path, experiment: Experiment) -> set[str]:
    """The forms in its report, which is written last; none where there is no sound one."""
    from ctstudio.workflows.reproduce.gallery import finished_report

    return set(finished_report(out / experiment.name).get("forms", ())) & set(FORMS)


def reproduce(
    experiment: Experiment, data: Data, out: Path, wish: Wish, where: str = ""
) -> Work[Path]:
    """Train an experiment in ``out``, draw its figures and write its report.

    Returns the report, in which forms that were finished before stay. ``where`` follows the title
    in what is told.
    """
    from ctstudio.workflows.reproduce import report
    from ctstudio.workflows.reproduce.figures import draw
    from ctstudio.workflows.reproduce.judge import judge
    from ctstudio.workflows.runs import summarise

    folder = Path(out) / experiment.name
    forms = wish.of(experiment) | finished_forms(out, experiment)
    plan = make_plan(experiment, data, replace(wish, forms=tuple(forms)))
    _check(folder, {form: run.recipe for form, run in plan.runs.items()})
    _make(folder)
    for form, run in plan.runs.items():
        text = f"{experiment.title}{where}, {FORMS[form].lower()}"
        yield from stage(_train(run.recipe, folder / form, [run.volume]), text)
    clean, outcomes = yield from judge(plan, folder)
    yield from draw(plan, clean, outcomes, folder)
    runs = {form: summarise(folder / form) for form in plan.runs}
    return report.write(report.collect(plan, clean, outcomes, runs), folder)


def reproduce_masks(
    experiment: Segmentation, data: MaskData, out: Path, wish: Wish, where: str = ""
) -> Work[Path]:
    """`reproduce` for an experiment that learns from masks."""
    from ctstudio.workflows.reproduce import segment_report
    from ctstudio.workflows.reproduce.segment_figures import draw_masks
    from ctstudio.workflows.reproduce.segment_judge import judge_masks
    from ctstudio.workflows.runs import summarise

    folder = Path(out) / experiment.name
    forms = wish.of(experiment) | finished_forms(out, experiment)
    runs = plan_runs(experiment, data, replace(wish, forms=tuple(forms)))
    _check(folder, {form: run.recipe for form, run in runs.items()})
    _make(folder)
    for form, run in runs.items():
        text = f"{experiment.title}{where}, {FORMS[form].lower()}"
        mine = run.data
        work = _train(
            run.recipe, folder / form, mine.images, targets=mine.masks, show_held_out=True
        )
        yield from stage(work, text)
    outcomes, rival = yield from judge_masks(data, runs, folder)
    yield from draw_masks(experiment.title, data, runs, outcomes, folder)
    done = {form: summarise(folder / form) for form in runs}
    told = segment_report.collect(experiment, data, runs, outcomes, rival, done)
    return segment_report.write(told, folder)


def _check(folder: Path, recipes: Mapping[str, Recipe]) -> None:
    """Refuse before any form is trained what would be refused of another when its turn comes."""
    for form, recipe in recipes.items():
        if _begun(folder / form):
            _its_own(recipe, folder / form)


def _begun(folder: Path) -> bool:
    return (folder / RECIPE).is_file()


def _train(recipe: Recipe, folder: Path, volumes: Sequence[Volume], **how: Any) -> Work[None]:
    """Train into a folder, or go on with what is in it."""
    from ctstudio.workflows.training import as_progress, train_on

    begun = _begun(folder)
    if begun:
        recipe = _its_own(recipe, folder)
    elif folder.is_dir():
        shutil.rmtree(folder)  # cut off before its recipe was written: there is nothing in it
    work = train_on(recipe, volumes, folder, resume=begun, **how)
    try:
        yield from as_progress(work, recipe)
    except StudioError as error:
        # Of a damaged run the trainer tells other ways out, which there are none of here.
        kept = isinstance(error.__cause__, OSError) and not isinstance(
            error.__cause__, FileNotFoundError
        )
        inside = error.path is not None and Path(error.path).is_relative_to(folder)
        if begun and inside and not kept:
            raise StudioError(
                error.message,
                hint=f"Delete {folder} to train this form anew.",
                path=error.path,
                details=error.details,
            ) from error
        raise


def _its_own(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe of the run in a folder, which is this one but for how closely it was watched."""
    if told := _changes(recipe, folder):
        raise StudioError(
            f"{folder} holds a run with other settings: {'; '.join(told)}.",
            hint="Give the same epochs, slices, minutes and device to go on with it, choose "
            "another folder for --out, or delete this one.",
            path=folder,
        )
    return Recipe.load(folder / RECIPE)


def _changes(recipe: Recipe, folder: Path) -> list[str]:
    """What differs in ``recipe`` from that of the run in a folder, in words."""
    from ctstudio.workflows.run_settings import differences, flatten, in_words, short_key

    if not (folder / RECIPE).is_file():
        return []
    if not (folder / RECIPE).read_text("utf-8", errors="replace").strip():
        raise StudioError(
            f"{folder} is damaged: its {RECIPE} is empty.",
            hint="Delete this folder to run the experiment anew.",
            path=folder,
        )
    there = Recipe.load(folder / RECIPE)
    changed = differences(flatten(there.to_dict()), flatten(recipe.checked().to_dict()))
    return [
        f"{short_key(key)} {in_words(old)}, now {in_words(new)}"
        for key, (old, new) in changed.items()
        if not key.startswith("cadence.")
    ]


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, folder) from error
