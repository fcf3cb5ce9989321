"""The schema of params.yaml: what is accepted, what is refused and in which words, and what a stage gets to see."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tinyres.common.errors import UserError
from tinyres.params import Params, flat, load_yaml, plain, read_params, select, validate_params, with_values

FILE = Path(__file__).parents[1] / "params.yaml"
COMMITTED = load_yaml(FILE)


def changed(name: str, value: Any) -> dict[str, Any]:
    """The committed parameters with one of them changed or added, by its dotted name."""
    return with_values(COMMITTED, {name: value})


def refusal(content: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        validate_params(content)
    return str(caught.value).removeprefix("params.yaml: ")


def test_the_committed_file_holds_the_papers_table_1():
    params = read_params("lr", "weight_decay", "batch_size", "epochs", "optimizer", "scheduler", "data", file=FILE)
    assert (params.lr, params.weight_decay) == (0.001, 1e-4)
    assert (params.batch_size, params.epochs) == (64, 30)
    assert (params.optimizer.name, params.scheduler.name) == ("adamw", "cosine")
    assert params.data.source == "cifar100"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("learning_rat", "unknown parameter 'learning_rat'; known are: augment, batch_size, "),
        ("batchsize", "unknown parameter 'batchsize'; did you mean 'batch_size'?"),
        ("optimizer.nam", "unknown parameter 'optimizer.nam'; did you mean 'name'?"),
        ("augment.online.rotate", "unknown parameter 'augment.online.rotate'; did you mean 'rotation'?"),
        ("models.modified.stem.max_pool", "unknown parameter 'models.modified.stem.max_pool'; did you mean 'maxpool'?"),
        ("evaluate.reference.clases", "unknown parameter 'evaluate.reference.clases'; did you mean 'classes'?"),
    ],
)
def test_an_unknown_parameter_is_answered_with_the_nearest_at_its_place(name, words):
    assert refusal(changed(name, 1)).startswith(words)


def test_a_misspelt_parameter_is_named_before_the_one_that_it_leaves_missing():
    content = copy.deepcopy(COMMITTED)
    content["optimzer"] = content.pop("optimizer")
    assert refusal(content) == "unknown parameter 'optimzer'; did you mean 'optimizer'? (1 more after this one)"


NAN, INFINITY = float("nan"), float("inf")
SEEDS = "a whole number of at least 0 and less than 4294967296"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("lr", "abc", "lr is 'abc': give a number greater than 0."),
        ("lr", 0, "lr is 0: give a number greater than 0."),
        ("lr", None, "lr is null: give a number greater than 0."),
        ("lr", [0.1, 0.2], "lr is [0.1, 0.2]: give a number greater than 0."),
        ("lr", True, "lr is true: give a number greater than 0."),
        ("lr", NAN, "lr is NaN: give a finite number greater than 0."),
        ("lr", INFINITY, "lr is Infinity: give a finite number greater than 0."),
        ("batch_size", 0, "batch_size is 0: give a whole number of at least 2."),
        ("batch_size", 64.5, "batch_size is 64.5: give a whole number of at least 2."),
        ("epochs", -1, "epochs is -1: give a whole number of at least 1."),
        ("epochs", True, "epochs is true: give a whole number of at least 1."),
        ("seed", True, f"seed is true: give {SEEDS}."),
        ("seed", -1, f"seed is -1: give {SEEDS}."),
        ("seed", 2**32, f"seed is 4294967296: give {SEEDS}."),
        ("weight_decay", -0.1, "weight_decay is -0.1: give a number of at least 0."),
        ("data.source", "cifar10", "data.source is 'cifar10': give 'cifar100' or 'digits' or 'image_folder'."),
        ("data", None, "data is null: give a section with source, folder, test, unreadable."),
        ("subset.classes", 5, "subset.classes is 5: give a name or a list of names."),
        ("subset.classes", ["seal", 5], "subset.classes is ['seal', 5]: give a name or a list of names."),
        ("subset.per_class", 0, "subset.per_class is 0: give a whole number of at least 1 or null."),
        ("subset.image_size", 27,
         "subset.image_size is 27: give a whole number of at least 28 and at most 224 or null."),
        ("data.test", 1, "data.test is 1: give a number greater than 0 and less than 1."),
        ("subset.validation", 1.5, "subset.validation is 1.5: give a share below 1 or a whole number of images."),
        ("augment.offline", "mirror", "augment.offline is 'mirror': give a list of names."),
        ("augment.online.flip", 2, "augment.online.flip is 2: give a number of at least 0 and at most 1."),
        ("augment.online.hue", NAN, "augment.online.hue is NaN: give a finite number of at least 0 and at most 0.5."),
        ("optimizer", "adamw", "optimizer is 'adamw': give a section with name, momentum, nesterov, "
         "decays_norms_and_biases, accumulation, clip_norm, sharpness, averaging."),
        ("optimizer.name", "adam", "optimizer.name is 'adam': give 'adamw' or 'sgd'."),
        ("optimizer.momentum", 1, "optimizer.momentum is 1: give a number of at least 0 and less than 1."),
        ("models", {}, "models is {}: give a section with an entry for each name."),
        ("models.baseline", 18, "models.baseline is 18: give a section with architecture, stem, standardise, "
         "dropout, stochastic_depth, init_from, freeze."),
        ("models.baseline.architecture", 18, "models.baseline.architecture is 18: give a name."),
        ("models.modified.stem.kernel", 0,
         "models.modified.stem.kernel is 0: give a whole number of at least 1 and at most 15."),
        ("models.modified.stem.maxpool", "no way", "models.modified.stem.maxpool is 'no way': give true or false."),
        ("evaluate.reference", "paper", "evaluate.reference is 'paper': give a section with name, source, classes, "
         "models, by_class."),
        ("evaluate.reference.models.baseline.test_accuracy", "?",
         "evaluate.reference.models.baseline.test_accuracy is '?': give a number."),
        ("tracking.experiment", "", "tracking.experiment is '': give a name."),
        ("tracking.system_metrics", "often", "tracking.system_metrics is 'often': give true or false."),
        ("runtime.device", "gpu", "runtime.device is 'gpu': give 'auto' or 'cpu' or 'cuda'."),
        ("runtime.compile", "off", "runtime.compile is 'off': give 'auto' or true or false."),
    ],
)  # fmt: skip
def test_a_wrong_value_is_one_sentence_with_name_value_and_remedy(name, value, sentence):
    assert refusal(changed(name, value)) == sentence


def test_several_wrong_values_are_counted():
    content = changed("lr", "abc") | {"epochs": -1, "seed": True}
    assert refusal(content).endswith(" (2 more after this one)")


def test_a_missing_parameter_is_named_in_full():
    content = copy.deepcopy(COMMITTED)
    del content["augment"]["online"]["hue"]
    assert refusal(content).startswith("the parameter 'augment.online.hue' is missing; restore it")


@pytest.mark.parametrize("name", ["a b", "../up", "", "."])
def test_a_model_name_must_make_a_file_name(name):
    sentence = refusal(changed("models", {name: COMMITTED["models"]["baseline"]}))
    assert sentence == f"models: the model name {name!r} becomes a file name: use letters, digits, '-' and '_'."


def test_a_batch_splits_into_parts_of_two_images_or_more():
    validate_params(changed("optimizer.accumulation", 32))
    assert "optimizer.accumulation is 33" in refusal(changed("optimizer.accumulation", 33))


def write(folder: Path, content: dict[str, Any]) -> Path:
    file = folder / "params.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.mark.parametrize("text", ["1e-5", "1E-5", "1.e-5", "1.0e-05", "0.00001"])
def test_every_spelling_of_a_number_is_one(tmp_path, text):
    file = tmp_path / "params.yaml"
    file.write_text(FILE.read_text().replace("weight_decay: 0.0001", f"weight_decay: {text}"))
    assert read_params("weight_decay", file=file).weight_decay == 1e-5


def test_a_missing_file_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"There is no params\.yaml in {tmp_path}; run from a study's folder"):
        read_params("seed")


@pytest.mark.parametrize("content", [b"lr: [0.1\nseed: 0", b"lr: 0.1\n\tseed: 0", b"lr: \xff\xfe"])
def test_invalid_yaml_is_one_sentence_on_one_line(tmp_path, content):
    file = tmp_path / "params.yaml"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"is not valid YAML .* correct that line\.$") as caught:
        read_params("seed", file=file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "# nothing\n", "- lr\n- seed\n", "seed"])
def test_a_file_without_parameters_is_one_sentence(tmp_path, text):
    file = tmp_path / "params.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match="holds no parameters; restore it with `git checkout"):
        read_params("seed", file=file)


def test_the_whole_file_is_checked_whatever_is_read(tmp_path):
    with pytest.raises(UserError, match=r"embed\.perplexity is 0"):
        read_params("seed", file=write(tmp_path, changed("embed.perplexity", 0)))


def test_only_what_was_named_can_be_reached():
    params = read_params("seed", "optimizer", "augment.online", "models.baseline", file=FILE)
    assert params.seed == 0
    assert params.optimizer.momentum == 0
    assert params.augment.online.rotation == 15
    assert params.models["baseline"].stem.kernel == 7
    for name in ("lr", "runtime"):
        with pytest.raises(AttributeError):
            getattr(params, name)
    with pytest.raises(AttributeError):
        _ = params.augment.offline
    with pytest.raises(KeyError):
        _ = params.models["modified"]


def test_values_cannot_change_after_reading():
    params = read_params("seed", file=FILE)
    with pytest.raises(ValueError, match="frozen"):
        params.seed = 1


def test_entries_of_one_section_add_up():
    params = read_params("subset.classes", "subset.validation", "models.baseline", "models.modified", file=FILE)
    assert (params.subset.classes, params.subset.validation) == ("all", 0)
    assert list(params.models) == ["baseline", "modified"]


def test_a_model_that_does_not_exist_is_answered_with_the_nearest():
    with pytest.raises(UserError, match=r"params\.yaml has no models\.basline; did you mean 'baseline'\?"):
        select(validate_params(COMMITTED), "models.basline")


def test_plain_holds_what_was_read_and_nothing_else():
    params = read_params("seed", "augment.online", "models.modified", file=FILE)
    assert plain(params) == {
        "seed": 0,
        "augment": {"online": COMMITTED["augment"]["online"]},
        "models": {"modified": COMMITTED["models"]["modified"]},
    }


def test_plain_of_everything_is_the_file():
    assert plain(read_params(*Params.model_fields, file=FILE)) == COMMITTED


def test_flat_names_every_value_by_its_path():
    assert flat({"lr": 0.1, "optimizer": {"name": "sgd", "more": {"momentum": 0.9}}, "none": {}, "list": [1]}) == {
        "lr": 0.1,
        "optimizer.name": "sgd",
        "optimizer.more.momentum": 0.9,
        "none": {},
        "list": [1],
    }


def test_values_change_what_the_file_says_and_nothing_else():
    values = {"lr": 0.01, "optimizer.name": "sgd", "models.modified.stem.maxpool": True, "scheduler.milestones": [10]}
    content = with_values(COMMITTED, values)
    before, after = flat(COMMITTED), flat(content)
    assert {name: after[name] for name in after if after[name] != before[name]} == values
    assert flat(COMMITTED)["lr"] == 0.001, "the file's own content is as it was"
    assert read_params("optimizer", file=FILE, changes={"optimizer.name": "sgd"}).optimizer.name == "sgd"
    assert with_values(COMMITTED, {}) == COMMITTED


@pytest.mark.parametrize("name", ["lr.rate", "optimiser.name"])
def test_a_name_that_leads_nowhere_is_refused(name):
    with pytest.raises(UserError, match=rf"'{name}' is the name of no parameter; write it as section\.name"):
        with_values(COMMITTED, {name: 1})


def test_an_unknown_name_is_answered_as_in_the_file():
    with pytest.raises(UserError, match=r"unknown parameter 'optimizer\.nam'; did you mean 'name'"):
        read_params("optimizer", file=FILE, changes={"optimizer.nam": "sgd"})
