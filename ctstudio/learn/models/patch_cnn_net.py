"""The network of `ctstudio.learn.models.patch_cnn`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ctstudio.learn.context import Context
from ctstudio.learn.models.residual_net import ACTIVATIONS

if TYPE_CHECKING:
    from ctstudio.learn.models.patch_cnn import Form

AT_ONCE = 2**24
"""Numbers that the fully connected layer may take or give at once: 64 MiB."""

DENSE = 0.5
"""Of a slab's voxels; where fewer are asked for, the fully connected layer is spared the others."""


class PatchCnn(nn.Module):
    """M. Lai 2015, "Deep learning for medical image segmentation" (arXiv 1505.02000).

    Every path is a row of convolutions without padding or pooling over one patch of ``size_px``
    pixels a side; what they make of all patches of a voxel is joined by a fully connected layer,
    others may follow, and the last gives the classes. A "single" patch lies in the slice,
    "stacked" ones in the slice and its two neighbours (one path of three channels); "tri_planar"
    ones in the three planes through the voxel (a path each), and a "volume" is a cube whose
    kernels are cubes too.

    Takes HU ``(b, n, y, x)`` with the ``n`` slices of ``context`` and returns logits ``(b,
    classes, y - size_px + 1, x - size_px + 1)``: of a block as large as a patch those of one voxel,
    the one at ``size_px // 2``, and of a larger slab those of every voxel that has a whole patch.
    There, no patch is computed twice: convolutions are shared between neighbours, and the fully
    connected layer is a convolution over their maps. ``at`` asks for some voxels of a slab only.
    """

    def __init__(
        self,
        *,
        form: Form,
        classes: int,
        size_px: int,
        maps: Sequence[int],
        kernel: int,
        hidden: Sequence[int],
        activation: str,
        dropout: float,
        centre: float,
        width: float,
    ) -> None:
        super().__init__()
        self.form, self.centre, self.width = form, centre, width
        slices = 1 if form == "single" else 3 if form == "stacked" else size_px
        self.context = Context(slices, size_px)
        self.side = size_px - len(maps) * (kernel - 1)  # of the maps behind the convolutions
        self.activation = ACTIVATIONS[activation]
        layer: type[nn.Conv2d | nn.Conv3d] = nn.Conv3d if form == "volume" else nn.Conv2d
        widths = [3 if form == "stacked" else 1, *maps]
        self.paths = nn.ModuleList(
            nn.ModuleList(
                layer(before, after, kernel) for before, after in itertools.pairwise(widths)
            )
            for _ in range(3 if form == "tri_planar" else 1)
        )
        seen = maps[-1] * self.side ** (3 if form == "volume" else 2)
        self.joint = nn.Linear(len(self.paths) * seen, hidden[0])
        self.further = nn.ModuleList(
            nn.Linear(before, after) for before, after in itertools.pairwise(hidden)
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden[-1], classes)

    def forward(self, hu: Tensor) -> Tensor:
        """HU to logits."""
        maps, kernels = self._maps(hu)
        rows, columns = (length - self.context.patch_px + 1 for length in hu.shape[-2:])
        if rows == columns == 1:
            patches = [each.flatten(1) for each in maps]
            return self._tell(self._join(patches, kernels))[:, :, None, None]
        strips = [logits for _, logits in self._strips(maps, kernels, rows, columns)]
        return torch.cat(strips, dim=1).movedim(-1, 1)

    def at(self, hu: Tensor, rows: Tensor, columns: Tensor) -> Iterator[Tensor]:
        """Logits ``(k, classes)`` of some voxels of a slab ``(1, n, y, x)``, a share at a time.

        ``rows`` and ``columns`` ``(m,)`` int64 are places in what `forward` returns, the rows in
        ascending order; the shares follow it.
        """
        maps, kernels = self._maps(hu)
        height, width = (length - self.context.patch_px + 1 for length in hu.shape[-2:])
        if len(rows) >= DENSE * height * width:
            for top, logits in self._strips(maps, kernels, height, width):
                mine = (rows >= top) & (rows < top + logits.shape[1])
                yield logits[0, rows[mine] - top, columns[mine]]
            return
        windows = [
            each[0].unfold(1, kernel.shape[2], 1).unfold(2, kernel.shape[3], 1)
            for each, kernel in zip(maps, kernels, strict=True)
        ]
        share = max(1, AT_ONCE // sum(kernel[0].numel() for kernel in kernels))
        for y, x in zip(torch.split(rows, share), torch.split(columns, share), strict=True):
            patches = [each[:, y, x].movedim(1, 0).flatten(1) for each in windows]
            yield self._tell(self._join(patches, kernels))

    def _join(self, patches: list[Tensor], kernels: list[Tensor]) -> Tensor:
        """The first fully connected layer on what each path makes of some voxels' patches."""
        nodes: Tensor = self.joint.bias
        for each, kernel in zip(patches, kernels, strict=True):
            nodes = nodes + F.linear(each, kernel.flatten(1))
        return nodes

    def _strips(
        self, maps: list[Tensor], kernels: list[Tensor], rows: int, columns: int
    ) -> Iterator[tuple[int, Tensor]]:
        """Logits ``(b, k, columns, classes)`` of some rows at once, with the first of these.

        A thousand nodes for each pixel of a slice would take a gigabyte.
        """
        step = max(1, AT_ONCE // (len(maps[0]) * columns * self.joint.out_features))
        for top in range(0, rows, step):
            strip = min(step, rows - top)
            nodes: Tensor | None = None
            for each, kernel in zip(maps, kernels, strict=True):
                reach = strip + kernel.shape[2] - 1
                part = F.conv2d(each.narrow(2, top, reach), kernel)
                nodes = part if nodes is None else nodes + part
            assert nodes is not None
            yield top, self._tell(nodes.movedim(1, -1) + self.joint.bias)

    def operations(self, hu: Tensor) -> int:
        """Multiplications a voxel of a slab ``(b, n, y, x)`` that it shares with no other."""
        return sum(kernel.numel() for kernel in self._kernels(_are_alike(hu)))

    @property
    def layers(self) -> int:
        """How many layers `autoencode` knows: the convolutions, and the first fully connected."""
        path = self.paths[0]
        assert isinstance(path, nn.ModuleList)
        return len(path) + 1

    def autoencode(self, number: int, hu: Tensor) -> Tensor:
        """How far layer ``number``, from 1, is from giving its input back: a mean square.

        Its own weights, transposed, lead back from its output. ``hu`` ``(b, n, p, p)`` are blocks
        as large as a patch; the layers before it learn nothing.
        """
        errors, joined = [], []
        for patches, path in zip(self._patches(hu), self.paths, strict=True):
            assert isinstance(path, nn.ModuleList)
            image = patches
            with torch.no_grad():
                for layer in path[: number - 1]:
                    image = self.activation(layer(image))
            if number == self.layers:
                joined.append(image.flatten(1))
                continue
            code = self.activation(path[number - 1](image))
            back = F.conv_transpose3d if self.form == "volume" else F.conv_transpose2d
            weight = path[number - 1].weight
            assert isinstance(weight, Tensor)
            errors.append((back(code, weight) - image).square().mean())
        if number == self.layers:
            image = torch.cat(joined, dim=1)
            code = self.activation(self.joint(image))
            errors.append((code @ self.joint.weight - image).square().mean())
        return torch.stack(errors).mean()

    def _patches(self, hu: Tensor) -> list[Tensor]:
        """What each path sees of blocks as large as a patch, with a channel."""
        blocks = ((hu - self.centre) / self.width).clamp(-3, 3)
        if self.form == "volume":
            return [blocks.unsqueeze(1)]
        if self.form != "tri_planar":
            return [blocks]
        at = self.context.before_px
        return [blocks.select(axis, at).unsqueeze(1) for axis in (1, 2, 3)]

    def _maps(self, hu: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """What the paths make of a slab: maps ``(b, channels, ...)``, and the kernels over them.

        Of slices that are alike the maps keep one: so are those of every layer, and what goes over
        them along that axis sees the same values, so that its weights count by their sum.
        """
        slab = ((hu - self.centre) / self.width).clamp(-3, 3)
        alike = _are_alike(slab)
        maps = [self._path(slab, number, alike) for number in range(len(self.paths))]
        return maps, self._kernels(alike)

    def _path(self, slab: Tensor, number: int, alike: bool) -> Tensor:
        context = self.context
        if self.form == "volume":
            # The slices of the maps are told apart by their channel.
            return self._convolve(slab.unsqueeze(1), 0, alike).flatten(1, 2)
        if self.form != "tri_planar":
            return self._convolve(slab, 0)
        if number == 0:
            return self._convolve(slab[:, context.slices // 2].unsqueeze(1), 0)
        # The planes across: (slice, column) of each row, or (slice, row) of each column.
        lines = -2 if number == 1 else -1
        count = slab.shape[lines] - context.patch_px + 1
        planes = slab.narrow(lines, context.before_px, count).movedim(lines, 1)
        maps = self._convolve(planes.flatten(0, 1).unsqueeze(1), number, alike)
        maps = maps.reshape(len(slab), count, *maps.shape[1:]).movedim(1, lines)
        return maps.flatten(1, 2)

    def _convolve(self, image: Tensor, number: int, alike: bool = False) -> Tensor:
        """The layers of a path; with ``alike`` the slices along axis 2 are the same."""
        path = self.paths[number]
        assert isinstance(path, nn.ModuleList)
        if alike:
            image = image[:, :, :1]
        for layer in path:
            assert isinstance(layer, nn.Conv2d | nn.Conv3d)
            image = self.activation(_over_one_slice(layer, image) if alike else layer(image))
        return image

    def _kernels(self, alike: bool) -> list[Tensor]:
        """The first fully connected layer's weights as kernels over the maps of each path."""
        side = self.side
        sizes = {0: (side, side), 1: (1, side), 2: (side, 1)}
        weight, paths = self.joint.weight, len(self.paths)
        # One share alone is not cut out: the gradient of 20 million weights would be copied.
        shares = weight.tensor_split(paths, dim=1) if paths > 1 else [weight]
        kernels = []
        for number, share in enumerate(shares):
            if alike and (number or self.form == "volume"):
                share = share.reshape(len(share), -1, side, *sizes[number]).sum(2)
            kernels.append(share.reshape(len(share), -1, *sizes[number]))
        return kernels

    def _tell(self, nodes: Tensor) -> Tensor:
        """Logits of what the first fully connected layer gives, along the last axis."""
        nodes = self.dropout(self.activation(nodes))
        for layer in self.further:
            nodes = self.dropout(self.activation(layer(nodes)))
        logits: Tensor = self.head(nodes)
        return logits


def _are_alike(slab: Tensor) -> bool:
    """Whether all slices of a slab ``(b, n, y, x)`` are the same, as of pictures without others.

    Who asks for the gradient of the slab itself gets that of every slice. A slab without values,
    as the cost is counted on, stands for slices that differ.
    """
    if slab.shape[1] == 1 or slab.requires_grad or slab.is_meta:
        return False
    return bool((slab == slab[:, :1]).all())


def _over_one_slice(layer: nn.Conv2d | nn.Conv3d, image: Tensor) -> Tensor:
    """What ``layer`` gives at one slice of an image ``(b, channels, 1, ...)`` of many alike."""
    convolve = F.conv3d if isinstance(layer, nn.Conv3d) else F.conv2d
    return convolve(image, layer.weight.sum(2, keepdim=True), layer.bias)
