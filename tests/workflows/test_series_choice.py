"""Choosing a series, and what is told about it."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from ctstudio.core.errors import StudioError
from ctstudio.ct.volume import Geometry, Source
from ctstudio.ct.window import PRESETS, Window
from ctstudio.workflows.figure import parse_window
from ctstudio.workflows.info import as_data, as_text, choose_series, report


def info(uid: str, **source: str) -> SimpleNamespace:
    return SimpleNamespace(
        source=Source(series_uid=uid, modality="CT", **source),
        slices=3,
        rows=4,
        columns=5,
        geometry=Geometry.axial(3, (2.0, 0.5, 0.25)),
        transfer_syntax="Explicit",
        warnings=("odd",),
        title=f"series {uid}",
    )


SERIES = [info("1.2", patient_name="Secret"), info("1.3", description="a b c")]


def test_by_number_and_by_uid() -> None:
    assert choose_series(SERIES, "2") is SERIES[1]
    assert choose_series(SERIES, "1.2") is SERIES[0]
    assert choose_series(SERIES[:1]) is SERIES[0]


@pytest.mark.parametrize("selector", [None, "0", "3", "1.4", "", "²"])
def test_a_choice_that_fits_nothing_lists_them(selector: str | None) -> None:
    with pytest.raises(StudioError) as caught:
        choose_series(SERIES, selector)
    assert "series 1.3" in caught.value.details


def test_the_table_and_the_data() -> None:
    found = SimpleNamespace(
        series=SERIES, skipped=[SimpleNamespace(path="p", reason="why")] * 5, segmentations=()
    )
    text = as_text(report(SERIES), found)
    assert "3 x 4 x 5" in text
    assert "2 x 0.5 x 0.25 mm" in text
    assert "#1 warning: odd" in text
    assert "and 2 more" in text
    data = json.loads(json.dumps(as_data(report(SERIES), found)))
    assert len(data["left_out"]) == 5
    assert "Secret" not in text + json.dumps(data)
    assert "Secret" in as_text(report(SERIES, patient=True), found)


def test_windows_by_name_and_by_numbers() -> None:
    assert parse_window("lung") == PRESETS["Lung"]
    assert parse_window("1500/-600") == Window(-600, 1500)
    for wrong in ("", "40", "0/40", "-1/40", "a/b", "1/inf", "inf/1", "nan/1", "1e-300/1"):
        with pytest.raises(StudioError):
            parse_window(wrong)


def test_patient_left_is_on_the_right() -> None:
    assert Geometry.axial(2).edge_letters == ("R", "L", "A", "P")
