"""The pages that `tinyres paper` writes: what they show of a finished study, and that they show what is here."""

import argparse
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from paper_study import ROOT, write_study
from tinyres.cli.commands import paper
from tinyres.cli.paper.full_study import MODELS, NOT_RUN, read_study
from tinyres.cli.paper.literature import REPORTS, pairs
from tinyres.cli.paper.pages import PAGES, pages
from tinyres.cli.paper.readme_block import END, NOT_YET, README, START, place
from tinyres.cli.paper.trainings import FACTS, read_facts, write_facts
from tinyres.common.errors import UserError
from tinyres.common.model_folder import ModelDescription, weights_hash
from tinyres.evaluation.uncertainty import Estimate, wilson_interval
from tinyres.models import build, save_model
from tinyres.tracking.store import WEIGHTS, Store

RESULTS, REPRODUCTION = Path("docs/results.md"), Path("docs/reproduce.md")
SPEC = {"architecture": "cnn", "stem": None, "standardise": False}
FACTS_OF_BOTH = {
    "output": "b1946ac92492d2347c6235b4d2611184.dir",
    "weights": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "data": "035bd4d058c3e3da556c645fb258d382.dir",
    "seed": 3,
    "command": "python stages/train.py",
    "commit": "40078cd812a20552ae05e730ef095bf5fa9fd0d6",
    "clean": True,
    "environment": "Python 3.11.7, torch 2.15.0, CPU, 2 cores",
    "processor": "A Processor",
    "epochs": 30,
    "seconds": 9000.0,
    "epoch_seconds": 240.0,
    "images_per_second": [100.0, 200.0, 300.0],
}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return finished_study(tmp_path)


def finished_study(root: Path) -> Path:
    """A finished study with a README, and the paper's own results."""
    write_study(root)
    shutil.copyfile(ROOT / README, root / README)
    (root / "docs").mkdir()
    return root


def lock(root: Path, output: str = FACTS_OF_BOTH["output"]) -> None:
    """Write a dvc.lock that names the folders of both models."""
    stages = {
        f"train-{model}": {
            "deps": [{"path": "data/subset", "md5": FACTS_OF_BOTH["data"]}],
            "params": {"params.yaml": {"seed": FACTS_OF_BOTH["seed"]}},
            "outs": [{"path": f"plots/history/{model}.csv", "md5": "0"}, {"path": f"models/{model}", "md5": output}],
        }
        for model in MODELS
    }
    (root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))


def with_facts(root: Path, **changes: object) -> Path:
    lock(root)
    (root / FACTS).write_text(json.dumps(dict.fromkeys(MODELS, FACTS_OF_BOTH | changes)))
    return root


def readme_block(root: Path) -> str:
    """What stands between the two lines, in one line."""
    return " ".join(pages(root)[README].partition(START)[2].partition(END)[0].split())


@pytest.mark.parametrize("path", [*PAGES, README], ids=str)
def test_a_page_is_what_the_results_here_give(path):
    assert (ROOT / path).read_text(encoding="utf-8") == pages(ROOT)[path], "out of date: run `tinyres paper`"


def test_without_the_full_study_no_page_has_figures_of_ours(study):
    (study / "metrics/embed.json").unlink()
    assert readme_block(study) == NOT_YET
    written = pages(study)
    assert "**ours**" not in written[RESULTS]
    for path in (RESULTS, REPRODUCTION):
        assert f"{NOT_RUN} (there is no metrics/embed.json)" in " ".join(written[path].split())


def test_the_readme_begins_with_the_table_the_machine_and_a_sentence_on_each_figure_of_the_paper(study):
    block = readme_block(with_facts(study))
    assert block.startswith("**The paper's Table 2 and ours**: both networks, all 100 classes, 30 epochs")
    assert "(n = 1, seed 3), in 2.0 h (baseline) and 2.0 h (modified) on A Processor, Python 3.11.7, torch" in block
    assert "| test accuracy | 68.42 | 68.42 (67.50 to 69.32) | 70.19 | 70.19 (69.29 to 71.08) | +1.77 |" in block
    assert "- **68.42 %**, the paper's standard network, agrees with ours" in block
    assert "- **70.19 %**, its modified network, agrees with ours" in block
    assert (
        "- **1.77 points**, the difference of the two, agrees with ours: it lies inside our interval, 0.97 to 2.57."
        in block
    )
    assert "at which the paper's curve levels off, is 13.81 points above the test accuracy in its own Table 2" in block
    assert "ends at 70.19 % on the test images, 13.81 points below it." in block
    for picture in ("accuracy", "loss"):
        assert f"](plots/evaluation/{picture}.png)" in block


