"""One's own pictures become the pipeline's arrays; whatever is wrong with the folder is told by name."""

import json
import sys
import zipfile
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_digits

from tinyres.common.dataset import Split
from tinyres.common.errors import UserError
from tinyres.params import Data, Subset
from tinyres.sources.image_folder import ARCHIVE, LISTING, download, file_names, read
from tinyres.sources.photographs import resized
from tinyres.sources.registry import SOURCES
from tinyres.sources.source import Source
from tinyres.sources.subset import extract

DIGITS = (load_digits().images * (255 / 16)).astype(np.uint8)
"""Real grey images of 8×8, no two of which are the same."""


def picture(number: int, side: int = 8) -> Image.Image:
    return Image.fromarray(DIGITS[number]).resize((side, side), Image.Resampling.NEAREST)


def save(folder: Path, *names: str, start: int = 0) -> None:
    """A picture of its own for each name."""
    for number, name in enumerate(names, start):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(folder / name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes with three training images and one test image each."""
    save(tmp_path / "pictures", *(f"train/{animal}/{number}.png" for animal in ("cat", "dog") for number in range(3)))
    save(tmp_path / "pictures", "test/cat/9.png", "test/dog/9.png", start=100)
    return tmp_path / "pictures"


def fetched(folder: Path, image_size: int | None = None, seed: int = 0, **changes: Any) -> Source:
    """The folder's images, by way of both stages."""
    raw = folder.parent / "raw"
    download(
        raw, Data(**{"source": "image_folder", "folder": str(folder), "test": 0.2, "unreadable": "refuse"} | changes)
    )
    return read(raw, image_size, seed)


def refusal(folder: Path, **changes: Any) -> str:
    """The one sentence that such a folder ends in; nothing is left of it."""
    with pytest.raises(UserError) as refused:
        fetched(folder, **changes)
    assert not (folder.parent / "raw").exists()
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)
    return str(refused.value)


def contents(split: Split, source: Source) -> set[tuple[str, bytes]]:
    """Class and pixels of each image, in no order."""
    return {(source.classes[label], image.tobytes()) for image, label in zip(split.images, split.labels, strict=True)}


def colour(number: int) -> bytes:
    return np.asarray(picture(number).convert("RGB")).tobytes()


# What is read.


def test_train_and_test_are_the_folders_own(folder):
    source = fetched(folder)
    assert (source.name, source.classes, source.superclasses) == ("image_folder", ["cat", "dog"], {})
    animals = ["cat", "cat", "cat", "dog", "dog", "dog"]
    assert contents(source.splits["train"], source) == {(name, colour(row)) for row, name in enumerate(animals)}
    assert contents(source.splits["test"], source) == {("cat", colour(100)), ("dog", colour(101))}


def test_all_kinds_of_files_modes_and_depths_are_read(tmp_path):
    top = tmp_path / "pictures"
    for name, image in {
        "cat/palette.GIF": picture(1).convert("P"),
        "cat/deep/er/grey.Png": picture(2),
        "cat/ink.tif": picture(3).convert("RGB").convert("CMYK"),
        "dog/clear.webp": Image.new("RGBA", (8, 8), (9, 9, 9, 0)),
        "dog/16 bits.png": Image.fromarray(DIGITS[4].astype(np.uint16) * 257),
        "dog/photo.JPEG": picture(5).convert("RGB"),
    }.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(top / name)
    (top / "cat/notes.txt").write_text("no image")
    (top / "cat/._photo.jpg").write_bytes(b"what a Mac leaves beside a photo")
    (top / ".cache").mkdir()
    source = fetched(top)
    seen = contents(source.splits["train"].followed_by(source.splits["test"]), source)
    assert len(seen) == 6
    assert {("cat", colour(number)) for number in (1, 2, 3)} | {("dog", colour(4)), ("dog", b"\xff" * 192)} < seen


