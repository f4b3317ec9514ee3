"""What one header's walk teaches of the next: files of a series are laid out alike.

Where all tags, representations and lengths of a file stand at the same places as in one that was
walked before, a walk would find its values at the same places too. Whether they do is one masked
comparison of the whole header, as integers, which takes a tenth of the time.
"""

from __future__ import annotations

import struct
from collections.abc import Collection

from ctstudio.dicom.elements import Elements, UnusualError, marked, walk

_MOST = 32
_TRIALS = 64
_BEGIN = 128  # before it lies the preamble, which may hold anything


class Layout:
    """The places of values in files like one that was walked."""

    def __init__(self, head: bytes, elements: Elements, wanted: Collection[int]) -> None:
        marks, self._places = marked(head, wanted)
        self.end = elements.pixel_element + 8
        mask = bytearray(self.end - _BEGIN)
        for start, stop in marks:
            mask[start - _BEGIN : stop - _BEGIN] = b"\xff" * (stop - start)
        self._mask = int.from_bytes(mask, "little")
        self._expected = self._mask & int.from_bytes(head[_BEGIN : self.end], "little")
        self._pixel_tag = head[elements.pixel_element : self.end]
        self._elements = elements

    def read(self, head: bytes) -> Elements | None:
        """What `walk` would find, or None where the file is laid out in another way."""
        if head[self.end - 8 : self.end] != self._pixel_tag:
            return None
        if int.from_bytes(head[_BEGIN : self.end], "little") & self._mask != self._expected:
            return None
        values = {tag: head[start:stop] for tag, (start, stop) in self._places.items()}
        known = self._elements
        return Elements(
            values, known.syntax, known.storage_class, known.implicit, True, known.pixel_element
        )


class Layouts:
    """The layouts of a scan, the one that fitted last first."""

    def __init__(self, wanted: Collection[int]) -> None:
        self._wanted = wanted
        self._known: list[Layout] = []
        self._fitted = 0
        self._learnt = 0

    def walk(self, head: bytes) -> Elements | None:
        """As `elements.walk`."""
        known = self._known
        for index, layout in enumerate(known):
            elements = layout.read(head)
            if elements is not None:
                self._fitted += 1
                if index:
                    known.insert(0, known.pop(index))
                return elements
        elements = walk(head, self._wanted)
        # Where every file is different, learning would only cost time.
        if elements is not None and self._learnt < _TRIALS + self._fitted:
            self._learnt += 1
            learnt = _learnt(head, elements, self._wanted)
            if learnt is not None:
                known.insert(0, learnt)
                del known[_MOST:]
        return elements


def _learnt(head: bytes, elements: Elements, wanted: Collection[int]) -> Layout | None:
    """The layout of a file that was walked; None where it would not give the same of that file."""
    try:
        layout = Layout(head, elements, wanted)
    except (UnusualError, struct.error, RecursionError):
        return None  # a pixel element of an odd representation, which the walk does not look at
    return layout if layout.read(head) == elements else None
