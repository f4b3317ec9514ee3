"""The projector against closed forms and against scikit-image's Radon transform."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage.transform import radon

from ctstudio.learn.kernels import KERNELS
from ctstudio.learn.projection import ParallelBeam, apodisation
from ctstudio.learn.projection.polar import polar_grid


def grid(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:rows, :columns].astype(float)
    return y - rows // 2, x - columns // 2


def blob(beam: ParallelBeam, x_mm: float, y_mm: float, sd_mm: float) -> torch.Tensor:
    y, x = grid(beam.rows, beam.columns)
    dy, dx = beam.spacing_mm
    r2 = (x * dx - x_mm) ** 2 + (y * dy - y_mm) ** 2
    return torch.from_numpy(np.exp(-r2 / (2 * sd_mm**2)).astype(np.float32))


def blob_lines(beam: ParallelBeam, x_mm: float, y_mm: float, sd_mm: float) -> np.ndarray:
    angle = np.pi * np.arange(beam.views)[:, None] / beam.views
    t = beam.positions_mm[None] - (x_mm * np.cos(angle) + y_mm * np.sin(angle))
    return np.sqrt(2 * np.pi) * sd_mm * np.exp(-(t**2) / (2 * sd_mm**2))


def smooth_disc(beam: ParallelBeam, x_mm: float, y_mm: float, radius_mm: float) -> torch.Tensor:
    """A disc with an edge as wide as a pixel, averaged over 8 x 8 points and a Gaussian."""
    from scipy.ndimage import gaussian_filter

    fine = 4
    rows, columns = beam.rows * fine, beam.columns * fine
    y, x = (
        np.mgrid[:rows, :columns] / fine
        - np.array([beam.rows // 2, beam.columns // 2])[:, None, None]
    )
    d = beam.pitch_mm
    disc = np.clip((radius_mm - np.hypot(x * d - x_mm, y * d - y_mm)) / d * fine + 0.5, 0, 1)
    disc = gaussian_filter(disc, fine, truncate=6)
    return torch.from_numpy(disc[::fine, ::fine].astype(np.float32))


def test_projection_of_a_disc_is_its_chord() -> None:
    from scipy.ndimage import gaussian_filter1d

    beam = ParallelBeam(256, 256, (0.7, 0.7), views=180)
    lines = beam.project(smooth_disc(beam, 20.0, -15.0, 50.0)[None])[0].numpy()
    angle = np.pi * np.arange(180)[:, None] / 180
    t = beam.positions_mm[None] - (20 * np.cos(angle) - 15 * np.sin(angle))
    u = np.arange(-6000, 6001) / 20 * 0.7
    chord = 2 * np.sqrt(np.clip(50.0**2 - u**2, 0, None))
    chord = gaussian_filter1d(chord, 20, truncate=6)  # the disc's edge has an SD of a pixel
    error = np.abs(lines - np.interp(t, u, chord))
    assert error.max() < 0.002 * chord.max()


@pytest.mark.parametrize(
    ("rows", "columns", "spacing"),
    [(200, 200, (0.8, 0.8)), (181, 240, (0.7, 0.7)), (160, 200, (0.6, 0.9))],
)
def test_projection_of_a_blob(rows: int, columns: int, spacing: tuple[float, float]) -> None:
    beam = ParallelBeam(rows, columns, spacing, views=120)
    where = (17.0, -22.0, 4.0)
    lines = beam.project(blob(beam, *where)[None])[0].numpy()
    truth = blob_lines(beam, *where)
    assert lines.shape == truth.shape == (120, beam.detectors)
    assert np.abs(lines - truth).max() < 0.002 * truth.max()


def test_reconstruction_returns_the_blob() -> None:
    for rows, columns, spacing in ((200, 200, (0.8, 0.8)), (160, 200, (0.6, 0.9))):
        beam = ParallelBeam(rows, columns, spacing, views=400)
        truth = blob(beam, 17.0, -22.0, 4.0)
        lines = torch.from_numpy(blob_lines(beam, 17.0, -22.0, 4.0).astype(np.float32))
        got = beam.reconstruct(lines[None], "ram-lak")[0]
        assert float((got - truth).abs().max()) < 0.003


def test_projection_agrees_with_scikit_image() -> None:
    beam = ParallelBeam(128, 128, (1.0, 1.0), views=60)
    image = (
        smooth_disc(beam, 0, 0, 50)
        - 0.5 * smooth_disc(beam, 20, 10, 12)
        + blob(beam, -20.0, 15.0, 5.0)
    )
    y, x = grid(128, 128)
    image[torch.from_numpy(np.hypot(y, x) > 63)] = 0  # or it complains
    ours = beam.project(image[None])[0].numpy()
    middle = beam.detectors // 2
    ours = ours[:, middle - 64 : middle + 64]
    # Its angles run the other way round, since its y axis points up.
    theirs = radon(image.numpy().astype(float), theta=-180 * np.arange(60) / 60, circle=True).T
    # It interpolates linearly as it turns the image, which blurs it a little.
    difference = np.abs(ours - theirs)
    assert difference.max() < 0.02 * theirs.max()
    assert difference.mean() < 0.002 * theirs.max()


def test_projecting_and_reconstructing_is_the_identity() -> None:
    beam = ParallelBeam(256, 256, (0.7, 0.7), views=400)
    image = smooth_disc(beam, 0, 0, 70) + 0.3 * smooth_disc(beam, 25, 10, 12)
    got = beam.reconstruct(beam.project(image[None]), "ram-lak")[0]
    error = got - image
    assert float(error.abs().max()) < 0.005
    inside = smooth_disc(beam, 0, 0, 60) > 0.5
    assert abs(float(error[inside].mean())) < 5e-4  # 0.5 HU in water


def test_back_projection_is_the_transpose() -> None:
    beam = ParallelBeam(96, 120, (0.9, 0.7), views=50)
    draw = torch.Generator().manual_seed(1)
    image = torch.randn((1, 96, 120), generator=draw)
    lines = torch.randn((1, 50, beam.detectors), generator=draw)
    forward = float((beam.project(image) * lines).double().sum())
    back = float((image * beam.backproject(lines)).double().sum())
    scale = math.pi / 50 * beam.pitch_mm / (0.9 * 0.7)
    assert forward * scale == pytest.approx(back, rel=1e-3)


def test_batches_do_not_mix() -> None:
    beam = ParallelBeam(64, 64, (1.0, 1.0), views=40)
    images = torch.stack([blob(beam, 3.0 * k, -4.0, 2.0 + k) for k in range(3)])
    together = beam.project(images)
    again = beam.reconstruct(together, "cosine", 0.8)
    for k in range(3):
        alone = beam.project(images[k : k + 1])
        assert torch.allclose(together[k], alone[0], atol=2e-4 * float(alone.max()))
        assert torch.allclose(again[k], beam.reconstruct(alone, "cosine", 0.8)[0], atol=1e-3)


@pytest.mark.parametrize("kernel", KERNELS)
def test_kernel_is_the_transfer_function(kernel: str) -> None:
    beam = ParallelBeam(128, 128, (1.0, 1.0), views=300)
    point = blob(beam, 0.0, 0.0, 0.8)
    got = beam.reconstruct(beam.project(point[None]), kernel, 0.9)[0]
    ratio = torch.fft.fft2(got).abs()[0, :60] / torch.fft.fft2(point).abs()[0, :60]
    expected = apodisation(kernel, torch.arange(60) / 64, 0.9)
    below = torch.arange(60) / 64 < 0.85  # "ram-lak" steps down at 0.9
    assert torch.allclose(ratio[below], expected[below], atol=0.02)


def test_wrong_shapes_are_refused() -> None:
    beam = ParallelBeam(64, 64, (1.0, 1.0), views=40)
    with pytest.raises(ValueError, match="images must be"):
        beam.project(torch.zeros(64, 64))
    with pytest.raises(ValueError, match="sinograms must be"):
        beam.reconstruct(torch.zeros(1, 40, 64))
    with pytest.raises(ValueError, match="kernel must be"):
        beam.reconstruct(torch.zeros(1, 40, beam.detectors), "smooth")  # type: ignore[arg-type]


def test_other_devices_get_the_same_interpolation() -> None:
    grid = polar_grid(40, 48, 1.0, 1.0, 30, ParallelBeam(40, 48, (1.0, 1.0), views=30).detectors)
    draw = torch.Generator().manual_seed(2)
    for transposed, ours in ((False, grid.interpolate), (True, grid.interpolate_transposed)):
        matrix = grid.on(torch.device("cpu"), transposed=transposed)
        vectors = torch.randn((2, matrix.shape[1]), generator=draw, dtype=torch.complex64)
        theirs = torch.complex(matrix @ vectors.real.T, matrix @ vectors.imag.T).T
        assert torch.allclose(ours(vectors), theirs, atol=1e-4)
