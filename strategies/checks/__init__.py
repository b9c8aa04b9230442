"""What a client says an answer must look like, checked in bounded time: patterns and JSON schemas. Pure."""

from strategies.checks.pattern import Pattern
from strategies.checks.references import closed
from strategies.checks.schema import Schema, json_in

__all__ = ["Pattern", "Schema", "closed", "json_in"]
