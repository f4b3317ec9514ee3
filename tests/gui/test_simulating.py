"""Tools > Simulate low dose: the dialog, and the noise that it measures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from ctstudio.core.registry import Choice
from ctstudio.ct.volume import Volume
from ctstudio.gui.session import Layer
from ctstudio.gui.simulating import ROLE, SimulateDialog
from ctstudio.learn.noise import NOISES
from tests.gui.conftest import delete_later
from tests.workflows.test_scan_alone import noisy


@pytest.fixture
def scanned(hands: Any) -> Layer:
    return hands.session.add_layer(Layer("Scan", "original", noisy("ram-lak", 3, 128)))


@pytest.fixture
def dialog(hands: Any, scanned: Layer) -> Iterator[SimulateDialog]:
    shown = SimulateDialog(hands.session, scanned, hands.window)
    shown.show()
    yield shown
    shown.close()
    hands.idle(ROLE)
    shown.deleteLater()
    delete_later()


def test_the_scan_gives_kernel_and_photons(hands: Any, dialog: SimulateDialog) -> None:
    dialog.section.set_choice(NOISES, NOISES.resolve(Choice("low_dose", {"dose": 0.1})))
    assert dialog.section.choice.params["kernel"] == "hann"
    QTest.mouseClick(dialog.match, Qt.MouseButton.LeftButton)
    assert not dialog.match.isEnabled()
    assert not dialog.simulate.isEnabled(), "it would take what is shown, not what is measured"
    assert not dialog.section.isEnabled()
    hands.idle(ROLE)
    found = dialog.section.choice.params
    assert found["kernel"] == "ram-lak"
    assert found["photons"] == pytest.approx(2e4, rel=0.12)
    assert found["dose"] == 0.1  # what was chosen stays
    assert dialog.told.text().endswith("photons per ray.")
    assert dialog.told.isVisible()
    assert dialog.match.isEnabled()
    assert dialog.simulate.isEnabled()
    dialog.section.form.set_params({"kernel": "cosine"})
    assert not dialog.told.isVisible(), "what is shown is not like the scan's any more"


def test_other_noise_is_not_matched(dialog: SimulateDialog) -> None:
    combo = dialog.section.combo
    combo.setCurrentIndex(combo.findData("gaussian"))
    assert not dialog.match.isEnabled()
    assert "made in the projections" in dialog.match.toolTip()
    combo.setCurrentIndex(combo.findData("low_dose"))
    assert dialog.match.isEnabled()


def test_a_series_is_measured_when_all_of_it_is_there(hands: Any, dialog: SimulateDialog) -> None:
    dialog._source.complete = False
    hands.session.layer_changed.emit(dialog._source, 0)
    assert not dialog.match.isEnabled()
    dialog._source.complete = True
    hands.session.layer_changed.emit(dialog._source, -1)
    assert dialog.match.isEnabled()


def test_cancelled_from_elsewhere(hands: Any, dialog: SimulateDialog) -> None:
    dialog.match.click()
    hands.session.jobs[ROLE].cancel()
    hands.idle(ROLE)
    assert dialog.simulate.isEnabled()
    assert not dialog.told.isVisible()


def test_a_scan_that_shows_no_tissue_says_so(hands: Any, scanned: Layer) -> None:
    air = scanned.stack.hu() * 0 - 1000
    layer = hands.session.add_layer(
        Layer("Air", "original", Volume.from_hu(air, scanned.stack.geometry))
    )
    dialog = SimulateDialog(hands.session, layer, hands.window)
    before = dialog.section.choice
    dialog.match.click()
    hands.idle(ROLE)
    assert "could not be measured" in dialog.told.text()
    assert dialog.section.choice == before
    dialog.deleteLater()
    delete_later()


def test_closing_ends_the_measuring(hands: Any, dialog: SimulateDialog) -> None:
    dialog.match.click()
    job = hands.session.jobs[ROLE]
    dialog.reject()
    assert job.cancelling
    again = SimulateDialog(hands.session, dialog._source, hands.window)
    assert not again.match.isEnabled()
    hands.idle(ROLE)
    assert again.match.isEnabled()
    again.deleteLater()
    delete_later()
    assert dialog.section.choice.params["kernel"] == "hann"
