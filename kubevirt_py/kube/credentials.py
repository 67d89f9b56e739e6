"""How a client proves who it is and recognises the server."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from multidict import CIMultiDict


class Credentials(Protocol):
    """Headers and TLS context for the next request; both may change over time."""

    async def headers(self) -> Mapping[str, str]: ...

    def tls(self) -> ssl.SSLContext | bool: ...

    async def renew(self) -> bool:
        """Called after a 401; True if a second attempt may succeed."""
        ...


@dataclass(frozen=True)
class Overrides:
    """What a caller wants otherwise than a kubeconfig says; what is empty stays as it says.

    `cluster` and `user` are names in it, `authority`, `certificate` and `key` PEM files, `server_name` is what the
    server's certificate must carry. Source: client-go's clientcmd.ConfigOverrides.
    """

    cluster: str = ""
    user: str = ""
    server: str = ""
    server_name: str = ""
    authority: str = ""
    insecure: bool = False
    certificate: str = ""
    key: str = ""
    token: str = ""


AS_WRITTEN = Overrides()


def tls_context(authority: str, insecure: bool, certificate: str, key: str) -> ssl.SSLContext:
    """For connections to an API server. Without `authority` those of the system are trusted; `insecure` trusts all.

    Raises OSError (also ssl.SSLError) for files that cannot be used.
    """
    context = ssl.create_default_context(cafile=authority or None)
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(certificate, key or None)
    return context


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


@dataclass(frozen=True)
class Acting:
    """`inner`, but with a `token` of the caller's choice, or in the name of `user` with `uid` and `groups`.

    Source: Kubernetes' user impersonation; each group is a header of its own.
    """

    inner: Credentials
    token: str = ""
    user: str = ""
    groups: tuple[str, ...] = ()
    uid: str = ""

    async def headers(self) -> Mapping[str, str]:
        found = CIMultiDict(await self.inner.headers())
        if self.token:
            found["Authorization"] = f"Bearer {self.token}"
        if self.user:
            found["Impersonate-User"] = self.user
        if self.uid:
            found["Impersonate-Uid"] = self.uid
        for group in self.groups:
            found.add("Impersonate-Group", group)
        return found

    def tls(self) -> ssl.SSLContext | bool:
        return self.inner.tls()

    async def renew(self) -> bool:
        return not self.token and await self.inner.renew()
