"""The task on masks: images as input, and for each pixel the class that it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, Work
from ctstudio.ct.labels import is_sparse
from ctstudio.ct.padding import measured
from ctstudio.learn import sampling
from ctstudio.learn.in_memory import InMemory, Series, clean_slice
from ctstudio.learn.losses import IGNORED
from ctstudio.learn.pairs import require_one_place
from ctstudio.learn.tasks import Batch, Pair

if TYPE_CHECKING:
    from ctstudio.ct.volume import Volume
    from ctstudio.learn.recipe import Recipe

MOST_CLASSES = 256
REMEMBERED = 20_000  # pixels of each class of a series, to draw patches around


class Masks(InMemory):
    """Learns classes; ``foreground`` of the patches lie around a pixel of a class above 0.

    The targets are series of whole numbers: 0 is the background, -1 is not annotated.
    """

    shows_neighbours = True

    def __init__(
        self, *, foreground: float = 0.5, body_share: float = 0.25, augment: bool = True
    ) -> None:
        super().__init__(body_share=body_share, augment=augment)
        self.foreground = foreground

    def require(self) -> None:
        """Raise StudioError where masks are missing or do not lie where the series do."""
        if not self.targets:
            raise StudioError(
                "There is no mask to learn from.",
                hint="Give one mask for every series, or a folder in which images and masks belong "
                "together by their names, such as 1.png and 1_mask.png.",
            )
        if len(self.targets) != len(self.volumes):
            raise StudioError(
                f"Series and masks do not make pairs: {len(self.volumes)} and {len(self.targets)}.",
                hint="Give one mask for every series, in the same order.",
            )
        for number, (volume, mask) in enumerate(zip(self.volumes, self.targets, strict=True)):
            require_one_place(volume, mask, f"Series {number + 1} and its mask")

    def prepare(
        self,
        recipe: Recipe,
        volumes: Sequence[Volume],
        preview_slice: int | None,
        device: torch.device,
        *,
        targets: Sequence[Volume] = (),
    ) -> Work[None]:
        """Read images and masks; see `InMemory.prepare`.

        Raises
        ------
        StudioError
            Also where the masks mark nothing at all: from background alone no network learns.
        """
        yield from super().prepare(recipe, volumes, preview_slice, device, targets=targets)
        if not any(bool((series.partner.labels > 0).any()) for series in self.series):
            told = f"Nothing is marked in the mask of series {self.which(0)}."
            if len(volumes) > 1:
                told = f"Nothing is marked in the masks of all {len(volumes)} series."
            raise StudioError(
                told,
                hint="All that is learnt from would be background: paint a label in a few slices, "
                "or choose other masks.",
            )

    def join(self, number: int, learn: list[int], stack: Tensor) -> Work[Annotation]:
        """The classes of the ``learn`` slices, and where each of them is."""
        labels = np.empty((len(learn), *stack.shape[1:]), np.int16)
        for row, z in enumerate(learn):
            yield Progress(row, len(learn), "Reading the masks")
            labels[row] = self.classes(number, z)
        pixels = []
        draw = np.random.default_rng(self.recipe.seed + number)
        for value in np.unique(labels[labels > 0]):
            found = np.argwhere(labels == value)
            if len(found) > REMEMBERED:
                found = found[draw.choice(len(found), REMEMBERED, replace=False)]
            pixels.append(torch.from_numpy(found))
        return Annotation(torch.from_numpy(labels).to(stack.device), pixels)

    def _where(self, series: Series, generator: torch.Generator, count: int) -> Tensor:
        where = super()._where(series, generator, count)
        pixels = series.partner.pixels
        around = torch.rand(count, generator=generator) < self.foreground
        if not pixels or not around.any():
            return where
        # Every class as often as any other, however small it is.
        which = torch.randint(len(pixels), (count,), generator=generator).tolist()
        part = torch.rand(count, generator=generator).tolist()
        shift = torch.randint(series.patch, (count, 2), generator=generator)
        centres = torch.stack(
            [pixels[k][int(p * len(pixels[k]))] for k, p in zip(which, part, strict=True)]
        )
        limit = [size - series.patch for size in series.stack.shape[1:]]
        centres[:, 1:] = (centres[:, 1:] - shift).clamp(min=0)
        centres[:, 1:] = torch.minimum(centres[:, 1:], torch.tensor(limit))
        return torch.where(around.unsqueeze(1), centres, where)

    def candidates(self, number: int) -> Sequence[int]:
        """Of a mask that is annotated in part, the slices in which something is."""
        mask = self.targets[number]
        if not is_sparse(mask):
            return super().candidates(number)
        known = [z for z in range(len(mask)) if (self.classes(number, z) > IGNORED).any()]
        return known or super().candidates(number)

    def shows(self, number: int, z: int) -> bool:
        """Whether a slice was measured anywhere, and is annotated."""
        image = self.volumes[number].slice_hu(z)
        return bool(measured(image).any()) and bool((self.classes(number, z) > IGNORED).any())

    def pieces(self, series: Series, where: Tensor, generator: torch.Generator) -> Batch:
        images = self.cut(series, where)
        labels = series.partner.labels.unsqueeze(1)
        return Batch(images, sampling.windows(labels, where, series.patch).long())

    def pair(self, number: int, z: int) -> Pair:
        image = torch.from_numpy(clean_slice(self.volumes[number], z))
        classes = torch.from_numpy(self.classes(number, z).astype(np.float32))
        geometry = self.volumes[number].geometry
        spacing_mm = geometry.spacing_mm if geometry.spacing_known else None
        return Pair(z, image, classes, self.slab(number, z), spacing_mm=spacing_mm)

    def classes(self, number: int, z: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
        """The class of every pixel of a slice ``(y, x)``; StudioError where it is none."""
        whole = self._whole_numbers(number, z)
        classes = self.recipe.phases[0].model.params.get("classes")
        # One channel asks "inside or not": whatever is above 0 is inside.
        if classes is not None and classes > 1 and whole.max() >= classes:
            self._refuse_classes(classes)
        return whole.astype(np.int16)

    def _refuse_classes(self, classes: int) -> NoReturn:
        """Tell the greatest class of all masks, and not that of the slice that came first."""
        greatest, number = max(
            (float(self._whole_numbers(number, z).max()), -number)
            for number, mask in enumerate(self.targets)
            for z in range(len(mask))
        )
        raise StudioError(
            f"The mask of series {self.which(-number)} has a class {greatest:.0f}, the network "
            f"tells {classes} with the background.",
            hint=f"Set phases.0.model.classes to {greatest + 1:.0f} or more.",
        )

    def _whole_numbers(self, number: int, z: int) -> NDArray[np.float32]:
        """A slice of a mask ``(y, x)``; StudioError where it is not made of class numbers."""
        values = np.nan_to_num(self.targets[number].slice_hu(z), nan=IGNORED)
        whole = np.rint(values)
        if np.abs(values - whole).max() > 1e-3 or whole.min() < IGNORED:
            raise StudioError(
                f"The mask of series {self.which(number)} is not made of class numbers "
                f"(slice {z + 1}).",
                hint="A mask has whole numbers from 0, and -1 where nothing is annotated.",
            )
        if np.array_equal(np.unique(whole), [0, 255]) or np.array_equal(np.unique(whole), [255]):
            whole = whole / 255  # a picture in black and white
        if whole.max() >= MOST_CLASSES:
            raise StudioError(
                f"The mask of series {self.which(number)} has a class {whole.max():.0f}.",
                hint=f"Class numbers go up to {MOST_CLASSES - 1}; is this an image?",
            )
        return whole


class Annotation:
    """Classes ``(z, y, x)`` int16, and for each class above 0 pixels ``(n, 3)``: z, y, x."""

    def __init__(self, labels: Tensor, pixels: list[Tensor]) -> None:
        self.labels, self.pixels = labels, pixels
