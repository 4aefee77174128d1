"""Settings of the HTTP front: how many connections and bytes of clients are held at once."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

Positive = Annotated[int, Field(gt=0)]
MIB = 1024 * 1024


class FrontSettings(BaseSettings):
    """Limits for everybody who connects, with or without a key. Each holds for one process."""

    model_config = SettingsConfigDict(
        env_prefix="PAGERSYNC_", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    connections_max: int = Field(
        default=2000,
        ge=50,
        description="Most HTTP connections at the same time. At the limit, the oldest connection "
        "without a request is closed. It is lowered where the system allows too few open files.",
    )
    connections_per_address_max: int = Field(
        default=200,
        ge=10,
        description="Most HTTP connections from one address (IPv6: from one /64 network). The "
        "addresses in `PAGERSYNC_TRUSTED_PROXIES` have no such limit.",
    )
    head_bytes_max: int = Field(
        default=32 * 1024,
        ge=4096,
        description="Longest request line and headers together; over it: 431.",
    )
    headers_max: int = Field(
        default=100, ge=30, description="Most headers of one request; over it: 431."
    )
    url_bytes_max: int = Field(
        default=16 * 1024, ge=1024, description="Longest URL of a request; over it: 414."
    )
    head_timeout_s: float = Field(
        default=10,
        gt=0,
        description="Longest time for a request's line and headers to arrive, and for the first "
        "byte of a new connection.",
    )
    body_timeout_s: float = Field(
        default=10,
        gt=0,
        description="Longest time for a request body to arrive, and for a client to read an "
        "answer; larger ones get more time, see `PAGERSYNC_SLOWEST_BYTES_PER_S`.",
    )
    slowest_bytes_per_s: Positive = Field(
        default=16 * 1024,
        description="Lowest average speed at which a body may arrive and an answer may be read "
        "after `PAGERSYNC_BODY_TIMEOUT_S`.",
    )
    keep_alive_s: float = Field(
        default=5, gt=0, description="How long a connection stays open between two requests."
    )
    api_bodies_bytes_max: int = Field(
        default=32 * MIB,
        ge=MIB,
        description="Most bytes of API request bodies that are still arriving; over it: 503.",
    )
    webhook_bodies_bytes_max: int = Field(
        default=32 * MIB,
        ge=MIB,
        description="Most bytes of webhook bodies that are still arriving; over it: 503. API "
        "requests cannot use this share.",
    )
    unread_answers_bytes_max: int = Field(
        default=128 * MIB,
        ge=MIB,
        description="Most bytes of answers that clients have not read yet. Over it, the "
        "connections that have waited longest for their client are closed.",
    )
