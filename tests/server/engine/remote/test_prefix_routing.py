"""Which replica gets a request: by what it has seen of the prompt, and by its load."""

import asyncio
from collections import Counter

from cogitate.server.engine.remote import Timeouts, UpstreamConfig
from cogitate.server.engine.remote.load_balancer import LoadBalancer
from cogitate.server.engine.remote.prefix_chain import (
    BLOCK_BYTES,
    MAX_PREFIXES,
    PrefixChain,
    build_prefix_chain,
    chain_parts,
)
from cogitate.server.engine.remote.prefix_memory import PrefixMemory
from cogitate.server.engine.remote.replica import Replica
from cogitate.server.engine.remote.replica_selection import HEAD_START, MAX_EXTRA_SEQUENCES, MAX_RATIO
from cogitate.server.protocol.completion import CompletionRequest
from cogitate.strategies.core.types import Sampling
from tests.fakes.upstream import Script
from tests.server.engine.remote.fakes import open_backend, request, start_upstreams

SYSTEM = b"You answer questions about the handbook. " * 20
TIMES = Timeouts()


def build_balancer(replicas: int = 4) -> LoadBalancer:
    return LoadBalancer([UpstreamConfig(f"http://10.0.0.{at + 1}:8000/v1") for at in range(replicas)], TIMES)


def text(size: int, letter: str) -> bytes:
    return letter.encode() * size


async def test_another_question_after_a_shared_system_prompt_goes_to_the_warm_replica():
    balancer = build_balancer()
    first = balancer.assign(chain_parts([SYSTEM, b"Who?"])).replica
    later = {balancer.assign(chain_parts([SYSTEM, b"Question %d?" % at])).replica for at in range(20)}
    assert later == {first}


async def test_another_question_about_a_document_in_the_same_message_goes_to_the_warm_replica():
    balancer, document = build_balancer(), text(5 * BLOCK_BYTES, "d")
    first = balancer.assign(chain_parts([document + b"Who?"])).replica
    assert {balancer.assign(chain_parts([document + b"What %d?" % at])).replica for at in range(20)} == {first}


async def test_longest_prefix_wins_over_a_shorter_one():
    balancer = build_balancer(2)
    chain = chain_parts([SYSTEM, text(3000, "a"), b"And?"])
    own = balancer.assign(chain_parts([SYSTEM, text(3000, "a")])).replica
    (other,) = [replica for replica in balancer.replicas if replica is not own]
    other.prefixes.add(chain_parts([SYSTEM, text(3000, "b")]))
    assert balancer.assign(chain).replica is own


async def test_short_system_prompt_does_not_draw_all_documents_to_one_replica():
    balancer = build_balancer()
    documents = [chain_parts([b"Be brief.", text(4000, chr(97 + at)), b"Why?"]) for at in range(24)]
    assert len({balancer.assign(document).replica for document in documents}) == 4


async def test_warm_replica_is_skipped_when_it_is_full():
    balancer = build_balancer(3)
    chain = chain_parts([text(60_000, "d"), b"Who?"])
    warm = balancer.assign(chain).replica
    warm.sequences = MAX_EXTRA_SEQUENCES
    assert balancer.assign(chain).replica is warm
    warm.sequences += 1
    assert balancer.assign(chain).replica is not warm


async def test_load_outweighs_a_short_prefix_but_not_a_long_one():
    for size, stays in ((100, False), (20_000, True)):
        balancer = build_balancer(2)
        chain = chain_parts([text(size, "d")])
        warm = balancer.assign(chain).replica
        warm.sequences = 10
        assert (balancer.assign(chain).replica is warm) is stays


async def test_processes_that_share_nothing_select_the_same_replica_for_later_turns():
    turns = [chain_parts([b"Be brief.", b"Question %d?" % at, text(3000, "a"), b"And?"]) for at in range(20)]
    openings = [PrefixChain(turn.digests[:2], turn.sizes[:2], turn.opening, turn.anchor) for turn in turns]
    one, other = build_balancer(), build_balancer()
    urls = [
        [each.assign(chain).replica.config.url for chain in chains]
        for each, chains in ((one, openings), (other, turns))
    ]
    assert urls[0] == urls[1] and len(set(urls[0])) == 4


