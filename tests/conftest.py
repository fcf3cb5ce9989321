"""What several test modules share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tinyres.sources import cifar100
from tinyres.sources.source import Source
from tinyres.training.checkpoint_store import CheckpointStore

settings.register_profile("tinyres", deadline=None)  # how long an example takes is the machine's affair
settings.load_profile("tinyres")


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
