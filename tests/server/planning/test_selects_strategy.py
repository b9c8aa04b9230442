"""Which bodies are this server's to answer, and which are vLLM's."""

import json

import pytest

from cogitate.server.planning.selects_strategy import asks_to_store, parse_marked


@pytest.mark.parametrize(
    ("fields", "is_ours"),
    [
        ({"background": True}, True),
        ({"store": True}, True),
        ({"previous_response_id": "resp_1"}, True),
        ({}, False),
        ({"background": False, "store": False, "previous_response_id": None}, False),
        ({"store": "true"}, False),
        ({"input": '"store": true, "background": true'}, False),
        ({"metadata": {"store": True}}, False),
    ],
)
def test_body_asks_for_a_stored_response(fields, is_ours):
    assert asks_to_store(parse_marked(json.dumps({"model": "m", **fields}).encode())) is is_ours


@pytest.mark.parametrize("body", [b"", b'"store"', b'["store"]', b'{"store": true'])
def test_body_that_is_no_object_is_vllms_to_refuse(body):
    assert not asks_to_store(parse_marked(body))
