"""Every action of the window in one table: name, text, shortcut, icon, help."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QWidget

from ctstudio.gui import theme
from ctstudio.gui.translation.catalogue import tr


@dataclass(frozen=True)
class Spec:
    """One action; a text with "..." opens a dialog."""

    name: str
    text: str
    shortcut: str = ""
    icon: str = ""
    tip: str = ""
    checkable: bool = False


SPECS: tuple[Spec, ...] = (
    Spec("open_folder", "Open folder ...", "Ctrl+O", "mdi6.folder-open-outline",
         "Open a folder of images"),
    Spec("open_files", "Open files ...", "Ctrl+Shift+O", "mdi6.file-outline", "Open image files"),
    Spec("open_demo", "Open the demo", "Ctrl+Shift+D", "mdi6.lungs",
         "A thorax phantom, full and quarter dose"),
    Spec("open_session", "Open session ...", "Ctrl+Alt+O", "",
         "Open what was saved: series, layers, windows, measurements"),
    Spec("save_session", "Save session", "Ctrl+S", "mdi6.content-save-outline",
         "Keep what is open, and how it is seen, in a file"),
    Spec("save_session_as", "Save session as ...", "Ctrl+Shift+S", "",
         "Keep what is open in another file"),
    Spec("close_layer", "Close layer", "Ctrl+W", "", "Close the layer of the active pane"),
    Spec("quit", "Quit", "Ctrl+Q", "", "Close CT Studio"),
    Spec("undo", "Undo", "Ctrl+Z", "mdi6.undo", "Take back what was done last"),
    Spec("redo", "Redo", "Ctrl+Y", "mdi6.redo", "Do again what was taken back"),
    Spec("layout_1", "One pane", "Alt+1", "mdi6.square-outline", "One pane", True),
    Spec("layout_1x2", "Two panes", "Alt+2", "mdi6.view-parallel-outline", "Two panes", True),
    Spec("layout_1x3", "Three panes", "Alt+3", "mdi6.view-week-outline", "Three panes", True),
    Spec("layout_2x2", "Four panes", "Alt+4", "mdi6.view-grid-outline", "Two by two panes", True),
    Spec("layout_3x3", "Nine panes", "Alt+9", "mdi6.view-module-outline",
         "Three by three panes", True),
    Spec("split_across", "Split pane: left and right", "Alt+D", "mdi6.arrow-split-vertical",
         "Divide the active pane into two side by side"),
    Spec("split_down", "Split pane: above and below", "Alt+Shift+D", "mdi6.arrow-split-horizontal",
         "Divide the active pane into two, one below the other"),
    Spec("close_pane", "Close pane", "Alt+W", "", "Give the active pane's place to its neighbours"),
    Spec("planes", "Three planes", "Alt+5", "mdi6.axis-arrow",
         "The layer in three panes: axial, coronal, sagittal"),
    Spec("axial", "Axial plane", "Alt+A", "", "Show the active pane's layer in axial planes"),
    Spec("coronal", "Coronal plane", "Alt+C", "", "Show it in coronal planes"),
    Spec("sagittal", "Sagittal plane", "Alt+S", "", "Show it in sagittal planes"),
    Spec("oblique", "Oblique plane", "Alt+O", "",
         "A plane of any direction, beginning with the one shown"),
    Spec("tilt_up", "Tilt the plane back", "Alt+Up", "",
         "Turn the active pane's plane about the horizontal line of the screen"),
    Spec("tilt_down", "Tilt the plane forward", "Alt+Down", "", "The same the other way round"),
    Spec("turn_left", "Turn the plane left", "Alt+Left", "",
         "Turn the active pane's plane about the vertical line of the screen"),
    Spec("turn_right", "Turn the plane right", "Alt+Right", "", "The same the other way round"),
    Spec("slab_next", "Slab: MIP, MinIP, mean, none", "Alt+R", "",
         "The active pane shows the next projection of several slices, at last single ones"),
    Spec("slab_thicker", "Thicker slab", "Alt+=", "", "Project more slices"),
    Spec("slab_thinner", "Thinner slab", "Alt+-", "", "Project fewer slices"),
    Spec("layer_next", "Next layer in the pane", "Ctrl+PgDown", "",
         "The active pane shows the layer after its own in the list"),
    Spec("layer_previous", "Previous layer in the pane", "Ctrl+PgUp", "",
         "The active pane shows the layer before its own in the list"),
    Spec("link_scroll", "Link slices", "Ctrl+1", "mdi6.layers-triple-outline",
         "Scroll together, by patient position", True),
    Spec("link_window", "Link window", "Ctrl+2", "mdi6.contrast-circle",
         "Set the window together", True),
    Spec("link_zoom", "Link zoom", "Ctrl+3", "mdi6.magnify", "Zoom together", True),
    Spec("link_pan", "Link pan", "Ctrl+4", "mdi6.cursor-move", "Pan together", True),
    Spec("link_crosshair", "Link crosshair", "Ctrl+5", "mdi6.crosshairs",
         "Shift+move shows the place in every pane", True),
    Spec("info", "Information", "I", "mdi6.information-outline",
         "Show or hide the texts on the images", True),
    Spec("scale", "Scale bar", "S", "mdi6.ruler", "Show or hide the scale bar", True),
    Spec("letters", "Orientation letters", "O", "mdi6.compass-outline",
         "Show or hide R, L, A, P, S, I", True),
    Spec("crosshair", "Crosshair", "Shift+C", "mdi6.crosshairs-gps",
         "Show or hide the crosshair that Shift+move sets", True),
    Spec("grid", "Grid", "Shift+G", "mdi6.grid", "Show or hide lines at round distances", True),
    Spec("metrics", "Metrics", "Shift+I", "mdi6.chart-box-outline",
         "Show or hide PSNR, SSIM and RMSE of the slice upon the image", True),
    Spec("boxes", "Tumour boxes", "Shift+T", "mdi6.vector-square",
         "Show or hide the boxes about findings", True),
    Spec("open_boxes", "Open tumour boxes ...", "Ctrl+Shift+K", "",
         "Boxes about findings (Pascal VOC, XML), drawn on slices of the active series"),
    Spec("hide_all", "Images alone", "Z", "mdi6.eye-off-outline",
         "Hide all that stands upon the images, and show it again", True),
    Spec("plane_lines", "Lines of the planes", "L", "mdi6.vector-line",
         "Where the other panes' planes cut this one; drag to move them, the rings to turn", True),
    Spec("patient", "Patient details", "P", "mdi6.account-outline",
         "Show or hide name, identifier and date in the window", True),
    Spec("masks", "Masks", "M", "mdi6.draw", "Show or hide the masks over the images", True),
    Spec("paint", "Paint a mask", "Ctrl+B", "mdi6.brush",
         "Draw on the slices with brush, eraser and fill", True),
    Spec("open_mask", "Open mask ...", "Ctrl+M", "",
         "Lay a mask (DICOM SEG, NIfTI, pictures) over the active layer"),
    Spec("save_mask", "Save mask ...", "Ctrl+Alt+B", "",
         "Save the mask that is painted, or that of the active series: DICOM SEG and NIfTI"),
    Spec("show_truth", "Ground truth", "T", "mdi6.check-decagram-outline",
         "Show or hide the mask that counts as the truth", True),
    Spec("show_prediction", "Prediction", "G", "mdi6.graph-outline",
         "Show or hide the mask that a network made", True),
    Spec("show_difference", "Difference of the masks", "V", "mdi6.set-center",
         "Where the prediction is right, too much, too little", True),
    Spec("show_probability", "Probability", "H", "mdi6.gradient-horizontal",
         "How sure the network is, with a threshold to move", True),
    Spec("mask_outlines", "Outlines instead of areas", "U", "mdi6.vector-polyline",
         "Draw the masks' outlines alone", True),
    Spec("mask_scores", "Scores of the masks ...", "Ctrl+D", "",
         "Dice, IoU, surface distances of the prediction against the truth, label by label"),
    Spec("mask_figure", "Five panels of the masks ...", "Ctrl+Shift+F", "",
         "Image, true and generated mask, and both over the image: PNG, or a GIF or MP4 of all"),
    Spec("segment", "Segment ...", "Ctrl+J", "mdi6.shape-outline",
         "Apply a trained network to the series: the result is a mask"),
    Spec("train_on_mask", "Train on this mask", "Ctrl+Shift+T", "mdi6.school-outline",
         "Put the mask that is painted, or the truth, and its series into Train"),
    Spec("measure_distance", "Distance", "D", "mdi6.tape-measure",
         "Measure a distance: drag, or click both ends", True),
    Spec("measure_angle", "Angle", "A", "mdi6.angle-acute",
         "Measure an angle: three clicks, the second at the vertex", True),
    Spec("measure_rectangle", "Rectangular region", "R", "mdi6.rectangle-outline",
         "Mean, SD, least and greatest value, pixels and area of a rectangle", True),
    Spec("measure_ellipse", "Elliptical region", "Shift+R", "mdi6.ellipse-outline",
         "The same of an ellipse", True),
    Spec("measure_freehand", "Free-hand region", "Shift+F", "mdi6.lasso",
         "The same of an outline drawn by hand", True),
    Spec("measure_profile", "Profile", "Shift+D", "mdi6.chart-line",
         "The values of all layers along a line", True),
    Spec("measure_end", "End measuring", "Esc", "", "Put the tool away"),
    Spec("measure_delete", "Delete measurement", "Del", "", "Delete the selected measurement"),
    Spec("measurement_list", "List of measurements", "Shift+L", "mdi6.format-list-bulleted",
         "All measurements with their values in every layer: jump, rename, delete, save"),
    Spec("measurements", "Show measurements", "Shift+M", "",
         "Show or hide the measurements upon the images", True),
    Spec("save_measurements", "Save measurements ...", "Ctrl+Shift+M", "",
         "Save the measurements of all layers as CSV or JSON"),
    Spec("noise_tools", "Noise and sharpness", "Ctrl+Shift+N", "mdi6.waveform",
         "Noise spectrum, MTF, local noise and contrast to noise of all layers side by side"),
    Spec("measurements_in_pictures", "Measurements in pictures", "Ctrl+Alt+M", "",
         "Draw the measurements into exported pictures of the panes", True),
    Spec("window_presets", "Window presets ...", "Ctrl+Shift+W", "",
         "Add, rename, order and remove window presets"),
    Spec("window_region", "Window from a region", "Shift+A", "mdi6.selection-drag",
         "Drag a box: the window shows what lies in it; a selected region is taken at once", True),
    Spec("next_colours", "Next colour map", "F", "mdi6.palette-outline",
         "Grey, or one of the colour maps with even steps of lightness"),
    Spec("invert", "Invert", "J", "mdi6.invert-colors", "Black for white, and back"),
    Spec("gamma_up", "Brighter middle (gamma)", "]", "",
         "Brighten the middle of the window; black and white stay"),
    Spec("gamma_down", "Darker middle (gamma)", "[", "",
         "Darken the middle of the window; black and white stay"),
    Spec("plain_display", "Plain greys", "Shift+P", "", "Grey, not inverted, gamma 1"),
    Spec("colour_bar", "Colour bar", "B", "mdi6.gradient-vertical",
         "Show or hide which colour stands for which value", True),
    Spec("compare_swipe", "Swipe", "W", "mdi6.compare-horizontal",
         "Two layers in the active pane, one on either side of a line to drag", True),
    Spec("compare_swipe_down", "Swipe up and down", "Shift+W", "mdi6.compare-vertical",
         "Two layers, one above and one below a line to drag", True),
    Spec("compare_flicker", "Flicker", "X", "mdi6.flash-outline",
         "Two layers in turn in the same place", True),
    Spec("compare_checkerboard", "Checkerboard", "K", "mdi6.checkerboard",
         "Two layers in squares", True),
    Spec("compare_blend", "Blend", "Shift+B", "mdi6.circle-opacity",
         "One layer shines through the other", True),
    Spec("compare_difference", "Signed difference", "Y", "mdi6.plus-minus-variant",
         "The second layer minus the first, with a scale of its own", True),
    Spec("compare_less", "Less of the comparison", ",", "",
         "Move the line, slow the flicker, make squares or scale smaller"),
    Spec("compare_more", "More of the comparison", ".", "",
         "Move the line on, speed the flicker up, make squares or scale larger"),
    Spec("compare_next", "Compare with the next layer", "N", "",
         "Another second layer in the active pane"),
    Spec("compare_swap", "Swap both layers", "Shift+N", "mdi6.swap-horizontal",
         "The second layer first, the first second"),
    Spec("compare_end", "End the comparison", "Backspace", "mdi6.close",
         "The active pane shows its own layer alone again"),
    Spec("lens", "Lens", "Q", "mdi6.magnify-scan",
         "All layers at the place under the mouse, enlarged; hold the key or tap it", True),
    Spec("fit", "Reset view", "Space", "mdi6.fit-to-page-outline",
         "Show the whole slice again and the first window"),
    Spec("zoom_in", "Zoom in", "+", "", "Zoom in"),
    Spec("zoom_out", "Zoom out", "-", "", "Zoom out"),
    Spec("maximise", "Maximise pane", "Return", "", "The active pane over the whole grid"),
    Spec("next_pane", "Next pane", "Tab", "", "Activate the next pane"),
    Spec("slice_up", "Next slice", "Up", "", "One slice towards the last"),
    Spec("slice_down", "Previous slice", "Down", "", "One slice towards the first"),
    Spec("slice_up_10", "Ten slices on", "Shift+Up", "", "Ten slices towards the last"),
    Spec("slice_down_10", "Ten slices back", "Shift+Down", "", "Ten slices towards the first"),
    Spec("slice_first", "First slice", "Home", "", "The first slice"),
    Spec("slice_last", "Last slice", "End", "", "The last slice"),
    Spec("series_next", "Next series", "PgDown", "", "Open the next series"),
    Spec("series_previous", "Previous series", "PgUp", "", "Open the previous series"),
    Spec("cine", "Cine", "C", "mdi6.play-outline", "Run through the slices", True),
    Spec("cine_faster", "Cine faster", "Alt+.", "", "More slices a second"),
    Spec("cine_slower", "Cine slower", "Alt+,", "", "Fewer slices a second"),
    Spec("cine_way", "Cine: loop, bounce, once", "Alt+L", "", "What happens at the last slice"),
    Spec("cine_everywhere", "Cine in all panes", "Alt+N", "",
         "Panes that are not linked run along too", True),
    Spec("figure", "Figure ...", "Ctrl+Alt+F", "mdi6.image-multiple-outline",
         "Compose a figure or film of what is open, for a paper or a talk; report"),
    Spec("screenshot", "Picture of the panes ...", "Ctrl+E", "mdi6.camera-outline",
         "Save what is on screen side by side as a PNG"),
    Spec("slices_gif", "Film over slices ...", "Ctrl+G", "mdi6.filmstrip",
         "Save what is on screen slice after slice: GIF, MP4 or WebM"),
    Spec("training_gif", "GIF over training ...", "Ctrl+Shift+G", "",
         "Save the training previews as a GIF"),
    Spec("curves", "Curves ...", "Ctrl+Shift+C", "", "Save the curves as PNG or CSV"),
    Spec("export_dicom", "DICOM series ...", "Ctrl+Shift+E", "",
         "Save a denoised layer as a DICOM series"),
    Spec("report", "Series report ...", "Ctrl+R", "mdi6.file-document-check-outline",
         "What the series is, what is odd about it, and what helps"),
    Spec("tags", "Header ...", "Ctrl+I", "mdi6.tag-text-outline",
         "All elements of the file behind the slice on the screen"),
    Spec("simulate", "Simulate low dose ...", "Ctrl+L", "mdi6.blur",
         "Add projection-domain noise to the series: a low-dose twin"),
    Spec("history", "History of trainings ...", "Ctrl+H", "mdi6.history",
         "All trainings: their pictures, curves and recipes side by side"),
    Spec("scan_alone", "Denoise this scan alone ...", "Alt+B", "mdi6.school-outline",
         "A network learns from the open series, with no other data, and denoises it"),
    Spec("keep_region", "Keep the region", "Alt+K", "mdi6.shield-outline",
         "Denoise everything but the region that is selected or was drawn last"),
    Spec("uncertainty", "Show the uncertainty", "Alt+Q", "mdi6.help-rhombus-outline",
         "How far the answers of the denoising method differ when the slice is flipped and turned"),
    Spec("reproduce", "Reproduce ...", "Ctrl+Shift+R", "mdi6.flask-outline",
         "Run the articles' experiments, as they were and repaired"),
    Spec("preview_back", "Earlier preview", "Left", "", "The training's preview before this one"),
    Spec("preview_on", "Later preview", "Right", "", "The training's next preview"),
    Spec("theme", "Light theme", "Ctrl+T", "", "Switch between dark and light", True),
    Spec("full_screen", "Full screen", "F11", "", "Full screen and back", True),
    Spec("preferences", "Preferences ...", "Ctrl+,", "mdi6.cog-outline",
         "Theme, language, units, threads, memory, cache"),
    Spec("log", "Log", "Ctrl+Shift+L", "mdi6.text-long", "Show or hide what the program did", True),
    Spec("problem", "Report a problem ...", "Ctrl+Shift+B", "mdi6.bug-outline",
         "Save the log, versions and settings, without patient data, to be sent"),
    Spec("commands", "Commands ...", "Ctrl+Shift+P", "mdi6.console-line",
         "Find a command by a few letters of its name"),
    Spec("edit_shortcuts", "Keyboard shortcuts ...", "Ctrl+K", "",
         "See and change the key of every action"),
    Spec("shortcuts", "Mouse and keys", "F1", "", "What the mouse and the keys do"),
    Spec("about", "About CT Studio", "Ctrl+F1", "", "Version, licence, purpose"),
)  # fmt: skip


def make_actions(window: QWidget, viewer: QWidget) -> dict[str, QAction]:
    """All actions, as children of ``window`` so that their shortcuts work.

    Keys that a form needs too (Space, Up, Tab, letters) belong to ``viewer`` alone: they act while
    the focus is in a pane.
    """
    made = {}
    for spec in SPECS:
        action = QAction(tr(spec.text), window)
        action.setProperty("english", spec.text)
        action.setObjectName(spec.name)
        action.setCheckable(spec.checkable)
        if spec.shortcut:
            action.setShortcut(QKeySequence(spec.shortcut))
        if spec.icon:
            action.setIcon(theme.icon(spec.icon))
        action.setProperty("tip", tr(spec.tip))
        set_tip(action)
        place(action, window, viewer)
        made[spec.name] = action
    return made


def title(action: QAction) -> str:
    """What an action is called, without what it would act upon just now."""
    english = action.property("english")
    return tr(str(english)) if english else action.text()


def set_tip(action: QAction) -> None:
    """What the action does, and its key."""
    key = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
    tip = str(action.property("tip") or action.text())
    action.setToolTip(f"{tip} ({key})" if key else tip)


def place(action: QAction, window: QWidget, viewer: QWidget) -> None:
    """Let the action's key act everywhere, or in the panes alone where forms need it too."""
    key = action.shortcut().toString(QKeySequence.SequenceFormat.PortableText)
    function = key[:1] == "F" and key[1:].isdigit()
    everywhere = not key or function or key.startswith(("Ctrl+", "Alt+", "Meta+"))
    home, other = (window, viewer) if everywhere else (viewer, window)
    other.removeAction(action)
    home.addAction(action)
    context = Qt.ShortcutContext
    action.setShortcutContext(
        context.WindowShortcut if everywhere else context.WidgetWithChildrenShortcut
    )


def connect(actions: dict[str, QAction], handlers: dict[str, Callable[..., object]]) -> None:
    """Connect each handler to its action: ``toggled`` where it is checkable, else ``triggered``."""
    for name, handler in handlers.items():
        action = actions[name]
        if action.isCheckable():
            action.toggled.connect(handler)
        else:
            action.triggered.connect(lambda _checked=False, handler=handler: handler())
