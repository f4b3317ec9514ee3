"""Sentences of the layers below the window: each has its Chinese, and is found with its values."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication

import ctstudio.gui
from ctstudio.ct.volume import Geometry
from ctstudio.gui.translation import catalogue, sentences

CHINESE = "zh_CN"
HAN = re.compile(r"[\u4e00-\u9fff]")
pytestmark = pytest.mark.usefixtures("english_afterwards")


SPEAKERS = ("StudioError", "Note")  # what is said by them is shown
LEAST = 6  # letters that are known of a sentence: less is no sentence


def said_in(node: ast.expr, named: dict[str, list[ast.expr]]) -> list[str]:
    """The texts that an expression may give, with holes for what is put into them."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.JoinedStr):
        parts, holes = "", 0
        for value in node.values:
            if isinstance(value, ast.Constant):
                parts += str(value.value)
            else:
                parts, holes = f"{parts}{{{holes}}}", holes + 1
        return [parts]
    if isinstance(node, ast.IfExp):
        return said_in(node.body, named) + said_in(node.orelse, named)
    if isinstance(node, ast.Name):
        return [text for value in named.get(node.id, []) for text in said_in(value, {})]
    return []


def sentences_below() -> dict[str, str]:
    """Sentences of errors, notes and progress, and the file that each stands in."""
    found: dict[str, str] = {}
    root = Path(str(ctstudio.__path__[0]))
    for path in sorted(root.rglob("*.py")):
        place = path.relative_to(root).as_posix()
        if place.startswith("cli/"):
            continue  # the terminal speaks English
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named: dict[str, list[ast.expr]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                named.setdefault(node.targets[0].id, []).append(node.value)
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            hints = [k.value for k in node.keywords if k.arg in ("hint", "message")]
            if name in SPEAKERS or (name.endswith("Error") and hints):
                told = [*node.args[:1], *hints]
            elif name == "Progress":
                told = node.args[2:3]
            else:
                continue
            for text in (text for one in told for text in said_in(one, named)):
                if sum(map(str.isalpha, HOLES.sub("", text))) >= LEAST:
                    found.setdefault(text, place)
    return found


HOLES = re.compile(r"\{\d\}")
REASON = re.compile(r"(it|its|the file) [a-z]")


def reasons_below() -> dict[str, str]:
    """Why files are left out ("it is empty"), and the file that each reason stands in."""
    found: dict[str, str] = {}
    root = Path(str(ctstudio.__path__[0]))
    for path in sorted([*(root / "dicom").rglob("*.py"), *(root / "files").rglob("*.py")]):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        parts = {id(v) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for v in n.values}
        for node in ast.walk(tree):
            if isinstance(node, (ast.Constant, ast.JoinedStr)) and id(node) not in parts:
                found |= {text: path.name for text in said_in(node, {}) if REASON.match(text)}
    return found


def test_no_reason_for_which_a_file_is_left_out_is_missing() -> None:
    found = reasons_below()
    assert len(found) > 60
    known = {*catalogue.catalogue(CHINESE), *sentences.sentences(CHINESE)}
    missing = {text: place for text, place in found.items() if text not in known}
    assert missing == {}, "resources/translations/zh_CN.sentences.json lacks these"


def test_what_is_odd_about_a_series_is_told_in_chinese(qapp: QApplication) -> None:
    from ctstudio.ct.resample import Fix
    from ctstudio.dicom import irregularities
    from ctstudio.dicom.irregularities import Kind

    found = [
        *irregularities.of_studies(2), *irregularities.of_patients(3),
        *irregularities.of_frames_of_reference(2, 9, apart=True),
        *irregularities.of_frames_of_reference(9, 9, apart=False),
        *irregularities.of_copies(1), *irregularities.of_copies(4),
        *irregularities.of_thickness([1.0, 2.5])[1],
    ]  # fmt: skip
    for places in ([0, 1, 2, 5, 6], [0, 1, 1, 2], [0, 0, 0], [0, 1, 2.5, 3], [0, 3, 4, 5, 9]):
        at = np.zeros((len(places), 3))
        at[:, 2] = places
        tilted = at + np.outer(places, (0.0, 0.4, 0.0))
        for positions in (at, tilted):
            geometry = Geometry(positions, np.eye(3)[0], np.eye(3)[1], (0.7, 0.9))
            found += irregularities.of_stack(geometry, 4.0)
    assert {odd.kind for odd in found} >= irregularities.OF_STACKS
    catalogue.choose(qapp, CHINESE)
    english = re.compile(r"[a-z]{4,}")
    for text in [*(o.sentence for o in found), *map(str, Kind), *(f.help for f in Fix)]:
        assert HAN.search(sentences.said(text)), text
        assert not english.search(sentences.said(text)), text


def test_every_experiment_is_explained_in_chinese(qapp: QApplication) -> None:
    from ctstudio.workflows.reproduce.experiments import known

    catalogue.choose(qapp, CHINESE)
    for experiment in known().values():
        for text in (experiment.title, experiment.article, experiment.seen):
            assert HAN.search(sentences.said(text)) or text == "U-Net", text


def test_measurements_and_what_is_said_of_noise_are_told_in_chinese(qapp: QApplication) -> None:
    from ctstudio.gui.measuring.entries import NAMES
    from ctstudio.workflows import noise_measures

    source = ast.parse(Path(noise_measures.__file__).read_text(encoding="utf-8"))
    notes = [
        text
        for call in ast.walk(source)
        if isinstance(call, ast.Call)
        for word in call.keywords
        if word.arg == "note"
        for text in said_in(word.value, {})
        if text
    ]
    told = [noise_measures.SMALL, noise_measures.COARSE, noise_measures.NO_EDGE]
    assert len(notes) >= 1
    catalogue.choose(qapp, CHINESE)
    for text in [*notes, *told, noise_measures.SMALL.replace("8", "32")]:
        assert HAN.search(sentences.said(text)), text
        assert not re.search(r"[a-z]{4,}", sentences.said(text)), text
    for name in NAMES.values():
        assert HAN.search(catalogue.tr(name)), name


def test_no_sentence_of_the_layers_below_is_missing() -> None:
    found = sentences_below()
    assert len(found) > 400
    known = {*catalogue.catalogue(CHINESE), *sentences.sentences(CHINESE)}
    missing = {text: place for text, place in found.items() if text not in known}
    assert missing == {}, "resources/translations/zh_CN.sentences.json lacks these"


def test_sentences_are_found_with_their_values(qapp: QApplication) -> None:
    """Each is told from all others, whatever its values are, and these come out as they were."""
    catalogue.choose(qapp, CHINESE)
    values = ["/data/a b", "12", "x.png", "0.5", "seven", "eight"]
    for text, other in sentences.sentences(CHINESE).items():
        assert sorted(HOLES.findall(text)) == sorted(HOLES.findall(other)), text
        if re.search(r"\}\{", text) or text in catalogue.catalogue(CHINESE):
            continue  # where one value ends and the next begins is not to be seen
        filled, wanted = text, other
        for number, value in enumerate(values):
            filled = filled.replace(f"{{{number}}}", value)
            wanted = wanted.replace(f"{{{number}}}", value)
        assert sentences.said(filled) == wanted


def test_sentences_within_sentences_and_one_after_another(qapp: QApplication) -> None:
    said = sentences.said
    text = "Cannot read /data/a.dcm: permission is denied. Choose another place and try again."
    assert said(text) == text
    catalogue.choose(qapp, CHINESE)
    assert said(text) == "无法读取 /data/a.dcm：没有权限。请另选位置后重试。"
    assert said("Nobody has ever said this.") == "Nobody has ever said this."
    assert said("Nobody said this. Check the path.") == "Nobody said this. 请检查路径。"
    assert said("Residual: Total variation") == "残差：全变分"
    assert said("") == ""


def test_every_help_text_of_the_forms_is_there() -> None:
    from ctstudio.classical.denoisers import DENOISERS
    from ctstudio.core.registry import read_fields
    from ctstudio.learn.blobs import Blobs
    from ctstudio.learn.recipe import SECTIONS, SETTINGS, registries

    known = catalogue.catalogue(CHINESE)
    fields = [*SETTINGS, *read_fields(Blobs)]
    fields += [field for section in SECTIONS.values() for field in read_fields(section)]
    texts: dict[str, str] = {}
    for name, registry in {**registries(), "denoiser": DENOISERS}.items():
        for entry in registry:
            texts |= {entry.title: name, entry.help: f"{name} {entry.name}"}
            fields += entry.fields
    for field in fields:
        texts |= {field.label: field.name, field.param.help: field.name}
    words = {text: where for text, where in texts.items() if any(map(str.isalpha, text))}
    missing = {text: where for text, where in words.items() if text not in known}
    assert missing == {}


def test_every_recipe_has_its_title_and_description_in_chinese(qapp: QApplication) -> None:
    from ctstudio.learn.recipe import bundled

    catalogue.choose(qapp, CHINESE)
    for name, recipe in bundled().items():
        assert HAN.search(sentences.said(recipe.title)), name
        assert not recipe.description or HAN.search(sentences.said(recipe.description)), name
        english = re.findall(r"[A-Za-z]{4,}", sentences.said(recipe.title))
        assert not set(english) & {"Article", "repaired", "patches", "rate", "layers"}, name
