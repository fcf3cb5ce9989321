"""What every source of images hands over, before a subset is chosen."""

from dataclasses import dataclass, field

from tinyres.common.dataset import Split


@dataclass(frozen=True)
class Source:
    """Everything that a source holds."""

    name: str
    classes: list[str]
    superclasses: dict[str, str]
    """Superclass of each class; empty where the source has none."""
    splits: dict[str, Split]
    """`train` and `test`."""
    files: dict[str, list[str]] = field(default_factory=dict)
    """Name of each image's file, by split; empty where the images are no files of their own."""