def test_the_rest_of_the_readme_stays(study):
    before, after = (re.split(f"{START}|{END}", text, maxsplit=2) for text in map(readme_text, (ROOT, study)))
    assert before[0] == after[0]
    assert before[2] == after[2]


def readme_text(root: Path) -> str:
    return pages(root)[README]


def test_what_does_not_agree_is_said_with_its_distance(tmp_path):
    root = write_study(tmp_path, test=(0.6, 0.85), half=0.01)
    shutil.copyfile(ROOT / README, root / README)
    low, high = (100 * end for end in wilson_interval(6000, 10_000))
    block = readme_block(root)
    assert (
        f"does not agree with ours: it lies {68.42 - high:.2f} points above our interval, {low:.2f} to {high:.2f}."
        in block
    )
    assert f"it lies {100 * wilson_interval(8500, 10_000)[0] - 70.19:.2f} points below our interval" in block
    assert "it lies 22.23 points below our interval, 24.00 to 26.00." in block
    assert "ends at 85.00 % on the test images, 1.00 points above it." in block


@given(st.floats(0, 100), st.floats(0, 1), st.floats(0, 1))
def test_a_figure_agrees_exactly_if_it_lies_inside_the_interval(claimed, one, other):
    low, high = sorted((one, other))
    assert ("does not agree" in place(claimed, Estimate(low, low, high))) != (100 * low <= claimed <= 100 * high)


def test_a_readme_without_its_place_is_one_sentence(study):
    text = (study / README).read_text(encoding="utf-8")
    (study / README).write_text(text.replace(START, ""), encoding="utf-8")
    with pytest.raises(UserError, match=r"README\.md has no lines <!-- tinyres paper --> and <!-- end -->"):
        pages(study)


def test_others_figures_and_ours_stand_in_one_table(study):
    page = pages(study)[RESULTS]
    modified, standard, gaps = page.split("\n## ")[1:4]
    for report in REPORTS:
        row = next(line for line in page.splitlines() if report.source.link() in line and f" {report.shown()} " in line)
        assert report.network in row
    assert "68.42 (67.50 to 69.32)" in standard
    assert "70.19 (69.29 to 71.08)" in modified
    assert "+1.77 (+0.97 to +2.57)" in gaps
    assert "+1.77 (+0.97 to +2.57) points: 0.00 more than the paper's, and 13.23 less than" in " ".join(page.split())


def test_what_follows_rests_on_the_figures_in_the_tables(study):
    gaps = [round(small.accuracy - large.accuracy, 2) for large, small in pairs()]
    assert (min(gaps), max(gaps)) == (15, 18.9)
    assert len(gaps) == 3
    told = " ".join(pages(study)[RESULTS].split())
    assert "the 3×3 stem is 15 to 18.9 points ahead. In the paper it is 1.77 points ahead." in told
    assert "are 5.4 to 9.1 points below what ResNet-18 with this stem reaches" in told, "75.61 and 79.26 less 70.19"
    assert "are 8.4 to 13.4 points above every figure for the 7×7 stem" in told, "68.42 less 60 and 55"


def test_every_source_is_named_with_its_address():
    for report in REPORTS:
        assert re.fullmatch(r"https://(github\.com|huggingface\.co)/[^ ]+/[^ ]+", report.source.url)


def test_how_to_make_the_results_again(study):
    page = pages(with_facts(study, clean=False))[REPRODUCTION]
    rows = {
        cells[1].strip(): cells[2].strip() for cells in (line.split("|") for line in page.splitlines()) if cells[1:]
    }
    assert rows["commit"] == f"{FACTS_OF_BOTH['commit']}, with changes"
    assert (rows["all epochs at the median epoch's time"], rows["all epochs, stops included"]) == ("2.00 h", "2.50 h")
    assert rows["images/s, median"] == "200"
    assert rows["images/s, slowest to fastest epoch"] == "100 to 300"
    assert rows["model.safetensors (SHA-256)"] == FACTS_OF_BOTH["weights"]


