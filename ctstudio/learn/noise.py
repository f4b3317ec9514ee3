"""Noise to train on and to show: white noise, and the noise of a low-dose CT scan.

A noise is prepared once for the series that it will be added to, then draws a new realisation at
every call. Everything it draws is decided by the seed or the generator that it is given.

Reading the settings loads no torch, since a window's form does so while torch is still loading.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Protocol

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Progress, Work
from ctstudio.core.registry import Param, Registry
from ctstudio.learn.kernels import Kernel

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ctstudio.learn.projection import ParallelBeam

MU_WATER_PER_MM = 0.0193
"""Linear attenuation of water near 70 keV, the mean energy of a 120 kV beam.

NIST's tables (Hubbell & Seltzer, NISTIR 5632) give 0.206 cm2/g at 60 keV and 0.184 at 80 keV.
"""

REFERENCE_LINE = 5.0
"""The line integral (26 cm of water) at which tube current modulation leaves the photons as set."""

PADDING_HU = -1500.0
"""Below this a value means "not measured" (scanners write -2000 or -3024 outside their circle)."""

_BANK_FIELDS_OF_512 = 1024  # float16 fields of 512 x 512: 512 MiB at most


class Noise(Protocol):
    """What an entry of `NOISES` makes."""

    def prepare(
        self, hu: Tensor, spacing_mm: tuple[float, float], *, slices: Sequence[int], seed: int
    ) -> Work[None]:
        """Make ready to draw patches of some slices of a series.

        Parameters
        ----------
        hu
            ``(z, y, x)`` float32, the series in HU. Only the slices named are read.
        spacing_mm
            ``(dy, dx)``.
        slices
            The indices along z that patches will be drawn from.
        seed
            Decides whatever is drawn here.
        """
        ...

    def patches(self, clean: Tensor, where: Tensor, generator: torch.Generator) -> Tensor:
        """Add a new draw of noise to patches of the prepared series.

        Parameters
        ----------
        clean
            ``(b, 1, p, p)`` float32, HU, cut from the series given to `prepare`.
        where
            ``(b, 3)`` int64: slice, row, column of each patch's first pixel.
        generator
            On any device; it alone decides the draw.

        Returns
        -------
        Tensor
            ``(b, 1, p, p)`` float32, noisy HU, on the device of ``clean``.
        """
        ...

    def slice(self, clean: Tensor, spacing_mm: tuple[float, float], *, seed: int) -> Tensor:
        """Add a fresh realisation to one whole slice ``(y, x)``, float32 HU; needs no `prepare`."""
        ...


NOISES: Registry[type[Noise]] = Registry("noise")
"""Every noise by name. An entry is called with its settings and makes a `Noise`."""


def normal_like(image: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers of the shape and device of ``image``, float32."""
    import torch

    draw = torch.randn(image.shape, generator=generator, device=generator.device)
    return draw.to(image.device)


def seeded(seed: int) -> torch.Generator:
    """A generator on the CPU whose draws ``seed`` decides."""
    import torch

    return torch.Generator().manual_seed(seed)


@NOISES.add("gaussian", title="Gaussian, white")
class Gaussian:
    """White Gaussian noise of one standard deviation, independent from pixel to pixel."""

    def __init__(
        self,
        *,
        sd: Annotated[
            float, Param("Standard deviation", 0.1, 1000, unit="HU", label="SD", log=True)
        ] = 25.0,
    ) -> None:
        self.sd = sd

    def prepare(
        self, hu: Tensor, spacing_mm: tuple[float, float], *, slices: Sequence[int], seed: int
    ) -> Work[None]:
        yield Progress(len(slices), len(slices), "White noise needs no preparation")

    def patches(self, clean: Tensor, where: Tensor, generator: torch.Generator) -> Tensor:
        return clean + self.sd * normal_like(clean, generator)

    def slice(self, clean: Tensor, spacing_mm: tuple[float, float], *, seed: int) -> Tensor:
        return clean + self.sd * normal_like(clean, seeded(seed))


