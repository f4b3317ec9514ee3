"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real CT for tests; skips where it is not at hand."""
    folder = os.environ.get("CTSTUDIO_TEST_DATA", "")
    if not folder:
        pytest.skip("CTSTUDIO_TEST_DATA is not set: real CT for tests is not at hand")
    path = Path(folder).resolve()
    if not path.is_dir():
        pytest.skip(f"CTSTUDIO_TEST_DATA names {path}, which is not a folder")
    return path
