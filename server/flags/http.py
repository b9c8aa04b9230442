"""Flags of the listener: addresses, limits of time and size, and who may ask."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field
from pydantic_settings import NoDecode

SharedField = Literal[
    "kv_transfer_params",
    "cache_salt",
    "request_id",
    "vllm_xargs",
    "mm_processor_kwargs",
    "media_io_kwargs",
    "prompt_embeds",
    "chat_template",
]
"""Fields of a request that reach past it: into other tenants' cache entries, files or templates."""


class HttpSettings(BaseModel):
    """HTTP"""

    host: str = Field(default="127.0.0.1", description="Address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 for any free port")
    workers: int = Field(
        default=1,
        ge=1,
        le=128,
        description="Processes that share the port, with --engine openai. More than one need --redis-url. "
        "--max-generations is divided among them; the other limits of the server, and --cache-bytes, are each one's",
    )
    allowed_host: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Further Host name to accept on a loopback --host, such as that of a proxy. Repeatable",
    )
    max_body_bytes: int = Field(
        default=2 * 1024 * 1024,
        ge=1024,
        description="Maximum size of a request body. Raise it for images as data: URLs",
    )
    receive_seconds: float = Field(default=30, gt=0, description="Time for a client to send its request body")
    send_seconds: float = Field(default=30, gt=0, description="Time for a client to read the next chunk of a stream")
    linger_seconds: float = Field(
        default=0,
        ge=0,
        description="Time after SIGTERM in which the server is not ready but still accepts requests, so that a load "
        "balancer can notice; --drain-seconds follow",
    )
    drain_seconds: float = Field(
        default=30, ge=0, description="Time for requests in flight to finish after SIGTERM; new ones get a 503"
    )
    metrics_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Port of a second listener on --host with /metrics and /health alone, which asks for no key; 0 for "
        "any free port",
    )


class AuthenticationSettings(BaseModel):
    """authentication"""

    api_keys_file: Path | None = Field(
        default=None,
        description="API keys file, as written by `cogitate keys new`. Without it --host must be a loopback address",
    )
    insecure_no_auth: bool = Field(
        default=False, description="Allow a --host that other machines can reach without API keys"
    )
    allow_field: Annotated[tuple[SharedField, ...], NoDecode] = Field(
        default=(),
        description="With --api-keys-file: field of vLLM's requests that reaches past one request, to accept although "
        "tenants share the engine. Repeatable",
    )
