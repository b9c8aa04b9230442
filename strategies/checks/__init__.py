"""What a client says an answer must look like, checked in bounded time: patterns and JSON schemas. Pure."""

from cogitate.strategies.checks.json_schema import Schema, json_in
from cogitate.strategies.checks.regex import Pattern
from cogitate.strategies.checks.schema_refs import closed

__all__ = ["Pattern", "Schema", "closed", "json_in"]
