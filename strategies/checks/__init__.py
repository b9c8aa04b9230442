"""Checks of a reply against a client's pattern or JSON schema, in bounded time."""

from cogitate.strategies.checks.json_schema import JsonSchema, parse_json_reply
from cogitate.strategies.checks.regex import Pattern
from cogitate.strategies.checks.schema_refs import check_refs

__all__ = ["JsonSchema", "Pattern", "check_refs", "parse_json_reply"]
