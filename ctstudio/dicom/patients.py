"""Which images of one series UID are of one patient."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ctstudio.dicom.headers import Header
from ctstudio.dicom.texts import read_texts

_TAGS = ("PatientID", "PatientName", "PatientBirthDate")
_MOST_READ = 64  # marks; beyond, each is taken for a patient without a look into its files
_BETWEEN_NAMES = re.compile(r"[\s^,]+")


class _Person(NamedTuple):
    """Who a file says that it is of, spelt in one way; "" for what it does not say."""

    number: str
    name: str
    birth_date: str

    @classmethod
    def of(cls, path: Path) -> _Person:
        texts = read_texts(path, _TAGS)
        number, name, date = (
            unicodedata.normalize("NFKC", texts[tag]).casefold().strip() for tag in _TAGS
        )
        # The first of the spellings: Latin, then in other scripts (PS3.5 6.2.1).
        name = next(filter(None, name.split("=")), "")
        return cls(number, _BETWEEN_NAMES.sub(" ", name).strip(), date)

    def may_be(self, other: _Person) -> bool:
        """Whether both may be one patient: nothing differs, or the number and one more agree.

        The latter is a patient of whom one thing was corrected.
        """
        stated = [(a, b) for a, b in zip(self, other, strict=True) if a and b]
        same = sum(a == b for a, b in stated)
        if same == len(stated):
            return True
        return bool(self.number) and self.number == other.number and same > 1


def by_patient(headers: Sequence[Header]) -> list[list[Header]]:
    """``headers`` of one series UID, patient by patient; those that name none apart if they must.

    Where hashes of the patients agree nothing is read; else one file of each hash.
    """
    marked: dict[str, list[Header]] = defaultdict(list)
    for header in headers:
        marked[header.patient].append(header)
    if len(marked) - ("" in marked) < 2:
        return [list(headers)]
    if len(marked) > _MOST_READ:
        return list(marked.values())
    known = [(_Person.of(members[0].path), members) for members in marked.values()]
    # Who says the most comes first: others join the one whom they fit.
    known.sort(key=lambda entry: -sum(map(bool, entry[0])))
    groups: list[tuple[list[_Person], list[Header]]] = []
    for person, members in known:
        fitting = [group for group in groups if all(map(person.may_be, group[0]))]
        if len(fitting) == 1:
            fitting[0][0].append(person)
            fitting[0][1].extend(members)
        else:
            groups.append(([person], list(members)))
    return [members for _, members in groups]
