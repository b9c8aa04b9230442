"""A verifier with an engine of its own is each tenant's own: its cache tells no tenant what another asked."""

from dataclasses import replace
from pathlib import Path

import pytest

from cogitate.server.auth.keys import new_key
from cogitate.server.engine import salted
from tests.fakes.live_server import live
from tests.fakes.scripted import ScriptedBackend, ScriptedEngine, ScriptedVerifier

VOTE = {"name": "best_of_n", "n": 2, "verifier": "reward"}


class Reward(ScriptedVerifier):
    """Remembers by whose salt it judged."""

    def salted(self, salt: str) -> "Reward":
        return replace(self, opinion=lambda text: self.opinion(salt))


def test_what_has_no_cache_of_its_own_stays_as_it_is():
    plain, shared = ScriptedVerifier(len), Reward(len)
    told = salted({"plain": plain, "shared": shared}, "tenant")
    assert told["plain"] is plain and isinstance(told["shared"], Reward) and told["shared"] is not shared


@pytest.mark.live
def test_each_tenant_is_judged_under_a_salt_of_its_own(tmp_path: Path):
    seen: list[str] = []
    reward = Reward(lambda salt: seen.append(salt) or 0.5)
    keys = [new_key(tmp_path / "keys", tenant) for tenant in ("a", "a", "b")]
    backend = lambda engine: ScriptedBackend(engine, verifiers={"reward": reward})  # noqa: E731
    with live(ScriptedEngine(["\\boxed{1}"]), backend=backend, api_keys_file=tmp_path / "keys") as server:
        for key in keys:
            headers = {"Authorization": f"Bearer {key}"}
            assert server.ask(strategy=VOTE, cache="no-store", headers=headers).status_code == 200
    first, second, other = seen[::2]
    assert first == second != other and all(seen)
