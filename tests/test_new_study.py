"""`tinyres new-study` writes a study that runs as it is, whatever the pictures."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from sklearn.datasets import load_digits

from pipeline import ROOT, Clone, stages_run
from tinyres.cli.new_study import write_study
from tinyres.common.errors import UserError
from tinyres.params import read_params
from tinyres.sources import digits

DIGITS = load_digits()


def save_digits(folder: Path, per_class: int, suffix: str = "jpg", side: int = 8) -> None:
    """Real digits as files, in ten classes."""
    for label, name in enumerate(digits.CLASSES):
        (folder / name).mkdir(parents=True)
        for number in np.flatnonzero(DIGITS.target == label)[:per_class]:
            grey = Image.fromarray((DIGITS.images[number] * (255 / 16)).astype(np.uint8))
            grey.resize((side, side)).save(folder / name / f"{number}.{suffix}")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """What of a repository the command needs."""
    root = tmp_path / "repository"
    (root / "studies").mkdir(parents=True)
    for name in ("dvc.yaml", "params.yaml"):
        (root / name).write_bytes((ROOT / name).read_bytes())
    return root


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    save_digits(tmp_path / "pictures", 5)
    return tmp_path / "pictures"


def test_only_what_the_pictures_ask_for_differs_from_the_roots_parameters(repository, pictures):
    study = write_study(repository, "mine", pictures)
    assert str(study.folder) == "studies/mine"
    assert study.pictures == "10 classes, 40 training and 10 test images of 8×8"
    expected = yaml.safe_load((repository / "params.yaml").read_text())
    expected["data"] |= {"source": "image_folder", "folder": str(pictures)}
    expected["evaluate"]["reference"] = None
    expected["embed"]["perplexity"] = 3  # t-SNE wants three neighbours for each of it
    expected["tracking"]["experiment"] = "mine"
    assert yaml.safe_load((repository / "studies/mine/params.yaml").read_text()) == expected
    assert read_params("data", file=repository / "studies/mine/params.yaml").data.folder == str(pictures)


def path_of(output: str | dict) -> str:
    return output if isinstance(output, str) else next(iter(output))


def test_the_graph_is_the_roots(repository, pictures):
    """So it keeps the rules that test_graph checks of the root's."""
    write_study(repository, "my_own-2", pictures)
    text = (repository / "studies/my_own-2/dvc.yaml").read_text()
    graph, root = yaml.safe_load(text), yaml.safe_load((repository / "dvc.yaml").read_text())
    assert list(graph["stages"]) == list(root["stages"])
    assert graph["plots"] == root["plots"]
    assert graph["vars"] == [{"root": "../.."}]
    own = graph["stages"]["download"]["deps"].pop(0)
    assert own == str(pictures)
    for name, stage in graph["stages"].items():
        for kind in ("cmd", "params", "deps"):
            assert stage[kind] == root["stages"][name][kind]
        for kind in ("outs", "plots", "metrics"):
            outputs = [
                path if isinstance(path, str) else next(iter(path)) for path in root["stages"][name].get(kind, [])
            ]
            assert [next(iter(output)) for output in stage.get(kind, [])] == outputs
            assert all(next(iter(output.values()))["cache"] is False for output in stage.get(kind, []))
    assert list(graph["artifacts"]) == ["my_own-2-baseline", "my_own-2-modified"]
    assert "  # and metrics: DVC's run cache takes no stage" in text, "comments are kept"
    assert text.count("\n\n  ") == len(graph["stages"]) - 1, "a blank line between stages"


def test_pictures_in_the_repository_are_named_from_the_study(repository, pictures):
    pictures.rename(repository / "my pictures")
    write_study(repository, "mine", repository / "my pictures")
    study = repository / "studies/mine"
    folder = read_params("data", file=study / "params.yaml").data.folder
    assert folder == "../../my pictures"
    assert (study / folder).is_dir()
    assert yaml.safe_load((study / "dvc.yaml").read_text())["stages"]["download"]["deps"][0] == folder


@pytest.mark.parametrize(
    ("sides", "size"), [((8, 8), None), ((8, 30), 30), ((500, 400), 64), ((4, 5), 28), ((300,), 64)]
)
def test_pictures_of_several_sizes_or_large_ones_are_brought_to_one(repository, tmp_path, sides, size):
    save_digits(tmp_path / "pictures", 3, "png", sides[0])
    for number, file in enumerate(sorted((tmp_path / "pictures").rglob("*.png"))):
        Image.open(file).resize((sides[number % len(sides)],) * 2).save(file)
    study = write_study(repository, "mine", tmp_path / "pictures")
    assert read_params("subset", file=repository / study.folder / "params.yaml").subset.image_size == size
    assert (f"brought to {size}×{size}" in study.pictures) == (size is not None)


@pytest.mark.parametrize("name", ["", "a b", "../a", ".a", "a/b", "a.b", "-a", "ä", "a\n"])
def test_a_name_that_is_no_folders_is_refused(repository, pictures, name):
    with pytest.raises(UserError, match=r"is no name for a study; use letters and digits, with '-' or '_' between"):
        write_study(repository, name, pictures)
    assert list((repository / "studies").iterdir()) == []


