"""Anthropic's request bodies: converted to a chat, or refused by the name of the field."""

import base64

import pytest
from pydantic import ValidationError

from cogitate.server.errors import BadRequest
from cogitate.server.protocol.anthropic import (
    HINTS,
    BetaMessagesRequest,
    CountTokensRequest,
    MessagesRequest,
    is_beta,
)
from cogitate.server.protocol.anthropic_blocks import ThinkingBlock, encode_omitted
from cogitate.server.protocol.validation import to_bad_request
from tests.server.api.messages_client import FIELDS, TOOL, request

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}}
LATER = TOOL | {"name": "later", "defer_loading": True}


def chat(**fields):
    """The chat request's fields that were set, without those of FIELDS."""
    body = request(**fields).to_chat().model_dump(exclude_unset=True, exclude_none=True)
    assert body.pop("model") == "scripted" and body.pop("max_completion_tokens") == 256
    return body


def messages(*turns, **fields):
    return chat(messages=[{"role": role, "content": content} for role, content in turns], **fields)["messages"]


def refusal(**fields):
    with pytest.raises(ValidationError) as raised:
        request(**fields)
    return to_bad_request(raised.value)


def test_sampling_fields_are_those_of_the_chat():
    fields = {"temperature": 0.5, "top_p": 0.9, "top_k": 20, "stop_sequences": ["\n"], "budget": {"tokens": 9}}
    body = chat(**fields, cache="refresh", strategy="self_consistency")
    del body["messages"]
    assert body == {
        **{name: fields[name] for name in ("temperature", "top_p", "top_k", "budget")},
        "stop": ["\n"],
        "cache": "refresh",
        "strategy": {"name": "self_consistency"},
    }


def test_stream_asks_for_usage():
    assert chat(stream=True) | {"messages": None} == {
        "messages": None,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize("system", ["Be brief.", [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}]])
def test_system_text_and_blocks_are_one_message(system):
    assert messages(("user", "hi"), system=system)[0] == {"role": "system", "content": "Be brief."}


def test_billing_header_of_claude_code_is_left_out():
    header = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1; cch=1f;"}
    assert messages(("user", "hi"), system=[header]) == [{"role": "user", "content": "hi"}]


def test_system_turns_are_appended_to_the_first_message():
    turns = ("user", "hi"), ("system", "Remember."), ("assistant", "yes"), ("user", "go")
    assert messages(*turns, system="Be brief.") == [
        {"role": "system", "content": "Be brief.\n\nRemember."},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": "go"},
    ]


def test_images_and_documents_become_parts_of_the_user():
    document = {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
    (message,) = messages(("user", [{"type": "text", "text": "see"}, IMAGE, document]))
    assert message["content"] == [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        {"type": "text", "text": "T\nx"},
    ]


def test_turn_of_an_assistant_keeps_thinking_text_and_calls():
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    blocks = [thought, {"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "I look."}, CALL]
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"}
    _, assistant, tool = messages(("user", "hi"), ("assistant", blocks), ("user", [result]))
    assert assistant == {
        "role": "assistant",
        "content": "I look.",
        "reasoning": "hm",
        "tool_calls": [
            {
                "id": "toolu_1",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"city":"Rome"}'},
            }
        ],
    }
    assert tool == {"role": "tool", "tool_call_id": "toolu_1", "content": "sunny"}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, ""),
        ({"content": "a"}, "a"),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "a\nb"),
        ({"content": "no such file", "is_error": True}, "Error: no such file"),
        ({"content": [{"type": "tool_reference", "tool_name": "later"}]}, "Loaded tool: later"),
    ],
)
def test_result_of_a_tool_is_a_text(fields, text):
    result = {"type": "tool_result", "tool_use_id": "t"} | fields
    *_, tool = messages(("user", "hi"), ("assistant", [CALL]), ("user", [result]))
    assert tool == {"role": "tool", "tool_call_id": "t", "content": text}


def test_results_precede_the_users_text_and_their_images_go_with_it():
    result = {"type": "tool_result", "tool_use_id": "t", "content": [IMAGE]}
    *_, tool, user = messages(("user", "hi"), ("assistant", [CALL]), ("user", [{"type": "text", "text": "go"}, result]))
    assert tool["content"] == "" and [part["type"] for part in user["content"]] == ["text", "image_url"]


def test_open_turn_of_the_assistant_is_continued():
    body = chat(messages=[*FIELDS["messages"], {"role": "assistant", "content": "It is"}])
    assert body["continue_final_message"] and not body["add_generation_prompt"]


def test_turn_that_ends_with_a_call_is_not_continued():
    assert "continue_final_message" not in chat(
        messages=[*FIELDS["messages"], {"role": "assistant", "content": [CALL]}]
    )


