"""The patch of a run applies, and `git.clean` is true of the project's own folder, whatever Git's settings are."""

import os
import subprocess
from pathlib import Path

import pytest

from tinyres.tracking.lineage import CLEAN, PATCH, lineage_documents, lineage_tags

SETTINGS = {
    "none": [],
    "noprefix": ["diff.noprefix=true"],
    "mnemonic prefixes": ["diff.mnemonicPrefix=true"],
    "colours": ["color.ui=always", "color.diff=always"],
    "another diff program": ["diff.external=/bin/false"],
    "CRLF": ["core.autocrlf=true", "core.safecrlf=true"],
    "CRLF on input": ["core.autocrlf=input", "core.safecrlf=true"],
    "no untracked files": ["status.showUntrackedFiles=no"],
    "copies": ["diff.renames=copies"],
    "relative": ["diff.relative=true"],
    "no context": ["diff.context=0", "diff.interHunkContext=3"],
    "names as they are": ["core.quotePath=false"],
    "short blank lines": ["diff.suppressBlankEmpty=true"],
    "another algorithm": ["diff.algorithm=histogram", "diff.wsErrorHighlight=all", "diff.indentHeuristic=false"],
    "strict whitespace": ["apply.whitespace=error", "core.whitespace=trailing-space,cr-at-eol"],
    "ignored whitespace": ["apply.ignoreWhitespace=change"],
    "text conversion": ["core.attributesFile=attributes", "diff.upper.textconv=tr a-z A-Z <"],
    "a diff program for some files": ["core.attributesFile=attributes", "diff.upper.command=/bin/false"],
    "split index": ["core.splitIndex=true", "core.untrackedCache=true"],
    "short hashes": ["core.abbrev=5"],
}
MATTER = {"CRLF", "CRLF on input", "names as they are"}
"""Settings that change the patch."""
PROJECT = "work/tiny res [1]*"
"""A folder of a larger repository, with characters that are patterns to Git."""


def git(folder: Path, *arguments: str, **options: object) -> str:
    command = ["git", "-c", "user.name=tests", "-c", "user.email=tests@example.org", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A larger repository with the project in one of its folders, which is the working folder; all committed."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    repository = tmp_path / "repository"
    project = repository / PROJECT
    files = {
        "src/tinyres/edited.py": b"".join(b"line %d\n" % number for number in range(40)),
        "src/tinyres/removed.py": b"x = 1\n" * 20,
        "src/tinyres/windows.py": b"one\r\ntwo\r\nthree\r\n",
        "src/tinyres/without_end.py": b"no newline",
        "stages/train.py": b"pass\n",
        "dvc.yaml": b"stages: {}\n",
        "params.yaml": b"seed: 0\n",
        "../other.py": b"another project's\n",
    }
    for name, content in files.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_bytes(content)
    (repository / ".gitignore").write_text("__pycache__\n")
    git(tmp_path, "init", "-q", "-b", "main", str(repository))
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "all")
    (tmp_path / "attributes").write_text("*.py diff=upper\n")
    monkeypatch.chdir(project)
    return repository


def edit(project: Path) -> None:
    """Every kind of change to the code."""
    code = project / "src/tinyres"
    lines = (code / "edited.py").read_bytes().splitlines(keepends=True)
    (code / "edited.py").write_bytes(b"".join([b"first \n", b"\n", *lines[:20], *lines[22:], b"\tlast\n"]))
    (code / "removed.py").rename(code / "renamed.py")
    (code / "windows.py").write_bytes(b"one\r\nTWO\r\nthree\r\n")
    (code / "without_end.py").write_bytes(b"still no newline")
    (code / "größe.py").write_bytes("größe = 1\n".encode())
    (code / "kernel.cpp").write_bytes(b"// new\n")
    (code / "kernel.bin").write_bytes(bytes(range(256)))
    (project / "stages/train.py").write_bytes(b"END\npass\n")


