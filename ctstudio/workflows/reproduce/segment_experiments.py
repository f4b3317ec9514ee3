"""The experiments on masks: the articles' two on medical image segmentation, and a baseline.

"Medical Image Segmentation, Part 2: Semantic Segmentation of Pathological Lung Tissue with Dilated
Fully Convolutional Networks" and "Deep Learning for Medical Image Segmentation with Interactive
Code", J. D. Seo 2018. The words about what they show are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

from ctstudio.workflows.reproduce.experiment import FAITHFUL, REPAIRED, Experiment

PART = "medical image segmentation, part 2, dilated network"
LAI = "deep learning for medical image segmentation, on M. Lai's thesis"
BASELINE = "no article: a baseline of today"


@dataclass(frozen=True, kw_only=True)
class Segmentation(Experiment):
    """An experiment that learns from masks; its ``sights`` are those of `segment_measure`."""


def _patches(name: str, title: str, why: str) -> Segmentation:
    return Segmentation(
        name=f"lai-{name}",
        title=f"Patches, {title}",
        article=LAI,
        epochs=0,
        slices=0,
        seen="The article goes through the thesis' network and shows no run of it; the paper's "
        "abstract ranks one patch far below three parallel ones, these below three orthogonal ones "
        "and these below a cube.",
        why="There is no run of the author's to explain, and neither he nor the paper says how "
        f"the network was trained. {why}",
        recipes=((REPAIRED, f"lai-{name}-repaired"),),
    )


FEW_NODES = (
    "The repaired form has 100 nodes in place of 1000, a rate that falls and averaged weights, so "
    "that minutes are enough; the recipe of the full size is `lai-{}`. "
)
MSE = (
    "A squared error against a mask of 0 and 1 asks for the mean of what a place may be. Where the "
    "foreground is a small share of the pixels, a mask that is nearly 0 everywhere is close to the "
    "best, and three channels a layer can do little better. "
)

SEGMENTATIONS = (
    Segmentation(
        name="dilated-fcn-article",
        title="Dilated network, unmodified",
        article=PART,
        epochs=100,
        slices=80,
        seen="Black masks.",
        sights=("black masks",),
        why="Three channels a layer, half of what they tell dropped, and statistics of batches of "
        "two images, which are others in training than after it. Where the foreground is a small "
        "share of the pixels, calling everything background is nearly right, and a cross-entropy "
        "that weighs all pixels alike is content with that.",
    ),
    Segmentation(
        name="dilated-fcn-article-modified",
        title="Dilated network, modified",
        article=PART,
        epochs=100,
        slices=80,
        seen="Masks that sharpen over the epochs, with artefacts like a checkerboard; a squared "
        "error of 0.0217 over the first ten epochs and 0.0174 over the last ten.",
        sights=("cost falls little",),
        why=MSE + "The three changes (residual connections, no dropout, a squared error) let the "
        "gradient through to every layer. The pattern is that of the kernels' taps: a layer of "
        "dilation d looks at every d-th pixel, and nothing ties a pixel to its neighbours but the "
        "two layers of dilation 1.",
        recipes=(
            (FAITHFUL, "dilated-fcn-article-modified"),
            (REPAIRED, "dilated-fcn-article-repaired"),
        ),
    ),
    Segmentation(
        name="dilated-fcn-paper",
        title="Dilated network of the paper",
        article=PART,
        epochs=0,
        slices=0,
        seen="The article takes the network from the paper (Anthimopoulos et al. 2018) and shows "
        "no run of that form.",
        why="There is no run of the author's to explain. The paper's training, whole images one at "
        "a time for 800 steps an epoch and up to 1000 epochs, is the recipe `dilated-fcn-paper`; "
        "it takes days without a GPU. Repaired are parts of images, the rate and the average of "
        "the weights.",
        recipes=((REPAIRED, "dilated-fcn-paper-repaired"),),
    ),
    Segmentation(
        name="lai-article",
        title="Whole-image network",
        article=LAI,
        epochs=100,
        slices=80,
        seen="The same mask for every image; a cost of 807 to 805 over 100 epochs.",
        sights=("same mask", "cost falls little"),
        why="The last layer is a tanh, so that its answers lie between -1 and 1, and a softmax "
        "over thousands of pixels cannot peak with those: the largest probability is e squared "
        "times the least. The label is the raw mask, which is no distribution; each mask of so "
        "many pixels has nearly the same least cost. What is left to learn is the mean of all "
        "masks, the same for every image. Repaired: every pixel a sigmoid of its own, with a "
        "binary cross-entropy and the Dice loss, and a kernel that hands each pixel what the "
        "convolutions tell of it: the fully connected layer alone learns where vessels mostly are.",
    ),
    _patches(
        "single", "one",
        FEW_NODES.format("single") + "One patch in the slice is all that a flat picture offers.",
    ),
    _patches(
        "stacked", "three parallel",
        FEW_NODES.format("stacked") + "Pictures that stand alone have no neighbouring slices: the "
        "same one takes their place, and the network can know no more than from one patch.",
    ),
    _patches(
        "tri-planar", "three orthogonal",
        FEW_NODES.format("tri-planar") + "Of a picture that stands alone the planes across show "
        "one row or column repeated; they tell nothing new but cost as much.",
    ),
    _patches(
        "volume", "a cube",
        FEW_NODES.format("volume") + "Of a picture that stands alone all layers of the cube are "
        "the same.",
    ),
    Segmentation(
        name="unet-masks",
        title="U-Net",
        article=BASELINE,
        epochs=0,
        slices=0,
        seen="Nothing: the articles have no such network.",
        why="A small U-Net (Ronneberger et al. 2015) with cross-entropy and Dice loss, to tell "
        "what the same minutes give today.",
        recipes=((REPAIRED, "unet-masks"),),
    ),
)  # fmt: skip
