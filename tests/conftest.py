"""What several test modules share."""

import gc
import os
from pathlib import Path

import pytest
from hypothesis import settings

from pipeline import ALL, QUICK, Clone, make_once, make_store
from real_training import MAMMALS
from tinyres.sources import cifar100
from tinyres.sources.source import Source
from tinyres.training.checkpoint_store import CheckpointStore

settings.register_profile("tinyres", deadline=None)  # how long an example takes is the machine's affair
settings.load_profile("tinyres")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that run the pipeline come first, so that no long one is left to a single process at the end."""
    long = {item.path for item in items if item.get_closest_marker("pipeline")}
    items.sort(key=lambda item: item.path not in long)


def pytest_collection_finish() -> None:
    """Spare the tests the search for garbage among what was imported, which stays: a tenth of their time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)  # Python's 700, 10, 10 look again at every test


def pytest_unconfigure() -> None:
    gc.unfreeze()  # or nanobind, at exit, takes triton's objects for leaks


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is the same in all processes of pytest-xdist."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def digits(shared_folder: Path) -> Clone:
    """A clone with the quickstart's parameters in its commit and the data ready for training; copy it."""
    return make_once(shared_folder / "digits", prepare_digits)


def prepare_digits(clone: Clone) -> None:
    clone.set_params(*QUICK)
    clone.commit("digits")
    assert clone.repro("augment") == {"download", "subset-extract", "augment"}
    clone.commit("digits, ready for training")
    make_store(clone.folder)


@pytest.fixture(scope="session")
def mammals(shared_folder: Path, archive: Path) -> Clone:
    """A clone with a minute's training on real aquatic mammals in its commit, and their data ready for it; copy it."""
    return make_once(shared_folder / "mammals", prepare_mammals)


def prepare_mammals(clone: Clone) -> None:
    clone.set_params(*MAMMALS)
    clone.commit("aquatic mammals")
    assert clone.repro("augment") == {"download", "subset-extract", "augment"}
    clone.commit("aquatic mammals, ready for training")
    make_store(clone.folder)


@pytest.fixture(scope="session")
def quickstart(shared_folder: Path) -> Clone:
    """A clone in which the quickstart ran as a temporary experiment, and nothing else; copy it."""
    return make_once(shared_folder / "quickstart", run_quickstart, studies=["ablation"])


def run_quickstart(clone: Clone) -> None:
    ran = clone.experiment(*QUICK, "tracking.experiment=quickstart", name="quickstart", temporary=True)
    assert ran == ALL


@pytest.fixture(scope="session")
def archive() -> Path:
    """The real CIFAR-100 archive; tests download nothing."""
    location = os.environ.get("CIFAR100_ARCHIVE", "")
    if not Path(location).is_file():
        pytest.skip("CIFAR100_ARCHIVE names no file")
    return Path(location)


@pytest.fixture(scope="session")
def members(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the archive's three verified members."""
    folder = tmp_path_factory.mktemp("cifar100")
    cifar100.extract_members(archive, folder)
    return folder


@pytest.fixture(scope="session")
def source(members: Path) -> Source:
    """All of CIFAR-100."""
    return cifar100.read(members)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an MLflow store with nothing in it; copy it."""
    return make_store(tmp_path_factory.mktemp("empty-store"))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository without a store yet."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    return tmp_path


@pytest.fixture
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CheckpointStore:
    """Of some training in a repository of its own."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return CheckpointStore("some-training")
