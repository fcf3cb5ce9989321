"""download: the source's own files, fetched and verified."""

from pathlib import Path

from tinyres.data.sources import SOURCES
from tinyres.errors import told_in_one_sentence
from tinyres.params import read_params

RAW = Path("data/raw")


def main() -> None:
    params = read_params("data")
    SOURCES[params.data.source].download(RAW, params.data)


if __name__ == "__main__":
    with told_in_one_sentence():
        main()
