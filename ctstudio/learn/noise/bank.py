"""Fields of correlated noise, drawn once for the slices of a series and mixed anew for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctstudio.learn.noise.base import sent

if TYPE_CHECKING:
    import torch
    from torch import Tensor

FIELDS_OF_512 = 1024
"""Room for float16 fields of 512 x 512: 512 MiB."""


@dataclass(frozen=True)
class Plan:
    """Which slices share fields, and how many fields each group has."""

    groups: tuple[tuple[int, ...], ...]
    fields: int

    @classmethod
    def of(cls, slices: Sequence[int], shape: tuple[int, int], fields: int) -> Plan:
        """At most ``fields`` a slice, and fewer or shared ones where the bank has no room."""
        wanted = sorted({int(index) for index in slices})
        room = max(2, FIELDS_OF_512 * 512**2 // (shape[0] * shape[1]))
        fields = min(fields, max(2, room // max(len(wanted), 1)))
        shared = -(-len(wanted) * fields // room)
        groups = [
            tuple(wanted[start : start + shared]) for start in range(0, len(wanted), shared or 1)
        ]
        return cls(tuple(groups), fields)

    @property
    def shared(self) -> int:
        """Slices in a group; the last group may have fewer."""
        return len(self.groups[0]) if self.groups else 1


class Bank:
    """The fields ``(groups, fields, y, x)`` float16 in HU of a plan.

    Independent fields mixed with weights of unit norm have the covariance of one field, so a
    random direction gives unlimited draws from a small bank.
    """

    def __init__(self, plan: Plan, fields: Tensor) -> None:
        self.fields = fields
        self._row = {index: row for row, group in enumerate(plan.groups) for index in group}

    def add_to(self, clean: Tensor, where: Tensor, generator: torch.Generator) -> Tensor:
        """Patches ``(b, n, p, p)`` float32 with new noise from ``where`` ``(b, 3)``.

        The ``n`` slices of a patch get independent draws from the fields of the slice named, as
        far as there are ``n`` of these. ``where`` is on the CPU. Raises KeyError for a slice that
        has no fields.
        """
        import torch

        from ctstudio.learn.sampling import windows

        count, fields = clean.shape[1], self.fields.shape[1]
        weights = torch.randn(
            (len(clean), count, fields), generator=generator, device=generator.device
        )
        if 1 < count <= fields:
            weights = _orthogonal(weights)
        weights = sent(weights / weights.norm(dim=2, keepdim=True), clean.device)
        rows = where.clone()
        rows[:, 0] = torch.tensor([self._row[z] for z in where[:, 0].tolist()])
        cut = windows(self.fields, rows, clean.shape[-1]).float().flatten(2)
        return torch.baddbmm(clean.flatten(2), weights, cut).view_as(clean)


def _orthogonal(directions: Tensor) -> Tensor:
    """Random directions ``(b, n, f)`` at right angles: draws along them share nothing."""
    import torch

    turned, triangle = torch.linalg.qr(directions.mT)
    # The signs of a decomposition are the library's choice; these make every direction as likely.
    signs = triangle.diagonal(dim1=1, dim2=2).sgn()
    found: Tensor = (turned * signs.unsqueeze(1)).mT
    return found
