"""Traces of every strategy add up, and one that was changed does not.

`tests/fakes/run.py` audits each search of the strategies' own tests too.
"""

import copy
import json
from dataclasses import replace

import pytest

from cogitate.server.evaluation import virtual_time
from cogitate.server.observability.audit.cli import audit
from cogitate.server.observability.audit.record import Unreadable
from cogitate.strategies import STRATEGIES, parse
from cogitate.strategies.core.execute import execute
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine, ScriptedVerifier
from cogitate.strategies.core.types import Sampling
from cogitate.strategies.verifiers.programmatic import STEP_SEPARATOR
from tests.fakes.audited import audit_session, dump_session
from tests.fakes.programs import InProcessPrograms
from tests.fakes.run import QUESTION, SAMPLING, build_session, solve
from tests.strategies.test_program_aided import program

STEPS = [f"First 6 times 7.{STEP_SEPARATOR}", "so \\boxed{42}", f"Or so.{STEP_SEPARATOR}", "no \\boxed{41}"]
BOXES = ["so it is \\boxed{42}", "perhaps \\boxed{41}", "it is \\boxed{42.0}", "I do not know"]
CHOICES = {"Yes": -0.1, "No": -2.4, "1": -0.2, "0": -1.7}

FORMS = {
    "chain_of_thought": ({}, BOXES),
    "self_consistency": ({"n": 6, "stop_rule": "none"}, BOXES),
    "self_consistency weighed by a reward model": ({"n": 6, "weights": "verifier", "verifier": "scripted"}, BOXES),
    "self_consistency weighed by p_true": ({"n": 5, "weights": "p_true"}, BOXES),
    "self_consistency weighed by confidence": ({"n": 4, "weights": "confidence"}, BOXES),
    "self_consistency in windows": ({"n": 8, "stop_rule": "windows", "window": 2}, [BOXES[1], *[BOXES[0]] * 9]),
    "self_consistency with a floor": ({"n": 16, "floor": "low", "warmup": 4}, BOXES),
    "best_of_n": ({"n": 4, "verifier": "scripted"}, BOXES),
    "best_of_n weighted": ({"n": 4, "verifier": "judge", "weighted": True}, BOXES),
    "beam_search": ({"n": 4, "width": 2, "verifier": "scripted", "lookahead": 1}, STEPS),
    "beam_search ahead": ({"n": 4, "width": 2, "verifier": "scripted", "speculate": True}, STEPS),
    "dvts": ({"n": 4, "width": 2, "verifier": "scripted"}, STEPS),
    "particle_filter": ({"n": 4, "verifier": "scripted", "iterations": 2}, STEPS),
    "budget_forcing": ({"waits": 2, "early_exit": "probes", "probe_every": 8}, ["thinking and thinking on and on"]),
    "self_refine": ({"verifier": "scripted", "rounds": 2}, ["a \\boxed{1}", "Verdict: revise", "better \\boxed{2}"]),
    "self_refine as a tree": ({"verifier": "scripted", "rounds": 3, "method": "tree"}, BOXES),
    "synthesis": ({"n": 3}, BOXES),
    "synthesis of notes": ({"n": 3, "method": "pdr"}, BOXES),
    "selection": ({"n": 3}, [*BOXES[:3], "The most consistent response is Response 1"]),
    "program_aided": ({"n": 3, "chains": 2, "stop_rule": "none"}, [program("6 * 7"), program("1 / 0"), BOXES[0]]),
    "auto": ({"n": 8}, [*BOXES[:3], "well \\boxed{40}"]),
}
each_form = pytest.mark.parametrize("form", FORMS)


def search(form, seed=7, **limits):
    """Run a strategy, and return it with its session. `seconds`: at one token a second."""
    options, replies = FORMS[form]
    strategy = parse.validate_python({"name": form.split()[0], **options})
    sampling = replace(SAMPLING, seed=seed, logprobs=strategy.logprobs, temperature=0.8)
    engine = ScriptedEngine(
        replies,
        labels=lambda prompt: CHOICES,
        logprob=lambda call: -0.1 * (call % 7),
        pace=1.0 if "seconds" in limits else 0.0,
    )
    session = build_session(engine, sampling=sampling, tokens=limits.get("tokens"))
    session.verifiers["scripted"] = ScriptedVerifier(lambda text: (len(text) * 7 % 11) / 10, tokens=13)
    session.programs = InProcessPrograms()
    if "seconds" not in limits:
        solve(strategy, session)
        return strategy, session
    session.budget.deadline = limits["seconds"]
    virtual_time.run(execute(strategy, strategy.instruct(QUESTION), session))
    return strategy, session


def test_all_twelve_strategies_are_audited():
    assert {form.split()[0] for form in FORMS} == set(STRATEGIES) and len(STRATEGIES) == 12


@each_form
@pytest.mark.parametrize("limits", [{}, {"tokens": 40}, {"seconds": 7.5}, {"seconds": 15.0}, {"seed": None}], ids=str)
def test_a_trace_adds_up(form, limits):
    report = audit_session(*search(form, **limits))
    assert report.differences == [] and len(report.checked) >= 8


@each_form
def test_the_audit_chooses_by_itself(form):
    """Only the choice by the model's own verdicts cannot be made again."""
    report = audit_session(*search(form))
    chooses = any(line.startswith("chosen (") for line in report.checked)
    assert chooses == (form != "selection")


