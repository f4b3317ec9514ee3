"""What stands on a picture: corner texts, orientation letters, scale bar, colour bar, crosshair."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen

from ctstudio.ct.views import SliceStack, slice_number
from ctstudio.ct.window import Window
from ctstudio.figures.marks import nice_length
from ctstudio.gui import theme
from ctstudio.gui.session import Layer
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import called
from ctstudio.gui.viewer.words import WORDS

MARGIN = 8.0
LETTERS = 32.0  # px that the letters in the middle of an edge may take
SCALE_SHARE = 0.24  # of the width, at most


@dataclass
class OverlayState:
    """Everything the painter needs, already in words and pixels."""

    top_left: list[str]
    top_right: list[str]
    bottom_left: list[str]
    bottom_left_short: list[str]  # for a small pane
    bottom_right: list[str]
    letters: tuple[str, str, str, str]  # left, right, top, bottom
    pixels_per_mm: float  # screen pixels for one mm (or one image pixel, see `unit`)
    unit: str  # "mm", or "px" where the spacing is unknown
    crosshair: QPointF | None = None
    show_info: bool = True
    show_scale: bool = True
    show_letters: bool = True


def describe(
    layer: Layer,
    stack: SliceStack,
    index: int,
    window: Window,
    scale: float,
    *,
    patient: bool,
    crosshair: QPointF | None = None,
    drafted: bool = False,
) -> OverlayState:
    """What stands upon slice ``index`` of ``stack``, which is ``layer`` as it is seen.

    ``scale`` is in screen pixels per mm; ``patient`` says whether name, identifier and date may
    be shown; ``crosshair`` is in viewport pixels; ``drafted`` that the picture is a draft.
    """
    source, geometry = stack.source, stack.geometry
    left, right, top, bottom = geometry.edge_letters
    range_ = f"± {window.width_hu / 2:g}" if layer.signed else str(window)
    place = tr("at {0:.1f} mm").format(geometry.offsets_mm[index]) if geometry.spacing_known else ""
    thickness = source.slice_thickness_mm
    thick = tr("thickness {0:g} mm").format(thickness) if thickness else ""
    kernel = source.kernel.replace("\\", " ")
    turn, turns = slice_number(stack, index)
    numbered = "" if source.series_number is None else f"{source.series_number}"
    known = ": ".join(filter(None, (numbered, source.description)))
    series = known if source.description else tr("Series {0}").format(numbered)
    person = dict.fromkeys((source.patient_name, source.patient_id)) if patient else ()
    top_right = (source.study_description, source.study_date if patient else "")
    bottom_left = (
        f"{tr('Draft of slice') if drafted else tr('Slice')} {turn} / {turns}  {place}",
        f"{range_} {stack.unit or tr('no unit')}",
        tr("Zoom {0:.0%}").format(scale * geometry.spacing_mm[1]),
    )
    bottom_right = (
        stack.derivation[-1] if stack.derivation else "",
        series,
        f"{kernel}  {thick}",
    )
    return OverlayState(
        top_left=_words(called(layer), *person),
        top_right=_words(*top_right),
        bottom_left=_words(*bottom_left),
        bottom_left_short=_words(
            f"{turn} / {turns}{'  ' + tr('draft') if drafted else ''}",
            *range_.split(" / "),  # beside a scale bar there is no room for both
        ),
        bottom_right=_words(*bottom_right),
        letters=(left[:2], right[:2], top[:2], bottom[:2]),
        pixels_per_mm=scale,
        unit="mm" if geometry.spacing_known else "px",
        crosshair=crosshair,
    )


def _words(*lines: str) -> list[str]:
    return [line.strip() for line in lines if line.strip()]


def paint(painter: QPainter, size: QRectF, state: OverlayState) -> None:
    """Draw upon a viewport of ``size`` (device-independent pixels, untransformed painter)."""
    painter.setRenderHint(QPainter.RenderHint.TextAntialiasing, True)
    width, height = size.width(), size.height()
    compact = width < 260 or height < 220
    small = width < 480 or height < 360
    pixels = 11 if compact else 12
    painter.setFont(theme.image_font(pixels))
    if state.crosshair is not None:
        _crosshair(painter, size, state.crosshair)
    if state.show_info and not compact:
        room = width / 2 - 2 * MARGIN - LETTERS / 2
        low = (1 - SCALE_SHARE) * width / 2 - 2 * MARGIN if state.show_scale else room
        at = (width, height, pixels, room)
        # A small pane keeps what changes while one works; the rest would cover the image.
        corners = [_corner(tuple(state.top_left), "top left", *at)] if not small else []
        if not small:
            corners.append(_corner(tuple(state.top_right), "top right", *at))
            corners.append(_corner(tuple(state.bottom_right), "bottom right", *at, low))
        lines = state.bottom_left_short if small else state.bottom_left
        corners.append(_corner(tuple(lines), "bottom left", *at, low))
        for words in corners:
            for place, text in words:
                outlined(painter, place, text)
    if state.show_letters:
        _letters(painter, size, state.letters, pixels)
    if state.show_scale:
        _scale_bar(painter, size, state, pixels)


def outlined(painter: QPainter, position: QPointF, text: str, colour: str = theme.ON_IMAGE) -> None:
    """Text that is readable on black and on white: a dark copy beneath, one pixel off."""
    WORDS.draw(painter, position, text, colour)


@lru_cache(maxsize=256)
def _corner(
    lines: tuple[str, ...],
    corner: str,
    width: float,
    height: float,
    pixels: int,
    room: float,
    beside_scale: float | None = None,
) -> tuple[tuple[QPointF, str], ...]:
    """Words in a corner of a viewport ``width`` by ``height``, each with its place.

    The two lowest lines of a lower corner keep to ``beside_scale``, px.
    """
    metrics = QFontMetricsF(theme.image_font(pixels))
    line_height = metrics.height()
    placed = []
    for row, line in enumerate(lines):
        most = room if beside_scale is None or row < len(lines) - 2 else beside_scale
        text = metrics.elidedText(line, Qt.TextElideMode.ElideRight, most)
        x = MARGIN
        if corner.endswith("right"):
            x = width - MARGIN - metrics.horizontalAdvance(text)
        if corner.startswith("top"):
            y = MARGIN + metrics.ascent() + row * line_height
        else:
            y = height - MARGIN - metrics.descent() - (len(lines) - 1 - row) * line_height
        placed.append((QPointF(x, y), text))
    return tuple(placed)


@lru_cache(maxsize=64)
def slice_words(width: int, height: int) -> QRect:
    """Where the lower left corner's words stand, the number of the slice among them; px."""
    lines = 3 * QFontMetricsF(theme.image_font(12)).height()
    tall = math.ceil(lines + 2 * MARGIN)
    return QRect(0, height - tall, math.ceil(width / 2), tall)


