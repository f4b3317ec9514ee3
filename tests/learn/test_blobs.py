"""Which pieces of a label map are kept."""

from __future__ import annotations

import numpy as np
import pytest

from ctstudio.learn.blobs import Blobs, keep


def pieces() -> np.ndarray:
    """Class 1 in pieces of 8, 3 and 1 voxels, class 2 in pieces of 4 and 4."""
    numbers = np.zeros((4, 9, 9), np.uint16)
    numbers[0:2, 0:2, 0:2] = 1
    numbers[0, 4, 4:7] = 1
    numbers[3, 8, 8] = 1
    numbers[3, 0, 0:4] = 2
    numbers[3, 2, 0:4] = 2
    numbers[2, 2, 2] = 1  # touches the first piece by a corner only
    return numbers


@pytest.mark.parametrize(
    ("blobs", "ones", "twos"),
    [
        (Blobs(), 13, 8),
        (Blobs(largest=1), 8, 4),
        (Blobs(largest=2), 11, 8),
        (Blobs(least_mm3=1.5), 11, 8),  # three voxels of half a cubic millimetre are enough
        (Blobs(least_mm3=1.51), 8, 8),
        (Blobs(least_mm3=2.1), 8, 0),
        (Blobs(largest=2, least_mm3=1.5), 11, 8),
    ],
)
def test_pieces_are_kept_by_size(blobs: Blobs, ones: int, twos: int) -> None:
    numbers = pieces()
    kept = keep(numbers, blobs, 0.5)
    assert (kept == 1).sum() == ones
    assert (kept == 2).sum() == twos
    assert np.array_equal(numbers, pieces())
    assert set(np.unique(kept[kept != numbers])) <= {0}


def test_of_equal_pieces_the_first_is_kept() -> None:
    kept = keep(pieces(), Blobs(largest=1), 1.0)
    assert (kept[3, 0, 0:4] == 2).all()


@pytest.mark.parametrize(
    ("blobs", "words"),
    [
        (Blobs(), ""),
        (Blobs(largest=1), "the largest piece of each class"),
        (Blobs(largest=3, least_mm3=50), "the largest 3 pieces of 50 mm3 or more of each class"),
        (Blobs(least_mm3=2.5), "pieces of 2.5 mm3 or more"),
    ],
)
def test_what_is_kept_in_words(blobs: Blobs, words: str) -> None:
    assert str(blobs) == words
    assert blobs.told("voxels") == words.replace("mm3", "voxels")
