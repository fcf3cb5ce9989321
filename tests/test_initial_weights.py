"""`init_from` and `freeze`: whose weights a training starts from, which of them stay, and what does not fit."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
import yaml
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor, nn

from networks import MODIFIED, STANDARD, model
from pipeline import Clone
from tinyres.common.errors import UserError
from tinyres.common.hashes import hash_files
from tinyres.common.model_folder import ModelDescription, weights_hash
from tinyres.models import Classifier, build, freeze, save_model, take_weights
from tinyres.models.transfer import is_in
from tinyres.params import Model
from tinyres.tracking.model_location import model_folder
from tinyres.tracking.store import Store
from tinyres.training.initial_weights import initialise, read_initial_weights

Folder = Callable[..., Path]


def fresh(spec: Model, classes: int = 5, seed: int = 0) -> Classifier:
    """A classifier with the same fresh weights for the same seed."""
    torch.manual_seed(seed)
    return build(describe(spec, classes))


def describe(spec: Model, classes: int) -> ModelDescription:
    names = [f"class_{number}" for number in range(classes)]
    return ModelDescription("net", spec.model_dump(), names, (32, 32), [0.5] * 3, [0.25] * 3, {})


def weights_of(classifier: Classifier) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in classifier.network.state_dict().items()}


def differing(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


def one_step(classifier: Classifier) -> None:
    """A step on noise, as the trainer takes it, with weight decay."""
    optimizer = torch.optim.AdamW([p for p in classifier.parameters() if p.requires_grad], lr=0.01, weight_decay=0.1)
    classifier.train()
    loss = nn.functional.cross_entropy(classifier(torch.rand(8, 3, 32, 32)), torch.arange(8) % 5)
    loss.backward()
    optimizer.step()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Makes a model folder of a network with other weights than `fresh` draws."""

    def make(spec: Model, classes: int = 5) -> Path:
        save_model(tmp_path / "pretrained", fresh(spec, classes, seed=1), describe(spec, classes))
        return tmp_path / "pretrained"

    return make


def test_nothing_to_start_from_leaves_the_fresh_weights():
    spec = model("resnet18")
    assert read_initial_weights(spec, model_folder) is None
    classifier = fresh(spec)
    before = weights_of(classifier)
    assert initialise(classifier, None, spec) is classifier
    assert differing(before, weights_of(classifier)) == set()
    assert all(parameter.requires_grad for parameter in classifier.parameters())


HEADS = {"cnn": "15", "resnet18": "fc", "squeezenet1_1": "classifier.1"}


@pytest.mark.parametrize(("architecture", "head"), HEADS.items())
@pytest.mark.parametrize("classes", [5, 7])
def test_a_model_folder_gives_all_weights_but_a_classifier_for_other_classes(folder, architecture, head, classes):
    start = folder(model(architecture), classes)
    spec = model(architecture, init_from=str(start))
    initial = read_initial_weights(spec, model_folder)
    assert initial.hash == weights_hash(start)
    classifier, untouched = fresh(spec), weights_of(fresh(spec))
    given_weights = weights_of(initialise(classifier, initial, spec))
    own = {f"{head}.weight", f"{head}.bias"} if classes != 5 else set()
    for name, value in given_weights.items():
        assert torch.equal(value, untouched[name] if name in own else initial.values[name]), name
    assert f"{head}.weight" in differing(untouched, given_weights) or classes != 5


def test_normalisation_stays_that_of_the_new_images(folder):
    spec = model("resnet18", init_from=str(folder(model("resnet18"))))
    classifier = build(ModelDescription("net", spec.model_dump(), ["a", "b"], (32, 32), [0.1] * 3, [0.5] * 3, {}))
    initialise(classifier, read_initial_weights(spec, model_folder), spec)
    assert torch.allclose(classifier.normalise(torch.full((1, 3, 1, 1), 0.6)), torch.ones(1, 3, 1, 1))


@pytest.mark.parametrize("architecture", ["resnet18", "mobilenet_v3_small", "googlenet"])
def test_a_file_of_torchvisions_own_weights(tmp_path, architecture):
    """With 1,000 classes, auxiliary classifiers where the network has them, and counters of batches or, once, none."""
    options = {"init_weights": True} if architecture == "googlenet" else {}
    published = torchvision.models.get_model(architecture, **options).state_dict()
    old = {name: value for name, value in published.items() if not name.endswith("num_batches_tracked")}
    spec = model(architecture, init_from=str(tmp_path / "weights.pth"))
    torch.save(old, tmp_path / "weights.pth")
    initial = read_initial_weights(spec, model_folder)
    assert initial.hash == hash_files([tmp_path / "weights.pth"])
    taken = weights_of(initialise(fresh(spec), initial, spec))
    same = [name for name in taken if name in old and old[name].shape == taken[name].shape]
    assert len(taken) - len(same) <= 2 + sum(name.endswith("num_batches_tracked") for name in taken)
    assert all(torch.equal(taken[name], old[name]) for name in same)


