"""Log-probabilities of vLLM's own sampler for a batch in which some rows ask for labels and others for alternatives."""

from collections.abc import Iterator

import pytest
import torch

from cogitate.server.engine.vllm import env, plugin

pytestmark = pytest.mark.engine
ROWS, VOCABULARY = 3, 50
LOGITS = torch.randn(ROWS, VOCABULARY, generator=torch.Generator().manual_seed(7))


@pytest.fixture(autouse=True)
def _patch() -> None:
    env.prepare(demo=True, quiet=True)
    plugin.register()


@pytest.fixture
def _unpatched() -> Iterator[None]:
    from cogitate.server.engine.vllm import sampler_patch

    sampler_patch.remove()
    yield
    sampler_patch.apply()


def sample(labels: dict[int, list[int]], alternatives: int | None) -> list[list[tuple[int, float]]]:
    """Return each row's tokens with their log-probabilities, the chosen one first."""
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
        max_num_logprobs=alternatives,
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


@pytest.mark.usefixtures("_unpatched")
def test_vllm_without_the_patch_still_loses_the_alternatives_of_rows_without_labels() -> None:
    """Fails when vLLM has fixed #51789 and `sampler_patch` can be removed."""
    mixed = sample({1: [9, 7]}, 2)
    assert all(pair == (0, float("-inf")) for row in (mixed[0], mixed[2]) for pair in row[1:])


@pytest.mark.parametrize("labels", [[9, 7], [9, 7, 5, 3, 2, 1, 8]])
def test_labels_of_one_row_leave_the_alternatives_of_other_rows_unchanged(labels: list[int]) -> None:
    alternatives = 5
    alone, mixed = sample({}, alternatives), sample({1: labels}, max(alternatives, len(labels)))
    assert [row[: 1 + alternatives] for at, row in enumerate(mixed) if at != 1] == [alone[0], alone[2]]
    chosen, *reported = mixed[1][: 1 + len(labels)]
    exact = torch.log_softmax(LOGITS[1], -1)
    assert chosen == alone[1][0] and [token for token, _ in reported] == labels
    assert [value for _, value in reported] == pytest.approx([float(exact[token]) for token in labels], abs=1e-5)


def test_a_row_may_ask_for_more_labels_than_other_rows_for_alternatives() -> None:
    labels = [9, 7, 5, 3]
    assert [token for token, _ in sample({0: labels}, 2)[0][1:5]] == labels
    assert sample({0: labels}, 2)[1][:3] == sample({}, 2)[1]


def test_a_batch_in_which_all_rows_ask_for_labels_is_vllms_own() -> None:
    labels = {at: [at, at + 1] for at in range(ROWS)}
    assert [[token for token, _ in row[1:]] for row in sample(labels, 2)] == list(labels.values())
