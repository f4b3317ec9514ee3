"""Several processes that train one network together, started by ``torchrun``.

Every process draws the same whole batch from the same generator and learns from its own part of
it, so that what is learnt does not depend on how many there are. The first one leads: it alone
judges, shows, saves and tells, and says to the others how to go on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ctstudio.core.errors import StudioError
from ctstudio.learn.tasks import Batch
from ctstudio.learn.torchrun import number, process_count


@dataclass(frozen=True)
class Order:
    """What the leader says before a step: the share of the phase that is over, and what it found.

    ``over`` ends the training. ``score`` is that of the newest judgement, ``judged_step`` its step.
    """

    share: float
    over: bool = False
    judged_step: int = -1
    score: float = math.inf


class Processes:
    """The processes of one training; mostly a single one.

    ``count`` of them take part, and this is number ``rank``, from 0.
    """

    def __init__(self, rank: int = 0, count: int = 1, device: torch.device | None = None) -> None:
        self.rank, self.count = rank, count
        self.device = device or torch.device("cpu")

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def part(self, batch: Batch) -> Batch:
        """This process's part of a batch for all."""
        if self.count == 1:
            return batch
        size = len(batch.inputs) // self.count
        mine = slice(self.rank * size, (self.rank + 1) * size)
        return batch.map(lambda tensor: tensor[mine])

    def share(self, module: nn.Module) -> nn.Module:
        """The network as all processes learn it: its gradient becomes the mean of theirs."""
        if self.count == 1:
            return module
        from torch.nn.parallel import DistributedDataParallel

        return DistributedDataParallel(module)

    def mean(self, losses: Mapping[str, Tensor]) -> dict[str, float]:
        """Losses as numbers, averaged over the processes."""
        if self.count == 1 and self.device.type == "cpu":
            return {name: float(value) for name, value in losses.items()}
        values = torch.stack([value.float() for value in losses.values()])
        if self.count > 1:
            dist.all_reduce(values)
            values /= self.count
        # One reading for all of them: on a GPU each would wait for the device.
        return dict(zip(losses, values.tolist(), strict=True))

    def agree(self, order: Order) -> Order:
        """What the leader ordered; a follower's own order counts for nothing."""
        if self.count == 1:
            return order
        said = [order.share, float(order.over), float(order.judged_step), order.score]
        message = torch.tensor(said, dtype=torch.float64, device=self.device)
        dist.broadcast(message, 0)
        share, over, judged_step, score = message.tolist()
        return Order(share, bool(over), int(judged_step), score)

    def leave(self) -> None:
        """Let the others end too, where this one leads and is stopped between two steps."""
        if self.count > 1 and self.leads:
            self.agree(Order(1.0, over=True))


def is_a_lost_process(error: BaseException) -> bool:
    """Whether an error says that another process can no longer be reached."""
    words = ("connection closed", "connection reset", "gloo", "nccl", "timed out", "broken pipe")
    return any(word in str(error).lower() for word in words)


def join(device: torch.device) -> Processes:
    """Take part in the training that ``torchrun`` started, or be alone."""
    if process_count() == 1:
        return Processes(device=device)
    if device.type == "cuda":
        torch.cuda.set_device(number("LOCAL_RANK", 0))
    if not dist.is_initialized():
        try:
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        except (RuntimeError, ValueError) as error:
            raise StudioError(
                "The processes of this training could not find one another.",
                hint="Start them with torchrun, for example torchrun --nproc-per-node 2.",
                details=str(error),
            ) from error
    return Processes(dist.get_rank(), dist.get_world_size(), device)
