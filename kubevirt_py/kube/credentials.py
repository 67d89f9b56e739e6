"""How a client proves who it is and recognises the server."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class Credentials(Protocol):
    """Headers and TLS context for the next request; both may change over time."""

    async def headers(self) -> Mapping[str, str]: ...

    def tls(self) -> ssl.SSLContext | bool: ...

    async def renew(self) -> bool:
        """Called after a 401; True if a second attempt may succeed."""
        ...


@dataclass(frozen=True)
class Fixed:
    """Credentials that never change: a client certificate in `context`, or a token in `header`."""

    context: ssl.SSLContext | bool = True
    header: Mapping[str, str] = field(default_factory=dict)

    async def headers(self) -> Mapping[str, str]:
        return self.header

    def tls(self) -> ssl.SSLContext | bool:
        return self.context

    async def renew(self) -> bool:
        return False
