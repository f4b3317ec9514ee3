"""Trained networks for others: a ``.safetensors`` file, and a card beside it that says what it is.

The file alone is enough to apply the network: its metadata hold the recipe, the step and the
metrics as texts. Neither file names a patient or a path.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

import tomli_w
import torch
from safetensors import safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from ctstudio import __version__
from ctstudio.core.atomic import atomic_file, explain_os_error
from ctstudio.core.errors import StudioError
from ctstudio.learn import wording
from ctstudio.learn.recipe import TEXTS, Recipe
from ctstudio.learn.tasks import TASKS

if TYPE_CHECKING:
    from ctstudio.learn.cards import Card
    from ctstudio.learn.checkpoint import TrainedModel

SUFFIX = ".safetensors"
APPLICATION = "CT Studio"
FORMAT_VERSION = "1"
INTENDED_USE = "research use, not for diagnosis"
FORMATS = {"psnr": "{:.2f} dB", "ssim": "{:.4f}", "rmse": "{:.2f} HU"}


@dataclass(frozen=True)
class Credits:
    """What only a person knows about a network: free texts, each may be empty.

    ``data`` says what it was trained on, ``licence`` under which licence these data (and so the
    network) may be used, ``author`` who trained it, ``note`` what else has to be known, such as
    that the targets were made by another network.
    """

    data: str = ""
    licence: str = ""
    author: str = ""
    note: str = ""


def publish(
    model: TrainedModel,
    path: Path,
    *,
    credits: Credits = Credits(),
    card: Card | None = None,
    force: bool = False,
) -> tuple[Path, Path]:
    """Write a network as ``NAME.safetensors`` with its card ``NAME.md``; returns both paths.

    The suffix is added where ``path`` has another or none. Both files appear whole or not at all.
    With a ``card`` for machines, ``NAME.json`` holds it and ``NAME.md`` says the same in words: so
    it can be on board (`ctstudio.learn.on_board`).

    Raises
    ------
    StudioError
        When one of them exists and ``force`` is not given, or they cannot be written.
    """
    file, sheet = targets(path)
    if not force:
        require_free(file)
    recipe = without_paths(model.recipe)
    about = {
        "data": _one_line(credits.data),
        "licence": _one_line(credits.licence),
        "author": _one_line(credits.author),
        "note": _one_line(credits.note),
        "created": datetime.now(UTC).date().isoformat(),
        "ctstudio": __version__,
        "torch": torch.__version__,
        "intended_use": INTENDED_USE,
    }
    # Clones, since two names may share one tensor, which the format does not allow.
    weights = {
        name: value.detach().cpu().contiguous().clone()
        for name, value in model.module.state_dict().items()
    }
    recipe_text = recipe.to_toml()
    metadata = {
        "format": "pt",  # by convention: the tensors are laid out as torch has them
        "application": APPLICATION,
        "format_version": FORMAT_VERSION,
        "recipe": recipe_text,
        "step": str(model.step),
        "metrics": json.dumps({k: v for k, v in model.metrics.items() if math.isfinite(v)}),
        "digest": digest(recipe_text, weights),
        **{name: text for name, text in about.items() if text},
    }
    more = card.markdown() if card is not None else []
    text = card_text(file.stem, recipe, model.step, model.metrics, about, more)
    content = to_bytes(weights, metadata)
    with atomic_file(file) as new_file, atomic_file(sheet) as new_sheet:
        new_file.write_bytes(content)
        new_sheet.write_text(text, encoding="utf-8")
        if card is not None:
            with atomic_file(file.with_suffix(".json")) as new_card:
                new_card.write_text(card.to_json() + "\n", encoding="utf-8")
    return file, sheet


def targets(path: Path) -> tuple[Path, Path]:
    """The two files that `publish` writes for ``path``: the network and its card."""
    path = Path(path)
    if "\0" in str(path):
        raise StudioError("A file's name cannot hold the character 0.", hint="Choose another name.")
    known = path.suffix.lower() in (SUFFIX, ".pt", ".pth", ".md")
    file = path.with_suffix(SUFFIX) if known else path.with_name(path.name + SUFFIX)
    return file, file.with_suffix(".md")


def require_free(path: Path) -> None:
    """Make sure that `publish` would overwrite nothing, before anything takes long.

    Raises
    ------
    StudioError
        Naming the file that is in the way.
    """
    for target in targets(path):
        try:
            taken = target.exists()
        except OSError as error:
            raise explain_os_error(error, target) from error
        if taken:
            raise StudioError(
                f"Cannot write {target}: it exists.",
                hint="Choose another name, or say that it may be replaced (--force).",
                path=target,
            )


def read(path: Path) -> dict[str, Any]:
    """What `publish` wrote: version, recipe (TOML), step, metrics, and weights as tensors.

    Whether they fit together is for whoever builds the network to find out.

    Raises
    ------
    StudioError
        When the file is not a network of this program, or what it holds is not what was written.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as content:
            about = content.metadata() or {}
            weights = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
    # A damaged or hostile file fails in many ways, and each means the same to the user.
    except Exception as error:
        raise StudioError(
            f"{path} is not a whole .safetensors file.",
            hint="Fetch it again, or publish the network again.",
            path=path,
            details=str(error),
        ) from error
    if about.get("application") != APPLICATION:
        raise StudioError(
            f"{path} holds weights, but is not a model of CT Studio.",
            hint="Choose a file that was written by `ctstudio publish`.",
            path=path,
        )
    version = about.get("format_version")
    data: dict[str, Any] = {"version": int(version) if version == FORMAT_VERSION else version}
    if version != FORMAT_VERSION:
        return data
    if about.get("digest") != digest(about.get("recipe", ""), weights):
        raise StudioError(
            f"{path} is damaged: it does not hold what was published.",
            hint="Fetch it again, or publish the network again.",
            path=path,
        )
    try:
        data |= {"step": int(about["step"]), "metrics": json.loads(about["metrics"])}
    except (KeyError, ValueError, RecursionError) as error:
        raise StudioError(
            f"{path} is damaged: its step or its metrics cannot be read.",
            hint="Fetch it again, or publish the network again.",
            path=path,
            details=str(error),
        ) from error
    return data | {"recipe": about["recipe"], "weights": weights}