def test_facts_of_another_training_are_not_shown(study):
    with_facts(study)
    lock(study, output="another.dir")
    assert not read_facts(study, MODELS)
    assert "A Processor" not in "".join(pages(study).values())
    assert "one training of each (n = 1)." in readme_block(study)
    assert "MLflow holds no record of these trainings" in " ".join(pages(study)[REPRODUCTION].split())


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with both model folders and the runs of their trainings in MLflow, as trainings record them; copy it."""
    root = finished_study(tmp_path_factory.mktemp("trained"))
    lock(root)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DVC_ROOT", str(root))
        environment.delenv("MLFLOW_TRACKING_URI", raising=False)
        store = Store.open("cifar100-resnet18")
        for number, model in enumerate(MODELS):
            record_training(store, root / "models" / model, number)
    return root


def record_training(store: Store, folder: Path, number: int) -> None:
    description = ModelDescription(folder.name, SPEC, ["a", "b"], (8, 8), [0.0] * 3, [1.0] * 3, {"seed": number})
    save_model(folder, build(description), description)
    tags = {
        "tinyres.command": f"python ./stages/train.py {folder.name}",
        "tinyres.environment": "2 cores",
        "tinyres.processor": "A Processor",
        "git.commit": "40078cd",
        "git.clean": "true",
    }
    run_id = store.start_training_run(folder.name, folder.name, {}, tags)
    epochs = {1: (300.0, 2.0), 2: (100.0, 60.0), 3: (120.0, 5.0)}  # images/s and s
    store.log_history(
        run_id,
        [
            {"epoch": epoch, "seconds": seconds, "images_per_second": speed, "timestamp": 1e9 + epoch}
            for epoch, (speed, seconds) in epochs.items()
        ],
    )
    store.log_final(run_id, {}, {WEIGHTS: weights_hash(folder)})
    store.finish(run_id)


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = shutil.copytree(trained_once, tmp_path / "trained")
    monkeypatch.setenv("DVC_ROOT", str(root))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(root)
    return root


def test_the_facts_come_from_mlflow_and_from_dvcs_lock(trained):
    write_facts(trained, MODELS)
    facts = read_facts(trained, MODELS)["modified"]
    assert (facts.epochs, facts.images_per_second) == (3, (100.0, 120.0, 300.0))
    assert (facts.seconds, facts.hours) == (67, pytest.approx(3 * 5 / 3600)), "the second epoch was stopped for a while"
    assert (facts.output, facts.data, facts.seed) == tuple(FACTS_OF_BOTH[name] for name in ("output", "data", "seed"))
    assert facts.command == "python ./stages/train.py modified"
    assert facts.machine == "A Processor, 2 cores"
    assert facts.weights == weights_hash(trained / "models/modified")


def test_the_command_writes_what_it_knows_and_keeps_it_when_mlflow_is_gone(trained, monkeypatch, capsys):
    paper.run(argparse.Namespace())
    written = {path: Path(path).read_text(encoding="utf-8") for path in pages(trained)}
    assert "A Processor" in written[README]
    monkeypatch.setenv("DVC_ROOT", str(trained / "elsewhere"))
    paper.run(argparse.Namespace())
    assert {path: Path(path).read_text(encoding="utf-8") for path in written} == written
    assert not capsys.readouterr().err
    assert read_study(trained).trainings.keys() == set(MODELS)


def test_where_mlflow_knows_no_training_the_pages_are_written_without_and_one_sentence_says_so(
    study, monkeypatch, capsys
):
    monkeypatch.chdir(study)
    paper.run(argparse.Namespace())
    assert capsys.readouterr().err == (
        "How the networks were trained is not known: dvc.lock names no training of baseline; run `dvc repro "
        "train-baseline` first.\n"
    )
    assert not (study / FACTS).exists()
    assert "(n = 1)." in Path(README).read_text(encoding="utf-8")
