"""Every provider's recorded shapes, through the complete server: plain, streamed, voted, with tools."""

import pytest

from tests.server.engine.remote.dialects.providers import MODES, PROVIDERS, ask, find_faults, serve_provider


@pytest.mark.parametrize("shape", PROVIDERS, ids=lambda shape: shape["name"])
async def test_every_mode_of_a_provider_gives_its_answer(shape):
    async with serve_provider(shape) as (client, _):
        answers = {mode: await ask(client, mode) for mode in MODES}
    faults = {mode: faults for mode, answer in answers.items() if (faults := find_faults(shape, mode, answer))}
    assert faults == {}


@pytest.mark.parametrize("shape", [each for each in PROVIDERS if "refuses" in each], ids=lambda shape: shape["name"])
async def test_what_a_provider_refuses_is_asked_once(shape):
    async with serve_provider(shape) as (client, upstream):
        for mode in MODES:
            await ask(client, mode)
        upstream.refusals = 0
        for mode in MODES:
            await ask(client, mode)
        assert upstream.refusals == 0 and upstream.bodies
