"""The table of experiments: whatever recipe stands in it can be reproduced.

The articles are J. D. Seo's of 2018. Those on denoising lung CT stand here: part 1 "Only Numpy
Medical: Denoising Lung CT Scans using Auto Encoders", and its successors; `segment_experiments` has
those on masks. The words about what they show are ours.
"""

from __future__ import annotations

import difflib

from ctstudio.core.errors import StudioError
from ctstudio.learn.recipe import bundled
from ctstudio.workflows.reproduce.experiment import FAITHFUL, FORMS, REPAIRED, Experiment
from ctstudio.workflows.reproduce.segment_experiments import SEGMENTATIONS

__all__ = ["EXPERIMENTS", "FAITHFUL", "FORMS", "REPAIRED", "Experiment", "find", "known"]

PART_1 = "part 1, autoencoder in NumPy"
PART_2 = "part 2, convolutions with gradient noise and dilated gradients"
PART_3 = "part 3, convolutional residual networks"
PART_4 = "part 4, residual blocks against multiplicative noise"


SATURATES = (
    "The targets are values as stored, up to thousands, and the last layer is a sigmoid, which "
    "stays between 0 and 1. A pixel whose target is above 1 asks for more than it can give: the "
    "body does, and so does the air in a scan, which lies a few HU above the least value. Only "
    "outside the circle that was scanned, where 0 is stored, the network is asked for nothing. "
    "The best that it can do is 1 inside and 0 outside: a white disc, the circle of the scan, or "
    "the silhouette of the body where the air is stored as 0. From there the cost cannot fall, "
    "since what is left is the square of the targets themselves. "
)
FAULTS = (
    "The gradient has faults besides: mean pooling hands it back without the quarter, repetition "
    "keeps one of four values, and the decoder learns at the encoder's rate. Each convolution "
    "passes it on turned by half a turn, and three of them turn it once: the decoder's fully "
    "connected layer learns a picture that stands on its head, as the first epochs show. "
)


def _autoencoder(
    run: str, title: str, seen: str, sights: tuple[str, ...], why: str, epochs: int = 100
) -> Experiment:
    return Experiment(
        name=f"autoencoder-{run}",
        title=f"Autoencoder, {title}",
        article=PART_1,
        epochs=epochs,
        slices=119,
        seen=seen,
        sights=sights,
        why=why,
    )


def _residual(case: str, title: str, seen: str, sights: tuple[str, ...], why: str) -> Experiment:
    return Experiment(
        name=f"residual-{case}",
        title=f"Residual {case}, {title}",
        article=PART_3,
        epochs=101,
        slices=355,
        seen=seen,
        sights=sights,
        why=why,
    )


def _convolutions(
    case: str, title: str, seen: str, sights: tuple[str, ...], why: str
) -> Experiment:
    return Experiment(
        name=f"article2-{case}",
        title=f"Convolutions, {title}",
        article=PART_2,
        epochs=100,
        slices=119,
        seen=seen,
        sights=sights,
        why=NEAR_NOTHING + why,
    )


def _adversarial(case: str, title: str, why: str) -> Experiment:
    return Experiment(
        name=f"adversarial-{case}",
        title=f"Adversarial, {title}",
        article=PART_3,
        epochs=0,
        slices=355,
        seen="The article's last words: adversarial networks did not work; try them with residual "
        "blocks. It shows no such run.",
        why="There is no run of the author's to explain. " + why,
        recipes=((REPAIRED, f"adversarial-{case}"),),
    )


def _blocks(case: str, title: str, seen: str, why: str) -> Experiment:
    return Experiment(
        name=f"article4-{case}",
        title=f"Residual blocks, {title}",
        article=PART_4,
        epochs=100,
        slices=220,
        seen=seen,
        why=why + TOO_BRIGHT,
    )


NEAR_NOTHING = (
    "First weights of 0.001 in three layers one after the other answer with far less than a "
    "millionth of the input, and the gradients are as small. So the network begins as one flat "
    "grey, and for long nothing can be seen but the gradients, which grow; then all three layers "
    "grow within some dozens of steps, to three small blurs one after the other. There the cost "
    "stays, since one channel of 3 x 3 a layer has no more to give. Which way it goes is decided "
    "by the dice: a ReLU whose sums begin negative is silent for good, and the grey stays. The "
    "article's rate of learning is not known; this one lets the weights grow and stay finite. "
)
LESS_CLEAR = (
    "Less clear than with dilated gradients and gradient noise together, which the article calls "
    "the clearest."
)
TOO_BRIGHT = (
    "The noise, x times 0.5 U(0, 5), has a mean of 1.25 x: it brightens by a quarter, which the "
    "network has to learn as well. The ReLU at the end cannot answer below black."
)

