"""Stages as users start them: what they can mend is one sentence on stderr and status 1, and leaves nothing behind."""

import copy
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
COMMITTED = yaml.safe_load((ROOT / "params.yaml").read_text())


ARGUMENTS = {"subset_extract": ["data/raw"]}


def run_stage(name: str, folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python stages/<name>.py` in a study's folder."""
    return subprocess.run(
        [sys.executable, *options, ROOT / "stages" / f"{name}.py", *ARGUMENTS.get(name, [])],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def write_params(folder: Path, **changes: Any) -> None:
    """The committed parameters on scikit-learn's digits, some of them changed; `section__key` for an inner one."""
    content = copy.deepcopy(COMMITTED)
    content["data"]["source"] = "digits"
    for name, value in changes.items():
        section, _, key = name.partition("__")
        if key:
            content[section][key] = value
        else:
            content[section] = value
    (folder / "params.yaml").write_text(yaml.safe_dump(content))


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file below, hidden ones included, with its content."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def refusal(stage: str, folder: Path, **environment: str) -> str:
    """The one sentence that the stage ends in, after a check that it changed no file."""
    before = files_in(folder)
    result = run_stage(stage, folder, **environment)
    assert result.returncode == 1, result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1, result.stderr
    assert files_in(folder) == before
    return result.stderr.removeprefix("error: ").rstrip("\n")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study's folder with an earlier result of both stages, which a failure must leave alone."""
    for name in ("raw", "subset"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "earlier").write_text("result")
    write_params(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"learning_rate": 0.1}, "params.yaml: unknown parameter 'learning_rate'; "),
        ({"data__sorce": "digits"}, "params.yaml: unknown parameter 'data.sorce'; did you mean 'data.source'?"),
        ({"lr": "abc"}, "params.yaml: lr is 'abc': give a number greater than 0."),
        ({"batch_size": 0}, "params.yaml: batch_size is 0: give a whole number of at least 2."),
        ({"epochs": -1}, "params.yaml: epochs is -1: give a whole number of at least 1."),
        (
            {"subset__classes": ["zero", "sevn"]},
            "params.yaml: subset.classes: there is no class 'sevn'; did you mean 'seven'?",
        ),
        ({"subset__validation": 2000}, "subset.validation takes 2000 of the 1437 train images; give a number that "),
    ],
    ids=str,
)
def test_a_wrong_parameter(study, changes, sentence):
    assert run_stage("download", study).returncode == 0
    write_params(study, **changes)
    assert refusal("subset_extract", study).startswith(sentence)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"subset__classes": ["seal", "oter"]}, "subset.classes: there is no class 'oter'; did you mean 'otter'?"),
        ({"augment__offline": ["report_hvs"]}, "augment.offline: there is no pipeline 'report_hvs'; did you mean "),
        ({"embed__perplexity": 0}, "embed.perplexity is 0: give a number greater than 0."),
    ],
    ids=str,
)
def test_a_later_stages_wrong_parameter_ends_the_first_before_it_downloads_anything(study, changes, sentence):
    write_params(study, data__source="cifar100", **changes)
    told = refusal("download", study, CIFAR100_ARCHIVE=str(study / "not looked for"))
    assert told.startswith(f"params.yaml: {sentence}")
    assert told.endswith("To go back to the committed file: git checkout params.yaml")


@pytest.mark.parametrize("stage", ["download", "subset_extract"])
def test_no_params_file(study, stage):
    (study / "params.yaml").unlink()
    assert refusal(stage, study) == (
        f"There is no params.yaml in {study}; run from a study's folder, the one that holds dvc.yaml."
    )


def test_an_archive_that_is_no_file(study):
    write_params(study, data__source="cifar100")
    sentence = refusal("download", study, CIFAR100_ARCHIVE=str(study / "missing.tar.gz"))
    assert sentence.startswith(f"CIFAR100_ARCHIVE is '{study / 'missing.tar.gz'}', which is not a file; ")
    assert sentence.endswith("or try tinyres without it: `make quickstart`.")


def test_a_folder_of_images_that_is_not_there(study):
    write_params(study, data__source="image_folder", data__folder="nowhere")
    assert refusal("download", study) == "There is no folder 'nowhere' of images; check its name."
    assert refusal("subset_extract", study) == "data/raw/images.json is missing; make it with `dvc repro -f download`."


def test_files_that_were_not_downloaded(study):
    assert refusal("subset_extract", study).startswith("data/raw/digits.csv.gz is missing; fetch it with ")
    write_params(study, data__source="cifar100")
    assert refusal("subset_extract", study).startswith("data/raw/meta is not CIFAR-100's own file; fetch it again ")
    (study / "data/raw/meta").write_bytes(b"something else")
    assert refusal("subset_extract", study).startswith("data/raw/meta is not CIFAR-100's own file; fetch it again ")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a file system in memory at a folder, with the options given."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("this machine lets nobody mount a small disk")
        return place

    yield mount
    subprocess.run(["umount", place], capture_output=True, check=False)


def test_a_full_disk_at_download(small_disk):
    study = small_disk("size=32k")
    write_params(study)
    sentence = refusal("download", study)
    assert sentence.startswith("No space left on device at data/")
    assert sentence.endswith("; free some space and run the same command again.")


def test_a_full_disk_at_subset_extract(small_disk):
    study = small_disk("size=256k")
    write_params(study)
    assert run_stage("download", study).returncode == 0
    sentence = refusal("subset_extract", study)
    assert sentence.startswith("No space left on device")
    assert sentence.endswith("; free some space and run the same command again.")


def test_a_place_that_is_read_only(small_disk):
    place = small_disk("size=1m")
    write_params(place)
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    assert refusal("download", place) == (
        "Read-only file system at data; choose a place that can be written and run the same command again."
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_that_belongs_to_someone_else(tmp_path):
    write_params(tmp_path)
    tmp_path.chmod(0o555)
    assert refusal("download", tmp_path) == (
        "Permission denied at data; allow reading and writing there and run the same command again."
    )


@pytest.mark.parametrize("stage", ["download", "subset_extract"])
def test_the_data_stages_import_neither_torch_nor_mlflow(study, stage):
    assert run_stage("download", study).returncode == 0
    result = run_stage(stage, study, "-X", "importtime")
    assert result.returncode == 0
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in result.stderr.splitlines()}
    assert {"numpy", "pydantic", "tinyres"} <= imported
    assert not imported & {"torch", "torchvision", "mlflow", "sklearn", "matplotlib", "dvc"}
