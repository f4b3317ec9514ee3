"""Errors that a person reads: one sentence, the file it concerns, and the way out."""

from __future__ import annotations

from os import PathLike


class StudioError(Exception):
    """A failure that the user can understand and act upon.

    Parameters
    ----------
    message
        One sentence: what happened. It names the file where there is one.
    hint
        One sentence: what the user can do about it. May be empty.
    path
        The file or folder concerned, for programs; the message already names it for people.
    details
        Anything longer (a list of files, a codec's own words) to unfold on demand.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        path: str | PathLike[str] | None = None,
        details: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.path = path
        self.details = details

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()
