"""Adversarial losses: what the two sides of a game make of a critic's scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from ctstudio.core.registry import Param
from ctstudio.learn.losses.base import LOSSES

if TYPE_CHECKING:
    from torch import Tensor


class Game:
    """What each side of a game minimises, from a critic's scores ``(b, ...)`` of any shape.

    The critic learns to tell ``real`` images, which are targets, from ``fake`` ones, which the
    generator made; the generator learns to make images that are taken for real.
    """

    def generator(self, fake: Tensor) -> Tensor:
        """The generator's loss, a scalar."""
        raise NotImplementedError

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """The critic's loss, a scalar."""
        raise NotImplementedError

    def state(self) -> dict[str, float]:
        """What a checkpoint keeps."""
        return {}

    def restore(self, state: Mapping[str, float]) -> None:
        """Go on from what `state` returned."""


class Scores(Game):
    """The games with scores that may have any sign."""

    def __init__(self, form: str) -> None:
        self.form = form

    def generator(self, fake: Tensor) -> Tensor:
        import torch.nn.functional as F

        if self.form == "cross_entropy":
            # Not log(1 - D), which has no slope where the critic is sure (Goodfellow et al., 3).
            return F.softplus(-fake).mean()
        return (fake - 1).square().mean() if self.form == "least_squares" else -fake.mean()

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        import torch.nn.functional as F

        if self.form == "cross_entropy":
            return F.softplus(-real).mean() + F.softplus(fake).mean()
        if self.form == "least_squares":
            return (real - 1).square().mean() + fake.square().mean()
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


@LOSSES.add("adversarial", title="Adversary", tags=["game"])
def adversarial(
    *,
    form: Annotated[
        Literal["cross_entropy", "least_squares", "hinge"],
        Param("How the scores of true and of made images count"),
    ] = "cross_entropy",
) -> Game:
    """An adversary learns to tell what the network makes from what is true.

    Cross-entropy: Goodfellow et al. 2014 (arXiv 1406.2661), the generator's form that does not
    saturate. Least squares: Mao et al. 2017 (doi 10.1109/ICCV.2017.304), with 1 for true and 0 for
    made. Hinge: Lim and Ye 2017 (arXiv 1705.02894).
    """
    return Scores(form)


class Energy(Game):
    """The game of EBGAN, with energies of at least 0."""

    def __init__(self, margin: float) -> None:
        self.margin = margin

    def generator(self, fake: Tensor) -> Tensor:
        return fake.mean()

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return real.mean() + (self.margin - fake).clamp(min=0).mean()


@LOSSES.add("adversarial_energy", title="Adversary, by energy", tags=["game", "energy"])
def adversarial_energy(
    *,
    margin: Annotated[
        float, Param("Energy that made images are driven to by the adversary", 0, 1000)
    ] = 0.1,
) -> Game:
    """An adversary gives true images a low energy, and made ones a high one up to a margin.

    Zhao, Mathieu and LeCun 2017, "Energy-based generative adversarial networks" (arXiv
    1609.03126), equations 1 and 2.
    """
    return Energy(margin)


class Equilibrium(Game):
    """The game of BEGAN; ``balance`` is its k, between 0 and 1."""

    def __init__(self, diversity: float, pace: float) -> None:
        self.diversity, self.pace = diversity, pace
        self.balance: Tensor | float = 0.0

    def generator(self, fake: Tensor) -> Tensor:
        return fake.mean()

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        true, made = real.mean(), fake.mean()
        loss = true - self.balance * made
        gap = self.diversity * true.detach() - made.detach()
        # A tensor, so that a GPU need not be waited for.
        self.balance = (self.balance + self.pace * gap).clamp(0, 1)
        return loss

    def state(self) -> dict[str, float]:
        return {"balance": float(self.balance)}

    def restore(self, state: Mapping[str, float]) -> None:
        self.balance = float(state["balance"])


@LOSSES.add("adversarial_equilibrium", title="Adversary, in equilibrium", tags=["game", "energy"])
def adversarial_equilibrium(
    *,
    diversity: Annotated[
        float, Param("Energy of made images over that of true ones, to be kept", 0, 10)
    ] = 0.7,
    pace: Annotated[float, Param("How fast the balance is corrected", 1e-6, 10, log=True)] = 0.01,
) -> Game:
    """An adversary by energy that cares the less for made images the better it tells them apart.

    Berthelot, Schumm and Metz 2017, "BEGAN: Boundary equilibrium generative adversarial networks"
    (arXiv 1703.10717), equation 8.
    """
    return Equilibrium(diversity, pace)
