"""The schema of params.yaml: what is accepted, what is refused and in which words, and what a stage gets to see."""

import contextlib
import copy
import datetime
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.dependency.param import read_param_file
from dvc.fs import LocalFileSystem

from tinyres.common.errors import UserError
from tinyres.params import (
    Params,
    flat,
    load_params,
    load_yaml,
    plain,
    preflight,
    read_params,
    select,
    validate_params,
    with_values,
)
from tinyres.params.class_names import CIFAR100, CIFAR100_TEST_IMAGES, DIGITS, DIGITS_TEST_IMAGES
from tinyres.params.preflight import OWN_NETWORKS, check_before_running, torchvision_networks
from tinyres.params.schema import Augment

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "params.yaml"
FILES = [FILE, *sorted(ROOT.glob("studies/*/params.yaml"))]
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
        ("batchsize", "did you mean 'batch_size'?"),
        ("optimizer.nam", "did you mean 'optimizer.name'?"),
        ("augment.online.rotate", "did you mean 'augment.online.rotation'?"),
        ("models.modified.stem.max_pool", "did you mean 'models.modified.stem.maxpool'?"),
        ("evaluate.reference.clases", "did you mean 'evaluate.reference.classes'?"),
        ("learning_rate", "did you mean 'lr'?"),
        ("optimizer.learning_rate", "did you mean 'lr'?"),
        ("momentum", "did you mean 'optimizer.momentum'?"),
        ("dropout", "did you mean 'models.baseline.dropout'?"),
        ("early_stopping.mixup", "did you mean 'augment.online.mixup'?"),
        ("nothing_like_it", "known are: augment, batch_size, data, early_stopping, embed, epochs, evaluate, loss, …."),
    ],
)
def test_an_unknown_parameter_is_answered_with_the_nearest_by_its_whole_name(name, words):
    assert refusal(changed(name, 1)) == f"unknown parameter {name!r}; {words}"


def test_a_misspelt_parameter_is_named_before_the_one_that_it_leaves_missing():
    content = copy.deepcopy(COMMITTED)
    content["optimzer"] = content.pop("optimizer")
    first, second = refusal(content).split("\n")
    assert first == "unknown parameter 'optimzer'; did you mean 'optimizer'?"
    assert second.startswith("params.yaml: the parameter 'optimizer' is missing: give a section with name, momentum, ")


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
        ("subset.classes", 5, "subset.classes is 5: give a name or a list of names; YAML needs quotes here: '5'."),
        ("subset.classes", ["seal", 5],
         "subset.classes is ['seal', 5]: give a name or a list of names; YAML needs quotes here: ['seal', '5']."),
        ("subset.classes", [1, 2],
         "subset.classes is [1, 2]: give a name or a list of names; YAML needs quotes here: ['1', '2']."),
        ("subset.classes", [True, 0.5],
         "subset.classes is [true, 0.5]: give a name or a list of names; YAML needs quotes here: ['true', '0.5']."),
        ("subset.classes", datetime.date(2024, 5, 1), "subset.classes is '2024-05-01': give a name or a list of names; "
         "YAML needs quotes here: '2024-05-01'."),
        ("subset.classes", None, "subset.classes is null: give a name or a list of names."),
        ("subset.classes", ["seal", None], "subset.classes is ['seal', null]: give a name or a list of names."),
        ("subset.classes", ["seal", "seal"],
         "subset.classes is ['seal', 'seal']: give at least two different classes."),
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
        ("models.baseline.architecture", 18,
         "models.baseline.architecture is 18: give a name; YAML needs quotes here: '18'."),
        ("models.modified.stem.kernel", 0,
         "models.modified.stem.kernel is 0: give a whole number of at least 1 and at most 15."),
        ("models.modified.stem.maxpool", "no", "models.modified.stem.maxpool is 'no': give true or false."),
        ("models.modified.stem.maxpool", 1, "models.modified.stem.maxpool is 1: give true or false."),
        ("evaluate.reference", "paper", "evaluate.reference is 'paper': give a section with name, source, classes, "
         "models, by_class."),
        ("evaluate.reference.models.baseline.test_accuracy", "?",
         "evaluate.reference.models.baseline.test_accuracy is '?': give a number."),
        ("evaluate.reference.by_class", {"cnn": {"seal": [0.5, 0.5, "0.5", 100]}},
         "evaluate.reference.by_class.cnn.seal is [0.5, 0.5, '0.5', 100]: give a list of "
         "a number, a number, a number, a whole number of at least 1."),
        ("evaluate.gallery", ["5"], "evaluate.gallery is ['5']: give a list of whole numbers."),
        ("tracking.experiment", "", "tracking.experiment is '': give a name."),
        ("tracking.system_metrics", "often", "tracking.system_metrics is 'often': give true or false."),
        ("runtime.device", "gpu", "runtime.device is 'gpu': give 'auto' or 'cpu' or 'cuda' or 'mps'."),
        ("runtime.compile", "off", "runtime.compile is 'off': give 'auto' or true or false."),
        ("runtime.compile", 1, "runtime.compile is 1: give 'auto' or true or false."),
    ],
)  # fmt: skip
def test_a_wrong_value_is_one_sentence_with_name_value_and_remedy(name, value, sentence):
    assert refusal(changed(name, value)) == sentence