@NOISES.add("article_gaussian", title="Gaussian, a share of the maximum")
class ArticleGaussian:
    """White Gaussian noise with a standard deviation of 0.3 times the slice's maximum.

    The recipe of the articles on networks written in NumPy: ``x + 0.3 * max(x) * N(0, 1)`` for
    images whose black is 0. The maximum is that of the whole slice and is counted from ``black``:
    for HU from air at -1000, so that water alone would give an SD of 300 HU; for pictures set 0.
    """

    def __init__(
        self,
        *,
        share: Annotated[float, Param("Standard deviation over the maximum", 0.001, 2)] = 0.3,
        black: Annotated[
            float,
            Param("Value that counts as zero: -1000 for HU, 0 for pictures", -4096, 4096),
        ] = -1000.0,
    ) -> None:
        self.share = share
        self.black = black
        self._sd: dict[int, float] = {}

    def _sd_of(self, image: Tensor) -> float:
        return self.share * max(float(image.max()) - self.black, 0.0)

    def prepare(
        self, hu: Tensor, spacing_mm: tuple[float, float], *, slices: Sequence[int], seed: int
    ) -> Work[None]:
        self._sd = {}
        for done, index in enumerate(slices, 1):
            self._sd[int(index)] = self._sd_of(hu[index])
            yield Progress(done, len(slices), "Finding each slice's maximum")

    def patches(self, clean: Tensor, where: Tensor, generator: torch.Generator) -> Tensor:
        sd = clean.new_tensor([self._sd[z] for z in where[:, 0].tolist()])
        return clean + sd.view(-1, 1, 1, 1) * normal_like(clean, generator)

    def slice(self, clean: Tensor, spacing_mm: tuple[float, float], *, seed: int) -> Tensor:
        return clean + self._sd_of(clean) * normal_like(clean, seeded(seed))


