"""OpenAI's error envelope, as `errors.ApiError` writes it and as clients read it."""

from pydantic import BaseModel, ConfigDict


class ErrorDetail(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    message: str
    type: str
    param: str | None
    """The field of the request that is wrong, as a dotted path."""
    code: str | int | None


class ErrorResponse(BaseModel):
    """Body of every response with a status of 400 or above, and of the event that ends a failed stream."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    error: ErrorDetail
