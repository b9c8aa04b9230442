import asyncio
import time
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.answers import Answer
from cogitate.strategies.core.equivalence import AnswerClasses
from cogitate.strategies.core.logprobs import TokenLogprob
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.scripted import ScriptedProver
from cogitate.strategies.core.types import Completion, Outcome, ToolCall
from cogitate.strategies.voting.ballot import Ballot, ranking, score_of


def outcome(index, key, score=None, logprob=None, text="text", finish="stop"):
    logprobs = () if logprob is None else (TokenLogprob(0, "", logprob),)
    completion = Completion(prompt=Prompt(()), text=text, finish=finish, index=index, logprobs=logprobs)
    return Outcome(completion, Answer(key, key, "boxed") if key else None, score)


def outcomes(votes):
    return [outcome(index, vote) for index, vote in enumerate(votes)]


def tally(candidates, *weight):
    return Ballot.of(candidates).rank_blocs(*weight)


def keys(blocs):
    return [bloc.members[0].answer.key for bloc in blocs]


def test_blocs_are_ranked_by_size_without_abstentions():
    assert keys(tally(outcomes(["a", "b", "b", None, None, None]))) == ["b", "a"]


def test_ties_are_broken_by_likelihood_then_by_sample_index():
    assert keys(tally([outcome(0, "a", logprob=-2.0), outcome(1, "b", logprob=-1.0)])) == ["b", "a"]
    assert keys(tally([outcome(1, "b"), outcome(0, "a")])) == ["a", "b"]


def test_weights_are_summed_and_weight_ties_go_to_the_larger_bloc():
    heavy = [outcome(0, "a", 0.5), outcome(1, "b", 0.25), outcome(2, "b", 0.25)]
    assert keys(tally(heavy, score_of)) == ["b", "a"]
    assert keys(tally([outcome(0, "a", 0.9), *heavy[1:]], score_of)) == ["a", "b"]


def test_representative_has_the_best_score_then_likelihood_then_length():
    (bloc,) = tally([outcome(0, "a", 0.1), outcome(1, "a", 0.9), outcome(2, "a", 0.5)])
    assert bloc.representative.completion.index == 1
    (bloc,) = tally([outcome(0, "a", text="long"), outcome(1, "a", text="sh"), outcome(2, "a", text="so")])
    assert bloc.representative.completion.index == 1


@given(st.lists(st.sampled_from("abc"), min_size=1), st.randoms())
def test_ballot_does_not_depend_on_arrival_order(votes, chance):
    ballots = outcomes(votes)
    shuffled = list(ballots)
    chance.shuffle(shuffled)
    assert keys(tally(ballots)) == keys(tally(shuffled))
    assert Ballot.of(ballots).ranking() == Ballot.of(shuffled).ranking()
    assert Ballot.of(ballots).winner().completion == Ballot.of(ballots).ranking().completion
    assert ranking(ballots) == ranking(shuffled)


def test_ranking_uses_score_then_likelihood_then_index():
    assert ranking([outcome(0, "a", 0.1), outcome(1, "b", 0.2)]).completion.index == 1
    assert ranking([outcome(0, "a", logprob=-3.0), outcome(1, "b", logprob=-1.0)]).completion.index == 1
    assert ranking([replace(outcome(1, "b"), score=None), outcome(0, "a")]).completion.index == 0


def order(top):
    return [top, *top.alternatives]


def test_ranking_puts_what_came_to_its_end_before_what_was_cut_off():
    """Whatever their scores; a text without an answer that ended by itself came to its end too."""
    cut_off, prose = outcome(0, None, 0.9, finish="length"), outcome(1, None, 0.2)
    boxed = outcome(2, "a", 0.1, finish="length")
    assert [o.completion.index for o in order(ranking([cut_off, prose, boxed]))] == [1, 2, 0]


@given(st.lists(st.sampled_from(["3", "3.0", "3 hour", "3 minute", "0.5", "1/2", "50%", "x+1", None]), max_size=12))
def test_votes_counted_one_by_one_are_in_the_same_blocs_as_counted_at_once(votes):
    async def cast_each() -> None:
        classes, ballot = AnswerClasses(), Ballot()
        for candidate in outcomes(votes):
            if candidate.answer:
                await classes.add(candidate.answer.key, ScriptedProver())
                candidate = replace(candidate, answer=replace(candidate.answer, classes=classes))
            ballot.cast(candidate)
            assert ballot.blocs == Ballot.of(ballot.votes).blocs

    asyncio.run(cast_each())


def test_candidates_without_an_answer_are_searched_for_a_reply_once():
    """It takes milliseconds for a long thought, and would be done for each pair of them on the event loop."""
    candidates = [outcome(index, None, text="<think>" * 10_000) for index in range(64)]
    ballot, start = Ballot(), time.thread_time()
    for candidate in candidates:
        ballot.cast(candidate)
        assert ballot.winner().completion.index == 0
    assert len(ballot.ranking().alternatives) == 63
    assert time.thread_time() - start < 3


def test_reply_is_text_outside_of_thoughts_or_a_call():
    def has_reply(text, **fields):
        return Completion(prompt=Prompt(()), text=text, finish="stop", **fields).has_reply

    assert has_reply("42") and has_reply("<think>so</think> 42") and has_reply("", tool_calls=(ToolCall("f", ""),))
    assert not has_reply(" \n") and not has_reply("<think>so") and not has_reply("so it is", content=" ")
