"""What a report of a problem leaves out of the log, and what it lets through."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctstudio.ct.volume import Source
from ctstudio.workflows.problem_report import HIDDEN, secrets_of, without_secrets

SCAN = Source(
    description="Chest 5",
    series_uid="1.2.840.113.77.30",
    study_date="20210317",
    patient_name="Doe^Jane",
    patient_id="AB-47-30021",
    files=(Path("/data/ward7/17/1-30.dcm"), Path("/data/ward7/17/1-31.dcm")),
)


@pytest.mark.parametrize("text", ["30 slices", "slice 31 of 40", "size 512 x 113", "840 ms"])
def test_numbers_as_files_are_counted_with_stay(text: str) -> None:
    """Parts of a UID or of a file's name, which are in every log for another reason."""
    assert without_secrets(text, secrets_of([SCAN])) == text


@pytest.mark.parametrize("secret", ["47", "30021", "20210317", "Jane", "doe", "17", "ward7"])
def test_what_belongs_to_the_patient_or_names_a_folder_does_not(secret: str) -> None:
    assert without_secrets(f"slice {secret} of", secrets_of([SCAN])) == f"slice {HIDDEN} of"
