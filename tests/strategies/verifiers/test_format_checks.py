import asyncio

import pytest

from cogitate.strategies.best_of_n import BestOfN
from cogitate.strategies.core.programs import NoPrograms
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import usage
from cogitate.strategies.core.types import Completion
from cogitate.strategies.verifiers import BUILT_IN
from tests.fakes.run import QUESTION, build_session, solve


@pytest.mark.parametrize(
    ("name", "text", "score"),
    [("number", "so \\boxed{42}", 1.0), ("number", "no idea", 0.0), ("json", 'a {"x": 1}', 1.0), ("json", "{x", 0.0)],
)
def test_number_and_json_checks_read_the_answer(name, text, score):
    solution = Completion(prompt=QUESTION, text=text, finish="stop")
    (verdict,) = asyncio.run(BUILT_IN[name].judge(QUESTION, [solution], None))
    assert verdict.steps == (score,)


@pytest.mark.parametrize(
    ("text", "content", "finish", "score"),
    [
        ("step 1: 13 + 29", None, "length", 0.0),
        ("so \\boxed{42}. Also", None, "length", 1.0),
        ("<think>42</think>no idea", "no idea", "stop", 0.0),
        ("42", None, "unsure", 0.0),
    ],
)
def test_number_check_follows_the_rules_of_the_vote(text, content, finish, score):
    solution = Completion(prompt=QUESTION, text=text, content=content, finish=finish)
    (verdict,) = asyncio.run(BUILT_IN["number"].judge(QUESTION, [solution], None))
    assert verdict.steps == (score,)


def run_check(name, text, **options):
    verifiers = BestOfN(verifier=name, **options).build_verifiers({}, NoPrograms())
    (verdict,) = asyncio.run(
        verifiers[name].judge(QUESTION, [Completion(prompt=QUESTION, text=text, finish="stop")], None)
    )
    return verdict.steps == (1.0,)


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("on 2024-05-01", True),
        ("in May", False),
        ("<think>2024-05-01</think>in May", False),
        ("<think>2024-05-01", False),
    ],
)
def test_regex_check_searches_the_final_text(text, passes):
    assert run_check("regex", text, pattern=r"\d{4}-\d{2}-\d{2}") == passes


@pytest.mark.parametrize(
    ("text", "passes"), [('{"x": 1}', True), ('so {"x": 1} it is', True), ('{"x": "1"}', False), ("x is 1", False)]
)
def test_json_schema_check_validates_the_json_of_the_reply(text, passes):
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    assert run_check("json_schema", text, json_schema=schema) == passes


def test_format_check_precedes_a_judge_in_a_chain():
    replies = iter(["in May", "on 2024-05-01", "on 2024-05-02"])
    engine = ScriptedEngine(
        lambda prompt, sampling: "Yes" if sampling.labels else next(replies),
        labels=lambda prompt: {
            "Yes": 0.0 if "05-02" in prompt.messages[-1].text else -3.0,
            "No": -2.0,
        },
    )
    session, strategy = build_session(engine), BestOfN(n=3, verifier="regex+judge", pattern=r"\d{4}-\d{2}-\d{2}")
    session.verifiers = strategy.build_verifiers(session.verifiers, NoPrograms())
    assert solve(strategy, session).outcome.completion.text == "on 2024-05-02"
    assert usage(session.trace).verifier == 2
