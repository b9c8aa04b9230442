"""JSON schemas that clients send with a request's own fields."""

from typing import Annotated, Any

from pydantic import AfterValidator

from cogitate.strategies.checks import closed

Schema = Annotated[dict[str, Any], AfterValidator(closed)]
