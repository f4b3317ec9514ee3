"""Learning the classes of single voxels, and showing networks the slices around."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Preview, Step, Validation, finish
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn import segment
from ctstudio.learn.apply import denoise, denoise_slice
from ctstudio.learn.checkpoint import TrainedModel, build, load, save
from ctstudio.learn.context import Context, neighbours
from ctstudio.learn.judge import Stage
from ctstudio.learn.masks import Masks
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.learn.segment import classify
from ctstudio.learn.tiling import Tiler
from ctstudio.learn.train import train
from ctstudio.learn.trainee import Trainee
from ctstudio.learn.voxels import Voxels

CPU = torch.device("cpu")


def volume(values: np.ndarray, unit: str = "HU", spacing: Any = (3, 0.7, 0.7)) -> Volume:
    count = len(values)
    kind = np.int16 if np.array_equal(values, np.rint(values)) else np.float32
    geometry = Geometry.axial(count, spacing)
    return Volume(values.astype(kind), np.ones(count), np.zeros(count), unit, geometry)


def numbered(slices: int = 11, rows: int = 20, columns: int = 18) -> Volume:
    """Every voxel has a value of its own that tells where it is: x + 20 y + 400 z."""
    z, y, x = np.mgrid[:slices, :rows, :columns]
    return volume(x + 20 * y + 400 * z)


def recipe(**more: object) -> Recipe:
    made = bundled()["lai-stacked"]
    settings: dict[str, object] = {
        "phases.0.steps": 30,
        "phases.0.model.size_px": 8,
        "patch_px": 8,
        "phases.0.model.kernel": 3,
        "phases.0.model.maps": "4, 6",
        "phases.0.model.hidden": "24",
        "phases.0.model.dropout": 0.0,
        "phases.0.optimiser": "adam",
        "phases.0.optimiser.lr": 0.01,
        "batch": 64,
        "stopping.seconds": 0,
        "validation.every_steps": 15,
        "ema": 0.5,
        "device": "cpu",
        "task.region": "everywhere",
    }
    for path, value in (settings | more).items():
        made = made.with_setting(path, value)
    return made.checked()


def prepared(images: Volume, masks: Volume, context: Context, **settings: Any) -> Voxels:
    task = Voxels(**({"region": "everywhere"} | settings))
    task.context = context
    finish(
        task.prepare(recipe(**{"phases.0.model.classes": 3}), [images], None, CPU, targets=[masks])
    )
    return task


@pytest.mark.parametrize("side", [7, 8])
@pytest.mark.parametrize("augment", [False, True])
def test_the_label_is_that_of_the_voxel_in_the_middle(side: int, augment: bool) -> None:
    images = numbered()
    classes = (images.hu() % 7 == 3) + 2 * (images.hu() % 7 == 5)
    task = prepared(images, volume(classes, ""), Context(5, side), augment=augment)
    for batch in task.draw(torch.Generator().manual_seed(1), 6):
        assert batch.inputs.shape == (64, 5, side, side)
        assert batch.targets.shape == (64, 1, 1, 1)
        middle = batch.inputs[:, 2, side // 2, side // 2].long()
        want = (middle % 7 == 3).long() + 2 * (middle % 7 == 5).long()
        assert torch.equal(batch.targets.flatten(), want)


def test_blocks_are_cut_from_the_orthogonal_planes() -> None:
    """Against NumPy: rows, columns and slices of a block are those of the volume around."""
    images = numbered()
    task = prepared(images, volume(images.hu() % 2, ""), Context(6, 6), augment=False)
    padded = np.pad(images.hu(), 3, mode="edge")
    for block in task.draw(torch.Generator().manual_seed(2), 1)[0].inputs.numpy():
        value = int(block[3, 3, 3])
        z, y, x = value // 400, value // 20 % 20, value % 20
        assert np.array_equal(block, padded[z : z + 6, y : y + 6, x : x + 6])


@pytest.mark.parametrize(("balance", "share"), [(1.0, 0.5), (0.0, 0.02), (0.5, 0.26)])
def test_classes_are_balanced(balance: float, share: float) -> None:
    labels = np.zeros((9, 20, 20))
    labels[:, 4, :8] = 1  # one voxel in 50
    labels[:, 10] = -1  # nobody knows
    task = prepared(volume(0 * labels), volume(labels, ""), Context(1, 5), balance=balance)
    batches = task.draw(torch.Generator().manual_seed(3), 40)
    drawn = torch.cat([batch.targets.flatten() for batch in batches])
    expected = share if balance == 1 else (1 - balance) * 8 / 380 + balance / 2
    assert drawn.min() == 0
    assert float(drawn.float().mean()) == pytest.approx(expected, abs=0.03)


def test_voxels_are_drawn_inside_the_body_alone() -> None:
    hu = np.full((8, 24, 24), -1000.0)
    hu[:, 6:18, 6:18] = 40
    hu[:, 10:14, 10:14] = -800  # a lung is inside too
    labels = np.zeros(hu.shape)
    labels[:, 8:11, 8:11] = 1
    labels[:, 0, 0] = 1
    task = prepared(volume(hu), volume(labels, ""), Context(1, 3), region="body", balance=0.0)
    middles = torch.cat(
        [b.inputs[:, 0, 1, 1] for b in task.draw(torch.Generator().manual_seed(4), 20)]
    )
    assert set(middles.unique().tolist()) == {40.0, -800.0}
    with pytest.raises(StudioError, match="no voxel to learn from"):
        prepared(volume(0 * hu - 1000), volume(labels, ""), Context(1, 3), region="body")


def test_the_extent_of_a_block_is_told() -> None:
    images = numbered()
    task = Voxels()
    task.context = Context(4, 8)
    events = list(task.prepare(recipe(), [images], None, CPU, targets=[volume(images.hu() % 2)]))
    told = [event.text for event in events if isinstance(event, Note)]
    assert any("8 x 8 x 4 voxels: 6 x 6 x 12 mm." in text for text in told)


def ball() -> tuple[Volume, Volume]:
    draw = np.random.default_rng(7)
    _, y, x = np.mgrid[:8, :32, :32]
    inside = np.hypot(y - 15, x - 17) < 8
    hu = draw.normal(0, 30, inside.shape) + 250 * inside
    return volume(np.rint(hu)), volume(inside, "")


def test_a_network_learns_voxels(tmp_path: Path) -> None:
    images, masks = ball()
    run = tmp_path / "run"
    events = list(train(recipe(), [images], targets=[masks], run_folder=run))
    judged = [e for e in events if isinstance(e, Validation)]
    assert judged[-1].metrics["dice"] > 0.85
    shown = [e for e in events if isinstance(e, Preview)][-1]
    model = load(run / "last.pt")
    task = prepared(images, masks, Context(3, 8))
    around = task.preview.around
    assert around is not None
    assert np.array_equal(around.numpy(), images.hu()[[k + shown.slice for k in (-1, 0, 1)]])
    told = classify(model.module, around.numpy(), CPU)
    assert np.array_equal(shown.panels["reconstruction"], told)


def module_of(form: str = "stacked") -> nn.Module:
    torch.manual_seed(2)
    return build(recipe(**{"phases.0.model.form": form, "phases.0.model.classes": 3})).eval()


def slab_of(slices: int) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 300, (slices, 30, 27)).astype(np.float32)


@pytest.mark.parametrize("form", ["stacked", "tri_planar"])
def test_a_slice_is_told_voxel_by_voxel(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = module_of(form)
    slab = slab_of(3 if form == "stacked" else 8)
    padded = np.pad(slab, ((0, 0), (4, 3), (4, 3)), mode="edge")
    with torch.inference_mode():
        dense = net(torch.from_numpy(padded)[None])[0].argmax(0).numpy()
    assert dense.shape == (30, 27)
    assert len(np.unique(dense)) > 1
    assert np.array_equal(classify(net, slab, CPU), dense)
    region = np.random.default_rng(2).random((30, 27)) < 0.2
    monkeypatch.setattr(segment, "STRIP_ROWS", 5)
    assert np.array_equal(classify(net, slab, CPU, region=region), np.where(region, dense, 0))
    sparse = classify(net, slab, CPU, every=4)
    # Each voxel of the grid stands for its square of 4 x 4.
    assert np.array_equal(sparse[:28, :24], np.kron(dense[2:28:4, 2:24:4], np.ones((4, 4))))
    assert not classify(net, slab, CPU, region=np.zeros((30, 27), bool)).any()


def test_live_pictures_ask_for_fewer_voxels_where_each_is_dear(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = module_of()
    region = np.ones((30, 30), bool)
    hu = np.zeros((3, 37, 37), np.float32)
    each = segment.operations(net, hu)
    assert each == 6 * 4 * 4 * 24
    monkeypatch.setattr(segment, "LIVE_OPERATIONS", 100 * each)
    assert segment.live_every(net, hu, region, CPU) == 3
    assert segment.live_every(net, hu, region[:10, :10], CPU) == 1
    assert segment.live_every(nn.Identity(), hu, region, CPU) == 1
    images, masks = ball()
    made = recipe(**{"phases.0.steps": 1})
    told = [e.text for e in train(made, [images], targets=[masks]) if isinstance(e, Note)]
    assert any("one voxel in 4 x 4" in text for text in told)


def test_judged_on_a_grid_is_the_overlap_of_its_voxels() -> None:
    images, masks = ball()
    made = recipe(**{"phases.0.steps": 2, "task.judged_every": 3, "validation.slices": 1})
    events = list(train(made, [images], targets=[masks]))
    figure = next(e for e in reversed(events) if isinstance(e, Validation)).metrics["dice"]
    shown = [e for e in events if isinstance(e, Preview)][-1]
    found, true = (shown.panels[k][1::3, 1::3] for k in ("reconstruction", "target"))
    both = np.count_nonzero((found == 1) & (true == 1))
    assert figure == pytest.approx(2 * both / ((found == 1).sum() + (true == 1).sum()))


def test_a_region_looked_at_closely_is_as_in_the_whole_slice() -> None:
    images, masks = ball()
    task = prepared(images, masks, Context(3, 8), region="body")
    trainee = Trainee(recipe(**{"phases.0.model.activation": "tanh"}), CPU)
    for name, parameter in trainee.average.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
    stage = Stage(task.preview, labels=True)
    whole = stage.show(trainee).panels["reconstruction"]
    assert 0.05 < whole.mean() < 0.95
    seen = stage.detail(trainee, (3, 5, 20, 40))
    assert (seen.top, seen.left) == (3, 5)
    assert np.array_equal(seen.reconstruction, whole[3:23, 5:])


def test_it_resumes_exactly(tmp_path: Path) -> None:
    images, masks = ball()
    made = recipe(**{"phases.0.steps": 6, "phases.0.model.dropout": 0.5})
    finish(train(made, [images], targets=[masks], run_folder=tmp_path / "whole"))
    work = train(made, [images], targets=[masks], run_folder=tmp_path / "run")
    next(e for e in work if isinstance(e, Step) and e.step == 4)
    work.close()
    finish(train(made, [images], targets=[masks], run_folder=tmp_path / "run", resume=True))
    one, other = (
        load(tmp_path / name / "last.pt").module.state_dict() for name in ("whole", "run")
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_layers_are_trained_one_by_one_before_the_labels() -> None:
    images, masks = ball()
    made = bundled()["lai-pretrained"]
    small = {"size_px": 8, "kernel": 3, "maps": "3, 4", "hidden": "6"}
    for number in range(4):
        made = made.with_setting(f"phases.{number}.steps", 2)
        for key, value in small.items():
            made = made.with_setting(f"phases.{number}.model.{key}", value)
    for path, value in {"patch_px": 8, "stopping.seconds": 0, "task.region": "everywhere"}.items():
        made = made.with_setting(path, value)
    steps = [e for e in train(made, [images], targets=[masks]) if isinstance(e, Step)]
    told = [next(name for name in e.losses if name != "loss") for e in steps]
    assert told == ["layer_autoencoder"] * 6 + ["cross_entropy"] * 2


def test_a_teacher_sees_what_its_student_sees(tmp_path: Path) -> None:
    images, masks = ball()
    for form in ("stacked", "single"):
        made = recipe(**{"phases.0.model.form": form})
        save(TrainedModel(made, build(made).eval(), 1), tmp_path / f"{form}.pt")
    student = recipe(**{"phases.0.steps": 2, "phases.0.model.maps": "5"})
    student = student.with_setting("phases.0.losses.0", "teacher_logits")
    key = "phases.0.losses.0.network"
    taught = student.with_setting(key, str(tmp_path / "stacked.pt"))
    assert finish(train(taught, [images], targets=[masks])).step >= 0
    blind = student.with_setting(key, str(tmp_path / "single.pt"))
    with pytest.raises(StudioError, match="looks at 1 neighbouring slices, the network at 3"):
        finish(train(blind, [images], targets=[masks]))


def test_what_does_not_fit_is_refused() -> None:
    images, masks = ball()
    whole = bundled()["unet-masks"].with_setting("task", "voxels")
    larger = recipe(**{"phases.0.model.size_px": 9})
    with pytest.raises(StudioError, match="classes of single voxels"):
        finish(train(recipe().with_setting("task", "masks"), [images], targets=[masks]))
    with pytest.raises(StudioError, match="classes of whole images"):
        finish(train(whole, [images], targets=[masks]))
    with pytest.raises(StudioError, match="images of 9 x 9 px"):
        finish(train(larger, [images], targets=[masks]))


class Mean(nn.Module):
    """A denoiser that looks at its neighbours: three slices, three columns."""

    context = Context(3)

    def forward(self, hu: Tensor) -> Tensor:
        middle = torch.nn.functional.pad(hu, (1, 1, 0, 0), mode="replicate")
        wide = (middle[..., :-2] + middle[..., 1:-1] + middle[..., 2:]) / 3
        return wide.mean(1, keepdim=True)


def test_neighbours_beyond_the_ends_are_the_outermost_slices() -> None:
    assert neighbours(0, 9, 3) == [0, 0, 1]
    assert neighbours(4, 9, 3) == [3, 4, 5]
    assert neighbours(8, 9, 4) == [6, 7, 8, 8]
    assert neighbours(0, 1, 5) == [0] * 5


def test_a_denoiser_is_shown_its_neighbours() -> None:
    hu = np.random.default_rng(5).normal(0, 50, (5, 40, 33)).astype(np.float32)
    model = TrainedModel(bundled()["dncnn-gaussian"], Mean(), 1)
    out = finish(denoise(volume(hu), model)).hu()
    padded = np.pad(hu, ((1, 1), (0, 0), (1, 1)), mode="edge")
    want = sum(
        padded[z : z + 5, :, x : x + 33].astype(float) for z in range(3) for x in range(3)
    ) / 9  # fmt: skip
    assert np.allclose(out, want, atol=1e-3)
    # In tiles too, and alone.
    tiler = Tiler(Mean(), CPU, budget_bytes=0)
    tiled = finish(tiler.run(np.stack([hu[1], hu[2], hu[3]])))
    assert np.allclose(tiled, want[2], atol=1e-3)
    alone = np.pad(hu[0], ((0, 0), (1, 1)), mode="edge").astype(float)
    want_alone = (alone[:, :-2] + alone[:, 1:-1] + alone[:, 2:]) / 3
    assert np.allclose(denoise_slice(hu[0], model), want_alone, atol=1e-3)


def test_patches_come_with_their_neighbours() -> None:
    images = numbered(10, 20, 20)
    task = Masks(augment=False, body_share=0)
    task.context = Context(3)
    made = bundled()["unet-masks"].with_setting("patch_px", 16).with_setting("batch", 8)
    finish(task.prepare(made, [images], None, CPU, targets=[volume(images.hu() % 2, "")]))
    for batch in task.draw(torch.Generator().manual_seed(1), 4):
        before, here, after = batch.inputs.unbind(1)
        assert torch.equal(batch.targets[:, 0], here.long() % 2)
        inner = (here[:, 0, 0] >= 400) & (here[:, 0, 0] < 9 * 400)
        assert inner.any()
        assert torch.equal(before[inner], here[inner] - 400)
        assert torch.equal(after[inner], here[inner] + 400)
    blind = bundled()["dncnn-noise2void"]
    from ctstudio.learn.tasks import TASKS

    other = TASKS.make(blind.task)
    other.context = Context(3)
    with pytest.raises(StudioError, match="looks at 3 neighbouring slices"):
        finish(other.prepare(blind, [images], None, CPU))
