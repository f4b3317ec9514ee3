"""``ctstudio report``: what was done to a series, or in a training, as one HTML or PDF file."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from ctstudio.cli.common import examples
from ctstudio.cli.figure_options import SHOWN, WRITTEN, check, options_of, out_option
from ctstudio.cli.figure_work import described, write_all

SUFFIXES = (".html", ".pdf")


@click.command(
    "report",
    epilog=examples(
        "ctstudio report path/to/series --method tv --out tv.html",
        "ctstudio report noisy --reference full-dose --method my-run --out report.pdf",
        "ctstudio report sharp --reference smooth --protocol full --out kernels.pdf",
        "ctstudio report --run my-run --out training.pdf",
        "ctstudio report --run runs --each --out training.html",
        "ctstudio report --demo --method tv --template five --out demo.html",
        "ctstudio report --from report.pdf noisy --reference full-dose --method my-run "
        "--out again.pdf",
        "ctstudio report --from figure.png path/to/series --out figure.html",
    ),
)
@options_of(*SHOWN, *WRITTEN, out_option("A .html or .pdf; either needs no other file."))
def command(**options: Any) -> None:
    """Tell what methods made of the series in PATH, how it differs from its --reference, or what a
    training came to, to be repeated.

    Settings, a figure, metrics with their protocol, noise, curves, versions. No patient data enter
    the file. The description of its figure does: --from makes it again.
    """
    check(options, SUFFIXES)
    if options["references"] and not (options["methods"] or options["origin"]):
        # Of two series the difference is what a report is about.
        options["template"] = options["template"] or "residual"
    spec = described(options)
    from ctstudio.workflows.figures.report import save_report

    write_all(spec, options, partial(save_report, keep_paths=options["keep_paths"]))
