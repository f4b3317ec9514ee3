"""The noise of a low-dose CT scan, made in the projections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Progress, Work
from ctstudio.core.registry import Param
from ctstudio.ct.padding import PADDING_HU
from ctstudio.learn.kernels import Beam, Kernel
from ctstudio.learn.noise.bank import Bank, Plan
from ctstudio.learn.noise.base import NOISES, normal_like, poisson, seeded
from ctstudio.learn.noise.hounsfield import MU_WATER_PER_MM, keep_padding, require_hu

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ctstudio.learn.projection import FanBeam, ParallelBeam

REFERENCE_LINE = 5.0
"""The line integral (26 cm of water) at which tube current modulation leaves the photons as set."""


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

    A parallel beam measures every ray once. A fan beam makes a full turn and measures it from both
    ends, with half of the photons each time, so that both beams spend the same dose; the
    electronic noise of two readings weighs more.

    Each slice is a scan of its own: no focal spot, no helix, no scatter, one photon energy. Values
    below `PADDING_HU` count as air and stay as they are. Everywhere else in the picture there is
    noise, since the detector covers its corners too.
    """

    def __init__(
        self,
        *,
        dose: Annotated[
            float, Param("Fraction of the full dose", 0.01, 1, unit="of full dose", log=True)
        ] = 0.25,
        already_noisy: Annotated[
            bool, Param("The series carries the noise of full dose: add only what is missing")
        ] = True,
        kernel: Annotated[Kernel, Param("Reconstruction kernel, sharp to smooth")] = "hann",
        cutoff: Annotated[
            float,
            Param("Where the kernel ends, over the Nyquist frequency", 0.3, 1, unit="of Nyquist"),
        ] = 1.0,
        photons: Annotated[
            float,
            Param("Photons of a ray in air, full dose", 1e3, 1e8, unit="per ray", log=True),
        ] = 2e5,
        modulation: Annotated[
            float,
            Param(
                "How far the tube current follows the patient's thickness, view by view: "
                "0 not at all, 1 until every view has the same photons behind the thickest part",
                0, 1, unit="of full",
            ),
        ] = 0.5,
        electronic: Annotated[
            float,
            Param("Electronic noise a reading", 0, 100, unit="photons", label="Electronic SD"),
        ] = 5.0,
        views: Annotated[int, Param("Views over 180 degrees", 90, 2000, unit="in 180°")] = 720,
        beam: Annotated[
            Beam, Param("Parallel rays, or fans from a source that makes a full turn")
        ] = "parallel",
        source_mm: Annotated[
            float,
            Param(
                "Fan beam only: from the source to the centre of rotation",
                300, 2000, unit="mm", label="Source distance", when=("beam", "fan"),
            ),
        ] = 570.0,
        fields: Annotated[
            int, Param("Noise fields kept a slice for training", 2, 16, unit="a slice")
        ] = 4,
    ) -> None:  # fmt: skip
        self.dose = dose
        self.already_noisy = already_noisy
        self.kernel: Kernel = kernel
        self.cutoff = cutoff
        self.photons = photons
        self.modulation = modulation
        self.electronic = electronic
        self.views = views
        self.beam: Beam = beam
        self.source_mm = source_mm
        self.fields = fields
        self._bank: Bank | None = None
        self._padded = True

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
            When the values cannot be HU, or the picture does not fit inside the source's circle.
        """
        import torch

        shape = (int(hu.shape[1]), int(hu.shape[2]))
        plan = Plan.of(slices, shape, self.fields)
        if plan.fields < self.fields or plan.shared > 1:
            yield Note(
                f"The series is long: {plan.fields} noise fields for every {plan.shared} "
                "of its slices."
            )
        generator = seeded(seed)
        bank = hu.new_empty((len(plan.groups), plan.fields, *shape), dtype=torch.float16)
        text = "Making noise fields"
        done, total = 0, len(plan.groups) * plan.fields
        yield Progress(done, total, text)
        # Two real images share one complex transform, hence the steps of two.
        for start in range(0, len(plan.groups), 2):
            pair = [group[len(group) // 2] for group in plan.groups[start : start + 2]]
            lines = self.line_integrals(hu[pair], spacing_mm)
            yield Progress(done, total, text)
            for offset, line in enumerate(lines):
                for first in range(0, plan.fields, 2):
                    count = min(2, plan.fields - first)
                    noise = self.fields_of(line.expand(count, -1, -1), shape, spacing_mm, generator)
                    bank[start + offset, first : first + count] = noise.clamp(-6e4, 6e4).half()
                    done += count
                    yield Progress(done, total, text)
        self._bank = Bank(plan, bank)
        self._padded = bool(hu.amin() <= PADDING_HU)

    def patches(self, clean: Tensor, where: Tensor, generator: torch.Generator) -> Tensor:
        """See `Noise.patches`: each patch gets a new mixture of its slice's fields."""
        if self._bank is None:
            raise RuntimeError("prepare() comes before patches()")
        noisy = self._bank.add_to(clean, where, generator)
        return keep_padding(clean, noisy) if self._padded else noisy

    def slice(self, clean: Tensor, spacing_mm: tuple[float, float], *, seed: int) -> Tensor:
        """See `Noise.slice`; two slices take little more than one.

        Raises StudioError as `prepare` does.
        """
        generator = seeded(seed)
        rows, columns = clean.shape[-2:]
        lines = self.line_integrals(clean.view(-1, rows, columns), spacing_mm)
        noise = self.fields_of(lines, (rows, columns), spacing_mm, generator).view_as(clean)
        return keep_padding(clean, clean + noise.to(clean.device))

    def of_one_kind(self, seed: int) -> LowDose:
        """See `Noise.of_one_kind`: it has but one."""
        return self

    def line_integrals(self, hu: Tensor, spacing_mm: tuple[float, float]) -> Tensor:
        """Slices ``(b, y, x)`` in HU to line integrals ``(b, views, detectors)`` of attenuation.

        They lie on the device of ``hu`` where that is the CPU or a CUDA device, else on the CPU.
        """
        require_hu(hu)
        if hu.device.type != "cuda":
            hu = hu.cpu()
        mu = MU_WATER_PER_MM * (1 + hu.detach().float().clamp(min=-1000) / 1000)
        rows, columns = hu.shape[1:]
        return self._scanner(rows, columns, spacing_mm).project(mu).clamp(min=0)

    def fields_of(
        self,
        lines: Tensor,
        shape: tuple[int, int],
        spacing_mm: tuple[float, float],
        generator: torch.Generator,
    ) -> Tensor:
        """Line integrals ``(b, views, detectors)`` to independent noise fields ``(b, y, x)`` HU."""
        noise = self._sinogram_noise(lines, generator)
        scanner = self._scanner(*shape, spacing_mm)
        return scanner.reconstruct(noise, self.kernel, self.cutoff) * (1000 / MU_WATER_PER_MM)

    def _sinogram_noise(self, lines: Tensor, generator: torch.Generator) -> Tensor:
        import torch

        # Scanners raise the tube current where the patient is thick (Gies et al. 1999, doi
        # 10.1118/1.598779: noise is least for the square root of the attenuation, here 0.5).
        thickest = lines.amax(dim=-1, keepdim=True) - REFERENCE_LINE
        a_reading = self.photons / 2 if self.beam == "fan" else self.photons
        photons = a_reading * torch.exp(self.modulation * thickest)
        # Less than one expected photon says nothing more about the object: there the noise stops
        # growing, as it does in a scanner that clips its readings before the logarithm.
        full = (photons * torch.exp(-lines)).clamp(min=1.0)
        if self.already_noisy:
            quantum = (1 / self.dose - 1) / full
            electronic = (1 / self.dose**2 - 1) * (self.electronic / full) ** 2
            return (quantum + electronic).clamp(max=1.0).sqrt() * normal_like(lines, generator)
        expected = self.dose * full
        counts = poisson(expected, generator)
        counts += self.electronic * normal_like(lines, generator)
        return torch.log(expected / counts.clamp(min=1.0))

    def _scanner(
        self, rows: int, columns: int, spacing_mm: tuple[float, float]
    ) -> ParallelBeam | FanBeam:
        from ctstudio.learn.projection import FanBeam, ParallelBeam

        spacing = (float(spacing_mm[0]), float(spacing_mm[1]))
        if self.beam == "parallel":
            return ParallelBeam(rows, columns, spacing, self.views)
        try:
            return FanBeam(rows, columns, spacing, 2 * self.views, self.source_mm)
        except ValueError as error:
            raise StudioError(
                f"The fan beam's source at {self.source_mm:g} mm is too near: its circle does not "
                "hold the picture.",
                hint="Set a greater source distance, or take the parallel beam.",
            ) from error