def test_every_wrong_value_has_a_line_and_the_last_line_says_how_to_go_back(tmp_path):
    content = changed("lr", "abc") | {"epochs": -1, "batchsize": 64, "seed": True}
    file = write(tmp_path, content)
    with pytest.raises(UserError) as caught:
        read_params("seed", file=file)
    assert str(caught.value).splitlines() == [
        f"{file}: unknown parameter 'batchsize'; did you mean 'batch_size'?",
        f"{file}: seed is true: give {SEEDS}.",
        f"{file}: lr is 'abc': give a number greater than 0.",
        f"{file}: epochs is -1: give a whole number of at least 1.",
        f"To go back to the committed file: git checkout {file}",
    ]


def test_one_wrong_value_is_one_line_that_says_how_to_go_back(tmp_path):
    file = write(tmp_path, changed("lr", "abc"))
    with pytest.raises(UserError) as caught:
        read_params("seed", file=file)
    assert str(caught.value) == (
        f"{file}: lr is 'abc': give a number greater than 0. To go back to the committed file: git checkout {file}"
    )


def test_all_contradictions_are_told_at_once():
    """Within one section, and between several."""
    content = with_values(COMMITTED, {"epochs": 5, "scheduler.warmup": 7, "early_stopping.patience": 3})
    content = with_values(content, {"optimizer.accumulation": 60})
    assert [line.split(",")[0] for line in refusal(content).splitlines()] == [
        "early_stopping needs validation images",
        "params.yaml: scheduler.warmup 7",
        "params.yaml: optimizer.accumulation is 60",
    ]
    values = {"scheduler.name": "one_cycle", "scheduler.warmup": 3, "scheduler.milestones": [3]}
    assert [line.split(":")[-1] for line in refusal(with_values(COMMITTED, values)).splitlines()] == [
        " give the epochs at which 'step' lowers the learning rate, and [] for every other schedule.",
        " set scheduler.warmup to 0.",
    ]


def test_a_missing_parameter_is_named_in_full_with_what_it_takes():
    content = copy.deepcopy(COMMITTED)
    del content["augment"]["online"]["hue"]
    assert refusal(content) == (
        "the parameter 'augment.online.hue' is missing: give a number of at least 0 and at most 0.5."
    )


def test_a_name_that_yaml_reads_as_a_number_is_told_to_need_quotes():
    sentence = refusal(changed("models", {1: COMMITTED["models"]["baseline"]}))
    assert sentence == "models.1 is the name of an entry, which is text: write it in quotes."


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


def test_a_missing_file_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"There is no params\.yaml in {tmp_path}; run from a study's folder"):
        read_params("seed")


