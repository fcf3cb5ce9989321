"""`tinyres plots` draws the study that was asked for, and its page needs no network."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import browser
from browser import Browser
from tinyres.cli.main import main

STUDIES = {".": ("network", "red"), "studies/birds": ("tern", "blue"), "studies/birds-2": ("gull", "green")}
LINES = """
    return [...document.querySelectorAll(".mark-line path")]
        .map(line => [line.getAttribute("stroke"), line.getAttribute("d").split("L").length]);
"""


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=Someone", "-c", "user.email=someone@example.org")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three studies, each with a curve and an image; the branch `faster` has other curves than `main`."""
    root = tmp_path_factory.mktemp("repository")
    git(root, "init", "--initial-branch", "main")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], cwd=root, check=True)
    for branch, accuracies in {"main": (0.1, 0.3, 0.4), "faster": (0.1, 0.6, 0.9)}.items():
        git(root, "checkout", "-B", branch)
        for study, (network, colour) in STUDIES.items():
            plots = root / study / "plots"
            plots.mkdir(parents=True, exist_ok=True)
            rows = [f"{epoch},{accuracy}" for epoch, accuracy in enumerate(accuracies)]
            (plots / f"{network}.csv").write_text("\n".join(["epoch,accuracy", *rows]))
            Image.new("RGB", (4, 4), colour).save(plots / f"{network}.png")
            curve = f"curve: {{title: Accuracy of {network}, x: epoch, y: {{plots/{network}.csv: accuracy}}}}"
            (plots.parent / "dvc.yaml").write_text(
                f"stages: {{}}\nplots:\n  - {curve}\n  - plots/{network}.png\n", encoding="utf-8"
            )
        git(root, "add", ".")
        git(root, "commit", "--message", branch)
    return root


def plots(*arguments: str, repository: Path, monkeypatch: pytest.MonkeyPatch) -> str | int | None:
    """How the command ends: its exit status, or its sentence."""
    monkeypatch.chdir(repository)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setattr(sys, "argv", ["tinyres", "plots", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.mark.parametrize("study", STUDIES)
def test_the_page_has_the_charts_and_images_of_the_study_alone(study, repository, monkeypatch):
    assert plots("main", "faster", "--study", study, repository=repository, monkeypatch=monkeypatch) == 0
    network, page = STUDIES[study][0], repository / "dvc_plots/index.html"
    html = page.read_text(encoding="utf-8")
    assert set(re.findall(r"Accuracy of (\w+)", html)) == {network}
    images = re.findall(r'<img src="(static/[^"]+)"', html)
    assert len(images) == 2
    assert {re.search(r"plots_(\w+)\.png", image)[1] for image in images} == {network}
    assert all((page.parent / image).is_file() for image in images)


def test_the_page_loads_nothing_from_the_network(repository, monkeypatch):
    assert plots("main", "faster", repository=repository, monkeypatch=monkeypatch) == 0
    html = (repository / "dvc_plots/index.html").read_text(encoding="utf-8")
    assert "vegaEmbed('#curve', spec)" in html
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)\s*=\s*[\"']?(https?:)?//", html)


@pytest.mark.browser
@pytest.mark.skipif(bool(browser.missing()), reason=f"no browser to drive: {browser.missing()}")
def test_charts_are_drawn_without_a_network(repository, monkeypatch):
    assert plots("main", "faster", repository=repository, monkeypatch=monkeypatch) == 0
    address = (repository / "dvc_plots/index.html").as_uri()
    with Browser.on(address, offline=True) as window:
        window.driver.get(address)
        window.wait_for("Accuracy of network", "epoch", "main", "faster")
        lines = window.driver.execute_script(LINES)
    assert {points for _, points in lines} == {3}
    assert len({colour for colour, _ in lines}) == 2, "a colour for each branch"


def test_what_dvc_refuses_ends_with_its_status(repository, monkeypatch, capfd):
    assert plots("main", "nowhere", repository=repository, monkeypatch=monkeypatch) not in (0, None)
    assert "nowhere" in capfd.readouterr().err


@pytest.mark.parametrize("command", ["plots --study", "experiments"])
def test_a_folder_that_is_no_study_is_refused(command, repository, monkeypatch):
    monkeypatch.chdir(repository)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setattr(sys, "argv", ["tinyres", *command.split(), "studies/owls"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert (
        ended.value.code
        == "error: studies/owls is no study; name a folder with a dvc.yaml, as studies/aquatic_mammals."
    )


def test_without_vl_convert_one_sentence_says_what_to_install(repository, monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    assert plots("main", "faster", repository=repository, monkeypatch=monkeypatch) == (
        "error: The charts need the package vl-convert-python; install it with `pip install vl-convert-python`."
    )
