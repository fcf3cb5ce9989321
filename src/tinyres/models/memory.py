"""How the C library manages the memory that torch frees."""

import ctypes
from contextlib import suppress

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # from glibc's malloc.h


def keep_freed_memory() -> None:
    """Have glibc keep the memory that torch frees on the CPU, so that the next step reuses it.

    By default glibc returns every large block to the system, which then maps and clears its pages anew: tens of
    thousands of page faults in each step, up to a quarter of its time. Peak memory is the same.
    """
    with suppress(OSError, AttributeError, TypeError):  # other C libraries lack it
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)  # large blocks from the heap as well
        libc.mallopt(M_TRIM_THRESHOLD, -1)  # which never shrinks
