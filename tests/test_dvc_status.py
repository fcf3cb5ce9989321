"""What `dvc status` names after an edit, on the real graph: adding a module needs no edit of a graph, and nothing but a
change of what a training reads makes it run again."""

import json
from pathlib import Path

import pytest

from pipeline import AFTER_TRAINING, TRAININGS, Clone

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def study(quickstart: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A copy of the quickstart in which nothing is left to run."""
    clone = quickstart.copy(tmp_path_factory.mktemp("status"))
    clone.run("dvc", "exp", "apply", "quickstart")
    clone.commit("quickstart applied")
    assert stages_named(clone) == set()
    return clone


@pytest.fixture
def clone(study: Clone) -> Clone:
    """The same without what another test changed."""
    study.run("git", "checkout", "-q", ".")
    study.run("git", "clean", "-fdxq", "src")
    return study


def stages_named(clone: Clone) -> set[str]:
    """The stages of the paper's study that `dvc status` names."""
    return set(json.loads(clone.run("dvc", "status", "--json", "dvc.yaml")))


def edit(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert text.count(before) == 1
    file.write_text(text.replace(before, after))


def append(file: Path, line: str) -> None:
    file.write_text(f"{file.read_text()}{line}\n")


def test_a_new_module_that_the_trainer_imports_names_the_trainings_without_an_edit_of_a_graph(clone):
    training = clone.folder / "src/tinyres/training"
    (training / "warm_restarts.py").write_text('"""Restarts."""\n\nPERIOD = 10\n')
    append(training / "trainer.py", "from tinyres.training import warm_restarts  # noqa: E402, F401")
    assert stages_named(clone) == TRAININGS


def test_touching_a_figure_names_no_training(clone):
    append(clone.folder / "src/tinyres/figures/curves.py", "# touched")
    assert stages_named(clone) == {"augment"} | AFTER_TRAINING


def test_touching_the_tracking_names_no_training(clone):
    append(clone.folder / "src/tinyres/tracking/store.py", "# touched")
    assert stages_named(clone) == AFTER_TRAINING


def test_another_perplexity_names_embed_alone(clone):
    clone.set_params("embed.perplexity=5")
    assert stages_named(clone) == {"embed"}


def test_a_new_key_of_evaluate_names_evaluate_alone(clone):
    """In the schema and in params.yaml."""
    schema = clone.folder / "src/tinyres/params/schema.py"
    edit(schema, "    gallery: list[", "    shown: Count\n    gallery: list[")
    edit(clone.folder / "params.yaml", "\nevaluate:\n", "\nevaluate:\n  shown: 4\n")
    clone.run("python", "-c", "from tinyres.params import read_params; read_params('evaluate')", PYTHONPATH="src")
    assert stages_named(clone) == {"evaluate"}


def test_byte_code_and_what_editors_leave_beside_a_module_name_nothing(clone):
    room = clone.folder / "src/tinyres/training"
    clone.run("python", "-m", "compileall", "-q", "src")
    assert list(room.glob("__pycache__/*.pyc"))
    (room / ".trainer.py.swp").write_bytes(b"an editor's swap file")
    (room / ".#trainer.py").symlink_to("who@machine.1234:5678")  # an editor's lock, a link to nothing
    (room / ".ipynb_checkpoints").mkdir()
    (room / ".ipynb_checkpoints/trainer-checkpoint.py").write_text("# a notebook's checkpoint\n")
    assert stages_named(clone) == set()
