"""A job of two machines, whose link is cut: each is a network namespace of this one, with an address of its own."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from pipeline import Clone
from real_training import wait_for_checkpoint
from tinyres.common.curves import read_curves

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]

LINK = "link0"  # what each node calls its end
ADDRESSES = ["10.203.7.1", "10.203.7.2"]
FIRST = ADDRESSES[0]
LAUNCHER = ["torchrun", "--nnodes", "2", "--nproc-per-node", "1"]
MEETINGS = {  # for each node
    "static": [["--master-addr", FIRST, "--node-rank", str(number)] for number in range(2)],
    "c10d": [
        ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"{FIRST}:29400", "--local-addr", address, *host]
        for address, host in zip(ADDRESSES, (["--rdzv-conf", "is_host=true"], []), strict=True)
    ],
}
RETRIES = 5  # of a TCP segment, about 13 s; Linux gives 15, about 15 minutes, for which c10d's store would wait
END_SECONDS = 100  # a minute for a collective, and what a busy machine adds
RUN_SECONDS = 200
CUT = r"gloo.*(No route to host|[Tt]imed out)|RendezvousConnectionError"


class Node:
    """A network namespace that sees nothing but itself and, through its link, the other one."""

    def __init__(self, number: int) -> None:
        self.number, self.name = number, f"tinyres-{os.getpid()}-{number}"
        ip("netns", "add", self.name)

    def ip(self, *words: str) -> None:
        ip("-n", self.name, *words)

    def open(self) -> None:
        """Bring up its end of the link, as docs/team.md asks for it."""
        ip("netns", "exec", self.name, "sysctl", "-w", f"net.ipv4.tcp_retries2={RETRIES}")
        self.ip("link", "set", "lo", "up")
        self.ip("address", "add", f"{ADDRESSES[self.number]}/24", "dev", LINK)
        self.ip("link", "set", LINK, "up")

    def start(self, clone: Clone, meeting: str) -> subprocess.Popen[str]:
        """Its part of the job."""
        launcher = [*LAUNCHER, *MEETINGS[meeting][self.number]]
        environment = clone.environment(OMP_NUM_THREADS="1", GLOO_SOCKET_IFNAME=LINK)
        return subprocess.Popen(
            ["ip", "netns", "exec", self.name, *launcher, "stages/train.py", "baseline"],
            cwd=clone.folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def remove(self) -> None:
        """With all that still runs in it."""
        listed = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True)
        for process in listed.stdout.split():
            with suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)
        subprocess.run(["ip", "netns", "delete", self.name])


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture
def nodes() -> Iterator[list[Node]]:
    with ExitStack() as stack:
        try:
            made = []
            for number in range(2):
                made.append(Node(number))
                stack.callback(made[-1].remove)
            first, second = made
            ip("link", "add", LINK, "netns", first.name, "type", "veth", "peer", "name", LINK, "netns", second.name)
            for node in made:
                node.open()
        except FileNotFoundError:
            pytest.skip("ip is not installed (Debian: apt-get install iproute2)")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces are not allowed here ({error.stderr.strip()}); as root they may be")
        yield made


@pytest.fixture(scope="module")
def clone(mammals: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """The folder that both nodes share, with real aquatic mammals, ready to be trained on."""
    clone = mammals.copy(tmp_path_factory.mktemp("nodes"))
    clone.set_params("epochs=4")
    return clone


def ends(jobs: list[subprocess.Popen[str]], seconds: float) -> list[str]:
    """What each said until it ended."""
    return [job.communicate(timeout=seconds)[1] for job in jobs]


def test_a_cut_link_ends_the_job_on_both_nodes_and_it_goes_on_when_the_link_is_back(nodes, clone):
    """However the nodes meet: here in one way at first, and in the other afterwards."""
    jobs = [node.start(clone, "c10d") for node in nodes]
    wait_for_checkpoint(clone)
    nodes[1].ip("link", "set", LINK, "down")
    for job, said in zip(jobs, ends(jobs, END_SECONDS), strict=True):
        assert job.returncode == 1, said
        assert re.search(CUT, said), said
    nodes[1].ip("link", "set", LINK, "up")
    jobs = [node.start(clone, "static") for node in nodes]
    first, second = ends(jobs, RUN_SECONDS)
    assert [job.returncode for job in jobs] == [0, 0], first + second
    assert "goes on after epoch" in first
    assert len(read_curves(clone.folder / "plots/history/baseline.csv")) == 4
