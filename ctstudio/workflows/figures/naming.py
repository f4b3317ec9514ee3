"""What the pictures of a figure are called: each thing by one name, a difference by both terms.

The names say what a picture is to the reader and come from a fixed list, never from what a
hospital calls its series. The window, figures, the command line and reports share them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from ctstudio.ct.views import SliceStack
from ctstudio.figures.description import FigureSpec, LayerSpec
from ctstudio.workflows.demo_series import QUARTER_DOSE, TRUTH

MINUS = "\N{MINUS SIGN}"
SIMULATED = " (simulated)"
ROLES = ("Original", "Reference")
"""Of series that say nothing of themselves: the first, and what it is compared with."""
OWN = {TRUTH: "Noise-free truth", QUARTER_DOSE: f"Quarter dose{SIMULATED}"}
DOSES = {
    "Full dose": r"(full|routine|standard|normal)",
    "Half dose": r"(half|1/2)",
    "Quarter dose": r"(quarter|1/4)",
    "Low dose": r"(low|lower|reduced|ultra-?low)",
}
KERNELS = re.compile(
    r"[A-Z][a-z]?\d{2}[a-z]{0,2}|FC\d{2}|Y?[A-FL]|"
    r"STANDARD|SOFT|DETAIL|LUNG|CHST|BONE|BONEPLUS|ULTRA|EDGE"
)
"""How makers call their reconstruction kernels; anything else in that place may be anything."""
SHARES = {0.5: "Half", 0.25: "Quarter", 0.1: "Tenth"}


def series_title(
    stack: SliceStack, number: int, taken: Collection[str] = (), layer: str = ""
) -> str:
    """What the ``number``-th series of a figure is called, from 1.

    Its dose, where it tells that or it was simulated; else its part in the figure. ``taken`` are
    the names of others: two pictures of one name could not be told apart. A ``layer`` "series 2"
    is no reference.
    """
    own = _dose(stack)
    if own and own not in taken:
        return own
    role = number <= len(ROLES) and not layer.startswith("series ")
    return ROLES[number - 1] if role else f"Series {number}"


def with_kernels(
    spec: FigureSpec, titles: Mapping[str, str], stacks: Mapping[str, SliceStack]
) -> dict[str, str]:
    """Titles with the kernels of series that show nothing else in which they differ.

    "Original (B70f)" beside "Reference (B40f)": of the layers that the figure shows or measures.
    """
    used = {layer.name for layer in spec.without_spares().layers if layer.source == "series"}
    plain = [name for name in used if _role(titles.get(name, "")) == titles.get(name)]
    found = {name: _kernel(stacks[name].source.kernel) for name in plain if name in stacks}
    if len(set(found.values())) < 2:
        return dict(titles)
    return {
        name: f"{title} ({found[name]})" if found.get(name) else title
        for name, title in titles.items()
    }


def _kernel(text: str) -> str:
    first = re.split(r"[\s\\/,]", text.strip(), maxsplit=1)[0]
    return first if KERNELS.fullmatch(first) else ""


def _role(title: str) -> str:
    """Of a series' title its part in the figure, without its kernel; "" where it says another."""
    part = title.partition(" (")[0]
    return part if part in ROLES or re.fullmatch(r"Series \d+", part) else ""


def _dose(stack: SliceStack) -> str:
    for step in reversed(stack.derivation):
        if step.startswith("simulated "):
            found = re.search(r"\bdose ([\d.]+)", step)
            if found is None:
                return f"Noisy{SIMULATED}"
            share = float(found[1])
            words = SHARES.get(share, f"{100 * share:.3g}\N{NO-BREAK SPACE}%")
            return f"{words} dose{SIMULATED}"
    words = stack.source.description
    if words in OWN:
        return OWN[words]
    named = (name for name, how in DOSES.items() if re.search(rf"\b{how}[ _-]?dose", words, re.I))
    return next(named, "")


def short(title: str) -> str:
    """A title within a sentence or a difference: "Noise-free truth" is "the truth" there."""
    if title == OWN[TRUTH]:
        return "truth"
    plain = _role(title) or title.removesuffix(SIMULATED)
    first = plain.split(" ")[0]
    # RED-CNN and BM3D stay as they are.
    return plain[:1].lower() + plain[1:] if first[1:].islower() else plain


def difference_title(of: str, minus: str) -> str:
    """Both terms, in the order in which they are subtracted: "Total variation − original".

    A name that begins with a small letter, as networks have, keeps it.
    """
    one, other = (f"({term})" if f" {MINUS} " in term else term for term in (short(of), minus))
    first = one[:1].upper() if of[:1].isupper() else one[:1]
    return f"{first}{one[1:]} {MINUS} {short(other)}"


def training_title(picture: str, labels: bool = False) -> str:
    """What a picture of a training is called; with ``labels`` it learns classes."""
    if picture == "residual":
        return difference_title("Reconstruction", "target" if labels else "noisy")
    return picture.capitalize()


def title_in(spec: FigureSpec, titles: Mapping[str, str], name: str) -> str:
    """What a figure calls a layer elsewhere: by the title of its picture, where it has one."""
    shown = (c.title for c in spec.cells if c.layer == name and not c.curve)
    own = next((title for title in shown if title and "{" not in title), "")
    return own or usual_title(spec, titles, spec.layer(name))


def usual_title(spec: FigureSpec, titles: Mapping[str, str], layer: LayerSpec) -> str:
    """What a layer is called that was given no title."""
    if layer.source == "difference":
        return difference_title(*(title_in(spec, titles, n) for n in (layer.of, layer.minus)))
    return titles.get(layer.name, layer.name)
