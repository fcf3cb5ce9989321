"""What several processes would gain: the arithmetic, and the page that is made with it."""

import json
from dataclasses import replace

import numpy as np
import pytest
from benchmarks import scaling_page
from benchmarks.scaling_model import Costs, Link, Scaling, costs_of, fit_line, link_of
from benchmarks.setting import ROOT
from hypothesis import given
from hypothesis import strategies as st

COSTS = Costs(fixed=0.01, network=0.002, augmentation=0.0005, drawing=0.0001, gradient=400_000)
LINK = Link(rate=1e8, latency=0.0005)
RESULTS = json.loads((ROOT / "benchmarks/results.json").read_text(encoding="utf-8"))

seconds = st.floats(1e-6, 10)
anything = st.builds(
    Scaling,
    st.builds(Costs, seconds, seconds, seconds, seconds, st.integers(0, 10**9)),
    st.builds(Link, st.floats(1e6, 1e12), st.floats(0, 0.1)),
    st.integers(1, 512),
    st.booleans(),
    st.booleans(),
)


def test_the_step_of_a_worked_case():
    """Four processes share 64 images: 16 each; around the ring go 2 · 3 / 4 of 400 kB at 100 MB/s, and 6 latencies."""
    step = Scaling(COSTS, LINK, batch=64, grows=False, overlaps=False).step(4)
    assert (step.fixed, step.images) == (0.01, pytest.approx(16 * 0.0025))
    assert step.drawing == pytest.approx(64 * 0.0001)
    assert step.all_reduce == pytest.approx(0.006 + 0.003)
    assert step.seconds == pytest.approx(0.01 + 0.04 + 0.0064 + 0.009)


def test_the_efficiency_of_a_worked_case():
    """One process takes 10 + 160 + 6.4 ms for 64 images; four take 65.4 ms for as many, and 204.6 ms for 64 each."""
    strong, weak = (Scaling(COSTS, LINK, 64, grows, overlaps=False) for grows in (False, True))
    assert strong.efficiency(4) == pytest.approx(176.4 / (4 * 65.4))
    assert weak.efficiency(4) == pytest.approx(176.4 / (10 + 160 + 25.6 + 9))


def test_an_all_reduce_hides_behind_two_thirds_of_the_network():
    scaling = Scaling(COSTS, replace(LINK, latency=0.005), 64, grows=False, overlaps=True)
    assert scaling.step(4).all_reduce == pytest.approx(0.006 + 0.030 - 2 / 3 * 16 * 0.002)
    assert replace(scaling, link=LINK).step(4).all_reduce == 0


@pytest.mark.parametrize("processes", [2, 3, 8])
def test_a_ring_sends_what_the_formula_counts(processes):
    """Every process passes one chunk on at each step: first they are added up on the way, then handed round."""
    rng = np.random.default_rng(0)
    chunks = rng.integers(0, 9, (processes, processes, 5))  # of each process, as many chunks as there are processes
    total, sent, steps = chunks.sum(axis=0), 0, 0
    for step in range(2 * (processes - 1)):
        before = chunks.copy()
        for process in range(processes):
            number, neighbour = (process - step) % processes, (process + 1) % processes
            passed_on = before[process, number]
            chunks[neighbour, number] = passed_on + (chunks[neighbour, number] if step < processes - 1 else 0)
        sent, steps = sent + chunks[0, 0].nbytes, steps + 1
    assert (chunks == total).all()
    assert Link(rate=1.0, latency=0.0).all_reduce(chunks[0].nbytes, processes) == pytest.approx(sent)
    assert Link(rate=1e300, latency=1.0).all_reduce(chunks[0].nbytes, processes) == pytest.approx(steps)


@given(anything, st.integers(1, 100))
def test_efficiency_is_a_share_that_falls_with_the_number_of_processes(scaling, processes):
    assert scaling.efficiency(1) == pytest.approx(1)
    assert 0 < scaling.efficiency(processes) <= 1 + 1e-9
    assert scaling.efficiency(processes + 1) <= scaling.efficiency(processes) * (1 + 1e-9)


