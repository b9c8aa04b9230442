"""The simulation of fleets."""

import math
from random import Random

import pytest

from deploy.fleet.costs import EngineCosts, GatewayCosts, read_figure, read_gateway_costs
from deploy.fleet.report import count_gateways, simulate
from deploy.fleet.simulation import Simulation
from deploy.fleet.workload import Arrival, generate

INSTANT = EngineCosts(slots=math.inf, prefill_tokens_per_second=math.inf, step=0.01, step_per_sequence=0.0, latency=0.2)
FREE = GatewayCosts(0.0, 0.0)


def run(arrivals: list[Arrival], costs: GatewayCosts = FREE, engine: EngineCosts = INSTANT, **options) -> Simulation:
    simulation = Simulation(options.pop("gpus", 3), options.pop("gateways", 1), costs, engine, Random(0))
    simulation.run(arrivals, **options)
    return simulation


def test_costs_are_read_from_the_measured_rows():
    costs = read_gateway_costs(selection=0.5)
    assert 0.000_05 < costs.sample < 0.001 and 0.000_1 < costs.request < 0.01 and costs.selection == 0.5
    with pytest.raises(ValueError, match="no row"):
        read_figure("no such row")


def test_answer_takes_the_latency_and_a_step_for_each_token_of_the_longest_sample():
    (only,) = run([Arrival(1.0, 0, (10, 50), 2, 2)]).finished
    assert only.seconds == pytest.approx(0.2 + 0.5) and only.tokens == 60


def test_gateway_takes_one_request_after_the_other():
    finished = run([Arrival(0.0, 0, (10,), 1, 1)] * 3, GatewayCosts(0.1, 0.0)).finished
    assert [each.seconds for each in finished] == pytest.approx([0.4, 0.5, 0.6])


def test_decided_vote_aborts_its_other_samples_and_wastes_their_tokens():
    simulation = run([Arrival(0.0, 0, (10, 10, 100, 100), 2, 3)])
    (only,) = simulation.finished
    assert only.seconds == pytest.approx(0.3) and only.tokens == 20
    assert simulation.wasted_tokens == pytest.approx(10, abs=1)
    assert not any(gpu.running or gpu.queue for gpu in simulation.gpus)


def test_calls_of_a_failed_gpu_are_repeated_on_another_one():
    one = run([Arrival(at / 10, at, (100,), 1, 1) for at in range(20)], gpus=2, failures=[(0.7, 0)])
    assert len(one.finished) == 20 and one.wasted_tokens > 0 and not one.gpus[0].running


def test_fleet_answers_every_request_and_hits_its_prefix_caches():
    figures = simulate(4, 1, read_gateway_costs(), rate=0.5, seconds=40, seed=0)
    assert figures.hits > 0.6 and 0 < figures.wasted < 0.2 and figures.goodput > 300
    assert figures.p95_of_one < figures.p95


def test_larger_fleet_needs_more_gateways():
    costs = GatewayCosts(0.001, 0.000_1)
    assert count_gateways(10, 1.0, costs) == 1 and count_gateways(1000, 1.0, costs) == pytest.approx(4, abs=1)


def test_bursts_bring_three_times_as_many_requests():
    arrivals = list(generate(Random(0), 1, 50.0, 60.0))
    burst = sum(each.at % 20 // 2 == 5 for each in arrivals)
    assert 2.5 < burst / ((len(arrivals) - burst) / 9) < 3.5
