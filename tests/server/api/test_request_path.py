"""The length of a plain chat request's path through the code."""

from tests.bench.request_path import MAX_CLIMBS, MAX_FILES, measure


async def test_plain_chat_request_passes_few_files_and_seldom_climbs_back():
    path = await measure()
    assert "server/api/chat_completions.py" in path.files and "server/serving/relay.py" in path.files
    assert len(path.files) <= MAX_FILES, list(path.files)
    assert len(path.climbs) <= MAX_CLIMBS, path.climbs


async def test_a_strategy_passes_the_modules_that_a_plain_request_does_not():
    plain, searched = await measure(), await measure(strategy="self_consistency", cache="no-store")
    assert "server/planning/strategy_selection.py" in searched.files.keys() - plain.files.keys()