def test_a_densenets_weights_by_the_names_that_torchvision_publishes(tmp_path):
    """Its file still has a second dot in the names of dense layers."""
    published = torchvision.models.densenet121().state_dict()
    old = {re.sub(r"(denselayer\d+\.(norm|conv))(\d)", r"\1.\3", name): value for name, value in published.items()}
    assert old.keys() != published.keys()
    torch.save(old, tmp_path / "densenet.pth")
    spec = model("densenet121", init_from=str(tmp_path / "densenet.pth"))
    taken = weights_of(initialise(fresh(spec), read_initial_weights(spec, model_folder), spec))
    assert all(torch.equal(taken[name], published[name]) for name in taken if not name.startswith("classifier"))


def test_a_model_in_mlflow(folder, root):
    start = folder(model("cnn"))
    store = Store.open("some")
    run = store.start_training_run("net", "key", {}, {})
    store.log_model(run, start)
    store.finish(run)
    initial = read_initial_weights(model("cnn", init_from=f"runs:/{run}"), model_folder)
    assert initial.hash == weights_hash(start)
    assert differing(initial.values, load_file(start / "model.safetensors")) == set()


@pytest.mark.parametrize(
    ("own", "start", "sentence"),
    [
        (
            model("resnet18", stem=MODIFIED),
            model("resnet18", stem=STANDARD),
            "does not fit (its conv1.weight is 64×3×7×7 in place of 64×3×3×3); only the classifier may differ",
        ),
        (model("resnet18"), model("resnet34"), "does not fit (it has layer1.2.bn1.bias, which the network lacks)"),
        (model("resnet34"), model("resnet18"), "does not fit (it has no layer1.2.conv1.weight)"),
        (model("resnet18"), model("cnn"), "does not fit (it has no conv1.weight)"),
    ],
)
def test_weights_that_do_not_fit_are_refused_and_change_nothing(folder, own, start, sentence):
    place = folder(start)
    spec = own.model_copy(update={"init_from": str(place)})
    classifier = fresh(own)
    before = weights_of(classifier)
    with pytest.raises(UserError, match=re.escape(f"init_from: {place} {sentence}")):
        initialise(classifier, read_initial_weights(spec, model_folder), spec)
    assert differing(before, weights_of(classifier)) == set()


def damaged(file: Path) -> str:
    file.write_bytes(b"no weights")
    return "init_from: the weights of {} cannot be read ("


def empty(file: Path) -> str:
    file.write_bytes(b"")
    return "init_from: the weights of {} cannot be read ("


def whole_module(file: Path) -> str:
    torch.save(nn.Linear(1, 1), file)
    return "init_from: the weights of {} cannot be read ("


def other_content(file: Path) -> str:
    torch.save({"epoch": 3, "state_dict": {}}, file)
    return "init_from: {} holds no plain weights by name; "


def missing(file: Path) -> str:
    return "init_from: there is no file {}; "


@pytest.mark.parametrize("make", [damaged, empty, whole_module, other_content, missing])
def test_a_file_without_weights_is_refused_in_one_sentence(tmp_path, make):
    """Nothing but tensors is unpickled: a module in the file is refused as well."""
    file = tmp_path / "weights.pth"
    sentence = make(file).format(file)
    with pytest.raises(UserError, match=re.escape(sentence)) as caught:
        read_initial_weights(model("resnet18", init_from=str(file)), model_folder)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(UserError, match="is no folder of a trained model"):
        read_initial_weights(model("resnet18", init_from=str(tmp_path)), model_folder)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (["layer1"], "layer1."),
        (["conv1", "bn1"], ("conv1.", "bn1.")),
        (["layer4.1.conv2.weight"], "layer4.1.conv2.weight"),
        (["all"], ("conv1", "bn1", "layer")),
        (["fc"], "fc."),
    ],
)
def test_frozen_parts_stay_as_they_are_and_the_rest_is_trained(parts, expected):
    classifier = fresh(model("resnet18"))
    freeze(classifier.network, parts)
    before = weights_of(classifier)
    one_step(classifier)
    kept = before.keys() - differing(before, weights_of(classifier))
    assert kept == {name for name in before if name.startswith(expected)}


