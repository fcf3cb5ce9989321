"""What it brings if threads that wait for each other on a CPU spin for a moment before they sleep
(`GOMP_SPINCOUNT=3000`), as in `make quickstart` and `make repro`, instead of sleeping at once, which is tinyres's
default. The ratio is the time of an epoch without spins over that with them, for one training that has the machine to
itself and for two at once, where the slower of the two counts. Images/s are those of one training, with spins against
without."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from benchmarks.end_to_end import make_ours
from benchmarks.measure import Figure, interleave, median, ratios, spread
from benchmarks.own_process import OwnProcess, own_process
from benchmarks.setting import NETWORKS, Setting

TITLE = "Waiting"
REPETITIONS = 7
WAYS = {"asleep": "0", "spinning": "3000"}  # GOMP_SPINCOUNT; 0 is what OMP_WAIT_POLICY=passive means


def measure(setting: Setting) -> list[Figure]:
    """Two ratios per network; none on a GPU, where no thread waits."""
    return [] if setting.on_gpu else [figure for network in NETWORKS for figure in measure_network(setting, network)]


def measure_network(setting: Setting, network: str) -> list[Figure]:
    """One training, and two at once."""
    arguments = (network, setting.part(network), 64, setting.machine)
    with ExitStack() as stack:
        trainings = {
            way: [stack.enter_context(own_process(make_ours, *arguments, GOMP_SPINCOUNT=spins)) for _ in range(2)]
            for way, spins in WAYS.items()
        }
        return [
            ratio(setting, network, words, {way: partial(together, trainings[way][:count]) for way in WAYS})
            for count, words in ((1, "alone"), (2, "two at once"))
        ]


def together(trainings: list[OwnProcess]) -> float:
    """Seconds of the slowest of the trainings' epochs, begun at the same time."""
    begun = [training.start() for training in trainings]
    return max(each.result() for each in begun)


def ratio(setting: Setting, network: str, words: str, ways: dict[str, Callable[[], float]]) -> Figure:
    """The time of an epoch without spins over that with them."""
    seconds = interleave(ways, REPETITIONS)
    pairs = ratios(seconds["asleep"], seconds["spinning"])
    images = len(setting.part(network))
    rates = [images / median(seconds[way]) for way in ("spinning", "asleep")]
    detail = f"{rates[0]:,.0f} against {rates[1]:,.0f} images/s each; {spread(pairs)}"
    return Figure(f"{NETWORKS[network]}, batch 64, {words}", median(pairs), "×", "", detail)