STANDS_STILL = (
    "Adam divides the gradient by its own size, so a learning rate of 1e-9 moves a weight by about "
    "1e-9 a step, whatever the loss: in the article's 7,171 steps by 1e-5 at most, against first "
    "weights of size 1. The network stays what the dice made it. "
)
MULTIPLIES = (
    "Every block multiplies what it has with the noisy image once more, so that the output grows "
    "with a high power of the grey values, 0 to 255. A few bright pixels, bone and noise, end far "
    "above the rest. "
)
ONE = STANDS_STILL + (
    "What is seen is therefore that random filter. " + MULTIPLIES + "Sigmoids between the blocks "
    "hold some of it back; shown from the least to the largest value, dark tissue and its noise "
    "are crushed together, which looks like noise taken away along with the image."
)
TWO = (
    MULTIPLIES + "Adding x after it does not help: beside such products x is nothing. A plot from "
    "the least to the largest value spends its greys on those few pixels, and the rest is black. "
    "At 1e-6 a step the weights move by 0.007 in all, which bends nothing back."
)
THREE = STANDS_STILL + (
    MULTIPLIES + "The dilated gradients add those of later layers to earlier ones, at first a "
    "thousandfold, but a thousandfold gradient is still a step of 1e-9 for Adam. What differs "
    "between the three cases is small beside what the first weights decide."
)

