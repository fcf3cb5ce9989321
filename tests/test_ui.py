"""The MLflow UI after a short quickstart, as a person sees it: both runs, their comparison, curves and figures."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

import browser
from browser import Browser, mlflow_ui, until
from pipeline import Clone

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(bool(browser.missing()), reason=f"no browser to drive: {browser.missing()}"),
]

EXPERIMENT = "quickstart"
EPOCHS = 2  # of `QUICK`
NAMES = ("quickstart/baseline", "quickstart/modified")


@pytest.fixture(scope="module")
def store(quickstart: Clone, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a shortened `make quickstart`."""
    return quickstart.copy(tmp_path_factory.mktemp("study")).folder / "mlflow.db"


@pytest.fixture(scope="module")
def client(store: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{store}")


@pytest.fixture(scope="module")
def runs(client: MlflowClient) -> dict[str, Run]:
    """The two runs by name."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    found = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert sorted(found) == sorted(NAMES)
    return found


@pytest.fixture(scope="module")
def window(store: Path) -> Iterator[Browser]:
    with mlflow_ui(store) as address, Browser.on(address) as window:
        yield window


def page(runs: dict[str, Run]) -> str:
    return f"/experiments/{runs[NAMES[0]].info.experiment_id}/runs"


def test_both_runs_can_be_selected_and_compared(window, runs):
    window.open(page(runs), *NAMES)
    for number in range(len(NAMES)):
        window.press("toggle row selection", number)
    window.press("Compare")
    window.wait_for("Comparing 2 Runs from 1 Experiment", *NAMES)
    window.press("Show diff only")
    window.wait_for("model.stem.kernel", "model.stem.maxpool", "final/test_accuracy")
    for run in runs.values():
        window.wait_for(
            run.data.params["model.stem.kernel"], f"{run.data.metrics['final/test_accuracy']:.3f}".rstrip("0")
        )


def test_an_experiment_opens_on_its_training_runs_once_model_training_was_pressed(window, runs):
    """The README says so; until then MLflow 3.17 shows what concerns language models alone."""
    experiment = f"/experiments/{runs[NAMES[0]].info.experiment_id}"
    with Browser.on(window.address) as other:
        other.open(experiment, EXPERIMENT, "Tool calls")
        other.press("Model training")
        other.open(experiment, *NAMES)


@pytest.mark.parametrize("metric", ["train_loss", "test_accuracy"])
def test_the_curves_of_both_runs_are_drawn_together(window, client, runs, metric):
    histories = [client.get_metric_history(run.info.run_id, metric) for run in runs.values()]
    window.open(f"{page(runs)}?compareRunsMode=CHART", *NAMES)
    window.write("Search metric charts", f"^{metric}$")
    curves = [[[point.step for point in points], [point.value for point in points]] for points in histories]
    until(
        lambda: all(curve in [[x, pytest.approx(y)] for _, x, y in window.lines()] for curve in curves),
        f"the curves {curves}",
        window.lines,
    )


def test_the_curves_are_on_the_first_screen_once_the_final_figures_are_folded_also_the_next_time(window, runs):
    """MLflow 3.17 lists metrics without a prefix last."""
    with Browser.on(window.address, height=1000) as screen:

        def longest() -> int:
            return max((len(x) for _, x, _ in screen.lines()), default=0)

        def show_charts() -> None:
            screen.open(f"{page(runs)}?compareRunsMode=CHART", *NAMES, "final", "Model metrics")
            until(longest, "charts", screen.text)

        show_charts()
        assert longest() == 1
        screen.fold("final")
        until(lambda: longest() == EPOCHS, "curves", screen.lines)
        show_charts()
        assert longest() == EPOCHS


@pytest.mark.parametrize("name", ["accuracy.png", "confusion_modified.png"])
def test_a_runs_figures_are_shown(window, runs, name):
    run = runs["quickstart/modified"]
    window.open(
        f"{page(runs)}/{run.info.run_id}/artifacts/evaluate/{name}", f"evaluate/{name}", "predictions_modified.csv"
    )
    until(lambda: any(width > 500 for width in window.widths_of_pictures()), f"the picture {name}", window.text)


def test_the_table_of_runs_shows_their_data_and_their_script(window, runs):
    window.open(f"{page(runs)}?compareRunsMode=TABLE", *NAMES)
    window.wait_for("digits-train", "train.py")


def test_a_run_says_what_it_is_and_what_it_learnt_from(window, runs):
    run = runs["quickstart/modified"]
    window.open(f"{page(runs)}/{run.info.run_id}", "digits-train", run.inputs.dataset_inputs[0].dataset.digest)
    window.wait_for("trained by the stage train-modified on 10 classes of digits")


def test_confusion_matrices_and_galleries_of_both_runs_are_shown_together_with_the_curves(window, runs):
    """In a browser of its own: one that searched the charts before shows only what it searched for."""
    with Browser.on(window.address) as other:
        other.open(f"{page(runs)}?compareRunsMode=CHART", *NAMES)
        other.fold("final")
        other.wait_for("confusion", "gallery", "train_loss")
        until(lambda: sum(width > 100 for width in other.widths_of_pictures()) >= 4, "four pictures", other.text)
        assert "No image logged at this step" not in other.text()


def test_the_registry_says_what_a_version_is_and_how_accurate(window, runs):
    accuracy = runs["quickstart/modified"].data.metrics["final/test_accuracy"]
    window.open("/models/quickstart-modified/versions/1", f"Test accuracy {100 * accuracy:.2f} %")


def test_the_registry_shows_the_champion_and_where_it_comes_from(window, runs):
    window.open("/models/quickstart-modified", "Version 1", "@ champion", runs["quickstart/modified"].info.run_id)
