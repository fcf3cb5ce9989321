"""Write a new study: the root's graph and parameters, adapted to one's own pictures.

Both files are made from the root's own, comments included, so that they are never behind the code.
"""

import io
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from tinyres.common.atomic import replacing
from tinyres.common.errors import UserError
from tinyres.params import validate_params
from tinyres.sources.folder_layout import SHOWN, check_classes, find_images
from tinyres.sources.image_folder import Size, in_one_sentence, sizes_of, tests_among

SMALLEST, LARGEST = 28, 64  # pixels of the sides that a study starts with where the pictures have no size in common
KEPT = 224  # pixels of the side up to which pictures of one size keep it
UP = "../.."  # from a study's folder to the repository


@dataclass(frozen=True)
class Study:
    """A study that was written."""

    folder: Path
    """From the repository's root."""
    pictures: str
    """What there is to train on, in words."""
    remarks: list[str]
    """What in the folder was passed over, cannot be read, or may not be as its owner thinks; a sentence each."""


@dataclass(frozen=True)
class Survey:
    """What reading all pictures once has shown."""

    tests: int
    """Images that will be tested on."""
    image_size: int | None
    """Side in pixels to bring them to; None where they have one small size already."""
    words: str
    remarks: list[str]


def write_study(root: Path, name: str, images: Path) -> Study:
    """Write `studies/<name>` in the repository at `root`, whole or not at all.

    Raises:
        UserError: the name is taken or no folder's name, or the folder of images is not fit to train on.
    """
    if not re.fullmatch(r"[A-Za-z0-9]+([_-][A-Za-z0-9]+)*", name):
        raise UserError(f"{name!r} is no name for a study; use letters and digits, with '-' or '_' between them.")
    for file in ("dvc.yaml", "params.yaml"):
        if not (root / file).is_file():
            raise UserError(f"There is no {file} in {root}; run from inside the repository of tinyres.")
    target = root / "studies" / name
    if os.path.lexists(target):
        raise UserError(f"studies/{name} exists already; choose another name, or remove it first.")
    params, graph = _read(root / "params.yaml"), _read(root / "dvc.yaml")
    survey = survey_images(images, params["data"]["test"])
    folder = _path_from(target, images, root)
    _change_graph(graph, name, folder, survey, params)
    _change_params(params, name, folder, survey)
    with replacing(target) as draft:
        draft.mkdir()
        _write(draft / "params.yaml", params)
        _write(draft / "dvc.yaml", graph)
    return Study(Path("studies") / name, survey.words, survey.remarks)


def survey_images(folder: Path, share: float) -> Survey:
    """Read a folder's pictures; of a folder without test images, the given share is tested on.

    Pictures that cannot be read are named, and not counted.

    Raises:
        UserError: as for `find_images`, or what can be read is not enough to train on.
    """
    layout = find_images(folder)
    by_name, unreadable = sizes_of(layout)
    total = len(by_name) + len(unreadable)
    if not by_name:
        last = list(unreadable.values())[-1]
        raise UserError(f"None of the {total:,} images in {folder} can be read; the last: {last}")
    remarks = layout.remarks()
    layout = layout.without(set(unreadable))
    check_classes(layout)
    if unreadable:
        remarks += [f"unreadable: {sentence}" for sentence in list(unreadable.values())[:SHOWN]]
        remarks.append(f"note: {in_one_sentence(unreadable, total, folder)}")
    sizes = Counter(by_name.values())
    tested = layout.images.get("test")
    classes = tested or layout.images[""]
    tests = sum(len(names) if tested else tests_among(len(names), share) for names in classes.values())
    side = _side_for(sizes)
    each = "×".join(map(str, reversed(next(iter(sizes))))) if len(sizes) == 1 else f"{len(sizes):,} different sizes"
    words = f"{len(classes)} classes, {len(by_name) - tests:,} training and {tests:,} test images of {each}"
    return Survey(tests, side, words + (f", brought to {side}×{side}" if side else ""), remarks)


def _side_for(sizes: Counter[Size]) -> int | None:
    """None for pictures of one small size; else the shorter side of the one in the middle, within what is quick."""
    if len(sizes) == 1 and max(next(iter(sizes))) <= KEPT:
        return None
    shorter = sorted(min(size) for size in sizes.elements())
    return min(max(shorter[len(shorter) // 2], SMALLEST), LARGEST)


def _path_from(study: Path, folder: Path, root: Path) -> str:
    """From the study's folder if it lies in the repository, so that a clone elsewhere finds it; else absolute."""
    folder = folder.absolute()
    if folder.resolve().is_relative_to(root.resolve()):
        return Path(os.path.relpath(folder.resolve(), study.resolve())).as_posix()
    return Path(os.path.normpath(folder)).as_posix()


def _change_params(params: CommentedMap, name: str, folder: str, survey: Survey) -> None:
    params.yaml_set_start_comment(
        f"{name}: one's own pictures, {survey.words}.\n"
        "src/tinyres/params/schema.py says what each parameter means, with its range and unit."
    )
    _set(params["data"], "source", "image_folder")
    _set(params["data"], "folder", folder)
    _set(params["subset"], "image_size", survey.image_size)
    _set(params["evaluate"], "reference", None)
    _set(params["tracking"], "experiment", name)
    # t-SNE takes three neighbours for each unit of the perplexity from the images that there are.
    params["embed"]["perplexity"] = max(1, min(params["embed"]["perplexity"], (survey.tests - 1) // 3))
    validate_params(YAML(typ="safe").load(_text(params)))


def _set(section: CommentedMap, key: str, value: Any) -> None:
    """Give a parameter a value, without the comment on its old one."""
    section[key] = value
    section.ca.items.pop(key, None)


def _change_graph(graph: CommentedMap, name: str, folder: str, survey: Survey, root: Any) -> None:
    graph.yaml_set_start_comment(
        f"{name}: one's own pictures, {survey.words}.\n"
        "The root's graph, with the pictures as its first dependency, so that changed ones are noticed. Nothing is\n"
        "cached here, so that its dvc.lock can go into Git: with a lock but without its cache, `dvc exp apply` would\n"
        "fail in a fresh clone."
    )
    graph["vars"][0]["root"] = UP
    for stage in graph["stages"].values():
        stage["outs"][:] = [each if isinstance(each, dict) else _uncached(each) for each in stage["outs"]]
    graph["stages"]["download"]["deps"].insert(0, folder)
    for old in list(graph["artifacts"]):  # the registry's names: experiment and model
        new = name + old.removeprefix(root["tracking"]["experiment"])
        graph["artifacts"][new] = graph["artifacts"].pop(old)


def _uncached(path: str) -> CommentedMap:
    options = CommentedMap(cache=False)
    options.fa.set_flow_style()
    return CommentedMap({path: options})


def _yaml() -> YAML:
    """Reads and writes the root's files without changing a byte of them."""
    yaml = YAML()
    yaml.width = 4096
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def _read(file: Path) -> CommentedMap:
    return _yaml().load(file.read_text(encoding="utf-8"))


def _text(content: CommentedMap) -> str:
    stream = io.StringIO()
    _yaml().dump(content, stream)
    return re.sub(
        r"(?<!\n)(?<!stages:)\n(?=stages:|  \S+:\n    desc:)", "\n\n", stream.getvalue()
    )  # a blank line per stage


def _write(file: Path, content: CommentedMap) -> None:
    file.write_text(_text(content), encoding="utf-8")
