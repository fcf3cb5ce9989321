"""Loops that have a process each: how a process keeps memory and how its threads wait is settled when it starts."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch


@contextmanager
def own_process(make: Callable[..., Callable[[], float]], *arguments: Any, **variables: str) -> Iterator["OwnProcess"]:
    """A process that makes a loop and then runs it as often as it is asked to.

    Args:
        make: Makes the loop, which returns its seconds; a function of a module.
        arguments: What `make` is given.
        variables: Of the process's environment, besides ours.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=settle, initargs=(make, arguments)) as pool:
        with patch.dict(os.environ, variables):
            pool.submit(os.getpid).result()  # the process starts here, and reads the variables
        yield OwnProcess(pool)


class OwnProcess:
    """A loop's home."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self.pool = pool

    def start(self) -> "Future[float]":
        """Begin to run the loop once."""
        return self.pool.submit(run)

    def seconds(self) -> float:
        """Run the loop once; the time it took."""
        return self.start().result()


def settle(make: Callable[..., Callable[[], float]], arguments: tuple[Any, ...]) -> None:
    """Make this process the home of one loop."""
    global _loop
    _loop = make(*arguments)


def run() -> float:
    """This process's loop, once."""
    return _loop()


_loop: Callable[[], float]
