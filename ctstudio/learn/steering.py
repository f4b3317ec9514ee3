"""How one network's weights are changed: an optimiser whose learning rate follows a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from ctstudio.core.errors import StudioError
from ctstudio.learn.optimisers import OPTIMISERS
from ctstudio.learn.recipe import Optimiser
from ctstudio.learn.schedules import SCHEDULES, Schedule


class Steering:
    """The optimiser and the schedule that a recipe gives a network.

    Raises
    ------
    StudioError
        Where the recipe gives a rate to a part that the network does not have.
    """

    def __init__(self, module: nn.Module, plan: Optimiser) -> None:
        groups = parameter_groups(module, plan.rates)
        self.optimiser: Optimizer = OPTIMISERS.make(plan.choice, groups)
        self._rate = float(self.optimiser.param_groups[0]["lr"])
        self._schedule: Schedule = SCHEDULES.make(plan.schedule)

    def set_rate(self, share: float, factor: float) -> float:
        """Set and return the learning rate, times ``factor``, for the ``share`` of the phase that
        is over."""
        rate = self._rate * self._schedule(share) * factor
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group.get("factor", 1.0)
        return rate

    def judged(self, score: float) -> None:
        """Tell the schedule how the held-out images fared; lower is better."""
        observe = getattr(self._schedule, "observe", None)
        if observe is not None:
            observe(score)

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs to go on from here."""
        schedule = getattr(self._schedule, "state", None)
        return {
            "optimiser": self.optimiser.state_dict(),
            "schedule": schedule() if schedule else {},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave; ValueError where it is that of another network."""
        before = [dict(group) for group in self.optimiser.param_groups]
        self.optimiser.load_state_dict(state["optimiser"])
        for group, settings in zip(self.optimiser.param_groups, before, strict=True):
            group.update({k: v for k, v in settings.items() if k != "params"})  # the recipe's
        for parameter, kept in self.optimiser.state.items():
            for name, value in kept.items():
                _require_fit(name, value, parameter)
        if state["schedule"]:
            self._schedule.restore(state["schedule"])  # type: ignore[attr-defined]


def _require_fit(name: str, value: Any, parameter: Tensor) -> None:
    """Whatever an optimiser keeps of a weight is a table like it, or one that stretches to it."""
    if not isinstance(value, Tensor):
        return
    pairs = zip(reversed(value.shape), reversed(parameter.shape), strict=False)
    if value.ndim > parameter.ndim or any(one not in (1, other) for one, other in pairs):
        shapes = f"{tuple(value.shape)} for weights of {tuple(parameter.shape)}"
        raise ValueError(f"the optimiser's {name} is {shapes}")


def parameter_groups(module: nn.Module, rates: Mapping[str, float]) -> list[dict[str, Any]]:
    """A network's parameters for an optimiser, by the factor of their learning rate.

    ``rates`` goes by the beginning of the parameters' names; of several that fit, the longest
    counts. Raises StudioError for one that fits none.
    """
    named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    for start in rates:
        if not any(name.startswith(start) for name, _ in named):
            parts = dict.fromkeys(name.split(".")[0] for name, _ in named)
            raise StudioError(
                f"The network has no part {start!r} to give a learning rate of its own.",
                hint=f"Its parts are {', '.join(parts)}.",
            )
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in named:
        fitting = [start for start in rates if name.startswith(start)]
        factor = rates[max(fitting, key=len)] if fitting else 1.0
        groups.setdefault(factor, []).append(parameter)
    return [{"params": members, "factor": factor} for factor, members in groups.items()]
