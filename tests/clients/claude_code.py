"""Requests as Claude Code sends them: blocks with cache marks, many tools, fields of betas, turns with tool results."""

from typing import Any

HEADERS = {
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,"
    "prompt-caching-scope-2026-01-05,effort-2025-11-24,advanced-tool-use-2025-11-20",
    "x-app": "cli",
    "user-agent": "claude-cli/2.1.0 (external, cli)",
    "x-stainless-lang": "js",
    "x-stainless-retry-count": "0",
    "x-stainless-timeout": "600",
}
CACHED = {"cache_control": {"type": "ephemeral", "ttl": "1h", "scope": "global"}}
SYSTEM = [
    {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.0.f3a; cc_entrypoint=cli; cch=1f0e2;"},
    {"type": "text", "text": "You are Claude Code, Anthropic's official CLI for Claude.", **CACHED},
    {"type": "text", "text": "\nYou are an interactive agent. " + "Be careful with files. " * 60, **CACHED},
]


def tool(name: str, *names: str, **fields: object) -> dict[str, Any]:
    return {
        "name": name,
        "description": f"{name} of the harness. " * 10,
        "input_schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {each: {"type": "string", "description": f"The {each}"} for each in names},
            "required": list(names),
            "additionalProperties": False,
        },
        **fields,
    }


TOOLS = [
    tool("Bash", "command", "description", eager_input_streaming=True),
    tool("Read", "file_path"),
    tool("Edit", "file_path", "old_string", "new_string"),
    *(tool(f"mcp__a_server_with_a_long_name__and_an_even_longer_tool_name_{at:03}", "q") for at in range(140)),
    tool("mcp__later__search", "q", defer_loading=True),
]
QUESTION = {
    "role": "user",
    "content": [
        {"type": "text", "text": "<system-reminder>\nToday is Monday.\n</system-reminder>"},
        {"type": "text", "text": "List the files.", "cache_control": {"type": "ephemeral"}},
    ],
}


def build_request(model: str, *turns: dict[str, Any], **fields: object) -> dict[str, Any]:
    """The body of a turn of the main loop."""
    return {
        "model": model,
        "messages": [QUESTION, *turns],
        "system": SYSTEM,
        "tools": TOOLS,
        "metadata": {"user_id": '{"device_id":"d0","account_uuid":"","session_id":"5f0c"}'},
        "max_tokens": 32_000,
        "thinking": {"type": "adaptive"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "medium"},
        "temperature": 1,
        "stream": True,
        "a_field_of_the_next_beta": {"type": "auto"},
        **fields,
    }


def build_result(call_id: str, content: Any, **fields: object) -> dict[str, Any]:  # noqa: ANN401 JSON
    block = {"type": "tool_result", "tool_use_id": call_id, "content": content, "cache_control": {"type": "ephemeral"}}
    return {"role": "user", "content": [block | fields]}


TITLE_REQUEST = {
    "messages": [{"role": "user", "content": [{"type": "text", "text": "List the files."}]}],
    "system": [SYSTEM[0], {"type": "text", "text": "Generate a title as JSON."}],
    "tools": [],
    "thinking": {"type": "disabled"},
    "output_config": {
        "format": {
            "type": "json_schema",
            "schema": {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]},
        }
    },
    "context_management": None,
    "max_tokens": 21333,
}
"""What differs in the request that names a session."""
