"""What later stages add to the runs of the models that they looked at."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tinyres.common.curves import read_curves
from tinyres.common.dataset import read_description
from tinyres.common.hashes import hash_value
from tinyres.common.model_folder import read_model_description, weights_hash
from tinyres.tracking.inputs import described, images_of, passed_over_files
from tinyres.tracking.lineage import lineage_documents, lineage_tags
from tinyres.tracking.recording import Recording, Results, run_name
from tinyres.tracking.spool import deliver
from tinyres.tracking.store import DESCRIPTION, now

SUBSET = Path("data/subset")


def record_results(
    experiment: str,
    figures: Mapping[str, Mapping[str, float]],
    files: Sequence[Path],
    folder: str,
    tags: Mapping[str, str],
    pictures: Sequence[str] = (),
) -> None:
    """Add figures, files and tags to the run that trained each model (`models/<name>`).

    A model that DVC restored from its cache or a remote may have no run here, or one that was deleted in the UI; then
    one is made from the stored history, and that is said.

    Args:
        experiment: name of the MLflow experiment.
        figures: single numbers by model.
        files: logged to every model's run.
        folder: where among the run's artifacts.
        tags: set on every model's run.
        pictures: keys under which MLflow shows them beside those of other runs; the file of a model is called
            `<key>_<model>.png`.
    """
    deliver(
        [
            _recording(
                experiment,
                name,
                Results(
                    figures=values,
                    tags=tags,
                    files=files,
                    folder=folder,
                    pictures={key: f"{key}_{name}.png" for key in pictures},
                ),
            )
            for name, values in figures.items()
        ],
        f"what {folder} found",
    )


def _recording(experiment: str, name: str, results: Results) -> Recording:
    """Results for the run that trained the weights in `models/<name>`, with all that it takes to make that run anew."""
    folder = Path("models") / name
    weights, description = weights_hash(folder), read_model_description(folder)
    images = images_of(read_description(SUBSET), passed_over_files()) if SUBSET.is_dir() else []
    stage = f"train-{name}"
    tags = lineage_tags(stage, description.training["data"], None)
    return Recording(
        experiment=experiment,
        name=name,
        key=hash_value({"restored": weights}),
        params=description.training["params"],
        tags=tags | {"tinyres.restored": "true", DESCRIPTION: described(name, images, stage)},
        images=images,
        documents=lineage_documents(),
        history=read_curves(Path("plots/history") / f"{name}.csv"),
        weights=weights,
        model=folder,
        run_name=run_name(name),
        started=now(),
        results=results,
    )
