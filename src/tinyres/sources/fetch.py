"""Fetch one file by path or URL, with resumption, retries and a progress bar."""

import shutil
import sys
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.util import Retry

CHUNK = 1 << 16  # bytes per read, and the most that a broken connection loses
TIMEOUT = (10, 60)  # seconds to connect, seconds between bytes
PAUSE = 1  # seconds before the second retry, doubled at each further one


def fetch(location: str, target: Path) -> None:
    """Copy a local file, or download a URL, to `target`.

    A download goes to `<target>.part` first; if that exists from an interrupted try, only the rest is asked for.

    Raises:
        OSError: the file or the address cannot be read (requests' exceptions are OSErrors).
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    if "://" in location:
        _download(location, part)
    else:
        shutil.copyfile(location, part)
    part.replace(target)


def _download(url: str, part: Path) -> None:
    session = requests.Session()
    retry = Retry(total=4, backoff_factor=PAUSE, status_forcelist=[429, 500, 502, 503, 504], raise_on_status=False)
    session.mount("http://", HTTPAdapter(max_retries=retry))
    session.mount("https://", HTTPAdapter(max_retries=retry))
    for _ in range(5):  # a connection that breaks half-way goes on from where it stopped
        try:
            return _download_rest(session, url, part)
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError) as error:
            if not part.exists() or isinstance(error, requests.exceptions.ConnectTimeout):
                raise
    return _download_rest(session, url, part)


def _download_rest(session: requests.Session, url: str, part: Path) -> None:
    start = part.stat().st_size if part.exists() else 0
    # Not compressed on the way, or the bytes on disk would not count as the server's do.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return  # the partial file is the whole one
        response.raise_for_status()
        resumed = response.status_code == requests.codes.partial_content
        size = int(response.headers.get("Content-Length", 0)) + (start if resumed else 0)
        with (
            part.open("ab" if resumed else "wb") as stream,
            tqdm(total=size or None, initial=start if resumed else 0, unit="B", unit_scale=True, desc="download",
                 file=sys.stderr, disable=not sys.stderr.isatty()) as bar,
        ):  # fmt: skip
            for chunk in response.iter_content(CHUNK):
                stream.write(chunk)
                bar.update(len(chunk))
