"""The spread of eight answers, and methods that spare some places."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from ctstudio.core.events import Partial, SliceReady, finish
from ctstudio.ct.measure import Shape
from ctstudio.ct.shares import Shares
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.workflows.denoise import method_from
from ctstudio.workflows.sparing import Sparing
from ctstudio.workflows.uncertainty import SD_UNIT, answers, uncertainty

HU = np.random.default_rng(0).normal(40, 30, (3, 24, 32)).astype(np.float32)
GEOMETRY = replace(Geometry.axial(3), spacing_mm=(1.0, 1.0))


@dataclass
class Ramp:
    """Adds the number of the row, whichever way the slice is turned."""

    name: str = "ramp"
    title: str = "Ramp"
    description: str = "Ramp"
    neighbours: int = 1

    def denoise_slice(self, hu: np.ndarray) -> np.ndarray:
        return (hu + np.arange(hu.shape[0])[:, None]).astype(np.float32)


def test_a_method_that_answers_alike_is_sure() -> None:
    mean, sd = finish(answers(method_from("bilateral"), HU[0]))
    expected = method_from("bilateral").denoise_slice(HU[0])
    np.testing.assert_allclose(mean, expected, atol=1e-2)
    assert sd.max() < 0.01


def test_the_spread_is_that_of_the_answers_turned_back() -> None:
    mean, sd = finish(answers(Ramp(), HU[0]))  # type: ignore[arg-type]
    rows, columns = HU[0].shape
    y, x = np.mgrid[:rows, :columns]
    # A ramp along each of the four sides, and each of them once more for the mirror image.
    added = np.stack([y, rows - 1 - y, x, columns - 1 - x] * 2).astype(float)
    np.testing.assert_allclose(mean, HU[0] + added.mean(0), atol=1e-4)
    np.testing.assert_allclose(sd, added.std(0, ddof=1), atol=1e-4)


def test_a_series_slice_by_slice_the_shown_one_first() -> None:
    volume = Volume.from_hu(HU, GEOMETRY)
    events, work, result = [], uncertainty(volume, Ramp(), first=2), None  # type: ignore[arg-type]
    while result is None:
        try:
            events.append(next(work))
        except StopIteration as stop:
            result = stop.value
    assert isinstance(events[0], Partial)
    assert [e.index for e in events if isinstance(e, SliceReady)] == [2, 1, 0]
    assert result.unit == SD_UNIT
    np.testing.assert_allclose(result.slice_hu(1), result.slice_hu(2), rtol=1e-4)
    assert result.slice_hu(1)[0, 0] > 0


def test_what_is_spared_stays_as_it_was() -> None:
    corners = np.array(
        [GEOMETRY.to_patient(1, y, x) for y, x in ((4, 4), (4, 12), (12, 12), (12, 4))]
    )
    shares = Shares(regions=(Shape("rectangle", corners, GEOMETRY.normal),), feather_mm=2.0)
    volume = Volume.from_hu(HU, GEOMETRY)
    plain = method_from("bilateral")
    spared = Sparing(plain, shares)
    result = finish(spared.denoise(volume))
    expected = plain.denoise_slice(HU[0])
    np.testing.assert_array_equal(result.slice_hu(0)[4:13, 4:13], HU[0][4:13, 4:13])
    np.testing.assert_allclose(result.slice_hu(0)[16:, 16:], expected[16:, 16:], atol=1e-3)
    assert result.derivation[-1].endswith("1 region kept")
    assert spared.title == plain.title
    assert pytest.approx(spared.denoise_slice(HU[0])) == expected