def test_a_study_that_exists_is_left_alone(repository, pictures):
    (repository / "studies/mine").mkdir()
    with pytest.raises(UserError, match=r"^studies/mine exists already; choose another name, or remove it first\.$"):
        write_study(repository, "mine", pictures)
    assert list((repository / "studies/mine").iterdir()) == []


def test_pictures_that_cannot_be_trained_on_are_refused(repository, pictures, tmp_path):
    with pytest.raises(UserError, match=r"There is no folder '.*nowhere' of images; check its name"):
        write_study(repository, "mine", tmp_path / "nowhere")
    for file in pictures.rglob("*.jpg"):
        file.write_text("no image")
    with pytest.raises(UserError, match=r"^None of the 50 images in .* can be read; the last: .* is no image that can"):
        write_study(repository, "mine", pictures)
    assert list((repository / "studies").iterdir()) == []


def test_pictures_that_cannot_be_read_are_named_with_the_remedy_and_not_counted(repository, pictures):
    broken = sorted((pictures / "one").iterdir())[0]
    broken.write_bytes(broken.read_bytes()[:200])
    study = write_study(repository, "mine", pictures)
    assert study.pictures == "10 classes, 39 training and 10 test images of 8×8"
    reason, summary = study.remarks
    assert reason.startswith(f"unreadable: {broken} cannot be read (")
    assert summary == (
        f"note: 1 of 50 images in {pictures} cannot be read: one/{broken.name}; "
        "mend or remove them, or set data.unreadable to skip."
    )


def test_a_class_of_which_no_picture_can_be_read_is_refused(repository, pictures):
    for file in (pictures / "one").iterdir():
        file.write_text("no image")
    with pytest.raises(UserError) as refused:
        write_study(repository, "mine", pictures)
    assert str(refused.value) == (
        f"The class 'one' has no images that can be read in {pictures}/one; add some or remove it."
    )
    assert list((repository / "studies").iterdir()) == []


def test_what_is_passed_over_is_told(repository, pictures):
    (pictures / "one/.hidden.jpg").touch()
    (pictures / "one/notes.txt").write_text("no image")
    assert write_study(repository, "mine", pictures).remarks == [
        f"passed over in {pictures}: hidden: 1 (one/.hidden.jpg); no images that can be read: 1 (one/notes.txt)."
    ]


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", [1, 3, 5, 6, 7, 8])
def test_turned_pictures_have_the_size_that_reading_gives(repository, tmp_path, suffix, orientation):
    """Some lie as they are seen, some turned as their camera noted: all are 30×20 when read."""
    save_digits(tmp_path / "pictures", 2, suffix)
    exif = Image.Exif()
    exif[0x0112] = orientation
    for number, file in enumerate(sorted((tmp_path / "pictures").rglob("*.*"))):
        turned = number % 2 and orientation >= 5
        image = Image.open(file).convert("RGB").resize((20, 30) if turned else (30, 20))
        image.save(file, **({"exif": exif} if number % 2 else {}))
    study = write_study(repository, "mine", tmp_path / "pictures")
    assert study.pictures == "10 classes, 10 training and 10 test images of 30×20"


def test_outside_of_a_repository_it_says_so(tmp_path, pictures):
    environment = {name: value for name, value in os.environ.items() if name != "DVC_ROOT"}
    command = [sys.executable, "-m", "tinyres", "new-study", "mine", "--images", pictures]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment | {"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == f"error: There is no dvc.yaml in {tmp_path}; run from inside the repository of tinyres.\n"


@pytest.mark.pipeline
@pytest.mark.slow
def test_a_folder_of_jpegs_becomes_a_table_with_no_other_edit(tmp_path):
    """And changed pictures are noticed."""
    clone = Clone(tmp_path, studies=())
    save_digits(tmp_path / "pictures", 8)
    told = clone.tinyres("new-study", "mine", "--images", "pictures")
    assert told == (
        "wrote studies/mine: 10 classes, 60 training and 20 test images of 8×8; "
        "run it with `dvc repro studies/mine/dvc.yaml`\n"
    )
    ran = stages_run(clone.run("dvc", "repro", "studies/mine/dvc.yaml"))
    stages = ("download", "subset-extract", "augment", "train-baseline", "train-modified", "evaluate", "embed")
    assert ran == {f"studies/mine/dvc.yaml:{stage}" for stage in stages}
    table = list(csv.DictReader(io.StringIO(clone.read("studies/mine/metrics/table.csv"))))
    assert list(table[0]) == ["metric", "baseline", "modified", "improvement"]
    accuracy = next(row for row in table if row["metric"].startswith("test accuracy"))
    evaluation = json.loads(clone.read("studies/mine/metrics/evaluate.json"))
    for name in ("baseline", "modified"):
        assert float(accuracy[name]) == pytest.approx(100 * evaluation[name]["test_accuracy"], abs=0.01)
    assert stages_run(clone.run("dvc", "repro", "studies/mine/dvc.yaml")) == set()

    next((tmp_path / "pictures/one").iterdir()).unlink()
    download = "studies/mine/dvc.yaml:download"
    assert stages_run(clone.run("dvc", "repro", download)) == {download}
