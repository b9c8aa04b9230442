"""The file of priors on votes: read, refused with its cause, and found by model and preset."""

import json

import pytest
from pydantic import ValidationError

from cogitate.server.config.vote_priors import (
    InvalidVotePriors,
    StoredPrior,
    add_vote_prior,
    find_vote_prior,
    read_vote_priors,
)
from cogitate.server.settings import Settings
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.vote_prior import VotePrior
from tests.fakes.live_server import live

EASY = StoredPrior(majority=20.0, second=0.2, others=0.1, questions=100)
HARD = StoredPrior(majority=2.0, second=1.0, others=1.0, questions=50)


def test_prior_of_a_preset_comes_before_that_of_its_model(tmp_path):
    path = tmp_path / "deep" / "priors.json"
    add_vote_prior(path, "tiny", EASY)
    add_vote_prior(path, "tiny@careful", HARD)
    assert find_vote_prior(path, "tiny", "careful") == HARD.prior == VotePrior(2.0, 1.0, 1.0)
    assert find_vote_prior(path, "tiny", "self_consistency") == EASY.prior
    assert find_vote_prior(path, "other", "careful") is None is find_vote_prior(None, "tiny", "careful")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is no file of priors"),
        ("[]", "is no file of priors"),
        (json.dumps({"tiny": {"majority": 0, "second": 1, "others": 1, "questions": 9}}), "tiny.majority"),
        (json.dumps({"tiny": {"majority": 1, "second": 1, "questions": 9}}), "tiny.others"),
        (None, "cannot be read"),
    ],
)
def test_file_that_is_none_of_priors_is_refused_with_the_reason(tmp_path, content, words):
    path = tmp_path / "priors.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidVotePriors, match=words):
        read_vote_priors(path)
    with pytest.raises(ValidationError, match=words):
        Settings(vote_priors=path)


@pytest.mark.live
def test_server_stops_votes_by_the_prior_of_the_model(tmp_path):
    add_vote_prior(tmp_path / "priors.json", "scripted", EASY)
    vote = {"name": "self_consistency", "n": 16, "concurrency": 1}
    with live(ScriptedEngine(["\\boxed{1}"]), vote_priors=tmp_path / "priors.json") as server:
        assert server.ask(strategy=vote).json()["cogitate"]["candidates"] == 1
    with live(ScriptedEngine(["\\boxed{1}"])) as server:
        assert server.ask(strategy=vote).json()["cogitate"]["candidates"] == 3


def test_answer_that_one_prior_decided_is_not_served_under_another(tmp_path):
    vote, path = {"name": "self_consistency", "n": 16, "concurrency": 1}, tmp_path / "priors.json"
    add_vote_prior(path, "scripted", EASY)
    add_vote_prior(path, "scripted@careful", HARD)
    with live(ScriptedEngine(["\\boxed{1}"]), vote_priors=path, presets={"careful": vote}) as server:
        plain, careful = server.ask(strategy=vote), server.ask(model="scripted@careful")
    assert "x-cache" not in careful.headers
    assert careful.json()["cogitate"]["candidates"] > plain.json()["cogitate"]["candidates"]