@pytest.mark.parametrize("text", ["", "# nothing\n", "- lr\n- seed\n", "seed"])
def test_a_file_without_parameters_is_one_sentence(tmp_path, text):
    file = tmp_path / "params.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match="holds no parameters; restore it with `git checkout"):
        read_params("seed", file=file)


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("embed.perplexity", 0, r"embed\.perplexity is 0"),
        ("subset.classes", ["seal", "oter"], "there is no class 'oter'"),
        ("models.modified.architecture", "resnt34", "there is no network 'resnt34'"),
    ],
)
def test_the_whole_file_is_checked_whatever_is_read(tmp_path, name, value, fault):
    with pytest.raises(UserError, match=fault):
        read_params("seed", file=write(tmp_path, changed(name, value)))


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
    with pytest.raises(UserError, match=r"unknown parameter 'optimizer\.nam'; did you mean 'optimizer\.name'"):
        read_params("optimizer", file=FILE, changes={"optimizer.nam": "sgd"})


def tracked_by_dvc(file: Path) -> dict[str, Any]:
    """What DVC compares with its lock to decide whether a stage runs."""
    return read_param_file(LocalFileSystem(), str(file))


def is_the_same(handed_out: Any, tracked: Any) -> bool:
    """In value and type, but for a whole number where the schema has a real one: the float of the same value."""
    if isinstance(handed_out, list) and isinstance(tracked, list):
        return len(handed_out) == len(tracked) and all(map(is_the_same, handed_out, tracked))
    if isinstance(handed_out, dict) and isinstance(tracked, dict):
        same_keys = handed_out.keys() == tracked.keys()
        return same_keys and all(is_the_same(handed_out[key], tracked[key]) for key in tracked)
    if isinstance(handed_out, float) and type(tracked) is int:
        return handed_out == tracked
    return (type(handed_out), handed_out) == (type(tracked), tracked)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_stage_is_handed_the_values_that_dvc_tracks(file):
    assert is_the_same(plain(read_params(*Params.model_fields, file=file)), tracked_by_dvc(file))


NAMES = sorted({name.rsplit(".", depth)[0] for name in flat(COMMITTED) for depth in range(3)})
ANYTHING = [
    *(None, True, False, 0, 1, 2, 30, -1, 0.0, 1.0, 0.5, 1e-5, 2**40, NAN, INFINITY),
    *("", "no", "true", "1", "0.5", "1:30", "auto", "cuda", "all", "seal", "null"),
    *([], ["1", "2"], [1, 2], [True, False], [1.0], [None], [[1]], [{}], ["all", 1]),
    *({}, {"name": "sgd"}, {1: 2}, {True: {}}, {"a": None}, {"a": {"b": [1, 0.5, 0.5, 1]}}),
    *(datetime.date(2024, 5, 1), datetime.datetime(2024, 5, 1, 12), b"bytes", {"a", "b"}),
]


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_accepts_a_value_as_it_is_or_refuses_it_in_words(name):
    """Whatever YAML can hold, at any place: `"no"` never becomes false, nor 1 true, nor `"5"` 5."""
    for value in ANYTHING:
        content = changed(name, value)
        with contextlib.suppress(UserError):  # and nothing else
            assert is_the_same(plain(validate_params(content)), content), value


def refusal_before_running(**values: Any) -> str:
    """What is said of values that the schema lets through; `section__key` for an inner one."""
    params = validate_params(with_values(COMMITTED, {name.replace("__", "."): each for name, each in values.items()}))
    with pytest.raises(UserError) as caught:
        check_before_running(params)
    return str(caught.value)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"subset__classes": ["seal", "oter"]}, "subset.classes: there is no class 'oter'; did you mean 'otter'?"),
        ({"subset__classes": "aquatic_mamals"},
         "subset.classes: there is no superclass 'aquatic_mamals'; did you mean 'aquatic_mammals'?"),
        ({"subset__classes": "seal"},
         "subset.classes is 'seal', a single class; give a list of at least two classes."),
        ({"data__source": "digits", "subset__classes": ["zero", "sevn"]},
         "subset.classes: there is no class 'sevn'; did you mean 'seven'?"),
        ({"data__source": "digits", "subset__classes": "aquatic_mammals"},
         "subset.classes: there is no superclass 'aquatic_mammals'; known are: all."),
        ({"data__source": "digits", "subset__classes": ""},
         "subset.classes: there is no superclass ''; known are: all."),
        ({"augment__offline": ["report_hsv", "report_hvs"]},
         "augment.offline: there is no pipeline 'report_hvs'; did you mean 'report_hsv'?"),
        ({"models__modified__architecture": "resnt34"},
         "models.modified.architecture: there is no network 'resnt34'; did you mean 'resnet34'?"),
        ({"models__baseline__architecture": "wide_resnet16"},
         "models.baseline.architecture: there is no network 'wide_resnet16'; did you mean 'wide_resnet16_8'?"),
    ],
)  # fmt: skip
def test_what_does_not_exist_is_refused_before_anything_is_downloaded_or_trained(values, sentence):
    assert refusal_before_running(**values) == f"params.yaml: {sentence}"


@pytest.mark.parametrize(
    ("values", "count", "advice"),
    [
        ({"subset__classes": ["seal", "otter"], "subset__per_class": 10}, 20, 6),
        ({"subset__classes": "fish", "subset__validation": 480, "subset__validation_from": "test"}, 20, 6),
        ({"subset__classes": "fish", "subset__validation": 0.96, "subset__validation_from": "test"}, 20, 6),
        ({"subset__per_class": 1, "embed__perplexity": 100}, 100, 33),
        ({"data__source": "digits", "subset__per_class": 3}, 30, 9),
        ({"data__source": "digits", "subset__classes": ["zero", "eight"], "embed__perplexity": 68}, 68, 22),
    ],
)
def test_a_perplexity_that_needs_more_test_images_is_refused_before_anything_is_downloaded(values, count, advice):
    perplexity = values.get("embed__perplexity", 30)
    assert refusal_before_running(**values) == (
        f"params.yaml: embed.perplexity is {perplexity}, but there are only {count} test images; give at most {advice}."
    )


@pytest.mark.parametrize(
    "values",
    [
        {"subset.classes": ["seal", "otter"], "subset.per_class": 16},
        {"subset.classes": "fish", "subset.validation": 480},  # of the training images
        {"data.source": "digits", "subset.classes": ["zero", "eight"], "embed.perplexity": 67},
        {"data.source": "image_folder", "data.folder": "pictures", "embed.perplexity": 10**6},
    ],
)
def test_a_perplexity_with_enough_test_images_is_let_through(values):
    check_before_running(validate_params(with_values(COMMITTED, values)))


def test_the_numbers_of_test_images_are_those_of_the_sources(source, tmp_path):
    from tinyres.sources import digits

    digits.download(tmp_path / "raw")
    labels = digits.read(tmp_path / "raw").splits["test"].labels
    assert [(labels == digit).sum() for digit in range(10)] == DIGITS_TEST_IMAGES
    assert {(source.splits["test"].labels == label).sum() for label in range(100)} == {CIFAR100_TEST_IMAGES}


def test_all_that_does_not_exist_is_told_at_once():
    told = refusal_before_running(subset__classes=["a", "b"], models__baseline__architecture="resnt18")
    assert [line.split(";")[0] for line in told.splitlines()] == [
        "params.yaml: subset.classes: there is no class 'a'",
        "params.yaml: subset.classes: there is no class 'b'",
        "params.yaml: models.baseline.architecture: there is no network 'resnt18'",
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_committed_study_can_begin(file):
    check_before_running(load_params(file))


@pytest.mark.parametrize("classes", ["all", "aquatic_mammals", ["seal", "otter"]])
def test_classes_that_exist_are_let_through(classes):
    check_before_running(validate_params(changed("subset.classes", classes)))


def test_classes_of_ones_own_pictures_are_known_to_their_folder_alone():
    own = {"data.source": "image_folder", "data.folder": "pictures", "subset.classes": ["robin", "wren"]}
    check_before_running(validate_params(with_values(COMMITTED, own)))


def test_a_device_that_the_machine_lacks_is_refused(monkeypatch):
    monkeypatch.setattr(preflight, "CUDA_DRIVER", "libno_such_driver.so.1")
    assert refusal_before_running(runtime__device="cuda") == (
        "params.yaml: runtime.device is 'cuda', but this machine has no NVIDIA driver; use 'auto' or 'cpu'."
    )
    monkeypatch.setattr(preflight, "CUDA_DRIVER", None)  # the program itself, which can always be opened
    check_before_running(validate_params(changed("runtime.device", "cuda")))


@pytest.mark.skipif(sys.platform == "darwin", reason="Apple's computers have MPS")
def test_mps_is_refused_where_it_cannot_be():
    assert refusal_before_running(runtime__device="mps") == (
        "params.yaml: runtime.device is 'mps', which Apple's computers alone have; use 'auto' or 'cpu'."
    )


def test_the_names_that_are_checked_are_those_of_the_registries():
    from tinyres.copies.pipelines import PIPELINES
    from tinyres.models.architectures import ARCHITECTURES
    from tinyres.sources import digits

    assert set(preflight.PIPELINES) == set(PIPELINES)
    assert all(f"`{name}`" in Augment.model_fields["offline"].description for name in PIPELINES)
    assert {*OWN_NETWORKS, *torchvision_networks()} == set(ARCHITECTURES)
    assert digits.CLASSES == DIGITS
    assert len({name for names in CIFAR100.values() for name in names}) == 100