def test_what_the_audit_cannot_recompute_is_named():
    notes = {form: " ".join(audit_session(*search(form)).open) for form in FORMS}
    assert "model's verdicts" in notes["selection"] and "confidence" in notes["self_consistency weighed by confidence"]
    assert "first token" in notes["self_consistency weighed by p_true"]
    assert notes["chain_of_thought"] == notes["beam_search"] == notes["self_refine"] == ""


def test_answers_that_are_equal_by_the_rules_alone_are_named():
    assert "['42', '42.0']" in " ".join(audit_session(*search("self_consistency")).open)


def trace_of(form):
    return dump_session(*search(form))


def find(trace, kind, at=0):
    return [event for event in trace["events"] if event["kind"] == kind][at]


def change(trace, kind, at=0, **fields):
    find(trace, kind, at).update(fields)


CHANGES = {
    "a smaller bill": ("self_consistency", lambda t: t["usage"].update(completion_tokens=1)),
    "a cached prompt": ("self_consistency", lambda t: t["usage"].update(cached_tokens=3)),
    "a hidden abort": ("self_consistency", lambda t: change(t, "decode", aborted=True)),
    "a longer decode": ("self_consistency", lambda t: change(t, "decode", tokens=500)),
    "another prompt": ("self_consistency", lambda t: change(t, "decode", prompt=9)),
    "a decode that was left out": ("self_consistency", lambda t: t["events"].remove(find(t, "decode", 2))),
    "a decode that never started": ("self_consistency", lambda t: t["events"].remove(find(t, "start"))),
    "a decode that is told twice": ("self_consistency", lambda t: t["events"].append(find(t, "decode"))),
    "an uncounted decode": ("self_consistency", lambda t: change(t, "decode", counted=False)),
    "a free prefix": ("beam_search", lambda t: change(t, "decode", prefix_tokens=3, prompt_tokens=10**3)),
    "a reading of the reward model": ("best_of_n", lambda t: change(t, "verdict", tokens=0)),
    "a depth": ("dvts", lambda t: t["usage"].update(depth=1)),
    "another winner": ("self_consistency", lambda t: change(t, "end", index=1)),
    "another answer": ("self_consistency", lambda t: t.update(answer="41")),
    "another answer at the end": ("self_consistency", lambda t: change(t, "end", answer="41")),
    "a larger agreement": ("self_consistency", lambda t: (change(t, "end", agreement=1.0), t.update(agreement=1.0))),
    "a vote in another class": ("self_consistency", lambda t: change(t, "vote", 2, **{"class": 1})),
    "a vote in a class of nobody": ("self_consistency", lambda t: change(t, "vote", 1, **{"class": 77})),
    "an abstention that counts": ("self_consistency", lambda t: change(t, "vote", 3, **{"class": 0})),
    "a heavier vote": ("self_consistency weighed by p_true", lambda t: change(t, "vote", -1, weight=0.9)),
    "a better score": ("best_of_n", lambda t: find(t, "end")["electorate"][1].update(score=1.0)),
    "a better verdict": ("best_of_n", lambda t: change(t, "verdict", 1, score=0.123)),
    "a shorter text": ("dvts", lambda t: find(t, "end")["electorate"][0].update(characters=1)),
    "a likelier text": ("self_consistency", lambda t: find(t, "end")["electorate"][0].update(logprob=-0.001)),
    "a chosen outsider": ("selection", lambda t: change(t, "end", index=3)),
    "an earlier draft": ("self_refine", lambda t: change(t, "end", index=0)),
    "an earlier text": ("synthesis", lambda t: change(t, "end", index=1)),
    "a part of the answer": ("budget_forcing", lambda t: change(t, "end", index=0)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_trace_that_was_changed_differs(name):
    form, apply = CHANGES[name]
    trace = trace_of(form)
    assert audit(trace).differences == []
    changed = copy.deepcopy(trace)
    apply(changed)
    assert changed != trace and audit(changed).differences


@pytest.mark.parametrize(
    "broken",
    [
        None,
        [],
        {},
        {"object": "trace", "version": 2, "events": []},
        {"object": "trace", "version": 1, "events": {}},
        {"object": "trace", "version": 1, "events": [{}]},
        {"object": "trace", "version": 1, "events": [1]},
        {"object": "trace", "version": 1, "events": []},
    ],
    ids=json.dumps,
)
def test_what_is_no_trace_is_refused(broken):
    with pytest.raises(Unreadable):
        audit(broken)


def test_a_parent_that_is_its_own_ends_the_audit():
    trace = trace_of("beam_search")
    for event in trace["events"]:
        if event["kind"] == "decode":
            event["parent"] = event["index"]
    assert audit(trace).differences


def test_traces_without_texts_are_audited_alike():
    for form in FORMS:
        trace = trace_of(form)
        with_texts = audit(trace)
        for event in trace["events"]:
            event.pop("text", None)
        assert audit(trace) == with_texts


def test_a_search_that_failed_has_a_bill_and_no_choice():
    trace = trace_of("self_consistency")
    trace["events"] = [event for event in trace["events"] if event["kind"] != "end"]
    trace["status"] = "request_cancelled"
    report = audit(trace)
    assert report.differences == [] and "no outcome" in report.open[-1]


def test_lost_verdicts_and_lost_decodes_add_up():
    session = build_session(ScriptedEngine([*BOXES[:3], SampleFailed("gone")]), sampling=Sampling(max_tokens=50))
    session.verifiers["scripted"] = ScriptedVerifier(lambda text: [] if "perhaps" in text else 0.5)
    strategy = parse.validate_python({"name": "best_of_n", "n": 4, "verifier": "scripted"})
    solve(strategy, session)
    assert audit_session(strategy, session).differences == []
