"""The load balancer over simulated replicas, compared with what it replaces."""

import pytest

from tests.bench.routing.policies import POLICIES
from tests.bench.routing.simulation import Figures, simulate
from tests.bench.routing.workloads import WORKLOADS


def run(workload: str, policy: str, gateways: int = 1) -> Figures:
    return simulate(POLICIES[policy], WORKLOADS[workload], upstreams=3, seed=1, gateways=gateways, chats=300)


@pytest.mark.parametrize("workload", WORKLOADS)
def test_chain_of_prefixes_hits_caches_more_often_than_round_robin(workload):
    assert run(workload, "chain of prefixes").hit_rate > run(workload, "round robin").hit_rate + 0.08


def test_questions_about_a_document_as_first_message_hit_more_often_than_with_the_hash_of_two():
    workload = "documents as first messages"
    assert run(workload, "chain of prefixes").hit_rate > run(workload, "hash of two messages").hit_rate + 0.15


def test_gateways_that_share_nothing_keep_most_hits_of_chats():
    assert run("chats", "chain of prefixes", gateways=3).hit_rate > run("chats", "round robin").hit_rate + 0.08
