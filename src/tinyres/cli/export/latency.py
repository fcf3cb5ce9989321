"""How long networks take for a batch, measured in turn so that what else the machine does meets all of them alike."""

import time
from collections.abc import Callable, Mapping
from statistics import median

ROUNDS = (5, 50)  # at least and at most
SECONDS = 2.0  # after which no further round begins, once the fewest were made


def interleaved(networks: Mapping[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Time every network once per round, in the order given.

    Before it is timed, each runs once untimed: its weights are then in the cache, and threads of the one before it,
    which may spin for a while, are asleep.

    Returns:
        Seconds by network, one number for each round.
    """
    times: dict[str, list[float]] = {name: [] for name in networks}
    fewest, most = ROUNDS
    began = time.perf_counter()
    for number in range(most):
        if number >= fewest and time.perf_counter() - began > SECONDS:
            break
        for name, run in networks.items():
            run()
            started = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - started)
    return times


def speedup(first: list[float], second: list[float]) -> float:
    """How many times as fast as the first the second network is: the median over rounds."""
    return median(one / other for one, other in zip(first, second, strict=True))
