"""subset-extract: the chosen classes and images, from any source into one array format."""

import sys
from pathlib import Path

from tinyres.data import cifar100, digits
from tinyres.data.arrays import write_dataset
from tinyres.data.subset import extract
from tinyres.errors import told_in_one_sentence
from tinyres.params import read_params

SUBSET = Path("data/subset")


def main(raw: Path) -> None:
    params = read_params("seed", "data.source", "subset")
    source = {"cifar100": cifar100, "digits": digits}[params.data.source].read(raw)
    description, splits = extract(source, params.subset, params.seed)
    write_dataset(SUBSET, description, splits)


if __name__ == "__main__":
    with told_in_one_sentence():
        main(Path(sys.argv[1]))
