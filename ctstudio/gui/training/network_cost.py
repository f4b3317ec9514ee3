"""What the network in the form costs: its weights, how far it looks, the work for a slice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from ctstudio.core.events import Progress, Work
from ctstudio.core.registry import Choice
from ctstudio.gui.session import Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.words import plain_label

if TYPE_CHECKING:
    from ctstudio.learn.cost import Cost

ROLE = "cost"


class NetworkCost(QWidget):
    """A button that works the cost out, and the answer; ``choice`` says which network is meant."""

    def __init__(self, session: Session, choice: Callable[[], Choice]) -> None:
        super().__init__()
        self._session, self._choice = session, choice
        self._asked: Choice | None = None
        self.button = QPushButton(tr("What does it cost?"))
        self.button.setToolTip(
            tr("Count the weights and the work for a slice, measure how far the network looks")
        )
        self.button.clicked.connect(self._ask)
        self.answer = plain_label()
        self.answer.setProperty("role", "muted")
        self.answer.setWordWrap(True)
        self.answer.setAccessibleName(tr("Cost of the network"))
        self.answer.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.button)
        layout.addWidget(self.answer)

    def forget(self) -> None:
        """Another network is in the form, or other settings: the answer is no longer its."""
        self._asked = None
        self.answer.hide()

    def _ask(self) -> None:
        if self._session.jobs.busy(ROLE):
            return
        choice = self._asked = self._choice()
        self.answer.setText(tr("Measuring ..."))
        self.answer.show()
        self._session.jobs.start(
            ROLE,
            tr("Cost of the network"),
            lambda: _work(choice),
            succeeded=self._show,
            cancelled=self.forget,
            failed=self._fail,
        )

    def _show(self, found: Any) -> None:
        choice, cost = found
        if choice == self._asked:
            self.answer.setText(f"{cost}.")

    def _fail(self, error: Exception) -> None:
        self.forget()
        self._session.report(error)


def _work(choice: Choice) -> Work[tuple[Choice, Cost]]:
    from ctstudio.learn.cost import cost_of

    yield Progress(0, 0, tr("Cost of the network"))
    return choice, cost_of(choice)