@given(anything, st.integers(2, 100))
def test_the_gain_is_bound_by_amdahls_law(scaling, processes):
    """What no other process can take over: the fixed part and the draws of the whole batch."""
    scaling = replace(scaling, grows=False)
    one = scaling.step(1)
    assert processes * scaling.efficiency(processes) <= one.seconds / (one.fixed + one.drawing) * (1 + 1e-9)


@given(anything, st.integers(2, 100))
def test_hiding_the_all_reduce_and_a_faster_link_never_cost_anything(scaling, processes):
    after, beside = (replace(scaling, overlaps=overlaps).efficiency(processes) for overlaps in (False, True))
    faster = replace(scaling, link=Link(2 * scaling.link.rate, scaling.link.latency / 2))
    assert after <= beside
    assert scaling.efficiency(processes) <= faster.efficiency(processes)


@pytest.mark.parametrize(
    ("costs", "link", "limit"),
    [
        (replace(COSTS, fixed=1.0), LINK, "small batch"),
        (replace(COSTS, drawing=1.0), LINK, "input"),
        (COSTS, Link(1e6, 0), "all-reduce"),
        (COSTS, Link(1e12, 1.0), "all-reduce"),
    ],
)
def test_the_limit_is_what_costs_most(costs, link, limit):
    assert Scaling(costs, link, 64, grows=False, overlaps=False).limit(4) == limit


def test_processes_with_a_batch_each_are_never_limited_by_its_size():
    scaling = Scaling(replace(COSTS, fixed=100.0), Link(1e12, 0), 64, grows=True, overlaps=False)
    assert scaling.limit(64) == "input"


@given(st.floats(1e-4, 1), st.floats(1e-6, 1))
def test_measured_steps_give_back_the_costs_that_they_were_made_of(fixed, image):
    sizes = [8, 16, 32, 64]
    costs = costs_of(sizes, [fixed + image * size for size in sizes], image / 4, image / 8, gradient=4)
    found = (costs.fixed, costs.network)
    assert found == (pytest.approx(fixed, rel=1e-6), pytest.approx(image * 5 / 8, rel=1e-6))


def test_no_part_of_a_fitted_line_is_below_nothing():
    assert fit_line([1, 2, 4], [1, 3, 9])[0] == 0
    assert fit_line([1, 2, 4], [3, 2, 1])[1] == 0


def test_two_all_reduces_give_back_their_link():
    sizes = [1024, 4_000_000]
    link = link_of(sizes, [LINK.all_reduce(size, 2) for size in sizes])
    assert (link.rate, link.latency) == (pytest.approx(1e8), pytest.approx(0.0005))


def test_the_committed_page_is_current():
    """`python -m benchmarks scaling` makes it again."""
    assert scaling_page.PAGE.read_text(encoding="utf-8") == scaling_page.render(RESULTS)


def test_a_gpu_that_was_measured_alone_has_links_that_are_said_to_be_assumed():
    alone = json.loads(json.dumps(RESULTS["cpu"]["scaling"]))
    for own in (figure["constants"] for figure in alone["figures"] if figure["constants"]):
        del own["all_reduce"], own["together"]
    page = scaling_page.render(RESULTS | {"cuda": {"scaling": alone}})
    before, _, section = page.partition("## On a GPU")
    assert before == scaling_page.render(RESULTS) + "\n"
    assert "The links are assumptions" in section
    assert all(section.count(f"64 each, {link}") == 3 for link in scaling_page.ASSUMED)
    assert "no GPU was measured" not in section
    assert "loopback" not in section


def test_shares_that_the_trainer_refuses_have_no_prediction():
    own = next(figure["constants"] for figure in RESULTS["cpu"]["scaling"]["figures"])
    assert scaling_page.cell(own, LINK, grows=False, processes=64) == "–"
    assert scaling_page.cell(own, LINK, grows=False, processes=32) != "–"
