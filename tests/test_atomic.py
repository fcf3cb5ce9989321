"""What is written takes its place whole, or leaves everything as it was."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyres.common.atomic import replacing

Tree = dict[str, bytes]
TREES = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.binary(max_size=9), max_size=3)


def put(path: Path, content: bytes | Tree) -> None:
    """Write a file, or a folder of files."""
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.mkdir()
        for name, inner in content.items():
            put(path / name, inner)


def get(path: Path) -> bytes | Tree:
    """The inverse of `put`."""
    return path.read_bytes() if path.is_file() else {file.name: file.read_bytes() for file in path.iterdir()}


@settings(max_examples=50)
@given(before=st.none() | st.binary(max_size=9) | TREES, after=st.binary(max_size=9) | TREES, fails=st.booleans())
def test_writing_is_whole_or_not_at_all(tmp_path_factory, before, after, fails):
    folder = tmp_path_factory.mktemp("place")
    target = folder / "target"

    if before is not None:
        put(target, before)
    try:
        with replacing(target) as draft:
            put(draft, after)
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert fails
    assert (get(target) if target.exists() else None) == (before if fails else after)
    assert {path.name for path in folder.iterdir()} <= {"target"}


def test_a_body_that_writes_nothing_costs_nothing(tmp_path):
    put(tmp_path / "target", {"a": b"1"})
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "target"):
        pass
    assert get(tmp_path / "target") == {"a": b"1"}
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_a_link_to_a_folder_is_replaced_and_the_folder_left_alone(tmp_path):
    put(tmp_path / "elsewhere", {"a": b"1"})
    (tmp_path / "target").symlink_to(tmp_path / "elsewhere")
    with replacing(tmp_path / "target") as draft:
        put(draft, {"b": b"2"})
    assert get(tmp_path / "target") == {"b": b"2"}
    assert get(tmp_path / "elsewhere") == {"a": b"1"}
    assert not (tmp_path / "target").is_symlink()
