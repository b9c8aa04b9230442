"""vLLM's own columns of log-probabilities, as they are made and as outputs that were put together hold them -> ours."""

import pytest

from cogitate.server.engine.vllm import env

pytestmark = pytest.mark.engine


def made(*positions: tuple[list[int], list[float], int], top: int):
    from vllm.logprobs import append_logprobs_for_next_position, create_sample_logprobs

    columns = create_sample_logprobs(flat_logprobs=True)
    for ids, values, rank in positions:
        append_logprobs_for_next_position(columns, ids, values, map(str, ids), rank, top)
    return columns


def test_the_chosen_token_and_its_alternatives_however_they_came():
    env.prepare(demo=True, quiet=True)
    from cogitate.server.engine.vllm.decode import Transcript, _grow, token_logprobs

    best, other = ([5, 5, 7], [-0.5, -0.5, -1.0], 1), ([9, 5, 7], [-4.0, -0.5, -1.0], 3)
    whole, grown = made(best, other, top=2), Transcript().logprobs
    for each in (made(best, top=2), made(other, top=2)):
        _grow(grown, each)
    together = made(best, top=2)
    together.extend(made(best, top=2))  # as vLLM does where a client is slow: the chosen one is no longer there twice
    for columns, ids in ((whole, [5, 9]), (grown, [5, 9]), (together, [5, 5])):
        tokens = token_logprobs(ids, columns, 2)
        assert [token.id for token in tokens] == ids
        assert all([each.id for each in token.top] == [5, 7] for token in tokens)
    assert [token.logprob for token in token_logprobs([5, 9], grown, 2)] == [-0.5, -4.0]
    assert len(token_logprobs([5], whole, 2)) == 1 and token_logprobs([5], made(best, top=0), 0)[0].top == ()
