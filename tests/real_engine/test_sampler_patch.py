"""What the rows of one batch are told by vLLM's own sampler, where some ask for labels and others for alternatives."""

import pytest
import torch

from cogitate.server.engine.vllm import env, plugin

pytestmark = pytest.mark.engine
ROWS, VOCABULARY = 3, 50
LOGITS = torch.randn(ROWS, VOCABULARY, generator=torch.Generator().manual_seed(7))


@pytest.fixture(autouse=True)
def mended() -> None:
    env.prepare(demo=True, quiet=True)
    plugin.register()


def told(labels: dict[int, list[int]], most: int | None) -> list[list[tuple[int, float]]]:
    """Of each row its tokens and their log-probabilities, the chosen one first."""
    from vllm.v1.sample.logits_processor import LogitsProcessors
    from vllm.v1.sample.metadata import SamplingMetadata
    from vllm.v1.sample.sampler import Sampler

    metadata = SamplingMetadata(
        temperature=None,
        all_greedy=True,
        all_random=False,
        top_p=None,
        top_k=None,
        generators={},
        max_num_logprobs=most,
        no_penalties=True,
        prompt_token_ids=None,
        frequency_penalties=torch.zeros(ROWS),
        presence_penalties=torch.zeros(ROWS),
        repetition_penalties=torch.ones(ROWS),
        output_token_ids=[[]] * ROWS,
        allowed_token_ids_mask=None,
        bad_words_token_ids={},
        logitsprocs=LogitsProcessors(),
        logprob_token_ids=labels or None,
    )
    tensors = Sampler()(logits=LOGITS.clone(), sampling_metadata=metadata).logprobs_tensors
    pairs = zip(tensors.logprob_token_ids.tolist(), tensors.logprobs.tolist(), strict=True)
    return [list(zip(ids, values, strict=True)) for ids, values in pairs]


@pytest.mark.parametrize("labels", [[9, 7], [9, 7, 5, 3, 2, 1, 8]])
def test_a_row_that_asks_for_labels_takes_nothing_from_the_others(labels: list[int]) -> None:
    most = 5
    alone, mixed = told({}, most), told({1: labels}, max(most, len(labels)))
    assert [row[: 1 + most] for at, row in enumerate(mixed) if at != 1] == [alone[0], alone[2]]
    chosen, *others = mixed[1][: 1 + len(labels)]
    exact = torch.log_softmax(LOGITS[1], -1)
    assert chosen == alone[1][0] and [token for token, _ in others] == labels
    assert [value for _, value in others] == pytest.approx([float(exact[token]) for token in labels], abs=1e-5)


def test_labels_are_exact_where_more_of_them_are_asked_for_than_alternatives() -> None:
    labels = [9, 7, 5, 3]
    assert [token for token, _ in told({0: labels}, 2)[0][1:5]] == labels
    assert told({0: labels}, 2)[1][:3] == told({}, 2)[1]


def test_a_batch_of_labels_alone_is_vllms_own() -> None:
    every = {at: [at, at + 1] for at in range(ROWS)}
    assert [[token for token, _ in row[1:]] for row in told(every, 2)] == list(every.values())
