"""How the C library keeps memory for torch."""

import ctypes
from contextlib import suppress

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # from glibc's malloc.h


def keep_freed_memory() -> None:
    """Have glibc keep what torch frees on the CPU, for the next step to use again.

    By default it hands every large block back to the system, which then fetches and clears its pages anew: tens of
    thousands of page faults in each step, up to a quarter of its time. The peak is the same.
    """
    with suppress(OSError, AttributeError, TypeError):  # other C libraries have their own ways
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)  # large blocks from the heap as well
        libc.mallopt(M_TRIM_THRESHOLD, -1)  # which never shrinks