def test_a_photograph_lies_as_its_camera_held_it(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    wide = picture(50).resize((16, 8), Image.Resampling.NEAREST)
    wide.transpose(Image.Transpose.ROTATE_90).save(folder / "train/cat/tall.png", exif=exif)
    source = fetched(folder, image_size=32)
    expected = resized(np.asarray(wide.convert("RGB"))[None], (32, 32))[0]
    assert ("cat", expected.tobytes()) in contents(source.splits["train"], source)


def test_the_same_pictures_give_the_same_bytes(folder):
    fetched(folder)
    first = {name: (folder.parent / "raw" / name).read_bytes() for name in (ARCHIVE, LISTING)}
    for file in folder.rglob("*.png"):
        file.touch()
    fetched(folder)
    assert {name: (folder.parent / "raw" / name).read_bytes() for name in (ARCHIVE, LISTING)} == first


def test_the_archive_holds_the_files_as_they_are(folder):
    fetched(folder)
    with zipfile.ZipFile(folder.parent / "raw" / ARCHIVE) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    assert held == {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*.png")}


def test_several_processes_read_the_same_as_one(tmp_path, monkeypatch):
    names = [f"{label}/{number}.png" for label in "ab" for number in range(40)]
    save(tmp_path / "pictures", *names)
    alone = fetched(tmp_path / "pictures")
    monkeypatch.setattr("tinyres.sources.image_folder.PROCESSES_START", 0)
    together = fetched(tmp_path / "pictures")
    for name in ("train", "test"):
        assert np.array_equal(alone.splits[name].images, together.splits[name].images)
        assert np.array_equal(alone.splits[name].labels, together.splits[name].labels)


def test_the_first_images_are_of_all_classes(tmp_path):
    save(tmp_path / "pictures", *(f"{label}/{number:02}.png" for label in "abcd" for number in range(50)))
    labels = fetched(tmp_path / "pictures").splits["train"].labels
    assert np.bincount(labels[:80]).min() >= 10


# One folder, split by seed.


@settings(max_examples=15)
@given(
    counts=st.lists(st.integers(2, 12), min_size=2, max_size=4),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32 - 1),
)
def test_each_class_gives_its_share_to_the_test(tmp_path_factory, counts, share, seed):
    top = tmp_path_factory.mktemp("some") / "pictures"
    save(top, *(f"class {label}/{number}.png" for label, count in enumerate(counts) for number in range(count)))
    source = fetched(top, seed=seed, test=share)
    tests = np.bincount(source.splits["test"].labels, minlength=len(counts))
    for count, drawn in zip(counts, tests, strict=True):
        assert 1 <= drawn <= count - 1
        assert abs(drawn - share * count) <= 1
    train, test = (contents(source.splits[name], source) for name in ("train", "test"))
    assert not train & test
    assert len(train | test) == sum(counts)


def test_the_seed_decides_the_draw(tmp_path):
    save(tmp_path / "pictures", *(f"{label}/{number}.png" for label in "ab" for number in range(20)))
    drawn = [fetched(tmp_path / "pictures", seed=seed).splits["test"].images.tobytes() for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_class_may_be_called_train(tmp_path):
    save(tmp_path / "pictures", *(f"{label}/{number}.png" for label in ("bus", "train") for number in range(3)))
    assert fetched(tmp_path / "pictures").classes == ["bus", "train"]


# Sizes.


def test_pictures_of_several_sizes_need_one(folder):
    picture(7, 12).save(folder / "train/cat/large.png")
    picture(8, 10).resize((40, 10)).save(folder / "train/cat/wide.png")
    with pytest.raises(UserError) as refused:
        fetched(folder)
    assert str(refused.value) == (
        "The images have 3 different sizes, from 8×8 to 40×10 pixels; "
        "set subset.image_size (32, say) to bring them to one."
    )
    assert fetched(folder, image_size=32).splits["train"].images.shape == (8, 32, 32, 3)


def test_a_size_means_the_same_to_every_source(folder):
    """As files, and as arrays: `subset.image_size` gives the same pixels."""
    subset = Subset(classes="all", per_class=None, image_size=32, validation=0, validation_from="train", unlabelled=0)
    from_files = extract(fetched(folder, image_size=32), subset, seed=0)
    from_arrays = extract(fetched(folder), subset, seed=0)
    assert from_files[0] == from_arrays[0]
    assert from_files[0].image_size == (32, 32)
    for name in ("train", "test"):
        assert np.array_equal(from_files[1][name].images, from_arrays[1][name].images)


# What is wrong.


def break_one(folder: Path) -> None:
    (folder / "train/cat/1.png").write_bytes((folder / "train/cat/1.png").read_bytes()[:60])


def test_unreadable_files_are_refused_by_name(folder, capsys):
    break_one(folder)
    for number in range(4):
        (folder / f"train/dog/broken_{number}.jpg").write_text("no image")
    assert refusal(folder) == (
        f"5 of 12 images in {folder} cannot be read: train/cat/1.png, train/dog/broken_0.jpg, train/dog/broken_1.jpg "
        "and 2 more; mend or remove them, or set data.unreadable to skip."
    )
    reasons = capsys.readouterr().err.splitlines()
    assert len(reasons) == 3, "of those that are named"
    for name, reason in zip(("cat/1.png", "dog/broken_0.jpg", "dog/broken_1.jpg"), reasons, strict=True):
        assert reason.startswith(f"unreadable: {folder}/train/{name} ")


def test_unreadable_files_are_skipped_and_named(folder, capsys):
    break_one(folder)
    source = fetched(folder, unreadable="skip")
    assert len(source.splits["train"]) == 5
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith(f"skipped: {folder}/train/cat/1.png cannot be read (")


def test_a_class_of_which_nothing_can_be_read_is_empty(folder):
    (folder / "test/dog/9.png").write_text("no image")
    assert refusal(folder, unreadable="skip").startswith("The class 'dog' has no images that can be read in ")


HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(99)
"""What a phone's photograph begins with."""


def test_heic_photographs_without_their_reader_are_refused_with_the_remedy(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as where it is not installed
    (folder / "train/cat/a.heic").write_bytes(HEIC)
    sentence = f"1 of 9 images in {folder} cannot be read: train/cat/a.heic; for HEIC photographs, install its reader "
    assert refusal(folder) == (
        sentence + "with `pip install pillow-heif`; else mend or remove them, or set data.unreadable to skip."
    )
    (folder / "train/cat/b.png").write_text("no image")
    assert "; for 1 of them, HEIC photographs, install its reader with " in refusal(folder)


def test_pictures_are_told_by_their_content(folder):
    (folder / "train/cat/0.png").rename(folder / "train/cat/without an ending")
    picture(60).save(folder / "train/dog/wrong.jpg", "PNG")
    seen = contents((source := fetched(folder)).splits["train"], source)
    assert {("cat", colour(0)), ("dog", colour(60))} <= seen
    assert len(seen) == 7


def test_what_is_passed_over_is_told_and_counted(folder, capsys):
    save(folder, "val/cat/1.png")
    (folder / "train/cat/notes.txt").write_text("no image")
    (folder / "train/dog/._1.png").write_bytes(b"what a Mac leaves beside a photo")
    break_one(folder)
    fetched(folder, unreadable="skip")
    skipped, told = capsys.readouterr().err.splitlines()
    assert skipped.startswith(f"skipped: {folder}/train/cat/1.png cannot be read (")
    assert told == (
        f"passed over in {folder}: beside the folders of train and test: 1 (val); hidden: 1 (train/dog/._1.png); "
        "no images that can be read: 1 (train/cat/notes.txt)."
    )
    assert json.loads((folder.parent / "raw" / LISTING).read_text())["passed_over"] == {
        "beside the folders of train and test": 1,
        "hidden": 1,
        "no images that can be read": 1,
        "unreadable images": 1,
    }


def test_the_usual_names_of_splits_are_understood(folder):
    (folder / "train").rename(folder / "Training")
    (folder / "test").rename(folder / "Testing_Set")
    source = fetched(folder)
    assert {name: len(split) for name, split in source.splits.items()} == {"train": 6, "test": 2}
    assert sorted(source.files["test"]) == ["Testing_Set/cat/9.png", "Testing_Set/dog/9.png"]


def test_files_are_named_in_the_order_of_their_images(folder):
    source = fetched(folder)
    for split, images in source.splits.items():
        for file, image in zip(source.files[split], images.images, strict=True):
            assert np.array_equal(np.asarray(Image.open(folder / file).convert("RGB")), image)


def test_pictures_without_duplicates_are_read_in_silence(folder, capsys):
    fetched(folder)
    assert capsys.readouterr().err == ""


def without(folder: Path, name: str) -> None:
    for file in sorted((folder / name).rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    (folder / name).rmdir()


BAD = {
    "no folder": (lambda top: without(top, "."), "There is no folder '{}' of images; check its name."),
    "no test": (lambda top: without(top, "test"), "{} has train/ with classes in it, but no classes in test/; "),
    "no train": (lambda top: without(top, "train"), "{} has test/ with classes in it, but no classes in train/; "),
    "one class": (
        lambda top: [without(top, f"{split}/dog") for split in ("train", "test")],
        "{} holds one class only, 'cat'; there must be at least two.",
    ),
    "empty class": (
        lambda top: (top / "train/owl").mkdir(),
        "The class 'owl' has no images in {}/train/owl; add some or remove it.",
    ),
    "test has more": (
        lambda top: save(top, "test/owl/1.png"),
        "test/ in {} has owl, which train/ lacks; give both all classes.",
    ),
    "train has more": (
        lambda top: save(top, "train/owl/1.png"),
        "train/ in {} has owl, which test/ lacks; give both all classes.",
    ),
    "no images": (
        lambda top: [(file.unlink(), file.with_suffix(".txt").touch()) for file in top.rglob("*.png")],
        "{}/train holds no images; put them there as CLASS/NAME.png.",
    ),
    "no classes": (
        lambda top: [without(top, "train"), without(top, "test"), save(top, "1.png", "2.png")],
        "{} holds no images; put them there as CLASS/NAME.png.",
    ),
    "one image": (
        lambda top: [without(top, "train"), without(top, "test"), save(top, "a/1.png", "b/1.png", "b/2.png")],
        "The class 'a' has one image only; it needs one to train and one to test on.",
    ),
    "odd name": (
        lambda top: save(top, "train/cat/\udcff.png"),
        "The name 'train/cat/\\udcff.png' in {} cannot be written to a table; rename it.",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_folder_that_cannot_be_trained_on_is_one_sentence(folder, what):
    change, sentence = BAD[what]
    change(folder)
    assert refusal(folder).startswith(sentence.format(folder))


@pytest.mark.parametrize("name", [ARCHIVE, LISTING])
@pytest.mark.parametrize("size", [None, 0, 50])
def test_a_download_that_is_not_whole_is_one_sentence(folder, name, size):
    fetched(folder)
    damaged = folder.parent / "raw" / name
    if size is None:
        damaged.unlink()
    else:
        damaged.write_bytes(damaged.read_bytes()[:size])
    with pytest.raises(UserError, match=rf"raw/{name} is (missing|damaged); make it (again )?with `dvc repro -f dow"):
        read(folder.parent / "raw", None, 0)


def test_an_image_that_changed_in_the_archive_is_told(folder):
    fetched(folder)
    file = folder.parent / "raw" / ARCHIVE
    content = bytearray(file.read_bytes())
    content[80] ^= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match="is damaged; make it again"):
        read(folder.parent / "raw", None, 0)


def test_every_source_of_the_schema_is_there():
    assert set(SOURCES) == set(get_args(Data.model_fields["source"].annotation))


def test_the_listing_says_what_each_file_holds(folder):
    fetched(folder)
    listing = json.loads((folder.parent / "raw" / LISTING).read_text())
    assert listing["test"] is None
    assert [row[:5] for row in listing["images"]][:2] == [
        ["train/cat/0.png", "train", "cat", 8, 8],
        ["train/cat/1.png", "train", "cat", 8, 8],
    ]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("inner", ["", "train"])
def test_names_come_in_the_order_of_the_images(folder, inner, seed):
    source = fetched(folder / inner, seed=seed)
    raw = (folder / inner).parent / "raw"
    assert file_names(raw, seed) == source.files
    for split, names in source.files.items():
        assert [np.asarray(Image.open(folder / inner / name)).tolist() for name in names] == [
            image[:, :, 0].tolist() for image in source.splits[split].images
        ]
