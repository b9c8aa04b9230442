"""Token ids against the vocabulary, min_tokens against the limit, and what counts as a seed."""

import pytest

from cogitate.server.auth.caller import Caller
from cogitate.server.engine import ModelCard
from cogitate.server.errors import BadRequest
from cogitate.server.planning.request_plan import build_plan
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.completion import CompletionRequest
from cogitate.server.settings import Settings
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.verifiers import BUILT_IN
from tests.fakes.backend import VOCABULARY_SIZE
from tests.fakes.live_server import HELLO, live
from tests.server.api.responses_client import ask

CARD = ModelCard("scripted", "1", 4096, 0, vocab_size=1000)
STRATEGIES = [{}, {"strategy": "self_consistency"}]


def plan(card=CARD, **fields):
    return build_plan(ChatRequest.model_validate(HELLO | fields), card, Settings(), BUILT_IN, Caller())


@pytest.mark.live
@pytest.mark.parametrize("strategy", STRATEGIES, ids=["plain", "strategy"])
@pytest.mark.parametrize(
    "bias",
    [
        {"-1": 1},
        {"x": 1},
        {"": 1},
        {"1.5": 1},
        {"+1": 1},
        {" 1": 1},
        {"1_0": 1},
        {"01": 1},
        {"१": 1},
        {str(VOCABULARY_SIZE): 1},
        {str(2**31): 1},
        {"9" * 5000: 1},
        {"1": 100.5},
        {"1": -101},
        {"1": "a"},
        {"1": None},
        {"1": True},
        {"2": 1, "x": 1},
        {str(key): 1 for key in range(1025)},
        [1],
    ],
    ids=lambda bias: str(bias)[:20],
)
def test_wrong_logit_bias_is_refused_by_its_name(bias, strategy):
    with live(ScriptedEngine(["\\boxed{1}"])) as server:
        for response in (server.ask(logit_bias=bias, **strategy), ask(server, logit_bias=bias, **strategy)):
            assert response.status_code == 400 and response.json()["error"]["param"] == "logit_bias", response.text
        assert not server.engine.calls


@pytest.mark.parametrize("strategy", STRATEGIES, ids=["plain", "strategy"])
def test_logit_bias_within_the_vocabulary_is_taken(strategy):
    bias = {"0": -100, "999": 100, "5": 0.5}
    assert plan(logit_bias=bias, **strategy).request.logit_bias == bias


@pytest.mark.parametrize("strategy", STRATEGIES, ids=["plain", "strategy"])
@pytest.mark.parametrize(
    ("name", "value"), [("logit_bias", {"1000": 1}), ("allowed_token_ids", [5, 1000]), ("stop_token_ids", [1000])]
)
def test_ids_beyond_the_vocabulary_are_refused_where_it_is_known(name, value, strategy):
    with pytest.raises(BadRequest, match="vocabulary of 1000") as refused:
        plan(**{name: value}, **strategy)
    assert refused.value.param == name
    assert plan(card=ModelCard("scripted", "1", 4096, 0), **{name: value}, **strategy)


@pytest.mark.parametrize(
    "fields",
    [
        {"min_tokens": 2049, "strategy": "self_consistency"},
        {"min_tokens": 4097},
        {"min_tokens": 4097, "max_tokens": 5000},
        {"min_tokens": 51, "max_tokens": 50},
        {"min_tokens": 51, "max_completion_tokens": 50, "strategy": "self_consistency"},
    ],
    ids=str,
)
def test_min_tokens_above_the_limit_that_is_sent_is_refused(fields):
    with pytest.raises((BadRequest, ValueError), match=r"min_tokens|above max_tokens"):
        plan(**fields)


def test_min_tokens_of_a_raw_completion_are_compared_with_its_default_limit():
    def complete(**fields):
        request = CompletionRequest.model_validate({"model": "scripted", "prompt": "a"} | fields)
        return build_plan(request, CARD, Settings(), BUILT_IN, Caller())

    with pytest.raises(BadRequest) as refused:
        complete(min_tokens=17)
    assert refused.value.param == "min_tokens"
    assert complete(min_tokens=16) and complete(min_tokens=17, max_tokens=20)


@pytest.mark.live
def test_min_tokens_beyond_the_room_that_the_prompt_leaves_are_refused():
    with live(ScriptedEngine(["\\boxed{1}"])) as server:
        text = "word " * 3000
        fields = {"messages": [{"role": "user", "content": text}], "strategy": "self_consistency"}
        response = server.ask(**fields, min_tokens=1500)
        assert response.status_code == 400 and response.json()["error"]["param"] == "min_tokens", response.text
        assert server.ask(**fields, min_tokens=500).status_code == 200


def test_minus_one_is_no_seed_without_a_strategy():
    assert plan(seed=-1).key is None and plan(seed=-2).key and plan(seed=0).key
    assert plan(seed=-1, temperature=0).key


@pytest.mark.live
def test_an_answer_with_seed_minus_one_is_not_cached():
    with live(ScriptedEngine(["one", "two"])) as server:
        answers = [server.ask(seed=-1) for _ in range(2)]
        assert [a.json()["choices"][0]["message"]["content"] for a in answers] == ["one", "two"]
        assert not any("X-Cache" in answer.headers for answer in answers)