def configure(repository: Path, settings: list[str]) -> None:
    for setting in settings:
        name, _, value = setting.partition("=")
        git(repository, "config", name, str(repository.parent / value) if value == "attributes" else value)


def tree(repository: Path) -> str:
    """Hash of everything in the working tree."""
    git(repository, "-c", "core.safecrlf=false", "add", "--all")
    return git(repository, "write-tree")


@pytest.mark.parametrize("name", SETTINGS)
def test_the_patch_applies_where_the_settings_are_the_same(repository, name, tmp_path):
    settings = SETTINGS[name]
    edit(Path.cwd())
    plain = lineage_documents()[PATCH]
    configure(repository, settings)
    assert lineage_tags("train-net", "data", None)[CLEAN] == "false"
    patch = lineage_documents()[PATCH]
    assert patch == plain or name in MATTER
    options = [word for setting in settings for word in ("-c", setting)]
    git(tmp_path, "clone", "-q", "--no-local", *options, str(repository), "clone")
    configure(tmp_path / "clone", settings)
    git(tmp_path / "clone", "apply", "--whitespace=nowarn", input=patch)
    assert tree(tmp_path / "clone") == tree(repository)


@pytest.mark.parametrize("settings", [[], ["core.splitIndex=true"]], ids=["none", "split index"])
def test_the_users_index_stays_as_it_is_and_no_other_is_left(repository, settings):
    configure(repository, settings)
    edit(Path.cwd())
    before = git(repository, "status", "--porcelain"), kept(repository)
    lineage_documents()
    assert (git(repository, "status", "--porcelain"), kept(repository)) == before


def kept(repository: Path) -> set[Path]:
    """What lies in Git's own folder; the contents of files lie further down."""
    return set((repository / ".git").glob("*"))


def test_only_the_projects_own_code_counts(repository):
    (repository / "work/other.py").write_text("edited\n")
    (repository / "src").mkdir()
    (repository / "src/elsewhere.py").write_text("new\n")
    alike = repository / PROJECT.replace("[1]*", "1 too/dvc.yaml")  # the project's path, if that is read as a pattern
    alike.parent.mkdir()
    alike.write_text("stages: {a: {cmd: b}}\n")
    Path("params.yaml").write_text("seed: 1\n")
    assert lineage_tags("train-net", "data", None)[CLEAN] == "true"
    assert PATCH not in lineage_documents()
    Path("dvc.yaml").write_text("stages: {a: {cmd: b}}\n")
    assert lineage_tags("train-net", "data", None)[CLEAN] == "false"


def test_a_study_keeps_the_code_of_the_project_and_its_own_graph(repository, monkeypatch):
    study = Path("studies/some").absolute()
    study.mkdir(parents=True)
    (study / "dvc.yaml").write_text("stages: {}\n")
    (study / "params.yaml").write_text("seed: 0\n")
    edit(Path.cwd())
    monkeypatch.chdir(study)
    tags = lineage_tags("train-net", "data", None)
    assert (tags[CLEAN], tags["tinyres.study"]) == ("false", f"{PROJECT}/studies/some")
    patch = lineage_documents()[PATCH]
    assert "studies/some/dvc.yaml" in patch
    assert "src/tinyres/edited.py" in patch


def test_a_file_that_is_no_utf8_comes_back_to_the_last_byte(repository, tmp_path):
    Path("src/tinyres/latin.py").write_bytes("# größe\n".encode("latin-1"))
    patch = lineage_documents()[PATCH]
    git(tmp_path, "clone", "-q", "--no-local", str(repository), "clone")
    git(tmp_path / "clone", "apply", input=patch)
    assert tree(tmp_path / "clone") == tree(repository)


@pytest.mark.parametrize(("name", "value"), [("GIT_EXTERNAL_DIFF", "/bin/false"), ("GIT_DIFF_OPTS", "--unified=0")])
def test_the_patch_is_the_same_whatever_the_environment_says(repository, monkeypatch, name, value):
    edit(Path.cwd())
    plain = lineage_documents()
    monkeypatch.setenv(name, value)
    assert lineage_documents() == plain