def test_freezing_nothing_changes_nothing():
    classifier = fresh(model("resnet18"))
    freeze(classifier.network, [])
    before = weights_of(classifier)
    one_step(classifier)
    assert differing(before, weights_of(classifier)) == before.keys()


def test_a_frozen_batch_norm_uses_its_own_statistics_in_training_too():
    classifier = fresh(model("resnet18"))
    freeze(classifier.network, ["bn1"])
    classifier.train()
    modes = {name: layer.training for name, layer in classifier.network.named_modules()}
    assert [name for name, training in modes.items() if not training] == ["bn1"]
    classifier.eval()
    assert not any(layer.training for layer in classifier.modules())


def test_regularisation_goes_on_in_and_before_frozen_parts():
    classifier = fresh(model("resnet18", dropout=0.5, stochastic_depth=0.5))
    freeze(classifier.network, ["all"])
    classifier.train()
    assert classifier.network.layer4[1].bn2.stochastic_depth.training
    assert classifier.network.fc.dropout.training


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (["layr1"], "freeze: the network has no part 'layr1'; did you mean 'layer1'?"),
        (["layer"], "freeze: the network has no part 'layer'; did you mean 'layer"),
        (["layer1", "conv2"], "freeze: the network has no part 'conv2'; did you mean 'conv1'?"),
        (["all", "fc"], "freeze: nothing is left to train; leave out 'fc', the classifier."),
    ],
)
def test_a_part_that_is_not_there_is_refused_with_the_nearest(parts, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        freeze(fresh(model("resnet18")).network, parts)


names = st.lists(st.sampled_from(["a", "ab", "1", "10", "b"]), min_size=1, max_size=4).map(".".join)


@given(name=names, part=names)
def test_a_part_ends_at_a_dot(name, part):
    assert is_in(name, [part]) == (name.split(".")[: len(part.split("."))] == part.split("."))


def test_weights_may_come_without_a_classifier():
    """As those of a pretraining that has no classes."""
    spec = model("resnet18")
    body = {name: value for name, value in weights_of(fresh(spec, seed=1)).items() if not name.startswith("fc.")}
    classifier = fresh(spec)
    before = weights_of(classifier)
    take_weights(classifier.network, body, "pretraining")
    after = weights_of(classifier)
    assert differing(body, after) == set()
    assert torch.equal(after["fc.weight"], before["fc.weight"])


@pytest.fixture(scope="module")
def clone(digits: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone with a few digits, and `models/start`, a network that was trained on them for an epoch."""
    clone = digits.copy(tmp_path_factory.mktemp("transfer"))
    clone.set_params("epochs=1")
    train_baseline(clone)
    shutil.move(clone.folder / "models/baseline", clone.folder / "models/start")
    return clone


def train_baseline(clone: Clone, status: int = 0) -> str:
    return clone.run(sys.executable, "stages/train.py", "baseline", status=status, DVC_ROOT=str(clone.folder))


def set_model(clone: Clone, **changes: object) -> None:
    file = clone.folder / "params.yaml"
    params = yaml.safe_load(file.read_text())
    params["models"]["baseline"] |= {"init_from": "models/start", "freeze": [], "stem": STANDARD} | changes
    file.write_text(yaml.safe_dump(params))


@pytest.mark.pipeline
def test_training_with_a_frozen_body_trains_the_classifier_alone_and_says_what_it_began_with(clone):
    set_model(clone, freeze=["all"])
    train_baseline(clone)
    start, trained = (load_file(clone.folder / f"models/{name}/model.safetensors") for name in ("start", "baseline"))
    assert differing(start, trained) == {"fc.weight", "fc.bias"}
    before, after = (json.loads(clone.read(f"models/{name}/model.json"))["training"] for name in ("start", "baseline"))
    assert after["initial_weights"] == weights_hash(clone.folder / "models/start")
    assert "initial_weights" not in before


@pytest.mark.pipeline
def test_a_start_that_does_not_fit_is_refused_before_training(clone):
    before = clone.read("models/start/model.json")
    set_model(clone, stem=MODIFIED)
    told = train_baseline(clone, status=1)
    assert told.startswith("error: init_from: models/start does not fit (its conv1.weight is 64×3×7×7 in place of ")
    assert told.count("\n") == 1
    assert clone.read("models/start/model.json") == before
