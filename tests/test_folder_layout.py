"""Folders as people have them: each is read as its owner means it, or one sentence says what is not."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tinyres.common.errors import UserError
from tinyres.sources.folder_layout import (
    BESIDE,
    BROKEN,
    CIRCLE,
    HIDDEN,
    NO_IMAGE,
    OUTSIDE,
    SYSTEM,
    Layout,
    find_images,
    split_of,
)

PICTURE = Image.new("RGB", (8, 8), "teal")
TOP = {"": {"cat": 2, "dog": 2}}
BOTH = {"train": {"cat": 1, "dog": 1}, "test": {"cat": 1, "dog": 1}}
CLASSES = ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png")


def put(top: Path, *names: str) -> None:
    """A picture under each name that ends in `.png`, a line of text under every other."""
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".png"):
            PICTURE.save(top / name)
        else:
            (top / name).write_text("no image")


def in_splits(*splits: str) -> list[str]:
    return [f"{split}/{animal}/1.png" for split in splits for animal in ("cat", "dog")]


def counts(layout: Layout) -> dict[str, dict[str, int]]:
    return {split: {name: len(files) for name, files in classes.items()} for split, classes in layout.images.items()}


def passed_over(layout: Layout) -> dict[str, int]:
    return {reason: len(names) for reason, names in layout.passed_over.items()}


UNDERSTOOD = {  # files in the folder; images by split and class; what is passed over
    "classes alone": (CLASSES, TOP, {}),
    "train and test": (in_splits("train", "test"), BOTH, {}),
    "in capitals": (in_splits("Train", "TEST"), BOTH, {}),
    "Training and Testing": (in_splits("Training", "Testing"), BOTH, {}),
    "training_set and test_set": (in_splits("training_set", "test_set"), BOTH, {}),
    "train-data and test-data": (in_splits("train-data", "test-data"), BOTH, {}),
    "with spaces": (in_splits("Training Set", "Test Set"), BOTH, {}),
    "trainImages and testImages": (in_splits("trainImages", "testImages"), BOTH, {}),
    "train and val": (in_splits("train", "val"), BOTH, {}),
    "train and valid": (in_splits("train", "valid"), BOTH, {}),
    "Training and Validation": (in_splits("Training", "Validation"), BOTH, {}),
    "train, val and test": (
        in_splits("train", "val", "test"),
        BOTH,
        {BESIDE: 1},
    ),
    "more beside the splits": (
        [*in_splits("train", "test"), "models/a.bin", "README.md", "plot.png"],
        BOTH,
        {
            BESIDE: 1,
            NO_IMAGE: 1,
            OUTSIDE: 1,
        },
    ),
    "splits with loose pictures": (
        [*in_splits("train", "test"), "train/loose.png"],
        BOTH,
        {OUTSIDE: 1},
    ),
    "a class called train": (
        ("bus/1.png", "bus/2.png", "train/1.png", "train/2.png"),
        {"": {"bus": 2, "train": 2}},
        {},
    ),
    "classes called valid and not": (
        ("valid/a/1.png", "valid/2.png", "not/a/1.png", "not/2.png"),
        {"": {"not": 2, "valid": 2}},
        {},
    ),
    "folders below a class": (("cat/a/1.png", "cat/b/c/2.png", "dog/1.png", "dog/2.png"), TOP, {}),
    "a notebook's copies": ((*CLASSES, "cat/.ipynb_checkpoints/1-checkpoint.png"), TOP, {HIDDEN: 1}),
    "a notebook's copies at the top": ((*CLASSES, ".ipynb_checkpoints/1.png"), TOP, {HIDDEN: 1}),
    "a notebook's copies among splits": (
        [*in_splits("train", "test"), "train/.ipynb_checkpoints/1.png"],
        BOTH,
        {HIDDEN: 1},
    ),
    "a Mac's folders and files": (
        (*CLASSES, "cat/.AppleDouble/1.png", "cat/._1.png", "cat/.DS_Store", ".DS_Store", "__MACOSX/cat/1.png"),
        TOP,
        {HIDDEN: 4, SYSTEM: 1},
    ),
    "a NAS's thumbnails": (
        (*CLASSES, "cat/@eaDir/1.png", "@eaDir/2.png", "dog/#recycle/1.png"),
        TOP,
        {SYSTEM: 3},
    ),
    "a disk's own": (
        (*CLASSES, "lost+found/1.png", "$RECYCLE.BIN/1.png", "System Volume Information/a.png"),
        TOP,
        {SYSTEM: 3},
    ),
    "Windows' files": ((*CLASSES, "cat/Thumbs.db", "cat/desktop.ini"), TOP, {NO_IMAGE: 2}),
    "notes and tables": ((*CLASSES, "cat/notes.txt", "labels.csv"), TOP, {NO_IMAGE: 2}),
    "a screenshot of macOS": (("cat/Screenshot 2024 at 9.41.00\u202fAM.png", *CLASSES[1:]), TOP, {}),
    "a space that does not break": (("cat/1\u00a0.png", *CLASSES[1:]), TOP, {}),
    "Persian": (
        ("گربه\u200cها/1.png", "گربه\u200cها/2.png", "سگ/1.png", "سگ/2.png"),
        {"": {"سگ": 2, "گربه\u200cها": 2}},
        {},
    ),
    "an emoji of several": (
        ("👩\u200d🌾/1.png", "👩\u200d🌾/2.png", *CLASSES[:2]),
        {"": {"cat": 2, "👩\u200d🌾": 2}},
        {},
    ),
    "Chinese, Japanese, Korean": (
        ("猫/1.png", "猫/2.png", "いぬ/1.png", "いぬ/2.png", "새/1.png", "새/2.png"),
        {"": {"いぬ": 2, "猫": 2, "새": 2}},
        {},
    ),
    "letters written in two ways": (
        ("train/café/1.png", "test/cafe\u0301/1.png", "train/tea/1.png", "test/tea/1.png"),
        {"train": {"café": 1, "tea": 1}, "test": {"café": 1, "tea": 1}},
        {},
    ),
    "names that mean something elsewhere": (
        ("$5 $10/1.png", "$5 $10/2.png", "a|b/1.png", "a|b/2.png"),
        {"": {"$5 $10": 2, "a|b": 2}},
        {},
    ),
}


@pytest.mark.parametrize("what", UNDERSTOOD)
def test_a_folder_is_read_as_its_owner_means_it(tmp_path, what):
    names, images, left_out = UNDERSTOOD[what]
    put(tmp_path, *names)
    layout = find_images(tmp_path)
    assert counts(layout) == images
    assert passed_over(layout) == left_out


def test_no_other_folder_is_taken_for_a_split():
    assert {split_of(name) for name in ("trains", "contest", "tester", "value", "devil", "training grounds", "")} == {
        None
    }


# Links.


def link(top: Path, name: str, target: Path | str) -> None:
    (top / name).parent.mkdir(parents=True, exist_ok=True)
    (top / name).symlink_to(target)


def linked_class(top: Path) -> None:
    put(top.parent / "elsewhere", "1.png", "2.png")
    put(top, *CLASSES[:2])
    link(top, "dog", top.parent / "elsewhere")


def linked_below_a_class(top: Path) -> None:
    put(top.parent / "elsewhere", "2.png")
    put(top, "cat/1.png", *CLASSES[2:])
    link(top, "cat/batch1", "../../elsewhere")


def linked_file(top: Path) -> None:
    put(top.parent / "elsewhere", "2.png")
    put(top, "cat/1.png", *CLASSES[2:])
    link(top, "cat/2.png", top.parent / "elsewhere/2.png")


def linked_folder(top: Path) -> None:
    put(top.parent / "elsewhere", *CLASSES)
    top.rmdir()
    top.symlink_to(top.parent / "elsewhere")


def circle_to(target: str) -> Callable[[Path], None]:
    def make(top: Path) -> None:
        put(top, *CLASSES)
        link(top, "cat/again", target)

    return make


def circle_of_two(top: Path) -> None:
    put(top, *CLASSES)
    (top.parent / "elsewhere").mkdir()
    link(top, "cat/away", top.parent / "elsewhere")
    link(top.parent / "elsewhere", "back", top / "cat")


def broken(top: Path) -> None:
    put(top, *CLASSES)
    link(top, "cat/gone.png", "nowhere.png")
    link(top, "cat/itself", "itself")


LINKS = {
    "a class elsewhere": (linked_class, {}),
    "a folder below a class": (linked_below_a_class, {}),
    "a file": (linked_file, {}),
    "the folder itself": (linked_folder, {}),
    "a circle to the class": (circle_to("."), {CIRCLE: 1}),
    "a circle to the top": (circle_to(".."), {CIRCLE: 1}),
    "a circle to what holds the top": (circle_to("../.."), {CIRCLE: 1}),
    "a circle by way of elsewhere": (circle_of_two, {CIRCLE: 1}),
    "links that lead nowhere": (broken, {BROKEN: 2}),
}


@pytest.mark.parametrize("what", LINKS)
def test_links_are_followed_and_circles_are_not(tmp_path, what):
    make, left_out = LINKS[what]
    top = tmp_path / "pictures"
    top.mkdir()
    make(top)
    layout = find_images(top)
    assert counts(layout) == TOP
    assert passed_over(layout) == left_out


# What is said.


def remarks(folder: Path) -> list[str]:
    return find_images(folder).remarks()


def test_everything_passed_over_is_told_by_reason(tmp_path):
    put(tmp_path, *CLASSES, "cat/notes.txt", *(f"dog/.{number}.png" for number in range(5)))
    assert remarks(tmp_path) == [
        f"passed over in {tmp_path}: hidden: 5 (dog/.0.png, dog/.1.png, dog/.2.png and 2 more); "
        "no images that can be read: 1 (cat/notes.txt)."
    ]


def test_a_name_with_an_accent_is_no_split_however_the_accent_is_written():
    assert split_of("t\u00e9st") is split_of("te\u0301st") is None


def test_of_a_folder_with_nothing_to_remark_nothing_is_said(tmp_path):
    put(tmp_path, *CLASSES)
    assert remarks(tmp_path) == []


def test_that_validation_images_are_tested_on_is_told(tmp_path):
    put(tmp_path, *in_splits("train", "Val"))
    assert remarks(tmp_path) == [f"note: {tmp_path} has no test/, so Val/ is tested on."]


@pytest.mark.parametrize("splits", [("fold1", "fold2"), ("a", "b", "c"), ("source", "target")])
def test_folders_that_look_like_splits_are_told(tmp_path, splits):
    put(tmp_path, *in_splits(*splits))
    assert remarks(tmp_path) == [
        f"note: the folders in {tmp_path} ({', '.join(splits)}) each hold cat, dog, as splits do, but are taken as "
        "classes; if they are splits, name them train/ and test/."
    ]


NO_SPLITS = {
    "images beside the inner folders": [
        f"{animal}/{below}" for animal in ("cat", "dog") for below in ("1.png", "day/2.png", "night/3.png")
    ],
    "few of the inner folders in every class": [
        f"{animal}/{inner}/1.png"
        for animal in ("cat", "dog")
        for inner in ("day", "night", f"{animal}s at home", f"{animal}s outside")
    ]
    + ["cat/asleep/1.png"],
    "more classes than anyone has splits": [
        f"animal {number}/{inner}/1.png" for number in range(11) for inner in ("day", "night")
    ],
}


@pytest.mark.parametrize("what", NO_SPLITS)
def test_classes_with_folders_of_their_own_are_not_taken_for_splits(tmp_path, what):
    put(tmp_path, *NO_SPLITS[what])
    assert remarks(tmp_path) == []


def test_folders_of_one_look_are_one_class_and_told(tmp_path):
    put(tmp_path, "café/1.png", "cafe\u0301/2.png", "tea/1.png", "tea/2.png")
    layout = find_images(tmp_path)
    assert counts(layout) == {"": {"café": 2, "tea": 2}}
    assert layout.remarks() == [
        f"note: two folders in {tmp_path} are called 'café', with the same letters in different codes; "
        "they are read as one class."
    ]


REFUSED = {
    "two folders of one split": (
        in_splits("train", "Training", "test"),
        "Training/ and train/ in {} both are named for train; keep one, or join them.",
    ),
    "splits inside of the classes": (
        ["cat/train/1.png", "cat/test/1.png", "dog/train/1.png", "dog/test/1.png"],
        "The classes in {} hold folders for training and testing (test, train); put these at the top, as train/CLASS "
        "and test/CLASS.",
    ),
    "everything in one more folder": (
        [f"archive/{name}" for name in CLASSES],
        "{} holds one class only, 'archive'; there must be at least two, or give {}/archive if its folders are the "
        "classes.",
    ),
    "training images alone": (
        in_splits("Training"),
        "{} has Training/ with classes in it, but no classes in test/; add them, or move the classes of Training/ "
        "up into {} to test on a share of them.",
    ),
    "other classes to test on": (
        [*in_splits("Train", "Test"), "Test/owl/1.png"],
        "Test/ in {} has owl, which Train/ lacks; give both all classes.",
    ),
    "a name with an end of line": (
        ("cat\n/1.png", *CLASSES),
        "The name 'cat\\n' in {} cannot be written to a table; rename it.",
    ),
    "a name of bytes that are no text": (
        (os.fsdecode(b"cat/\xff.png"), *CLASSES),
        "The name 'cat/\\udcff.png' in {} cannot be written to a table; rename it.",
    ),
    "a class of hidden files": (
        (*CLASSES, "owl/.1.png"),
        "The class 'owl' has no images in {}/owl; add some or remove it.",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_understood_is_refused_in_one_sentence(tmp_path, what):
    names, sentence = REFUSED[what]
    put(tmp_path, *names)
    with pytest.raises(UserError) as refused:
        find_images(tmp_path)
    assert str(refused.value) == sentence.format(tmp_path, tmp_path)
