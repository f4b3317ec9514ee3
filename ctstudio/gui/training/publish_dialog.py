"""What only a person knows about a network for others: data, licence, author, a note."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from ctstudio.gui.dialogs import ask_where_to_save
from ctstudio.gui.session import Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.words import plain_label

if TYPE_CHECKING:
    from ctstudio.learn.checkpoint import TrainedModel
    from ctstudio.learn.publish import Credits

NETWORKS = "Networks for others, with a card (*.safetensors);;Checkpoints (*.pt)"
FIELDS = (
    ("data", "Trained on", "Which scans, and from where: TCIA Phantom FDA, NoduleLayout_2"),
    ("licence", "Licence", "Under which the scans, and so the network, may be used: CC BY 3.0"),
    ("author", "Author", "Who trained it"),
    ("note", "Note", "What else has to be known: how it was trained, what it is not for"),
)


class PublishDialog(QDialog):
    """Four lines for the card; each may stay empty."""

    def __init__(self, parent: QWidget | None, name: str) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Publish the network"))
        self.setMinimumWidth(560)
        about = plain_label(
            tr(
                "{0} will hold the network, and a card beside it says what it is: the "
                "recipe, the metrics under their protocol, and what you enter here. No "
                "patient and no folder is named in them unless you do so."
            ).format(name)
        )
        about.setWordWrap(True)
        self.lines: dict[str, QLineEdit] = {}
        form = QFormLayout()
        form.setHorizontalSpacing(12)
        form.setVerticalSpacing(8)
        for key, *texts in FIELDS:
            label, hint = map(tr, texts)
            line = QLineEdit()
            line.setPlaceholderText(hint)
            line.setAccessibleName(label)
            line.setToolTip(hint)
            self.lines[key] = line
            form.addRow(label, line)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(16)
        layout.addWidget(about)
        layout.addLayout(form)
        layout.addWidget(buttons)

    def credits(self) -> Credits:
        """What was entered."""
        from ctstudio.learn.publish import Credits

        return Credits(**{key: line.text().strip() for key, line in self.lines.items()})


def ask_credits(parent: QWidget, name: str) -> Credits | None:
    """Ask for the card's lines; None when cancelled."""
    dialog = PublishDialog(parent, name)
    try:
        return dialog.credits() if dialog.exec() else None
    finally:
        dialog.deleteLater()


def save_network(parent: QWidget, session: Session, model: TrainedModel) -> None:
    """Ask where a network is to be saved, and what its card says; tells what becomes of it."""
    from ctstudio.learn import checkpoint, publish

    try:
        name = f"network{publish.SUFFIX}"
        path = ask_where_to_save(parent, session, tr("Save the network"), name, NETWORKS)
        if path is None:
            return
        if path.suffix.lower() != publish.SUFFIX:
            checkpoint.save(model, path)
        elif (who := ask_credits(parent, path.name)) is not None:
            # The file dialog has asked whether it may be replaced.
            publish.publish(model, path, credits=who, force=path.exists())
        else:
            return
        session.message.emit(tr("Saved {0}").format(path), 8000)
    except Exception as error:
        session.report(error)
