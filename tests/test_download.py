"""Only verified files get in, whatever the archive and the network do; a failure is one sentence and leaves nothing."""

import hashlib
import io
import socket
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tinyres.common.errors import UserError
from tinyres.sources import cifar100, digits, fetch

CONTENT = {name: np.random.default_rng(seed).bytes(200_000) for seed, name in enumerate(cifar100.MEMBERS_MD5)}
"""Three small members in place of CIFAR-100's; noise, which gzip cannot make smaller."""

Entry = tuple[str, bytes] | tarfile.TarInfo


def packed(entries: list[Entry]) -> bytes:
    """A tar.gz of files (name and content) and of anything else (as its header says)."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                tar.addfile(entry)
            else:
                header = tarfile.TarInfo(entry[0])
                header.size = len(entry[1])
                tar.addfile(header, io.BytesIO(entry[1]))
    return archive.getvalue()


def small_archive(without: str = "", extra: list[Entry] | None = None, **changed: bytes) -> bytes:
    content = {name: value for name, value in (CONTENT | changed).items() if name != without}
    return packed([*(extra or []), *((f"{cifar100.FOLDER}/{name}", value) for name, value in content.items())])


def flipped(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The small members are the right ones, and downloads are kept in a folder of the test's own."""
    sums = {name: hashlib.md5(content).hexdigest() for name, content in CONTENT.items()}
    monkeypatch.setattr(cifar100, "MEMBERS_MD5", sums)
    (tmp_path / "partial").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "partial"))
    monkeypatch.setattr(fetch, "PAUSE", 0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A folder that already holds an earlier result, so that a failure can be seen to leave it alone."""
    folder = tmp_path / "data/raw"
    folder.mkdir(parents=True)
    (folder / "earlier").write_text("result")
    return folder


def holds_the_members(target: Path) -> bool:
    return {file.name: file.read_bytes() for file in target.iterdir()} == CONTENT


def refusal(target: Path) -> str:
    """The sentence that the download ends in, after a check that it left everything as it was."""
    with pytest.raises(UserError) as caught:
        cifar100.download(target)
    assert [file.name for file in target.parent.iterdir()] == ["raw"]
    assert [file.name for file in target.iterdir()] == ["earlier"]
    sentence = str(caught.value)
    assert "CIFAR100_ARCHIVE" in sentence
    assert "`make quickstart`" in sentence
    assert "\n" not in sentence
    return sentence


# The archive as a file.


def test_the_real_archive_gives_its_three_members_and_nothing_else(archive, target, monkeypatch):
    monkeypatch.setenv("CIFAR100_ARCHIVE", str(archive))
    cifar100.download(target)
    assert {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in target.iterdir()} == cifar100.MEMBERS_MD5


@pytest.fixture
def given(small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], Path]:
    """Put an archive of this content where CIFAR100_ARCHIVE points."""

    def give(content: bytes) -> Path:
        file = tmp_path / "given.tar.gz"
        file.write_bytes(content)
        monkeypatch.setenv("CIFAR100_ARCHIVE", str(file))
        return file

    return give


def test_a_small_archive_gives_its_members(given, target):
    given(small_archive())
    cifar100.download(target)
    assert holds_the_members(target)


def test_member_names_may_start_with_a_dot(given, target):
    given(packed([(f"./{cifar100.FOLDER}/{name}", content) for name, content in CONTENT.items()]))
    cifar100.download(target)
    assert holds_the_members(target)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_truncated_archive(given, target, share):
    content = small_archive()
    file = given(content[: int(share * len(content))])
    assert refusal(target).startswith(f"{file} is not a whole tar.gz archive (")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_one_byte_of_the_compressed_stream_flipped(given, target, share):
    content = small_archive()
    file = given(flipped(content, int(share * len(content))))
    assert str(file) in refusal(target)


@pytest.mark.parametrize("name", CONTENT)
def test_one_byte_of_a_member_flipped(given, target, name):
    file = given(small_archive(**{name: flipped(CONTENT[name], 100_000)}))
    assert refusal(target).startswith(f"'{name}' in {file} is not CIFAR-100's own (its MD5 is not ")


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><title>Not found</title>", b"\x1f\x8b\x08\x00" + b"x" * 999])
def test_something_else_than_an_archive(given, target, content):
    file = given(content)
    assert str(file) in refusal(target)


@pytest.mark.parametrize("name", CONTENT)
def test_a_missing_member(given, target, name):
    file = given(small_archive(without=name))
    assert refusal(target).startswith(f"{file} lacks the file cifar-100-python/{name};")


def test_members_with_paths_that_lead_elsewhere_are_not_written(given, target, tmp_path):
    outside = tmp_path / "outside"
    names = ["../x", "../../x", str(outside), f"{cifar100.FOLDER}/../../x", f"{cifar100.FOLDER}/extra"]
    given(small_archive(extra=[(name, b"escaped") for name in names]))
    before = {path for path in tmp_path.rglob("*") if target not in path.parents}
    cifar100.download(target)
    assert holds_the_members(target)
    assert {path for path in tmp_path.rglob("*") if target not in path.parents} == before


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_a_link_in_a_members_place_is_a_missing_member(given, target, tmp_path, kind):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    link = tarfile.TarInfo(f"{cifar100.FOLDER}/test")
    link.type, link.linkname = kind, str(victim)
    file = given(small_archive(without="test", extra=[link]))
    assert refusal(target).startswith(f"{file} lacks the file cifar-100-python/test;")
    assert victim.read_text() == "mine"


def test_a_link_beside_the_member_changes_nothing(given, target, tmp_path):
    link = tarfile.TarInfo(f"{cifar100.FOLDER}/test")
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "victim")
    given(small_archive(extra=[link]))
    cifar100.download(target)
    assert holds_the_members(target)
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize("place", ["missing.tar.gz", "."])
def test_a_path_that_is_no_file(small, target, tmp_path, monkeypatch, place):
    monkeypatch.setenv("CIFAR100_ARCHIVE", str(tmp_path / place))
    assert refusal(target).startswith(f"CIFAR100_ARCHIVE is '{tmp_path / place}', which is not a file;")


# The archive behind a URL.


class Server(ThreadingHTTPServer):
    """Answers every request with `body`, as far as the two lists of troubles let it."""

    def __init__(self, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = body
        self.failures: list[int] = []
        """Statuses of the first answers."""
        self.breaks: list[int] = []
        """Bytes after which the next answers break off."""
        self.ranges_supported = True
        self.log: list[str | None] = []
        """The Range header of each request."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/cifar-100-python.tar.gz"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.log.append(wanted)
        if self.server.failures:
            self.send_error(self.server.failures.pop(0))
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.server.ranges_supported else 0
        rest = self.server.body[start:]
        if start and not rest:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: self.server.breaks.pop(0)] if self.server.breaks else rest)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(small: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of the small archive, to which CIFAR100_ARCHIVE points."""
    with Server(small_archive()) as running:
        monkeypatch.setenv("CIFAR100_ARCHIVE", running.url)
        Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


def partial_files() -> list[str]:
    return [file.name for file in Path(tempfile.gettempdir()).iterdir()]


def test_a_url_is_fetched_and_leaves_no_archive_behind(server, target):
    cifar100.download(target)
    assert holds_the_members(target)
    assert server.log == [None]
    assert partial_files() == []


def test_a_broken_connection_goes_on_from_where_it_stopped(server, target):
    server.breaks = [5 * fetch.CHUNK, 2 * fetch.CHUNK + 1]
    cifar100.download(target)
    assert holds_the_members(target)
    assert server.log == [None, f"bytes={5 * fetch.CHUNK}-", f"bytes={7 * fetch.CHUNK}-"]


def test_a_server_without_ranges_starts_over(server, target):
    server.ranges_supported = False
    server.breaks = [fetch.CHUNK + 1]
    cifar100.download(target)
    assert holds_the_members(target)
    assert server.log == [None, f"bytes={fetch.CHUNK}-"]


def test_a_later_try_resumes_what_an_earlier_one_left(server, target):
    server.breaks = [fetch.CHUNK + 1] + [0] * 20
    assert "Cannot fetch" in refusal(target)
    assert len(partial_files()) == 1
    server.breaks.clear()
    server.log.clear()
    cifar100.download(target)
    assert holds_the_members(target)
    assert server.log == [f"bytes={fetch.CHUNK}-"]


def test_a_partial_file_that_is_whole_is_taken(server, target):
    server.breaks = [fetch.CHUNK] + [0] * 20
    refusal(target)
    (part,) = Path(tempfile.gettempdir()).iterdir()
    part.write_bytes(server.body)
    server.breaks.clear()
    cifar100.download(target)
    assert holds_the_members(target)


def test_a_server_in_trouble_is_asked_again(server, target):
    server.failures = [503, 503]
    cifar100.download(target)
    assert holds_the_members(target)
    assert len(server.log) == 3


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (403, 1), (503, 5)])
def test_a_status_that_stays_is_named(server, target, status, requests):
    server.failures = [status] * 20
    assert refusal(target).startswith(f"Cannot fetch {server.url} (HTTP status {status});")
    assert len(server.log) == requests


@pytest.mark.parametrize("body", [b"<!DOCTYPE html><title>Please log in</title>", small_archive()[:300_000]])
def test_something_else_behind_the_url_is_called_by_its_url_and_not_kept(server, target, body):
    server.body = body
    assert refusal(target).startswith(f"{server.url} is not a whole tar.gz archive (")
    assert partial_files() == []


def test_a_refused_connection(small, target, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/cifar-100-python.tar.gz"
        monkeypatch.setenv("CIFAR100_ARCHIVE", url)
        assert refusal(target).startswith(f"Cannot fetch {url} (ConnectionError);")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "http://", "http://127.0.0.1:port/x"])
def test_a_url_that_is_none(small, target, monkeypatch, url):
    monkeypatch.setenv("CIFAR100_ARCHIVE", url)
    assert refusal(target).startswith(f"Cannot fetch {url} (")


# The digits need no archive and no network.


def test_the_digits_are_scikit_learns(tmp_path):
    digits.download(tmp_path / "raw")
    source = digits.read(tmp_path / "raw")
    train, test = source.splits["train"], source.splits["test"]
    assert (len(train), len(test)) == (1437, 360)
    images = np.concatenate([train.images, test.images])
    assert (images.shape, images.dtype) == ((1797, 8, 8, 3), np.uint8)
    assert (images.min(), images.max()) == (0, 255)
    assert (images == images[..., :1]).all()
    theirs = load_digits()
    assert np.array_equal(np.rint(images[..., 0] * (16 / 255)), theirs.images)
    assert np.array_equal(np.concatenate([train.labels, test.labels]), theirs.target)
    assert source.classes[int(train.labels[3])] == "three"


def test_missing_digits_are_one_sentence(tmp_path):
    with pytest.raises(UserError, match=r"digits\.csv\.gz is missing; fetch it with `dvc repro -f download`\."):
        digits.read(tmp_path)
