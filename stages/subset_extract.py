"""subset-extract: the chosen classes and images, from any source into one array format."""

import sys
from pathlib import Path

from tinyres.data.arrays import write_dataset
from tinyres.data.sources import SOURCES
from tinyres.data.subset import extract
from tinyres.errors import told_in_one_sentence
from tinyres.params import read_params

SUBSET = Path("data/subset")


def main(raw: Path) -> None:
    params = read_params("seed", "data.source", "subset")
    source = SOURCES[params.data.source].read(raw, params.subset.image_size, params.seed)
    description, splits = extract(source, params.subset, params.seed)
    write_dataset(SUBSET, description, splits)


if __name__ == "__main__":
    with told_in_one_sentence():
        main(Path(sys.argv[1]))