@NOISES.add("low_dose", title="Low dose, from the projections")
class LowDose:
    """Noise of a scan at a fraction of the dose, made in the projections and reconstructed.

    The slice is projected, each detector reading gets the noise of its own photon count, and the
    noise alone is reconstructed and added. It is therefore correlated as CT noise is, strongest
    behind thick and dense parts and streaked along them, while the signal keeps its sharpness.

    With ``already_noisy`` (a real full-dose scan) only the missing variance is added: that of the
    dose fraction less that of full dose (Yu et al. 2012, doi 10.1097/RCT.0b013e3182691d98; Zabic
    et al. 2013, doi 10.1118/1.4789628). Without it (a noise-free phantom) the counts are Poisson,
    with electronic noise, and the logarithm is taken of them.

    Each slice is a parallel-beam scan of its own: no focal spot, no helix, no scatter, one photon
    energy. Values below `PADDING_HU` count as air and stay as they are. Everywhere else in the
    picture there is noise, since the detector covers its corners too.
    """

    def __init__(
        self,
        *,
        dose: Annotated[float, Param("Fraction of the full dose", 0.01, 1, log=True)] = 0.25,
        already_noisy: Annotated[
            bool, Param("The series carries the noise of full dose: add only what is missing")
        ] = True,
        kernel: Annotated[Kernel, Param("Reconstruction kernel, sharp to smooth")] = "hann",
        cutoff: Annotated[
            float, Param("Where the kernel ends, over the Nyquist frequency", 0.3, 1)
        ] = 1.0,
        photons: Annotated[
            float, Param("Photons a detector reading in air, full dose", 1e3, 1e8, log=True)
        ] = 2e5,
        modulation: Annotated[
            float,
            Param("How far the tube current follows the patient's thickness, view by view", 0, 1),
        ] = 0.5,
        electronic: Annotated[
            float,
            Param("Electronic noise a reading", 0, 100, unit="photons", label="Electronic SD"),
        ] = 5.0,
        views: Annotated[int, Param("Views over 180 degrees", 90, 2000)] = 720,
        fields: Annotated[int, Param("Noise fields kept a slice for training", 2, 16)] = 4,
    ) -> None:
        self.dose = dose
        self.already_noisy = already_noisy
        self.kernel: Kernel = kernel
        self.cutoff = cutoff
        self.photons = photons
        self.modulation = modulation
        self.electronic = electronic
        self.views = views
        self.fields = fields
        self._bank: Tensor | None = None
        self._padded = True
        self._row: dict[int, int] = {}

    def prepare(
        self, hu: Tensor, spacing_mm: tuple[float, float], *, slices: Sequence[int], seed: int
    ) -> Work[None]:
        """See `Noise.prepare`: reconstructs a bank of noise fields for every slice.

        The bank holds ``fields`` float16 fields a slice and at most 512 MiB. A longer series gets
        fewer fields (down to 2), a still longer one lets neighbouring slices share theirs; a Note
        says so.

        Raises
        ------
        StudioError
            When the values cannot be HU.
        """
        import torch

        wanted = sorted({int(index) for index in slices})
        rows, columns = hu.shape[1:]
        room = max(2, _BANK_FIELDS_OF_512 * 512**2 // (rows * columns))
        fields = min(self.fields, max(2, room // max(len(wanted), 1)))
        shared = -(-len(wanted) * fields // room)
        groups = [wanted[start : start + shared] for start in range(0, len(wanted), shared)]
        if fields < self.fields or shared > 1:
            yield Note(
                f"The series is long: {fields} noise fields for every {shared} of its slices."
            )
        generator = seeded(seed)
        bank = torch.empty((len(groups), fields, rows, columns), dtype=torch.float16)
        text = "Making noise fields"
        done, total = 0, len(groups) * fields
        yield Progress(done, total, text)
        # Two real images share one complex transform, hence the steps of two.
        for start in range(0, len(groups), 2):
            pair = [group[len(group) // 2] for group in groups[start : start + 2]]
            lines = self.line_integrals(hu[pair], spacing_mm)
            yield Progress(done, total, text)
            for offset, line in enumerate(lines):
                for first in range(0, fields, 2):
                    count = min(2, fields - first)
                    noise = self.fields_of(
                        line.expand(count, -1, -1), (rows, columns), spacing_mm, generator
                    )
                    bank[start + offset, first : first + count] = noise.clamp(-6e4, 6e4).half()
                    done += count
                    yield Progress(done, total, text)
        self._bank = bank.to(hu.device)
        self._padded = bool((hu < PADDING_HU).any())
        self._row = {index: row for row, group in enumerate(groups) for index in group}

    def patches(self, clean: Tensor, where: Tensor, generator: torch.Generator) -> Tensor:
        """See `Noise.patches`: each patch gets a new mixture of its slice's fields.

        Independent fields mixed with weights of unit norm have the covariance of one field, so a
        random direction gives unlimited draws from a small bank.
        """
        import torch

        from ctstudio.learn.sampling import windows

        if self._bank is None:
            raise RuntimeError("prepare() comes before patches()")
        p = clean.shape[-1]
        weights = torch.randn(
            (len(clean), self._bank.shape[1]), generator=generator, device=generator.device
        )
        weights = weights / weights.norm(dim=1, keepdim=True)
        weights = weights.to(clean.device, non_blocking=True)
        rows = where.clone()
        rows[:, 0] = torch.tensor([self._row[z] for z in where[:, 0].tolist()])
        cut = windows(self._bank, rows, p).float().flatten(2)
        noisy = torch.baddbmm(clean.flatten(2), weights.unsqueeze(1), cut).view_as(clean)
        return clean.where(clean < PADDING_HU, noisy) if self._padded else noisy

    def slice(self, clean: Tensor, spacing_mm: tuple[float, float], *, seed: int) -> Tensor:
        """See `Noise.slice`. Raises StudioError when the values cannot be HU."""
        return self.slices(clean[None], spacing_mm, seed=seed)[0]

    def slices(self, clean: Tensor, spacing_mm: tuple[float, float], *, seed: int) -> Tensor:
        """Add independent realisations to slices ``(b, y, x)``; two take little more than one.

        Raises StudioError when the values cannot be HU.
        """
        generator = seeded(seed)
        lines = self.line_integrals(clean, spacing_mm)
        rows, columns = clean.shape[1:]
        noise = self.fields_of(lines, (rows, columns), spacing_mm, generator)
        return _add(clean, noise.to(clean.device))

    def line_integrals(self, hu: Tensor, spacing_mm: tuple[float, float]) -> Tensor:
        """Slices ``(b, y, x)`` in HU to line integrals ``(b, views, detectors)`` of attenuation."""
        _require_hu(hu)
        mu = MU_WATER_PER_MM * (1 + hu.detach().cpu().float().clamp(min=-1000) / 1000)
        rows, columns = hu.shape[1:]
        return self._beam(rows, columns, spacing_mm).project(mu).clamp(min=0)

    def fields_of(
        self,
        lines: Tensor,
        shape: tuple[int, int],
        spacing_mm: tuple[float, float],
        generator: torch.Generator,
    ) -> Tensor:
        """Line integrals ``(b, views, detectors)`` to independent noise fields ``(b, y, x)`` HU."""
        noise = self._sinogram_noise(lines, generator)
        beam = self._beam(*shape, spacing_mm)
        return beam.reconstruct(noise, self.kernel, self.cutoff) * (1000 / MU_WATER_PER_MM)

    def _sinogram_noise(self, lines: Tensor, generator: torch.Generator) -> Tensor:
        import torch

        # Scanners raise the tube current where the patient is thick (Gies et al. 1999, doi
        # 10.1118/1.598779: noise is least for the square root of the attenuation, here 0.5).
        thickest = lines.amax(dim=-1, keepdim=True) - REFERENCE_LINE
        photons = self.photons * torch.exp(self.modulation * thickest)
        # Less than one expected photon says nothing more about the object: there the noise stops
        # growing, as it does in a scanner that clips its readings before the logarithm.
        full = (photons * torch.exp(-lines)).clamp(min=1.0)
        if self.already_noisy:
            quantum = (1 / self.dose - 1) / full
            electronic = (1 / self.dose**2 - 1) * (self.electronic / full) ** 2
            return (quantum + electronic).clamp(max=1.0).sqrt() * normal_like(lines, generator)
        expected = self.dose * full
        counts = torch.poisson(expected, generator=generator)
        counts += self.electronic * normal_like(lines, generator)
        return torch.log(expected / counts.clamp(min=1.0))

    def _beam(self, rows: int, columns: int, spacing_mm: tuple[float, float]) -> ParallelBeam:
        from ctstudio.learn.projection import ParallelBeam

        dy, dx = spacing_mm
        return ParallelBeam(rows, columns, (float(dy), float(dx)), self.views)


def _add(clean: Tensor, noise: Tensor) -> Tensor:
    noisy = clean + noise
    # The search for padding is quicker than keeping it, and training patches have none.
    return noisy if clean.min() >= PADDING_HU else clean.where(clean < PADDING_HU, noisy)


def _require_hu(hu: Tensor) -> None:
    low, high = (float(value) for value in hu.aminmax())
    if not (low == low and abs(low) < 1e5 and abs(high) < 1e5):
        problem = "they are not finite or far too large"
    elif low >= 0 and high > 0:
        problem = "nothing in them is as thin as air"
    elif 0 < high - low < 5:
        problem = "they span less than 5 HU"
    else:
        return
    raise StudioError(
        f"Low-dose noise needs values in HU, and these ({low:g} to {high:g}) are not: {problem}.",
        hint="Choose white noise for pictures, or open the series as DICOM.",
    )
