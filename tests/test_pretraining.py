"""Pretraining without labels: the rotations, what the trainer goes by, the stage, and what it is worth."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.torch import load_file

from pipeline import Clone
from small_training import CPU, changed
from tinyres.common.dataset import Split, channel_statistics
from tinyres.common.errors import UserError
from tinyres.common.model_folder import ModelDescription, weights_hash
from tinyres.models import Classifier, build, take_weights
from tinyres.models.inference import accuracy_of
from tinyres.models.machine import prepare_machine
from tinyres.params import Params, load_yaml, plain, validate_params, with_values
from tinyres.sources.subset import extract
from tinyres.training.checkpoint_store import CheckpointStore
from tinyres.training.placement import DeviceSplit
from tinyres.training.rotations import ROTATIONS, pretraining_params, rotations_of
from tinyres.training.seeds import seed_weights
from tinyres.training.trainer import Trainer, TrainerImages

UPRIGHT = ["bed", "bicycle", "bus", "chair", "elephant", "lion", "maple_tree", "pickup_truck", "streetcar", "woman"]
few_images = st.integers(1, 5).flatmap(lambda count: arrays(np.uint8, (count, 4, 4, 3)))


def split_of(images: np.ndarray) -> Split:
    return Split(images, np.arange(len(images)))


# The task.


@given(few_images)
def test_every_image_is_there_in_its_four_rotations_each_under_its_number_of_quarter_turns(images):
    turned = rotations_of(split_of(images))
    assert len(turned) == 4 * len(images)
    for place, (image, turns) in enumerate(zip(turned.images, turned.labels, strict=True)):
        assert np.array_equal(image, np.rot90(images[place % len(images)], turns))
    assert np.bincount(turned.labels).tolist() == [len(images)] * len(ROTATIONS)


@given(few_images, st.randoms(use_true_random=False))
def test_no_label_is_looked_at(images, random):
    labels = np.array([random.randrange(100) for _ in images])
    with_labels, without = rotations_of(Split(images, labels)), rotations_of(split_of(images))
    assert np.array_equal(with_labels.images, without.images)
    assert np.array_equal(with_labels.labels, without.labels)


@given(few_images)
def test_mirroring_would_make_a_label_wrong(images):
    """An image turned left and mirrored is its mirror image turned right."""
    mirrored_after = rotations_of(split_of(images)).images[:, :, ::-1]
    mirror_images = rotations_of(split_of(images[:, :, ::-1])).images
    count = len(images)
    assert np.array_equal(mirrored_after[count : 2 * count], mirror_images[3 * count :])


def test_images_that_are_not_square_are_refused():
    with pytest.raises(UserError, match=r"4 rows and 6 columns; set subset\.image_size"):
        rotations_of(split_of(np.zeros((2, 4, 6, 3), np.uint8)))


# What the trainer goes by.


def test_the_trainer_goes_by_the_studys_parameters_but_for_epochs_and_mirroring():
    params = changed(epochs=3, pretrain__epochs=7)
    expected = plain(params)
    expected["epochs"], expected["augment"]["online"]["flip"] = 7, 0.0
    assert plain(pretraining_params(params)) == expected
    assert (params.epochs, params.augment.online.flip) == (3, 0.5)


def test_augmentation_that_turns_an_image_to_another_rotation_is_refused():
    pretraining_params(changed(augment__online__rotation=44))
    with pytest.raises(UserError, match=r"^augment\.online\.rotation is 45, .* set it below 45\.$"):
        pretraining_params(changed(augment__online__rotation=45))


@pytest.mark.parametrize(
    "schedule", [{"scheduler__warmup": 5}, {"scheduler__name": "step", "scheduler__milestones": [2, 5]}]
)
def test_a_schedule_that_is_longer_than_the_pretraining_is_refused(schedule):
    pretraining_params(changed(epochs=9, pretrain__epochs=6, **schedule))
    with pytest.raises(UserError, match=r"^pretrain\.epochs is 5, but the schedule still changes at epoch 5; "):
        pretraining_params(changed(epochs=9, pretrain__epochs=5, **schedule))


# The stage.


@pytest.mark.pipeline
def test_the_stage_learns_from_all_training_images_and_another_training_begins_with_its_weights(tmp_path):
    clone = Clone(tmp_path)
    file = clone.folder / "params.yaml"
    params = yaml.safe_load(file.read_text())
    params["data"]["source"], params["epochs"], params["pretrain"]["epochs"] = "digits", 1, 2
    params["subset"] |= {"per_class": 20, "unlabelled": 0.75}
    params["models"]["pretext"] = params["models"]["baseline"]
    params["models"]["pretrained"] = params["models"]["baseline"] | {"init_from": "models/pretext", "freeze": ["all"]}
    file.write_text(yaml.safe_dump(params))
    stages = (["download"], ["subset_extract", "data/raw"], ["augment"], ["pretrain", "pretext"])
    for stage, *arguments in (*stages, ["train", "pretrained"]):
        clone.run(sys.executable, f"stages/{stage}.py", *arguments, DVC_ROOT=str(clone.folder))

    data = json.loads(clone.read("data/subset/dataset.json"))
    assert data["sizes"]["unlabelled"] == 3 * data["sizes"]["train"]
    pretext, pretrained = (json.loads(clone.read(f"models/{name}/model.json")) for name in ("pretext", "pretrained"))
    assert pretext["classes"] == ROTATIONS
    assert pretrained["classes"] == data["classes"]
    assert pretrained["training"]["initial_weights"] == weights_hash(clone.folder / "models/pretext")
    assert json.loads(clone.read("metrics/train_pretext.json"))["epochs"] == 2
    before, after = (load_file(clone.folder / f"models/{name}/model.safetensors") for name in ("pretext", "pretrained"))
    assert {name for name in before if not before[name].equal(after[name])} == {"fc.weight", "fc.bias"}


# What it is worth.


def trained(params: Params, train: Split, classes: list[str], start: Classifier | None, place: Path) -> Classifier:
    """The study's network, trained from fresh weights or from another's."""
    mean, std = channel_statistics(train.images)
    seed_weights(params.seed)
    classifier = build(ModelDescription("net", params.models["scratch"].model_dump(), classes, (32, 32), mean, std, {}))
    if start is not None:
        take_weights(classifier.network, start.network.state_dict(), "the pretraining")
    split, machine = DeviceSplit.from_arrays(train, CPU), prepare_machine(params.runtime)
    images = TrainerImages(split, split.first(8), "test", len(classes))  # what is followed is of no interest here
    Trainer(params, "net", classifier, images, machine, CheckpointStore(place.name)).fit()
    return classifier.eval()


@pytest.mark.slow
def test_few_labels_go_further_after_pretraining_than_from_fresh_weights(source, root):
    """The study on a smaller scale: half the images of ten classes, ten of each labelled, and all 1,000 test images.

    Two epochs of pretraining are enough for these classes, not for any ten: those of the study gain nothing by them.
    """
    content = load_yaml(Path(__file__).parents[1] / "studies/pretrained/params.yaml")
    small = {"pretrain.epochs": 2, "epochs": 40}
    small |= {"subset.classes": UPRIGHT, "subset.per_class": 250, "subset.unlabelled": 0.96}
    params = validate_params(with_values(content, small))
    description, splits = extract(source, params.subset, params.seed)
    labelled, test = splits["train"], DeviceSplit.from_arrays(splits["test"], CPU)
    assert (len(labelled), len(test)) == (100, 1000)
    images = rotations_of(labelled.followed_by(splits["unlabelled"]))
    pretext = trained(pretraining_params(params), images, ROTATIONS, None, root / "pretext")

    accuracy = {}
    for name, start in {"fresh": None, "pretrained": pretext}.items():
        classifier = trained(params, labelled, description.classes, start, root / name)
        accuracy[name] = accuracy_of(classifier, test.images, test.labels, prepare_machine(params.runtime))
    assert accuracy["pretrained"] > accuracy["fresh"] + 0.01
