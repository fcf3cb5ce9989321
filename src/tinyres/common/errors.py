"""Failures that the user can mend, reported in one sentence each."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager

REMEDIES = {  # for failures of a disk that its owner can mend
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EROFS: "choose a place that can be written",
    errno.EACCES: "allow reading and writing there",
    errno.EPERM: "allow reading and writing there",
}


class UserError(Exception):
    """What went wrong, with which thing, and what to do about it: one sentence, shown without a traceback."""


@contextmanager
def told_in_one_sentence() -> Iterator[None]:
    """Run the body; turn a failure that the user can mend into one sentence on stderr and exit status 1.

    Anything else is a defect of this program and keeps its traceback.
    """
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno not in REMEDIES:
            raise
        place = error.filename2 or error.filename  # of the two files of a copy, the second was written
        where = f" at {place}" if place else ""
        sys.exit(f"error: {error.strerror}{where}; {REMEDIES[error.errno]} and run the same command again.")


def nearest(word: str, known: list[str]) -> str:
    """The end of a sentence: `; did you mean 'seal'?` for a near miss, else the known words (the first eight)."""
    from difflib import get_close_matches

    matches = get_close_matches(word.lower().replace(" ", "_"), known, n=1, cutoff=0.6)
    if matches:
        return f"; did you mean {matches[0]!r}?"
    shown = ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
    return f"; known are: {shown}."
