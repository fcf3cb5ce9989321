"""The ablation through the real DVC and MLflow, on scikit-learn's digits: a small study, but a whole one."""

import csv
import io
import json

import pytest

from pipeline import stages_run

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]

TRAINING = ["epochs=2", "augment.online.crop_padding=1"]


def test_the_ablation_compares_the_roots_networks_with_its_own(quickstart, tmp_path):
    clone = quickstart.copy(tmp_path)
    clone.run("dvc", "exp", "apply", "quickstart")
    settings = [word for each in TRAINING for word in ("-S", each)]
    output = clone.run("sh", "-c", 'cd studies/ablation && exec dvc exp run "$@"', "sh", *settings)
    assert stages_run(output) == {"train-stem_only", "train-no_maxpool", "ablate"}

    rows = list(csv.DictReader(io.StringIO(clone.read("studies/ablation/metrics/ablation.csv"))))
    assert [(row["network"], row["first convolution"], row["max-pool"]) for row in rows] == [
        ("baseline", "7×7, stride 2", "yes"),
        ("stem_only", "3×3, stride 1", "yes"),
        ("no_maxpool", "7×7, stride 2", "no"),
        ("modified", "3×3, stride 1", "no"),
    ]
    results = json.loads(clone.read("studies/ablation/metrics/ablation.json"))
    root = json.loads(clone.read("metrics/evaluate.json"))
    for name in ("baseline", "modified"):
        for end in ("", "_low", "_high"):
            assert results[name][f"test_accuracy{end}"] == root[name][f"test_accuracy{end}"]
    costs = [results[row["network"]]["multiply_accumulates"] for row in rows]
    assert costs[0] < min(costs[1:3]) <= max(costs[1:3]) < costs[3]
    effects = results["effects"]
    assert effects["stem"]["value"] + effects["pool"]["value"] == pytest.approx(effects["gain"]["value"])
    assert effects["gain"]["value"] == pytest.approx(
        results["modified"]["test_accuracy"] - results["baseline"]["test_accuracy"]
    )
    shares = [effects[name].get("share") for name in ("stem", "pool")]
    is_told = effects["gain"]["low"] > 0 or effects["gain"]["high"] < 0
    assert sum(shares) == pytest.approx(1) if is_told else shares == [None, None]

    models = [f"studies/ablation/models/{name}" for name in ("stem_only", "no_maxpool")]
    speed = clone.tinyres("speed", "models/baseline", *models)
    assert [line.split("|")[1].strip() for line in speed.splitlines()[2:]] == ["baseline", "stem_only", "no_maxpool"]
    assert all(float(line.split("|")[2]) > 0 and line.split("|")[5].strip() == "2" for line in speed.splitlines()[2:])

    stem_only = clone.folder / "studies/ablation/models/stem_only/model.json"
    description = json.loads(stem_only.read_text())
    description["training"]["params"]["epochs"] = 1
    stem_only.unlink()  # the file in DVC's cache may be the same one
    stem_only.write_text(json.dumps(description))
    refused = clone.run("sh", "-c", "cd studies/ablation && exec dvc repro -s -f ablate", status=255)
    assert "stem_only was trained with epochs = 1, baseline with 2" in refused
    assert "Traceback" not in refused
