"""Converts vLLM's columns of log-probabilities, from single outputs and from outputs that vLLM has merged."""

import pytest

from cogitate.server.engine.vllm import env

pytestmark = pytest.mark.engine


def build_columns(*positions: tuple[list[int], list[float], int], top: int):
    from vllm.logprobs import append_logprobs_for_next_position, create_sample_logprobs

    columns = create_sample_logprobs(flat_logprobs=True)
    for ids, values, rank in positions:
        append_logprobs_for_next_position(columns, ids, values, map(str, ids), rank, top)
    return columns


def test_chosen_token_and_alternatives_are_those_of_each_output_form():
    env.prepare(demo=True, quiet=True)
    from cogitate.server.engine.vllm.decode import DecodedSequence, extend_logprobs, to_logprobs

    best, other = ([5, 5, 7], [-0.5, -0.5, -1.0], 1), ([9, 5, 7], [-4.0, -0.5, -1.0], 3)
    complete, extended = build_columns(best, other, top=2), DecodedSequence().logprobs
    for each in (build_columns(best, top=2), build_columns(other, top=2)):
        extend_logprobs(extended, each)
    merged = build_columns(best, top=2)
    merged.extend(
        build_columns(best, top=2)
    )  # as vLLM merges outputs for a slow client: the chosen token is no longer repeated
    for columns, ids in ((complete, [5, 9]), (extended, [5, 9]), (merged, [5, 5])):
        tokens = to_logprobs(ids, columns, 2)
        assert [token.id for token in tokens] == ids
        assert all([each.id for each in token.top] == [5, 7] for token in tokens)
    assert [token.logprob for token in to_logprobs([5, 9], extended, 2)] == [-0.5, -4.0]
    assert len(to_logprobs([5], complete, 2)) == 1 and to_logprobs([5], build_columns(best, top=0), 0)[0].top == ()
