"""A finished study of all of CIFAR-100 with constructed results."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np

from tinyres.cli.paper.verdicts import BEST, OBJECTS, WORST
from tinyres.evaluation.uncertainty import wilson_interval
from tinyres.params.class_names import CIFAR100

ROOT = Path(__file__).resolve().parents[1]
SUPERCLASSES = {name: superclass for superclass, names in CIFAR100.items() for name in names}


def write_study(
    root: Path,
    test: tuple[float, float] = (0.6842, 0.7019),
    train: tuple[float, float] = (0.8215, 0.8931),
    half: float = 0.008,
    per_class: dict[str, float] | None = None,
    inside: float = 0.6,
    embedding: tuple[float, float] = (0.7, 0.3),
    losses: tuple[float, ...] = (1.3, 0.9, 0.59),
    train_loss: float = 0.4,
    epochs: int = 30,
    pairs: tuple[tuple[str, str, int], ...] = (("boy", "girl", 20), ("otter", "seal", 18)),
) -> Path:
    """A finished study of the whole of CIFAR-100 with the given results; by default those of the paper itself."""
    for folder in ("metrics", "plots/history"):
        (root / folder).mkdir(parents=True)
    shutil.copyfile(ROOT / "params.yaml", root / "params.yaml")

    def dump(name: str, value: object) -> None:
        (root / "metrics" / name).write_text(json.dumps(value))

    evaluation = {}
    for model, accuracy, trained in zip(("baseline", "modified"), test, train, strict=True):
        low, high = wilson_interval(round(accuracy * 10_000), 10_000)
        ends = {"test_accuracy": accuracy, "test_accuracy_low": low, "test_accuracy_high": high}
        evaluation[model] = ends | {"test_errors_inside": inside, "test_errors_inside_chance": 4 / 99}
        dump(f"train_{model}.json", {"train_accuracy": trained, "epochs": epochs})
    gain = test[1] - test[0]
    ends = {"test_accuracy": gain, "test_accuracy_low": gain - half, "test_accuracy_high": gain + half}
    dump("evaluate.json", evaluation | {"difference": ends})
    dump("embed.json", {"modified": {"superclass_knn": embedding[0], "superclass_silhouette": embedding[1]}})
    accuracies = per_class or paper_like_classes()
    rows = [(name, SUPERCLASSES[name], 0.5, share) for name, share in accuracies.items()]
    write_rows(root / "metrics/evaluation/per_class.csv", ("class", "superclass", "baseline", "modified"), rows)
    rows = [("modified", *pair) for pair in pairs]
    write_rows(root / "metrics/evaluation/confused_pairs.csv", ("model", "actual", "predicted", "images"), rows)
    trained = np.linspace(0.2, train[1], len(losses))
    tested = np.linspace(0.2, test[1], len(losses))
    rows = [
        (k + 1, 1.2 + (train_loss - 1.2) * k / (len(losses) - 1), trained[k], loss, tested[k])
        for k, loss in enumerate(losses)
    ]
    header = ("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy")
    write_rows(root / "plots/history/modified.csv", header, rows)
    return root


def write_rows(file: Path, header: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    file.parent.mkdir(exist_ok=True)
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])


def paper_like_classes() -> dict[str, float]:
    """Table 3's ten classes as there; objects a little better than the rest."""
    common = {name: 0.75 if superclass in OBJECTS else 0.65 for name, superclass in SUPERCLASSES.items()}
    return common | {name: percent / 100 for name, percent in (BEST | WORST).items()}