async def test_later_turn_at_a_process_that_saw_only_its_system_prompt_goes_where_the_first_turn_went():
    one, other, same = build_balancer(), build_balancer(), 0
    for balancer in (one, other):
        for replica in balancer.replicas:
            replica.prefixes.add(chain_parts([SYSTEM]))
    for at in range(20):
        turn = [SYSTEM, b"Question %d?" % at]
        first, later = one.assign(chain_parts(turn)), other.assign(chain_parts([*turn, b"Answer.", b"And?"]))
        same += first.replica.name == later.replica.name
    assert same == 20


async def test_cold_prompt_goes_to_the_first_by_rank_unless_that_has_clearly_more_to_do():
    prompts = [chain_parts([b"Question %d?" % at]) for at in range(20)]
    for load, used in ((HEAD_START, 2), (HEAD_START + 1, 1)):
        balancer = build_balancer(2)
        balancer.replicas[1].sequences = load
        assert len({balancer.assign(prompt).replica for prompt in prompts}) == used


async def test_samples_of_a_request_stay_together_until_their_replica_is_full():
    async with start_upstreams(*(Script(latency=0.3) for _ in range(3))) as three, open_backend(*three) as backend:
        chat = request()
        conversation = await backend.converse(chat, chat.prompt)
        for count, used in ((MAX_EXTRA_SEQUENCES, 1), (3 * MAX_EXTRA_SEQUENCES, 3)):
            for fake in three:
                fake.counters.calls = 0
            async with asyncio.TaskGroup() as group:
                for _ in range(count):
                    group.create_task(conversation.generate(chat.prompt, Sampling(max_tokens=5)))
            counts = sorted((fake.counters.calls for fake in three), reverse=True)
            assert sum(counts) == count and sum(count > 0 for count in counts) == used, counts
        assert counts[0] <= MAX_RATIO * counts[-1] + MAX_EXTRA_SEQUENCES + 1


async def test_load_counts_the_sequences_of_a_joint_call():
    async with start_upstreams(Script(latency=0.3)) as (fake,), open_backend(fake) as backend:
        chat = request(n=7)
        answer = asyncio.create_task(backend.answer(chat))
        await asyncio.sleep(0.1)
        assert (backend.load().running, backend.balancer.in_flight) == (7, 1)
        await answer
        assert (backend.load().running, backend.balancer.in_flight) == (0, 0)


def test_chain_tells_tenants_tools_and_messages_apart():
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
    chains = [
        build_prefix_chain(request("Who?")),
        build_prefix_chain(request("Who?"), "tenant"),
        build_prefix_chain(request("Who?", tools=[tool])),
        build_prefix_chain(request("Why?")),
        build_prefix_chain(CompletionRequest(model="fake", prompt="Who?")),
    ]
    assert max(Counter(digest for chain in chains for digest in chain.digests).values()) == 1
    assert build_prefix_chain(request("Who?")) == chains[0]


def test_chain_of_a_later_turn_begins_with_that_of_the_earlier_one():
    turns = [{"role": "user", "content": "x" * 10_000}, {"role": "assistant", "content": "I."}]
    earlier, later = build_prefix_chain(request(messages=turns[:1])), build_prefix_chain(request(messages=turns))
    assert later.digests[: len(earlier.digests)] == earlier.digests and len(earlier.digests) == 3


def test_chain_of_a_long_prompt_is_bounded():
    chain = chain_parts([text(100 * BLOCK_BYTES, "a"), b"b" * 100])
    assert len(chain.digests) == len(chain.sizes) == MAX_PREFIXES and chain.size == MAX_PREFIXES * BLOCK_BYTES
    assert chain.opening != chain_parts([text(100 * BLOCK_BYTES, "a"), b"c" * 100]).opening


def test_memory_forgets_the_oldest_prompts_and_the_longest_prefixes_first():
    memory, chains = PrefixMemory(max_prefixes=4), [chain_parts([b"system", b"%d" % at, b"more"]) for at in range(3)]
    for chain in chains:
        memory.add(chain)
    matches = [memory.match(chain) for chain in chains]
    assert matches == [len(b"system"), len(b"system0"), chains[2].size]


async def test_replica_that_is_gone_gets_no_calls_of_its_prefixes():
    balancer = build_balancer(2)
    chain = chain_parts([SYSTEM])
    affinity = balancer.assign(chain)
    own: Replica = affinity.replica
    own.health.eject()
    assert balancer.assign(chain).replica is not own
