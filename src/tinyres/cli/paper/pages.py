"""All that `tinyres paper` writes."""

from pathlib import Path

from tinyres.cli.paper.claims_page import claims_page
from tinyres.cli.paper.full_study import read_study
from tinyres.cli.paper.readme_block import README, readme_with_block
from tinyres.cli.paper.reproduction_page import reproduction_page
from tinyres.cli.paper.results_page import results_page

PAGES = {
    Path("docs/paper.md"): claims_page,
    Path("docs/results.md"): results_page,
    Path("docs/reproduce.md"): reproduction_page,
}


def pages(root: Path) -> dict[Path, str]:
    """Return the text of every file, by its path in the folder `root`, which holds the study.

    Raises:
        UserError: There is no study, its params.yaml lacks the paper's figures, or the README has no place for a table.
    """
    study = read_study(root)
    texts = {path: page(study) for path, page in PAGES.items()}
    return texts | {README: readme_with_block((root / README).read_text(encoding="utf-8"), study)}
