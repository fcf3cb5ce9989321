"""The compiled kernels: built on first use for this machine's instruction set, and kept in the user's cache."""

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path
from platform import machine

import torch

SOURCE = Path(__file__).with_name("kernels.cpp")
COMPILERS = ("c++", "g++", "clang++")
FLAGS = ("-std=c++17", "-O3", "-fopenmp", "-shared", "-fPIC")
INSTRUCTION_SETS = {  # by torch's name for it; not -march=native, so that two machines can share a cache
    "AVX512": ("-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma"),
    "AVX2": ("-mavx2", "-mfma"),
}
DIGEST = 32  # bytes of SHA-256 at the end of a compiled file, which the loader ignores


class Unavailable(Exception):  # noqa: N818 -- not an error: torch computes instead
    """Why there are no kernels, and the remedy if there is one: one sentence."""


@cache
def kernels() -> ctypes.CDLL:
    """The kernels for this machine, from the cache or compiled now (a few seconds).

    Raises:
        Unavailable: there are none for this kind of machine, or nothing compiles them.
    """
    name = instruction_set()
    for cached in candidates(name):
        if library := load(cached):
            return library
    compiler = find_compiler()
    if compiler is None:
        raise Unavailable("there is no C++ compiler; install one (the package g++ on Debian and Ubuntu)")
    with tempfile.TemporaryDirectory(prefix="tinyres-") as scratch:
        draft = Path(scratch) / "kernels.so"
        compile_kernels(compiler, name, draft)
        library = load(keep(draft, cache_file(compiler, name))) or load(draft)
    if library is None:
        raise Unavailable(f"what {compiler} compiled cannot be loaded; install another compiler, g++ say")
    return library


def instruction_set() -> str:
    """This processor's key in `INSTRUCTION_SETS`; ATEN_CPU_CAPABILITY=avx2 lowers it, as it lowers torch's own.

    Raises:
        Unavailable: it has none of them, or this is not Linux on x86-64.
    """
    if sys.platform != "linux" or machine() != "x86_64":
        raise Unavailable("they are made for Linux on x86-64")
    capability = torch.backends.cpu.get_cpu_capability()
    for name in INSTRUCTION_SETS:
        if capability.startswith(name):
            return name
    raise Unavailable("the processor has neither AVX-512 nor AVX2")


def cache_folder() -> Path:
    """The folder of compiled files: outside the project, which may be read-only or shared by machines."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tinyres"


def candidates(name: str) -> list[Path]:
    """Compiled files that would do: those of the present compiler, or of any if there is no compiler now."""
    compiler = find_compiler()
    if compiler is not None:
        return [cache_file(compiler, name)]
    return sorted(cache_folder().glob(f"kernels-{source_hash(name)}-*.so"))


def cache_file(compiler: str, name: str) -> Path:
    """The compiled file, named after what decides its content: source, flags, instruction set, compiler and version."""
    return cache_folder() / f"kernels-{source_hash(name)}-{short_hash(version_of(compiler))}.so"


def source_hash(name: str) -> str:
    """Hash of the source and of the flags that it is compiled with."""
    return short_hash(SOURCE.read_bytes() + " ".join((*FLAGS, *INSTRUCTION_SETS[name])).encode())


def short_hash(content: bytes) -> str:
    """64 bits of SHA-256, in hexadecimal digits."""
    return sha256(content).hexdigest()[:16]


@cache
def find_compiler() -> str | None:
    """Path of the first compiler on PATH, CXX before all others."""
    names = [*filter(None, [os.environ.get("CXX")]), *COMPILERS]
    return next(filter(None, map(shutil.which, names)), None)


@cache
def version_of(compiler: str) -> bytes:
    """What a compiler says about itself."""
    return call(compiler, "--version").stdout.encode()


def compile_kernels(compiler: str, name: str, target: Path) -> None:
    """Compile for an instruction set, with the result's digest at its end.

    Raises:
        Unavailable: the compiler fails.
    """
    outcome = call(compiler, *FLAGS, *INSTRUCTION_SETS[name], "-o", str(target), str(SOURCE))
    if outcome.returncode:
        reason = next((line for line in outcome.stderr.splitlines() if "error" in line), "it failed")
        raise Unavailable(f"{compiler} does not compile them ({reason.strip()}); install g++ 12 or later")
    content = target.read_bytes()
    target.write_bytes(content + sha256(content).digest())


def call(compiler: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the compiler, whether it succeeds or not.

    Raises:
        Unavailable: it cannot be run.
    """
    try:
        return subprocess.run([compiler, *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        raise Unavailable(f"{compiler} does not run ({error.strerror}); install g++ 12 or later") from None


def keep(draft: Path, target: Path) -> Path:
    """Put a compiled file into the cache, whole, and return where it is now; the draft itself if the cache cannot be
    written."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix="draft-", delete=False) as copy:
            copy.write(draft.read_bytes())
        Path(copy.name).replace(target)
    except OSError:
        return draft
    return target


def load(file: Path) -> ctypes.CDLL | None:
    """A compiled file's functions; None if it is not there, or not whole, which would end the process."""
    try:
        content = file.read_bytes()
        if sha256(content[:-DIGEST]).digest() != content[-DIGEST:]:
            return None
        return ctypes.CDLL(str(file))
    except OSError:
        return None
