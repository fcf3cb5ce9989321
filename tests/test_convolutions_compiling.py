"""The compiled kernels: where they are kept, and what happens without a compiler, a cache, or a whole file."""

from multiprocessing import get_context

import pytest

from tinyres.convolutions import Unavailable, compiling

try:
    NAME = compiling.instruction_set()
except Unavailable as reason:
    pytest.skip(f"no kernels: {reason}", allow_module_level=True)

compile_or_load = compiling.kernels.__wrapped__


@pytest.fixture(scope="module", name="compiled")
def _compiled():
    """What a whole file holds."""
    compiling.kernels()
    return compiling.cache_file(compiling.find_compiler(), NAME).read_bytes()


@pytest.fixture(name="cache")
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tinyres"


@pytest.fixture(name="no_compiler")
def _no_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    compiling.find_compiler.cache_clear()
    yield
    compiling.find_compiler.cache_clear()


def test_without_a_compiler_one_sentence_says_what_to_install(cache, no_compiler):
    with pytest.raises(Unavailable, match=r"no C\+\+ compiler; install one"):
        compile_or_load()
    assert not cache.exists()


def test_what_was_compiled_before_needs_no_compiler(cache, compiled, no_compiler):
    cache.mkdir(parents=True)
    (cache / f"kernels-{compiling.source_hash(NAME)}-0123456789abcdef.so").write_bytes(compiled)
    assert compile_or_load().winograd_forward


@pytest.mark.parametrize(
    "compiler", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\necho 'error: no OpenMP' >&2\nexit 1\n", "nonsense"]
)
def test_a_compiler_that_fails_is_named(cache, tmp_path, monkeypatch, compiler):
    script = tmp_path / "broken"
    script.write_text(compiler)
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    compiling.find_compiler.cache_clear()
    try:
        with pytest.raises(Unavailable, match="broken"):
            compile_or_load()
    finally:
        compiling.find_compiler.cache_clear()


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:],
        lambda whole: whole + b"more",
    ],
    ids=["empty", "half", "changed", "longer"],
)
def test_a_damaged_file_is_not_loaded(tmp_path, compiled, damage):
    whole, damaged = tmp_path / "whole.so", tmp_path / "damaged.so"
    whole.write_bytes(compiled)
    damaged.write_bytes(damage(compiled))
    assert compiling.load(whole)
    assert compiling.load(damaged) is None


def test_a_half_written_file_is_made_anew(cache, compiled):
    file = compiling.cache_file(compiling.find_compiler(), NAME)
    file.parent.mkdir(parents=True)
    file.write_bytes(compiled[: len(compiled) // 2])
    assert compile_or_load().winograd_forward
    assert compiling.load(file)
    assert list(cache.iterdir()) == [file]


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert compile_or_load().winograd_forward


def test_two_processes_compile_at_once(cache):
    fork = get_context("fork")
    processes = [fork.Process(target=compile_or_load) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    (file,) = cache.iterdir()
    assert compiling.load(file)


def test_the_name_tells_instruction_sets_apart(cache):
    compiler = compiling.find_compiler()
    assert len({compiling.cache_file(compiler, name) for name in compiling.INSTRUCTION_SETS}) == 2
