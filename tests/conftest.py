"""Fixtures that every test may use."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real CT for tests; skips where it is not at hand."""
    folder = os.environ.get("CTSTUDIO_TEST_DATA", "")
    if not folder:
        pytest.skip("CTSTUDIO_TEST_DATA is not set: real CT for tests is not at hand")
    path = Path(folder).resolve()
    if not path.is_dir():
        pytest.skip(f"CTSTUDIO_TEST_DATA names {path}, which is not a folder")
    return path


@pytest.fixture(scope="session", autouse=True)
def no_scan_cache() -> Iterator[None]:
    """Scans of the tests leave nothing in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CTSTUDIO_SCAN_CACHE", "off")
        yield


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Writes a run folder as a training does, without training: ``make_run("a", steps=40)``.

    The loss falls as 1/step, the RMSE from 12 to 8 HU; a picture is a step number in HU. With
    ``labels`` it is of class 2 with a row of class 4, and the Dice coefficient is 0.75; Dice is
    among its losses too. With ``blind`` no truth is known, and the held-out loss is 4/step.
    """
    from ctstudio.core.events import Step, Validation
    from ctstudio.learn.recipe import default_recipe
    from ctstudio.learn.run_folder import RunFolder, make_preview

    def make(
        name: str,
        settings: Mapping[str, object] | None = None,
        *,
        steps: int = 40,
        age_s: float = 0.0,
        network: bool = True,
        side_px: int = 96,
        labels: bool = False,
        blind: bool = False,
    ) -> Path:
        recipe = default_recipe()
        for key, value in {"title": "Made up", "stopping.seconds": 0, **(settings or {})}.items():
            recipe = recipe.with_setting(key, value)
        folder = tmp_path / "runs" / name
        parts = ("cross_entropy", "dice") if labels else ("mse",)
        run = RunFolder(folder, recipe, ["loss", *parts])
        noisy = np.zeros((side_px, side_px), np.float32)
        run.add_preview(make_preview(0, 3, noisy, noisy, noisy, {"psnr": 30.0}), 0.0)
        for step in range(1, steps + 1):
            seconds = step / 4
            losses = dict.fromkeys(("loss", *parts), 1 / step)
            run.add_step(Step(step, step / 10, losses, 1e-3, seconds))
            if step % 10 == 0:
                rmse = 8 + 4 * (1 - step / steps)
                metrics = {"psnr": 30.0 + step, "ssim": 0.9, "rmse": rmse}
                noisy_metrics = {"psnr": 29.0, "ssim": 0.8, "rmse": 12.0}
                judged = Validation(step, "A", metrics, noisy_metrics)
                if blind:
                    judged = Validation(step, "A", {"loss": 4 / step}, {})
                if labels:
                    judged = Validation(step, "pooled over slices", {"dice": 0.75}, {})
                run.add_validation(judged, seconds)
        picture = np.full_like(noisy, 2 if labels else steps)
        if labels:
            picture[0] = 4
        shown = {"dice": 0.7} if labels else {"psnr": 31.0}
        last = make_preview(steps, 3, noisy, picture, noisy, shown, labels=labels)
        run.add_preview(last, math.inf)
        run.flush()
        run.close()
        if network:
            for file in ("best.pt", "last.pt"):
                with zipfile.ZipFile(folder / file, "w") as archive:
                    archive.writestr("data", "")
        begun = 1_700_000_000 - age_s
        os.utime(folder / "recipe.toml", (begun, begun))
        return folder

    return make


@pytest.fixture(scope="session")
def phantom_at() -> Callable[[np.ndarray], np.ndarray]:
    """The thorax phantom in HU at any patient points ``(..., 3)`` in mm: what a scan would show.

    Interpolated linearly between 40 slices of 96 x 96 pixels; air outside.
    """
    from scipy.ndimage import map_coordinates

    from ctstudio.ct.phantom import thorax

    volume = thorax(40, 96)
    hu = volume.hu()
    origin = volume.geometry.positions_mm[0]
    dy, dx = volume.geometry.spacing_mm
    step = np.array([volume.geometry.slice_spacing_mm, dy, dx])

    def values(points: np.ndarray) -> np.ndarray:
        at = (points - origin)[..., ::-1] / step
        return map_coordinates(hu, np.moveaxis(at, -1, 0), order=1, cval=-1000.0)

    return values


@pytest.fixture
def irregular_phantom(
    phantom_at: Callable[[np.ndarray], np.ndarray], tmp_path: Path
) -> Callable[..., Path]:
    """Writes the phantom with pydicom as an irregular scan of it would be.

    ``irregular_phantom("name", heights, tilt=15.0)``: axial slices at these mm of the table, with
    the gantry tilted by so many degrees; pixels of ``spacing`` mm (rows, columns) apart.
    """
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    def write(
        name: str,
        heights: Sequence[float],
        *,
        tilt: float = 0.0,
        spacing: tuple[float, float] = (4.0, 4.0),
        size: tuple[int, int] = (84, 96),
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        angle = math.radians(tilt)
        row, column = np.array([1.0, 0, 0]), np.array([0, math.cos(angle), math.sin(angle)])
        down = np.arange(size[0])[:, None, None] * spacing[0] * column
        right = np.arange(size[1])[:, None] * spacing[1] * row
        corner = -(size[0] / 2 * spacing[0] * column + size[1] / 2 * spacing[1] * row)
        series, study, frame = (generate_uid(entropy_srcs=[name, part]) for part in "abc")
        for k, height in enumerate(heights):
            place = corner + np.array([0, 0, height])
            hu = np.rint(phantom_at(place + down + right)).astype(np.int16)
            data = Dataset()
            data.SOPClassUID = CTImageStorage
            data.SOPInstanceUID = generate_uid(entropy_srcs=[name, str(k)])
            data.SeriesInstanceUID, data.StudyInstanceUID = series, study
            data.FrameOfReferenceUID, data.Modality = frame, "CT"
            data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
            data.PatientName, data.PatientID = "Secret^Name", "SECRET7"
            data.SeriesDescription, data.SeriesNumber, data.InstanceNumber = name, 2, k + 1
            data.ConvolutionKernel, data.SliceThickness = "B30f", 2.5
            data.GantryDetectorTilt = tilt
            data.ImagePositionPatient = [f"{v:.6f}" for v in place]
            data.ImageOrientationPatient = [f"{v:.9f}" for v in (*row, *column)]
            data.PixelSpacing = list(spacing)
            data.RescaleSlope, data.RescaleIntercept = 1, 0
            data.WindowCenter, data.WindowWidth = 40, 400
            data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
            data.Rows, data.Columns = size
            data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
            data.PixelRepresentation = 1
            data.add_new("PixelData", "OW", hu.tobytes())
            data.file_meta = FileMetaDataset()
            data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            pydicom.dcmwrite(folder / f"{k:03d}.dcm", data, enforce_file_format=True)
        return folder

    return write
