"""Series that were found, and the layers that are open."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QPoint, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QInputDialog,
    QListWidgetItem,
    QMenu,
    QSplitter,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ctstudio.files.series import FileSeries
from ctstudio.gui import theme
from ctstudio.gui.panels.dragging import PLACE, LayerList, SeriesTree
from ctstudio.gui.panels.thumbnails import THUMBNAIL, mask_thumbnail, thumbnail
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import called, said
from ctstudio.gui.undo.deeds import Deed
from ctstudio.gui.viewer.pane import KIND_ICONS
from ctstudio.gui.words import heading, plain_tip

ROLE = Qt.ItemDataRole.UserRole


class SeriesPanel(QWidget):
    """Study and series above, layers below."""

    open_requested = Signal(object)  # SeriesInfo
    show_requested = Signal(object)  # Layer, in the active pane

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._items: dict[int, QTreeWidgetItem] = {}
        self.tree = SeriesTree()
        self.tree.setHeaderHidden(True)
        self.tree.setIconSize(QSize(THUMBNAIL, THUMBNAIL))
        self.tree.setIndentation(8)
        self.tree.setRootIsDecorated(False)
        self.tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.tree.setAccessibleName(tr("Series"))
        self.tree.setToolTip(tr("Click a series to open it, or drag it onto a pane"))
        self.tree.itemClicked.connect(self._clicked)
        self.tree.itemActivated.connect(self._clicked)
        self.list = LayerList()
        self.list.setAccessibleName(tr("Layers"))
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.list.customContextMenuRequested.connect(self._menu)
        self.list.itemClicked.connect(self._layer_clicked)
        self.list.itemActivated.connect(self._layer_clicked)
        self.list.itemDoubleClicked.connect(self._rename)
        for view in (self.tree, self.list):
            view.dragged.connect(lambda: self._mark(session.active))
            view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
            view.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a click leaves the keys to the images
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(_titled(tr("Series"), self.tree))
        splitter.addWidget(_titled(tr("Layers"), self.list))
        splitter.setStretchFactor(0, 3)
        splitter.setStretchFactor(1, 2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 0, 8, 8)
        layout.addWidget(splitter)
        self.setMinimumWidth(236)
        session.series_changed.connect(self._fill_series)
        session.privacy_changed.connect(self._fill_series)
        session.layer_added.connect(self._layers_changed)
        session.layer_removed.connect(self._layers_changed)
        session.layer_changed.connect(self._layer_changed)
        session.active_changed.connect(self._mark)

    # -- series ----------------------------------------------------------------------------------

    def _fill_series(self) -> None:
        icons = {key: item.icon(0) for key, item in self._items.items()}
        self.tree.clear()
        self._items.clear()
        studies: dict[tuple[str, str], QTreeWidgetItem] = {}
        for place, info in enumerate(self._session.series):
            source = info.source
            # Files of two patients may name one study.
            whose = source.patient_id or source.patient_name.casefold()
            key = (source.study_uid or source.study_description, whose)
            if key not in studies:
                patient = source.patient_name if self._session.show_patient else ""
                study_words = source.study_description
                if source.format != "DICOM":  # such files name no study: the words are ours
                    study_words = tr(study_words)
                words = [w for w in (patient, study_words) if w]
                study = QTreeWidgetItem([" - ".join(words) or tr("Study")])
                study.setToolTip(0, plain_tip("\n".join([*words, source.study_date])))
                study.setFlags(Qt.ItemFlag.ItemIsEnabled)
                font = self.tree.font()
                font.setBold(True)
                study.setFont(0, font)
                self.tree.addTopLevelItem(study)
                studies[key] = study
            stated = info.geometry.spacing_known or info.geometry.orientation_known
            spacing = info.geometry.slice_spacing_mm if stated else 0.0
            size = f"{info.slices} x {info.columns} x {info.rows}"
            far = f"{spacing:.3g} mm"
            even = info.geometry.uniform
            every = tr("every {0}").format(far) if even else tr("unevenly spaced")
            detail = f"{size}, {every}" if spacing else size
            count = tr("1 slice") if info.slices == 1 else tr("{0} slices").format(info.slices)
            short = f"{count}, {far if even else tr('uneven')}" if spacing else count
            item = QTreeWidgetItem([f"{source.description or said(info.title)}\n{short}"])
            tip = [source.description or said(info.title), detail, info.transfer_syntax]
            item.setToolTip(0, plain_tip("\n".join([*tip, *map(said, info.warnings)])))
            item.setData(0, ROLE, info)
            item.setData(0, PLACE, place)
            plain = theme.icon("mdi6.image-multiple-outline")
            if isinstance(info, FileSeries) and info.is_label:
                plain = theme.icon(KIND_ICONS["mask"])
            elif info.warnings:
                plain = theme.icon("mdi6.alert-outline", "warning")
            item.setIcon(0, icons.get(id(info), plain))
            studies[key].addChild(item)
            self._items[id(info)] = item
        self.tree.expandAll()
        self._mark(self._session.active)

    def _clicked(self, item: QTreeWidgetItem) -> None:
        info = item.data(0, ROLE)
        if info is not None:
            self.open_requested.emit(info)

    def step_series(self, step: int) -> None:
        """Open the series after (or before) the one that is shown."""
        infos = self._session.series
        if not infos:
            return
        active = self._session.active
        current = active.root.series if active is not None else None
        position = next((k for k, s in enumerate(infos) if s is current), -1)
        if position < 0:
            position = 0 if step > 0 else len(infos) - 1
        else:
            position = min(max(position + step, 0), len(infos) - 1)
        self.open_requested.emit(infos[position])

    # -- layers ----------------------------------------------------------------------------------

    def _layers_changed(self, layer: Layer) -> None:
        if layer.kind == "mask" and layer in self._session.layers:
            self._draw_mask(layer)
        self.list.clear()
        for layer in self._session.layers:
            item = QListWidgetItem(theme.icon(KIND_ICONS[layer.kind]), "")
            item.setData(ROLE, layer)
            self.list.addItem(item)
        self._name_layers()
        self._mark(self._session.active)

    def _name_layers(self) -> None:
        """Write what the layers are called now: a preview gets its name when it is computed."""
        for row in range(self.list.count()):
            item = self.list.item(row)
            layer = item.data(ROLE)
            item.setText(called(layer))
            item.setToolTip(
                plain_tip("\n".join([called(layer), *map(said, layer.stack.derivation)]))
            )

    def _layer_changed(self, layer: Layer, index: int) -> None:
        if index < 0:
            self._name_layers()
        if layer.kind == "mask":
            if index < 0:  # not at every stroke
                self._draw_mask(layer)
            return
        middle = len(layer.stack) // 2
        if layer.series is not None and index in (-1, middle):
            item = self._items.get(id(layer.series))
            if item is not None:
                item.setIcon(0, thumbnail(layer, middle))

    def _draw_mask(self, layer: Layer) -> None:
        """Show in the list what was found as a series and lies as a mask over another."""
        item = self._items.get(id(layer.series))
        if item is not None:
            item.setIcon(0, mask_thumbnail(layer))

    def _mark(self, active: Layer | None) -> None:
        for row in range(self.list.count()):
            item = self.list.item(row)
            if item.data(ROLE) is active:
                self.list.setCurrentItem(item)
        shown = active.root.series if active is not None else None
        for key, tree_item in self._items.items():
            tree_item.setSelected(shown is not None and key == id(shown))

    def _layer_clicked(self, item: QListWidgetItem) -> None:
        self.show_requested.emit(item.data(ROLE))

    def _rename(self, item: QListWidgetItem) -> None:
        layer = item.data(ROLE)
        name, accepted = QInputDialog.getText(self, tr("Rename layer"), tr("Name"), text=layer.name)
        if accepted and name.strip() not in ("", layer.name):
            before, after = layer.name, name.strip()
            undo, redo = partial(self._name, layer, before), partial(self._name, layer, after)
            self._session.undo.push(Deed(tr("Rename {0}").format(before), undo, redo))

    def _name(self, layer: Layer, name: str) -> None:
        layer.name = name
        self._session.layer_changed.emit(layer, -1)
        self._layers_changed(layer)

    def _menu(self, at: QPoint) -> None:
        item = self.list.itemAt(at)
        if item is None:
            return
        layer = item.data(ROLE)
        menu = QMenu(self)
        show = menu.addAction(theme.icon("mdi6.eye-outline"), tr("Show in the active pane"))
        rename = menu.addAction(theme.icon("mdi6.pencil-outline"), tr("Rename ..."))
        remove = menu.addAction(theme.icon("mdi6.close"), tr("Close layer"))
        picked = menu.exec(self.list.mapToGlobal(at))
        menu.deleteLater()
        if picked is show:
            self.show_requested.emit(layer)
        elif picked is rename:
            self._rename(item)
        elif picked is remove:
            self._session.close_layer(layer)


def _titled(title: str, widget: QWidget) -> QWidget:
    box = QWidget()
    layout = QVBoxLayout(box)
    layout.setContentsMargins(0, 4, 0, 4)
    layout.setSpacing(4)
    layout.addWidget(heading(title))
    layout.addWidget(widget, 1)
    return box
