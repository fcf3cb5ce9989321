"""Pretraining without labels: the rotations, what the trainer goes by, the stage, and what it learns."""

import json
import sys

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.torch import load_file
from sklearn.datasets import load_digits

from pipeline import Clone
from small_training import CPU, changed
from tinyres.common.dataset import Split
from tinyres.common.errors import UserError
from tinyres.common.model_folder import ModelDescription, weights_hash
from tinyres.models import build
from tinyres.models.inference import accuracy_of
from tinyres.models.machine import prepare_machine
from tinyres.params import plain
from tinyres.training.placement import DeviceSplit
from tinyres.training.rotations import ROTATIONS, pretraining_params, rotations_of
from tinyres.training.seeds import seed_weights
from tinyres.training.trainer import Trainer, TrainerImages

STATISTICS = [0.3] * 3, [0.4] * 3  # about the mean and standard deviation of the digits
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


# What it learns.


def test_the_pretraining_learns_to_tell_rotations_also_of_images_that_it_never_saw(checkpoints):
    """Whether that helps a training with few labels is for `studies/pretrained` to say, with an interval."""
    images, _ = load_digits(return_X_y=True)
    pixels = (images.reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8).repeat(3, axis=3)
    seen, unseen = (rotations_of(split_of(part)) for part in (pixels[:400], pixels[400:500]))
    params = pretraining_params(changed(pretrain__epochs=2, augment__online__crop_padding=0, batch_size=64))
    machine, network = prepare_machine(params.runtime), plain(params.models["baseline"])
    seed_weights(params.seed)
    classifier = machine.prepare(build(ModelDescription("net", network, ROTATIONS, (8, 8), *STATISTICS, {})))
    train, test = (DeviceSplit.from_arrays(split, CPU) for split in (seen, unseen))
    Trainer(params, "net", classifier, TrainerImages(train, test, "test", 4), machine, checkpoints).fit()
    assert accuracy_of(classifier.eval(), test.images, test.labels, machine) > 0.5, "twice what guessing gives"