def digest(recipe: str, weights: Mapping[str, Tensor]) -> str:
    """A checksum over what decides a network's output; the file format has none of its own."""
    total = hashlib.blake2b(recipe.encode(), digest_size=16)
    for name in sorted(weights):
        value = weights[name].contiguous()
        total.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        total.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def without_paths(recipe: Recipe) -> Recipe:
    """The recipe with every path in it cut down to the file's name."""

    def clean(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: clean(part, name) for name, part in value.items()}
        if isinstance(value, list):
            return [clean(part) for part in value]
        if not isinstance(value, str):
            return value
        # A text may have a stroke for other reasons, and a path in the midst of other words.
        return _PATH.sub(lambda m: _name(m[0]), value) if key in TEXTS else _name(value)

    return Recipe.from_dict(clean(recipe.to_dict()))


_PATH = re.compile(r"(?<!\S)(?:~|\.{1,2}|[A-Za-z]:|file:)?[\\/]\S+")


def _name(path: str) -> str:
    """The last part of a path of any system (Windows knows both strokes); other texts as is."""
    return PureWindowsPath(path).name or path


def _one_line(text: str) -> str:
    # A command line may hold bytes that are no text.
    return " ".join(text.encode("utf-8", "replace").decode().split())


def card_text(
    name: str,
    recipe: Recipe,
    step: int,
    metrics: Mapping[str, float],
    about: Mapping[str, str],
    more: Sequence[str] = (),
) -> str:
    """The card of a network, Markdown; ``more`` are lines that stand before the recipe."""
    from ctstudio.learn.judge import PROTOCOL
    from ctstudio.learn.recipe_check import learns_classes

    classes = learns_classes(recipe)
    command = f"ctstudio denoise path/to/series --method {name}{SUFFIX} --out denoised"
    if classes:
        command = f"ctstudio segment {name}{SUFFIX} path/to/series --out masks"
    facts = [
        ("Trained on", about["data"] or "not stated"),
        ("Licence", about["licence"] or "not stated"),
        ("Author", about["author"] or "not stated"),
        *([("Note", about["note"])] if about["note"] else []),
        ("Steps", wording.number(step)),
        ("Date", about["created"]),
        ("Made with", f"CT Studio {about['ctstudio']}, torch {about['torch']}"),
        ("Intended use", about["intended_use"]),
    ]
    return "\n".join(
        [
            f"# {name}",
            "",
            f"{wording.trained(recipe, step)}.",
            "",
            "| | |",
            "|---|---|",
            *(f"| {label} | {text.replace('|', '/')} |" for label, text in facts),
            "",
            "## How well it does",
            "",
            *_scores(metrics, PROTOCOL),
            "",
            "## How to apply it",
            "",
            "```",
            command,
            "```",
            "",
            "It takes HU and tells classes." if classes else "It takes and returns HU.",
            "",
            *more,
            "## Recipe",
            "",
            "```toml",
            _without_unused(recipe).rstrip(),
            "```",
            "",
        ]
    )


def _without_unused(recipe: Recipe) -> str:
    """The recipe as TOML, without the noise where its task makes none."""
    if "noise" in TASKS[recipe.task.name].tags:
        return recipe.to_toml()
    return tomli_w.dumps({key: part for key, part in recipe.to_dict().items() if key != "noise"})


def _scores(metrics: Mapping[str, float], protocol: str) -> list[str]:
    from ctstudio.learn.judge import POOLED

    names = [name for name in metrics if not name.startswith("noisy_") and name != "held_out"]
    count = int(metrics.get("held_out", 0))
    slices = "one held-out slice" if count == 1 else f"{count or ''} held-out slices".strip()
    if not names:
        return ["It was not judged."]
    if names == ["loss"]:
        return [
            f"Loss on held-out patches: {metrics['loss']:.4g}. There was no clean image to "
            "compare with."
        ]

    if names == ["dice"]:
        return [
            f"Dice coefficient of {slices} of the data it was trained on, {POOLED}: "
            f"{metrics['dice']:.4f}."
        ]

    def cell(name: str) -> str:
        form = FORMATS.get(name.removeprefix("noisy_"), "{:.4g}")
        return form.format(metrics[name]) if name in metrics else "-"

    return [
        f"Mean over {slices} of the data it was trained on, protocol {protocol}:",
        "",
        "| | this network | its noisy input |",
        "|---|---|---|",
        *(f"| {name.upper()} | {cell(name)} | {cell(f'noisy_{name}')} |" for name in names),
    ]
