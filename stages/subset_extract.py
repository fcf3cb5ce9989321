"""subset-extract: the chosen classes and images, from any source into one array format, and the twins among them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))  # the package beside this script

from tinyres.common.dataset import write_dataset
from tinyres.common.errors import told_in_one_sentence
from tinyres.params import read_params
from tinyres.sources.registry import SOURCES
from tinyres.sources.subset import choose_images, extract
from tinyres.sources.twins import find_twins, not_searched, write_twins

SUBSET = Path("data/subset")
TWINS = Path("data/twins")


def main(raw: Path) -> None:
    params = read_params("seed", "data.source", "subset")
    source = SOURCES[params.data.source].read(raw, params.subset.image_size, params.seed)
    description, splits = extract(source, params.subset, params.seed)
    write_dataset(SUBSET, description, splits)
    labelled = {name: split for name, split in splits.items() if name != "unlabelled"}
    numbers = {name: each.rows for name, each in choose_images(source, params.subset, params.seed).items()}
    write_twins(TWINS, find_twins(labelled), numbers, not_searched(labelled))


if __name__ == "__main__":
    with told_in_one_sentence():
        main(Path(sys.argv[1]))