@pytest.mark.parametrize(
    ("choice", "fields"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        (
            {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
            {
                "tool_choice": {"type": "function", "function": {"name": "weather"}},
                "parallel_tool_calls": False,
            },
        ),
    ],
)
def test_tools_and_tool_choice_are_those_of_the_chat(choice, fields):
    body = chat(tools=[TOOL | {"cache_control": {"type": "ephemeral"}}], tool_choice=choice)
    function = {"name": "weather", "description": "Weather of a city.", "parameters": TOOL["input_schema"]}
    del body["messages"]
    assert body == {"tools": [{"type": "function", "function": function}]} | fields


def test_deferred_tools_are_offered_once_a_result_refers_to_them():
    reference = {
        "type": "tool_result",
        "tool_use_id": "t",
        "content": [{"type": "tool_reference", "tool_name": "later"}],
    }
    loaded = [*FIELDS["messages"], {"role": "assistant", "content": [CALL]}, {"role": "user", "content": [reference]}]
    offered = [
        [tool["function"]["name"] for tool in chat(tools=[TOOL, LATER], **fields)["tools"]]
        for fields in ({}, {"messages": loaded})
    ]
    assert offered == [["weather"], ["weather", "later"]]


@pytest.mark.parametrize(
    ("thinking", "fields"),
    [
        ({"type": "adaptive", "display": "omitted"}, {}),
        ({"type": "between_tools"}, {}),
        ({"type": "disabled"}, {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}),
        (
            {"type": "enabled", "budget_tokens": 2048},
            {
                "chat_template_kwargs": {"enable_thinking": True, "thinking": True},
                "thinking_token_budget": 2048,
            },
        ),
    ],
)
def test_thinking_is_switched_in_the_template_and_limited(thinking, fields):
    parsed = request(thinking=thinking)
    assert chat(thinking=thinking) | {"messages": 0} == {"messages": 0} | fields
    assert parsed.to_chat().hints == fields.keys() | {"max_completion_tokens"} <= HINTS


def test_output_config_sets_effort_and_schema():
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    config = {"effort": "high", "format": {"type": "json_schema", "schema": schema}, "task_budget": {"total": 1}}
    body = request(output_config=config).to_chat()
    older = request(output_format=config["format"]).to_chat()
    assert body.reasoning_effort == "high" and body.response_format.json_schema.schema_ == schema
    assert older.response_format == body.response_format


def test_omitted_thinking_returns_with_its_signature():
    block = ThinkingBlock(type="thinking", thinking="", signature=encode_omitted("héllo"))
    assert block.text == "héllo" and "héllo" not in block.signature


@pytest.mark.parametrize("signature", ["omitted.%", "omitted." + base64.b64encode(b"\xff").decode(), "EqQBCgIYAh", ""])
def test_a_foreign_signature_carries_nothing(signature):
    assert ThinkingBlock(type="thinking", thinking="", signature=signature).text == ""


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"container": "c_1"}, "container"),
        ({"mcp_servers": [{"type": "url", "url": "http://x", "name": "x"}]}, "mcp_servers"),
        ({"inference_geo": "eu"}, "inference_geo"),
        ({"thread": {"type": "create"}}, "thread"),
        ({"compaction": {"type": "on"}}, "compaction"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"seed": 1}, "seed"),
        ({"cache_salt": "x"}, "cache_salt"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": [{"type": "mcp_tool_use"}]}]}, "messages.0.content.0"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "base64"}}]}]},
            "messages.0.content.0.source",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "http://x"}}]}
                ]
            },
            "messages.0.content.0",
        ),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools.0"),
        ({"tools": [{"name": "x"}]}, "tools.0.input_schema"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice"),
        ({"thinking": {"type": "enabled", "budget_tokens": 5}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled"}}, "thinking"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
        ({"system": [{"type": "image"}]}, "system.0.type"),
    ],
)
def test_unsupported_fields_are_refused_by_name(fields, param):
    assert refusal(**fields).param == param


@pytest.mark.parametrize("name", ["container", "mcp_servers", "thread", "tools", "system", "thinking", "metadata"])
def test_null_counts_as_absent(name):
    assert request(**{name: None}).to_chat() == request().to_chat()


def test_choice_of_a_tool_without_tools_is_refused():
    with pytest.raises(BadRequest) as raised:
        request(tool_choice={"type": "any"}).to_chat()
    assert raised.value.param == "tool_choice"


def test_errors_of_the_conversion_name_the_field_alone():
    turns = [{"role": "user", "content": "x"}] * 4000 + [{"role": "system", "content": "y" * 999_999}] * 2
    with pytest.raises(BadRequest) as raised:
        request(messages=turns).to_chat()
    assert raised.value.param == "messages" and "'messages'" in raised.value.message


def test_unknown_fields_are_taken_with_a_beta_header_alone():
    body = FIELDS | {"brand_new": {"type": "x"}, "messages": [{"role": "user", "content": "hi", "brand_new": 1}]}
    assert is_beta({"anthropic-beta": "x-2027-01-01"}) and not is_beta({"anthropic-version": "2023-06-01"})
    assert BetaMessagesRequest.model_validate(body).to_chat().messages
    with pytest.raises(ValidationError):
        MessagesRequest.model_validate(body)


def test_count_needs_no_limit_and_takes_the_prompts_fields():
    body = {name: field for name, field in FIELDS.items() if name != "max_tokens"}
    counted = CountTokensRequest.model_validate(body | {"tools": [TOOL], "system": "x", "context_management": {}})
    assert counted.to_chat().limit is None and counted.to_chat().tools
