"""The ``ctstudio`` command: finds the subcommand, imports only that one, and reports failures."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from ctstudio import __version__
from ctstudio.core.errors import StudioError

COMMANDS = {
    "gui": "Open the window (the default).",
    "demo": "Denoise and train on the built-in phantom, without a screen.",
    "phantom": "Write the built-in phantom as a DICOM series.",
    "info": "List the series in a folder or file.",
    "simulate": "Simulate a lower dose of a series and write it as DICOM.",
    "denoise": "Denoise a series and write it as DICOM.",
    "segment": "Tell the classes of a series' voxels with a trained network.",
    "mend": "Say what is odd about a series, and mend it: tilt, gaps, distances.",
    "deidentify": "Copy DICOM series without what tells of the patient.",
    "train": "Train a network on one or more series.",
    "reproduce": "Run the articles' experiments, as they were and repaired.",
    "runs": "List earlier trainings, and in what they differ.",
    "publish": "Write a trained network as a file for others, with a card.",
    "models": "List the networks on board, or put a trained one there.",
    "evaluate": "Judge denoising methods on series whose truth is known.",
    "figure": "Make a picture or a film of a series and its denoised versions.",
    "report": "Tell in one file what was denoised or trained, how, and how well.",
    "methods": "List the denoising methods and their settings.",
    "recipes": "List the training recipes that come with CT Studio.",
}
"""Name and short help of every command; the file is ``ctstudio/cli/<name>.py``. The help stands
here so that ``ctstudio --help`` need not import them."""


DETAIL_LINES = 20


class StudioGroup(click.Group):
    """Subcommands that are imported when they run; anything else on the line opens the window."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"ctstudio.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args:
            args = ["gui"]
        elif args[0] not in COMMANDS and args[0] not in ("--help", "-h", "--version"):
            if _is_a_word(args[0]):
                ctx.fail(_unknown_command(args[0]))
            args = ["gui", *args]
        return super().parse_args(ctx, args)


def _is_a_word(argument: str) -> bool:
    """Whether this was rather meant as a command than as a path or an option."""
    looks_like_path = any(mark in argument for mark in "/\\.")
    return not (argument.startswith("-") or looks_like_path or Path(argument).exists())


def _unknown_command(word: str) -> str:
    import difflib

    near = difflib.get_close_matches(word, COMMANDS, n=1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    return f"There is no command and no file named {word!r}.{meant}"


@click.group(
    cls=StudioGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\b
Examples:
  ctstudio                          open the window
  ctstudio path/to/series           open the window with a series
  ctstudio gui --demo               open the window with the built-in phantom
  ctstudio info path/to/folder      what is in it?
  ctstudio denoise path --method tv --out denoised

CTSTUDIO_DEBUG=1 shows the traceback of an error. For research use, not for diagnosis.""",
)
@click.version_option(__version__, prog_name="CT Studio")
def cli() -> None:
    """CT Studio: see, denoise and learn from CT."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (``sys.argv`` by default) and return the exit code.

    0 success, 1 failure, 2 wrong usage, 130 interrupted (143 terminated).
    """
    _open_what_is_closed()
    try:
        result: Any = cli.main(
            args=None if arguments is None else list(arguments),
            prog_name="ctstudio",
            standalone_mode=False,
        )
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        # click turns a KeyboardInterrupt into an Abort.
        click.echo("Interrupted.", err=True)
        return int(getattr(error.__cause__ or error, "exit_code", 130))
    except BrokenPipeError:
        # The reader of a pipe (head, less) went away; nothing is wrong with us.
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  closed with the process
        return 0
    except StudioError as error:
        if _debugging():
            raise
        report_error(error)
        return 1
    except Exception as error:
        if _debugging():
            raise
        if isinstance(error.__cause__, KeyboardInterrupt):
            # Python 3.11 wraps what comes while a class is made, in the midst of an import.
            click.echo("Interrupted.", err=True)
            return 130
        if isinstance(error, OSError) and error.filename is None and error.strerror:
            # Every file of ours has a name: this was the standard output.
            click.echo(f"Error: Cannot write the output: {error.strerror.lower()}.", err=True)
            sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  closed with the process
            return 1
        click.echo(
            f"Error: something went wrong inside CT Studio ({type(error).__name__}: {error}).\n"
            "Run it again with CTSTUDIO_DEBUG=1 to see where.",
            err=True,
        )
        return 1
    return result if isinstance(result, int) else 0


def _open_what_is_closed() -> None:
    """Give the numbers of closed standard streams to nothing.

    Else the next file that is opened gets one of them, and with it what libraries print there.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115


def report_error(error: StudioError) -> None:
    """Print an error as a person reads it, on stderr: the sentence, the hint, the details."""
    click.echo(f"Error: {error.message}", err=True)
    if error.hint:
        click.echo(error.hint, err=True)
    lines = error.details.splitlines()
    if len(lines) > DETAIL_LINES:
        # More would push the sentence off the screen.
        lines[DETAIL_LINES - 1 :] = [f"... and {len(lines) - DETAIL_LINES + 1} more."]
    for line in lines:
        click.echo(line, err=True)


def _debugging() -> bool:
    return os.environ.get("CTSTUDIO_DEBUG", "") not in ("", "0")


def main() -> NoReturn:
    """The entry point of the ``ctstudio`` script."""
    sys.exit(run())
