"""Trained networks on disk: plain dicts, read without running anything that stands in them."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import SEEK_END
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ctstudio.core.atomic import atomic_file, explain_os_error
from ctstudio.core.errors import StudioError
from ctstudio.learn import publish as published
from ctstudio.learn import wording
from ctstudio.learn.models import MODELS
from ctstudio.learn.outline import misfit, outline
from ctstudio.learn.recipe import Recipe
from ctstudio.learn.run_folder import RUN_CHECKPOINTS

FORMAT = "ctstudio model"
VERSION = 1
MOST_STEPS = 10**12


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A network that can be applied, and how it came to be.

    ``module`` maps noisy HU ``(b, 1, y, x)`` float32 to denoised HU. ``metrics`` are those of the
    held-out slices under protocol A ("psnr", "ssim", "rmse", and "noisy_..." of their input), or
    "dice" or "loss"; "held_out" is how many slices these were. Empty when it was never judged.
    ``name`` is that of a network on board, "" where it has none.
    """

    recipe: Recipe
    module: nn.Module
    step: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    name: str = ""

    @property
    def title(self) -> str:
        """A short name for lists and captions, such as "DnCNN, 400 steps"."""
        return self.name or f"{wording.network(self.recipe)}, {wording.steps(self.step)}"

    @property
    def method(self) -> str:
        """One line for a derived image's history; it names no patient and no file."""
        told = wording.trained(self.recipe, self.step)
        return f"{self.name} ({told})" if self.name else told


def build(recipe: Recipe) -> nn.Module:
    """The untrained network of a recipe; its seed alone decides the first weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        module: nn.Module = MODELS.make(recipe.phases[-1].model)
    return module


def save(model: TrainedModel, path: Path, *, training: Mapping[str, Any] | None = None) -> None:
    """Write a model, and if given the state of its training, atomically.

    ``training`` may hold tensors, numbers, texts and lists or dicts of them.
    """
    data = {
        "format": FORMAT,
        "version": VERSION,
        "recipe": model.recipe.to_toml(),
        "step": model.step,
        "metrics": {name: float(value) for name, value in model.metrics.items()},
        "weights": {k: v.detach().cpu() for k, v in model.module.state_dict().items()},
        "training": dict(training) if training else {},
    }
    # By way of memory: on a full disk torch's own writer fails without saying why.
    content = io.BytesIO()
    torch.save(data, content)
    with atomic_file(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def load(path: Path) -> TrainedModel:
    """Read a model, on the CPU and ready to be applied.

    ``path`` is a checkpoint (.pt), a published network (.safetensors) or a run folder, of which
    the best network is taken.

    Raises
    ------
    StudioError
        When the file cannot be read, is not a model of this program, is damaged, or holds
        anything but numbers and texts.
    """
    return load_training(path)[0]


def find(path: Path) -> Path:
    """The file that `load` reads: ``path`` itself, or of a run folder the best checkpoint.

    Raises
    ------
    StudioError
        When a folder holds no checkpoint.
    """
    path = Path(path)
    if not path.is_dir():
        return path
    for name in RUN_CHECKPOINTS:
        if (path / name).is_file():
            return path / name
    raise StudioError(
        f"The folder {path} holds no checkpoint.",
        hint=f"Give a run folder (with {' or '.join(RUN_CHECKPOINTS)}), a .pt or a .safetensors "
        "file.",
        path=path,
    )


def load_training(path: Path) -> tuple[TrainedModel, dict[str, Any]]:
    """Read a model and the state of its training (empty where there is none)."""
    path = find(path)
    data = _read(path)
    if data.get("version") != VERSION:
        raise StudioError(
            f"{path} was written by another version of CT Studio.",
            hint="Open it with the version that wrote it.",
            path=path,
        )
    try:
        recipe = Recipe.from_toml(data["recipe"])
        # Before there is a network: a small file may tell of one that no memory can hold.
        if why := misfit(data["weights"], outline(recipe)):
            raise ValueError(why)
        module = build(recipe)
        module.load_state_dict(data["weights"])
        if type(data["step"]) is not int or not 0 <= data["step"] <= MOST_STEPS:
            raise ValueError(f"the step is {str(data['step'])[:40]}")
        metrics = {str(name): float(value) for name, value in data["metrics"].items()}
        model = TrainedModel(recipe, module.eval(), data["step"], metrics)
        return model, dict(data.get("training", {}))
    except StudioError as error:
        raise StudioError(f"{path}: {error.message}", hint=error.hint, path=path) from error
    except MemoryError as error:
        raise StudioError(
            f"There is not enough memory for the network in {path}.",
            hint="Close other programs, or choose a smaller network.",
            path=path,
        ) from error
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        ArithmeticError,
        RuntimeError,
    ) as error:
        raise StudioError(
            f"{path} is damaged: what it holds does not fit together.",
            hint="Choose another checkpoint.",
            path=path,
            details=str(error),
        ) from error


def _read(path: Path) -> dict[str, Any]:
    foreign = StudioError(
        f"{path} is not a model of CT Studio.",
        hint="Choose a .pt file from the folder of a training, or a published .safetensors file.",
        path=path,
    )
    try:
        stream = path.open("rb")
    except OSError as error:
        raise explain_os_error(error, path, "read") from error
    with stream:
        # A file's beginning says what it is, whatever its name: a zip archive, or the length of
        # a JSON text and that text. Anything else would wake torch's older readers.
        start = stream.read(9)
        stream.seek(0)
        try:
            if start[8:] == b"{":
                return published.read(path)
            if start[:4] != b"PK\x03\x04":
                raise foreign
            archive = zipfile.ZipFile(stream)
            # Weights are stored as they are: what is packed may unpack to anything.
            if sum(part.file_size for part in archive.infolist()) > stream.seek(0, SEEK_END):
                raise ValueError("its parts are larger than the file")
            # torch reads what a bad disk made of the weights without a word.
            if archive.testzip() is not None:
                raise ValueError("a part of the file is not what was written")
            stream.seek(0)
            data = torch.load(stream, map_location="cpu", weights_only=True)
        except StudioError:
            raise
        # A damaged or hostile file fails in many ways, and each means the same to the user.
        except Exception as error:
            # What torch advises would let a file run its code.
            hostile = isinstance(error, pickle.UnpicklingError)
            foreign.details = "It holds more than weights and settings." if hostile else str(error)
            raise foreign from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise foreign
    return data
