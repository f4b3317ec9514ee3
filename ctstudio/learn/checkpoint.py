"""Trained networks on disk: plain dicts, read without running anything that stands in them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ctstudio.core.atomic import atomic_file, explain_os_error
from ctstudio.core.errors import StudioError
from ctstudio.learn.models import MODELS
from ctstudio.learn.recipe import Recipe

FORMAT = "ctstudio model"
VERSION = 1


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A network that can be applied, and how it came to be.

    ``module`` maps noisy HU ``(b, 1, y, x)`` float32 to denoised HU. ``metrics`` are those of the
    held-out slices under protocol A ("psnr", "ssim", "rmse", and "noisy_..." of their input);
    empty when it was never judged.
    """

    recipe: Recipe
    module: nn.Module
    step: int
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """A short name for lists, such as "DnCNN, 400 steps"."""
        return f"{MODELS[self.recipe.phases[-1].model.name].title}, {self.step} steps"

    @property
    def method(self) -> str:
        """One line for a derived image's history; it names no patient and no file."""
        settings = ", ".join(f"{k} {v}" for k, v in self.recipe.noise.params.items())
        noise = self.recipe.noise.name + (f" ({settings})" if settings else "")
        name = self.recipe.title or "without a title"
        entry = MODELS[self.recipe.phases[-1].model.name]
        return f"{entry.title} trained {self.step} steps on {noise} noise, recipe {name}"


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

    Raises
    ------
    StudioError
        When the file cannot be read, is not a model of this program, is damaged, or holds
        anything but numbers and texts.
    """
    return load_training(path)[0]


def load_training(path: Path) -> tuple[TrainedModel, dict[str, Any]]:
    """Read a model and the state of its training (empty where there is none)."""
    path = Path(path)
    data = _read(path)
    if data.get("version") != VERSION:
        raise StudioError(
            f"{path} was written by another version of CT Studio.",
            hint="Open it with the version that wrote it.",
            path=path,
        )
    try:
        recipe = Recipe.from_toml(data["recipe"])
        module = build(recipe)
        module.load_state_dict(data["weights"])
        if not all(bool(torch.isfinite(v).all()) for v in module.state_dict().values()):
            raise ValueError("some weights are not numbers")
        model = TrainedModel(recipe, module.eval(), int(data["step"]), dict(data["metrics"]))
        return model, dict(data.get("training", {}))
    except StudioError as error:
        raise StudioError(f"{path}: {error.message}", hint=error.hint, path=path) from error
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise StudioError(
            f"{path} is damaged: its weights do not fit its recipe.",
            hint="Choose another checkpoint.",
            path=path,
            details=str(error),
        ) from error


def _read(path: Path) -> dict[str, Any]:
    foreign = StudioError(
        f"{path} is not a model of CT Studio.",
        hint="Choose a .pt file from the folder of a training.",
        path=path,
    )
    try:
        stream = path.open("rb")
    except OSError as error:
        raise explain_os_error(error, path, "read") from error
    with stream:
        # A model is a zip archive. Anything else would wake torch's older readers.
        if stream.read(4) != b"PK\x03\x04":
            raise foreign
        stream.seek(0)
        try:
            # torch reads what a bad disk made of the weights without a word.
            if zipfile.ZipFile(stream).testzip() is not None:
                raise ValueError("a part of the file is not what was written")
            stream.seek(0)
            data = torch.load(stream, map_location="cpu", weights_only=True)
        # A damaged or hostile file fails in many ways, and each means the same to the user.
        except Exception as error:
            foreign.details = str(error)
            raise foreign from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise foreign
    return data
