"""What a client says an answer must look like, checked in bounded time: patterns and JSON schemas. Pure."""

from cogitate.strategies.checks.json_schema import JsonSchema, parse_json_reply
from cogitate.strategies.checks.regex import Pattern
from cogitate.strategies.checks.schema_refs import check_refs

__all__ = ["Pattern", "JsonSchema", "check_refs", "parse_json_reply"]
