"""Toolbar and menus: where each action stands."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import (
    QComboBox,
    QMainWindow,
    QMenu,
    QScrollArea,
    QToolBar,
    QToolButton,
    QWidget,
)

from ctstudio.ct.planes import PLANES
from ctstudio.gui import theme
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.viewer.view_grid import LAYOUTS

OVERLAYS = (
    "info", "scale", "letters", "crosshair", "grid", "plane_lines", "boxes", "metrics", "patient",
)  # fmt: skip
OFF_AT_FIRST = ("grid", "metrics")
LINKS = ("link_scroll", "link_window", "link_zoom", "link_pan", "link_crosshair")
LAYOUT_ACTIONS = tuple(f"layout_{name}" for name in LAYOUTS)
COMPARISONS = (
    "compare_swipe", "compare_swipe_down", "compare_flicker", "compare_checkerboard",
    "compare_blend", "compare_difference",
)  # fmt: skip
EXPORTS = ("figure", "screenshot", "slices_gif", "training_gif", "curves", "export_dicom")
BREAK = ""  # a separator
RECENT_SESSIONS = "recent sessions"

SUBMENUS: dict[str, tuple[str, ...]] = {
    "Panes": (
        "split_across", "split_down", "close_pane", BREAK, "maximise", "next_pane", BREAK,
        "layer_next", "layer_previous",
    ),
    "Planes and slabs": (
        *PLANES, "oblique", BREAK, "tilt_up", "tilt_down", "turn_left", "turn_right", BREAK,
        "slab_next", "slab_thicker", "slab_thinner",
    ),
    "Upon the images": (*OVERLAYS, BREAK, "hide_all"),
    "Links between panes": LINKS,
}  # fmt: skip
"""Menus within menus: a menu must not be higher than a small screen."""

MENUS: dict[str, tuple[str, ...]] = {
    "&Edit": ("undo", "redo", BREAK, "preferences"),
    "&View": (
        *LAYOUT_ACTIONS, "planes", BREAK, *SUBMENUS, BREAK, "log", "theme", "full_screen", BREAK,
    ),
    "&Image": (
        "fit", "zoom_in", "zoom_out", BREAK, "slice_up", "slice_down", "slice_up_10",
        "slice_down_10", "slice_first", "slice_last", BREAK, "series_next", "series_previous",
        BREAK, "cine", "cine_faster", "cine_slower", "cine_way", "cine_everywhere", BREAK,
    ),
    "Com&pare": (
        *COMPARISONS, BREAK, "compare_less", "compare_more", "compare_next", "compare_swap",
        "compare_end", BREAK, "lens",
    ),
    "Meas&ure": (
        "measure_distance", "measure_angle", "measure_rectangle", "measure_ellipse",
        "measure_freehand", "measure_profile", BREAK, "measure_end", "measure_delete", BREAK,
        "measurement_list", "save_measurements", "measurements", "measurements_in_pictures",
        BREAK, "noise_tools",
    ),
    "&Tools": (
        "report", "tags", "open_boxes", BREAK, "scan_alone", "keep_region", "uncertainty", BREAK,
        "simulate", "history", "reproduce", BREAK,
        "preview_back", "preview_on",
    ),
    "&Help": ("commands", "shortcuts", "edit_shortcuts", BREAK, "problem", "about"),
}  # fmt: skip


def build_toolbar(window: QMainWindow, actions: dict[str, QAction], preset: QComboBox) -> QToolBar:
    """The toolbar; overlays and links start switched on."""
    bar = QToolBar(tr("Main"))
    bar.setObjectName("toolbar")
    bar.setMovable(False)
    window.addToolBar(bar)
    bar.addAction(actions["open_folder"])
    bar.addSeparator()
    group = QActionGroup(window)
    group.setExclusionPolicy(QActionGroup.ExclusionPolicy.ExclusiveOptional)
    for name in LAYOUT_ACTIONS:
        group.addAction(actions[name])
        bar.addAction(actions[name])
    bar.addAction(actions["planes"])
    actions[LAYOUT_ACTIONS[0]].setChecked(True)
    bar.addSeparator()
    bar.addWidget(preset)
    for names in (("masks", *OVERLAYS), LINKS):
        bar.addSeparator()
        for name in names:
            actions[name].setChecked(name not in OFF_AT_FIRST)
            bar.addAction(actions[name])
        if OVERLAYS[0] in names:
            bar.addAction(actions["hide_all"])
    bar.addSeparator()
    for name in ("fit", "cine", "screenshot"):
        bar.addAction(actions[name])
    for button in bar.findChildren(QWidget):
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    _show_that_there_is_more(bar)
    return bar


def _show_that_there_is_more(bar: QToolBar) -> None:
    """A narrow window keeps the last buttons behind an arrow: it must be seen."""
    more = bar.findChild(QToolButton, "qt_toolbar_ext_button")
    if more is not None:
        side = "left" if bar.isRightToLeft() else "right"
        more.setIcon(theme.icon(f"mdi6.chevron-double-{side}"))
        more.setIconSize(QSize(16, 16))
        more.setToolTip(tr("More buttons"))
        more.setAccessibleName(tr("More buttons"))


def build_menus(
    window: QMainWindow, actions: dict[str, QAction], dock_toggles: list[QAction]
) -> QMenu:
    """The menu bar; returns the menu of recent folders, which the window fills."""
    bar = window.menuBar()
    file = bar.addMenu(tr("&File"))
    for name in ("open_folder", "open_files", "open_demo"):
        file.addAction(actions[name])
    recent = file.addMenu(tr("Open recent"))
    file.addSeparator()
    file.addAction(actions["open_session"])
    file.addMenu(tr("Recent sessions")).setObjectName(RECENT_SESSIONS)
    for name in ("save_session", "save_session_as"):
        file.addAction(actions[name])
    file.addSeparator()
    export = file.addMenu(tr("Export"))
    for name in EXPORTS:
        export.addAction(actions[name])
    file.addSeparator()
    for name in ("close_layer", "quit"):
        file.addAction(actions[name])
    for title, names in MENUS.items():
        menu = bar.addMenu(tr(title))
        menu.setObjectName(title)
        for name in names:
            if name in SUBMENUS:
                _fill(menu.addMenu(tr(name)), SUBMENUS[name], actions)
            else:
                _fill(menu, (name,), actions)
        if title == "&View":
            menu.addActions(dock_toggles)
    return recent


def _fill(menu: QMenu, names: tuple[str, ...], actions: dict[str, QAction]) -> None:
    for name in names:
        menu.addAction(actions[name]) if name else menu.addSeparator()


def scrolling(widget: QWidget) -> QScrollArea:
    """A panel that is scrolled where it is higher than the window."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(widget)
    return area
