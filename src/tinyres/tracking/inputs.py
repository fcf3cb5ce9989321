"""What MLflow shows of the images that a run learnt from and was tested on."""

import json
from collections.abc import Mapping
from pathlib import Path

from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT
from pydantic import BaseModel

from tinyres.common.dataset import Description

CONTEXTS = {"train": "training", "validation": "validation", "test": "test"}
"""Splits of a data set, and what MLflow calls their use."""
LISTING = Path("data/raw/images.json")  # of a study of the user's own pictures


class Images(BaseModel, frozen=True):
    """One split of a data set. MLflow binds a data set of one name and digest to a run once, so a split has a name."""

    name: str
    digest: str
    """The first digits of the hash of its two files. MLflow's own digest sees 10,000 numbers and no more."""
    context: str
    source: str
    count: int
    image_size: tuple[int, int]
    """Height and width, pixels."""
    classes: int
    passed_over: dict[str, int] = {}
    """How many files of the folder are no images of it, by reason."""

    def as_input(self) -> DatasetInput:
        """Return it as MLflow stores it, with schema and profile in the form of MLflow's own NumPy data sets."""
        height, width = self.image_size
        tensors = {"features": _tensor("uint8", [-1, height, width, 3]), "targets": _tensor("int64", [-1])}
        profile = {
            "num_rows": self.count,
            "features_shape": [self.count, height, width, 3],
            "targets_shape": [self.count],
            "classes": self.classes,
        }
        passed_over = {"passed_over": self.passed_over} if self.passed_over else {}
        dataset = Dataset(
            name=self.name,
            digest=self.digest,
            source_type="tinyres",
            source=json.dumps({"data.source": self.source}),
            schema=json.dumps({"mlflow_tensorspec": tensors}),
            profile=json.dumps(profile | passed_over),
        )
        return DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, self.context)])


def images_of(data: Description, passed_over: Mapping[str, int]) -> list[Images]:
    """Return the splits that a study trains, validates and tests on."""
    return [
        Images(
            name=f"{data.source}-{split}",
            digest=data.sha256[split][:12],
            context=context,
            source=data.source,
            count=data.sizes[split],
            image_size=data.image_size,
            classes=len(data.classes),
            passed_over=dict(passed_over),
        )
        for split, context in CONTEXTS.items()
        if split in data.sha256 and data.sizes.get(split)
    ]


def passed_over_files() -> dict[str, int]:
    """Return how many files of the study's folder of pictures were passed over, by reason; nothing for other data."""
    if not LISTING.is_file():
        return {}
    return dict(json.loads(LISTING.read_text(encoding="utf-8")).get("passed_over", {}))


def described(name: str, images: list[Images], stage: str) -> str:
    """Return a run's description: what was trained on what, in one sentence of Markdown, and what was passed over."""
    if not images:
        return f"**{name}**, trained by the stage `{stage}`."
    splits = ", ".join(f"{each.count:,} {each.context} images" for each in images)
    of = f"{images[0].classes} classes of {images[0].source}"
    sentence = f"**{name}**, trained by the stage `{stage}` on {of}: {splits}."
    passed_over = ", ".join(f"{reason}: {count:,}" for reason, count in images[0].passed_over.items())
    return f"{sentence} Files passed over: {passed_over}." if passed_over else sentence


def _tensor(dtype: str, shape: list[int]) -> list[dict[str, object]]:
    return [{"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": shape}}]