EXPERIMENTS: tuple[Experiment, ...] = (
    _autoencoder(
        "sgd",
        "plain SGD",
        "Not all black or grey; faint dark dots in the middle of the decoded picture.",
        ("not constant", "not black", "dark spots"),
        SATURATES + FAULTS + "Plain SGD feels the size of the gradient, which errors of hundreds "
        "make large at the first steps: sums are thrown far out, arctan and tanh saturate, and the "
        "gradient dies behind them. What is decoded is in large part the same whatever is put in: "
        "a bright field, dark where a few sums stayed negative.",
    ),
    _autoencoder(
        "adam-high",
        "Adam, high learning rate",
        "A white disc with black random noise.",
        ("disc",),
        SATURATES + FAULTS + "Adam goes there in a few steps. At a rate this high the weights keep "
        "jumping, and pixels whose sums are thrown far below 0 stand out black in the disc.",
        epochs=150,
    ),
    _autoencoder(
        "relu-high", "ReLU, high learning rate", "A white disc.", ("disc",),
        SATURATES + FAULTS + "ReLU changes the way there and not the end: it is the sigmoid that "
        "decides what the picture can hold.",
    ),
    _autoencoder(
        "relu-low",
        "ReLU, low learning rate",
        "Parts of the lungs at first, then the white disc again.",
        ("disc",),
        SATURATES + FAULTS + "At a low rate there is time to watch: before the sigmoid saturates, "
        "the sums under it still differ between lung and wall, and for a while lungs can be seen. "
        "The cost rewards only more, and they fill up.",
    ),
    _autoencoder(
        "tanh-arctan-high", "tanh and arctan, high learning rate", "A white disc.", ("disc",),
        SATURATES + FAULTS + "Bounded activations between the layers do not matter to that.",
    ),
    _autoencoder(
        "tanh-arctan-low",
        "tanh and arctan, low learning rate",
        "Better, but not denoised.",
        ("disc", "not constant"),
        SATURATES + FAULTS + "The low rate leaves the sums under the sigmoid small for longer, so "
        "that some greys survive between 0 and 1. They are far from the targets all the same.",
    ),
    _convolutions("sgd", "gradient descent", LESS_CLEAR,
                  (), "Plain descent has only the true gradient to go by."),
    _convolutions("noise", "gradient noise", LESS_CLEAR, (),
                  "Noise on the gradient, falling with the epochs, shakes weights this small "
                  "noticeably at first, and can bring a silent layer back to life."),
    _convolutions("dilated", "dilated gradients", LESS_CLEAR, (),
                  "The gradient of the third layer, added before the first, brings it news that "
                  "two tiny weights would have shrunk to nothing on the way."),
    _convolutions("dilated-noise", "dilated gradients and gradient noise",
                  "The clearest of the four cases, the article says.", (),
                  "Both ways of stirring the first layers come together here."),
    _residual(
        "1a", "multiplication, manual gradients",
        "The noise goes, and too much of the image with it.", ("less noise", "much lost"), ONE,
    ),
    _residual(
        "1b", "multiplication, all sigmoid",
        "The noise goes, and too much of the image with it.", ("less noise", "much lost"), ONE,
    ),
    _residual(
        "1c", "multiplication, large kernels first",
        "The noise goes, and too much of the image with it.", ("less noise", "much lost"), ONE,
    ),
    _residual(
        "2a", "multiplication and addition, manual gradients", "Pitch black.", ("black",), TWO
    ),
    _residual("2b", "multiplication and addition, manual gradients", "Pitch black.",
              ("black",), TWO),
    _residual("2c", "multiplication and addition, manual gradients", "Pitch black.",
              ("black",), TWO),
    _residual("3a", "dilated gradients, P 1000", "Much information lost.", ("much lost",), THREE),
    _residual("3b", "dilated gradients, P 800", "Much information lost.", ("much lost",), THREE),
    _residual("3c", "dilated gradients, P 800, products",
              "The fair one of the three, with much information lost.", ("much lost",), THREE),
    _residual(
        "4", "multiplication and addition, automatic gradients",
        "The input, unchanged: automatic differentiation seemed to do nothing.", ("input",),
        STANDS_STILL + "Single precision even loses a change of 1e-9 beside a weight of 1, so the "
        "weights stay the same to the last bit and automatic differentiation cannot be blamed. "
        "What is shown depends on the first weights alone. Where the last sums are negative the "
        "last ReLU is closed, and the block hands on x itself: six of the first thirty draws of "
        "the weights, this one among them, leave all that is above black unchanged to the last "
        "bit. What noise has put below black explodes then, which a picture of 0 to 255 does not "
        "show; in the other draws it is what is above black that explodes.",
    ),
    _blocks("automatic", "automatic gradients", "Sharp parts that look artificial.",
            "The network has seen 22 steps an epoch of whole slices, ten at a time, at a rate of "
            "1e-4 from small first weights: it is still on its way to the truth when it ends. "),
    _blocks("dilated", "dilated gradients", "Gaps that are not filled.",
            "A thousandfold of later gradients is added to earlier ones at first. Adam divides by "
            "the size of what it gets, so that the direction alone counts, and for the early "
            "epochs that is the later layers' and not their own. "),
    Experiment(
        name="residual-addition",
        title="Residual with addition",
        article=PART_3,
        epochs=0,
        slices=355,
        seen="The article names plain addition and shows no run of it.",
        why="There is no run of the author's to explain. Where a block adds the noisy image "
        "instead of multiplying with it, the network learns the noise, which it then takes away, "
        "and nothing grows with powers of the grey values.",
        recipes=((REPAIRED, "residual-addition"),),
    ),
    _adversarial("vanilla", "fully connected critic",
                 "The critic sees a whole patch at once and asks whether it was denoised or never "
                 "noisy; the reconstruction loss keeps the network at the image meanwhile."),
    _adversarial("autoencoder", "autoencoder as critic",
                 "The critic reproduces images, well where they are clean; how badly it does with "
                 "what was denoised is what the network learns from."),
    _adversarial("all-convolutional", "all-convolutional critic",
                 "The critic has no fully connected layer: it judges each neighbourhood by itself, "
                 "whatever the size of the patch."),
    *SEGMENTATIONS,
)  # fmt: skip
"""Every experiment, in the order of the articles. One line more makes a recipe an experiment."""


def known() -> dict[str, Experiment]:
    """The experiments by name whose recipes come with the program."""
    there = bundled()
    return {
        experiment.name: experiment
        for experiment in EXPERIMENTS
        if all(recipe in there for _, recipe in experiment.recipe_names)
    }


def by_article() -> dict[str, list[Experiment]]:
    """Those of `known` by the article that they belong to, in the order of the articles."""
    groups: dict[str, list[Experiment]] = {}
    for experiment in known().values():
        groups.setdefault(experiment.article, []).append(experiment)
    return groups


def find(name: str) -> Experiment:
    """The experiment of that name; raises StudioError naming those there are."""
    experiments = known()
    if name in experiments:
        return experiments[name]
    if name in bundled():
        raise StudioError(
            f"{name!r} is a recipe, and not by itself an experiment of the articles.",
            hint=f"Train it: ctstudio train {name}. `ctstudio reproduce --list` names the "
            "experiments.",
        )
    near = difflib.get_close_matches(name, experiments, n=1)
    meant = f"Did you mean {near[0]!r}? " if near else ""
    raise StudioError(
        f"There is no experiment {name!r}.", hint=f"{meant}See `ctstudio reproduce --list`."
    )