def _letters(
    painter: QPainter, size: QRectF, letters: tuple[str, str, str, str], pixels: int
) -> None:
    font = painter.font()
    bold = QFont(font)
    bold.setPixelSize(pixels + 2)
    bold.setBold(True)
    painter.setFont(bold)
    for place, text in _letter_places(letters, size.width(), size.height(), pixels):
        outlined(painter, place, text, theme.CROSSHAIR)
    painter.setFont(font)


@lru_cache(maxsize=64)
def _letter_places(
    letters: tuple[str, str, str, str], width: float, height: float, pixels: int
) -> tuple[tuple[QPointF, str], ...]:
    """The letters of the edges, each with its place."""
    bold = theme.image_font(pixels + 2)
    bold.setBold(True)
    metrics = QFontMetricsF(bold)
    left, right, top, bottom = letters
    middle = height / 2 + metrics.ascent() / 2 - 1
    centre = [width / 2 - metrics.horizontalAdvance(text) / 2 for text in (top, bottom)]
    return (
        (QPointF(MARGIN, middle), left),
        (QPointF(width - MARGIN - metrics.horizontalAdvance(right), middle), right),
        (QPointF(centre[0], MARGIN + metrics.ascent()), top),
        # the bottom letter stands above the scale bar
        (QPointF(centre[1], height - MARGIN - 26), bottom),
    )


def _scale_bar(painter: QPainter, size: QRectF, state: OverlayState, font_px: int) -> None:
    if state.pixels_per_mm <= 0:
        return
    length = nice_length(size.width() * SCALE_SHARE / state.pixels_per_mm)
    if length <= 0:
        return
    pixels = length * state.pixels_per_mm
    x0 = (size.width() - pixels) / 2
    y = size.height() - MARGIN - 2
    for colour, width in ((QColor(0, 0, 0, 200), 4.0), (QColor(theme.ON_IMAGE), 2.0)):
        painter.setPen(QPen(colour, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
        painter.drawLine(QPointF(x0, y), QPointF(x0 + pixels, y))
        for x in (x0, x0 + pixels):
            painter.drawLine(QPointF(x, y - 4), QPointF(x, y + 1))
    text = f"{length:g} {state.unit}"
    place = QPointF((size.width() - _advance(text, font_px)) / 2, y - 6)
    outlined(painter, place, text)


@lru_cache(maxsize=64)
def _advance(text: str, pixels: int) -> float:
    return QFontMetricsF(theme.image_font(pixels)).horizontalAdvance(text)


def circle(painter: QPainter, at: QPointF, radius: float) -> None:
    """A thin circle that is seen on black and on white; pixels."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for colour, width in ((QColor(0, 0, 0, 160), 3.0), (QColor(theme.ON_IMAGE), 1.0)):
        painter.setPen(QPen(colour, width))
        painter.drawEllipse(at, max(radius, 1.0), max(radius, 1.0))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def _crosshair(painter: QPainter, size: QRectF, at: QPointF) -> None:
    gap = 8.0
    painter.setPen(QPen(QColor(theme.CROSSHAIR), 1))
    painter.drawLine(QPointF(0, at.y()), QPointF(at.x() - gap, at.y()))
    painter.drawLine(QPointF(at.x() + gap, at.y()), QPointF(size.width(), at.y()))
    painter.drawLine(QPointF(at.x(), 0), QPointF(at.x(), at.y() - gap))
    painter.drawLine(QPointF(at.x(), at.y() + gap), QPointF(at.x(), size.height()))
