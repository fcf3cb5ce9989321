"""download: the source's own files, fetched and verified."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))  # the package beside this script

from tinyres.common.errors import told_in_one_sentence
from tinyres.params import read_params
from tinyres.sources.registry import SOURCES

RAW = Path("data/raw")


def main() -> None:
    params = read_params("data")
    SOURCES[params.data.source].download(RAW, params.data)


if __name__ == "__main__":
    with told_in_one_sentence():
        main()
