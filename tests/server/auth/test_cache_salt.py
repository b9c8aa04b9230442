"""Verifiers with an engine of their own are salted per tenant, as the main engine is."""

from dataclasses import replace
from pathlib import Path

import pytest

from cogitate.server.auth.keys import create_key
from cogitate.server.engine import salt_verifiers
from cogitate.strategies.core.scripted import ScriptedEngine, ScriptedVerifier
from tests.fakes.backend import ScriptedBackend
from tests.fakes.live_server import live

VOTE = {"name": "best_of_n", "n": 2, "verifier": "reward"}


class Reward(ScriptedVerifier):
    """Scores with an opinion of the salt that it was given."""

    def with_salt(self, salt: str) -> "Reward":
        return replace(self, score=lambda text: self.score(salt))


def test_verifiers_without_a_cache_are_not_salted():
    plain, shared = ScriptedVerifier(len), Reward(len)
    salted = salt_verifiers({"plain": plain, "shared": shared}, "tenant")
    assert salted["plain"] is plain and isinstance(salted["shared"], Reward) and salted["shared"] is not shared


@pytest.mark.live
def test_each_tenants_requests_are_verified_under_its_own_salt(tmp_path: Path):
    seen: list[str] = []
    reward = Reward(lambda salt: seen.append(salt) or 0.5)
    keys = [create_key(tmp_path / "keys", tenant) for tenant in ("a", "a", "b")]
    backend = lambda engine: ScriptedBackend(engine, verifiers={"reward": reward})  # noqa: E731
    with live(ScriptedEngine(["\\boxed{1}"]), backend=backend, api_keys_file=tmp_path / "keys") as server:
        for key in keys:
            headers = {"Authorization": f"Bearer {key}"}
            assert server.ask(strategy=VOTE, cache="no-store", headers=headers).status_code == 200
    first, second, other = seen[::2]
    assert first == second != other and all(seen)
