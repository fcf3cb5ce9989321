"""download: the source's own files, fetched and verified."""

from pathlib import Path

from tinyres.data import cifar100, digits
from tinyres.errors import told_in_one_sentence
from tinyres.params import read_params

RAW = Path("data/raw")


def main() -> None:
    params = read_params("data")
    source = {"cifar100": cifar100, "digits": digits}[params.data.source]
    source.download(RAW)


if __name__ == "__main__":
    with told_in_one_sentence():
        main()
