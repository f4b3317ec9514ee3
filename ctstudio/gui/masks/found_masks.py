"""Masks that were opened together with their images: laid over them, and said to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from ctstudio.core.events import Work
from ctstudio.gui.opening import Opener
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr

if TYPE_CHECKING:
    from ctstudio.ct.series import SeriesInfo
    from ctstudio.ct.volume import Volume
    from ctstudio.workflows.mask_layers import FoundMask

SHOWN = 400  # pairs in the details


class FoundMasks(QObject):
    """Looks for masks whenever a series of files has been read to the end."""

    understood = Signal(str, str)  # what goes with what: a sentence, and line by line
    truth_found = Signal(object)  # Layer: the mask that counts first

    def __init__(self, session: Session, opener: Opener) -> None:
        super().__init__(session)
        self._session = session
        self._waiting: list[Layer] = []
        opener.completed.connect(self._look)

    def _look(self, layer: Layer) -> None:
        self._waiting.append(layer)
        self._next()

    def _next(self) -> None:
        session = self._session
        if not self._waiting or session.closing or session.jobs.busy("found masks"):
            return
        layer = self._waiting.pop(0)
        info, volume, found = layer.series, layer.volume, list(session.series)
        if layer not in session.layers or info is None or volume is None or len(found) < 2:
            self._next()
            return
        session.jobs.start(
            "found masks",
            tr("Reading masks"),
            lambda: _masks(info, found, volume),
            stepped=session.tell,
            succeeded=lambda masks: self._done(layer, masks),
            cancelled=self._next,
            failed=self._failed,
        )

    def _done(self, layer: Layer, masks: list[FoundMask]) -> None:
        session = self._session
        if masks and layer in session.layers:
            for found in masks:
                session.add_layer(Layer(found.name, "mask", found.mask, layer, found.series))
            # The first reader's is the truth, whoever else has drawn.
            first = next(la for la in session.layers if la.stack is masks[0].mask)
            self.understood.emit(explain(layer.name, masks), details(masks))
            self.truth_found.emit(first)
        self._next()

    def _failed(self, error: Exception) -> None:
        self._session.report(error)
        self._next()


def explain(name: str, masks: list[FoundMask]) -> str:
    """What was understood, in a sentence or two."""
    first = masks[0]
    count = len(first.pairs)
    if count == 1 and not first.alone:
        told = tr("{0} was found to be the mask of {1}.").format(*first.pairs[0])
    else:
        of = count + len(first.alone)
        told = tr("{0}: {1} of {2} images have a mask ({3}).").format(name, count, of, first.name)
    if first.alone:
        told += tr(" The others count as not annotated.")
    if len(masks) > 1:
        told += tr(" {0} people have drawn; the first counts as the truth.").format(len(masks))
    return told


def details(masks: list[FoundMask]) -> str:
    """Which mask goes with which image, line by line."""
    lines = []
    for found in masks:
        lines.append(f"{found.name}:")
        lines += [tr("  {0}  on  {1}").format(*pair) for pair in found.pairs[:SHOWN]]
        if len(found.pairs) > SHOWN:
            lines.append(tr("  and {0} more").format(len(found.pairs) - SHOWN))
        lines += [tr("  {0} has none").format(image) for image in found.alone[:SHOWN]]
    return "\n".join(lines)


def _masks(info: SeriesInfo, found: list[SeriesInfo], volume: Volume) -> Work[list[FoundMask]]:
    from ctstudio.workflows.mask_layers import masks_for

    return (yield from masks_for(info, found, volume))
