"""Cloud-init volumes: where user data and network data come from, and how large they may be."""

from __future__ import annotations

import binascii
from collections.abc import Iterator

from kubevirt_py.plan import Document
from kubevirt_py.render.causes import DUPLICATE, INVALID, REQUIRED, Cause
from kubevirt_py.render.cloudinit import decoded

SOURCES = ("cloudInitNoCloud", "cloudInitConfigDrive")
MAX_INLINE_BYTES = 2048
USER_DATA = ("userData", "userDataBase64", "secretRef")
NETWORK_DATA = ("networkData", "networkDataBase64", "networkDataSecretRef")


def check(volumes: list[Document], path: str) -> Iterator[Cause]:
    found = [
        (f"{path}.volumes[{index}].{source}", volume[source])
        for index, volume in enumerate(volumes)
        for source in SOURCES
        if source in volume
    ]
    for field, _ in found[1:]:
        yield Cause(field, DUPLICATE, f"only one cloud-init volume is possible; the first is {found[0][0]}")
    for field, source in found:
        if not any(source.get(key) for key in (*USER_DATA, *NETWORK_DATA)):
            yield Cause(
                field, REQUIRED, f"set user data or network data, by one of: {', '.join(USER_DATA + NETWORK_DATA)}"
            )
        yield from _part(source, field, USER_DATA)
        yield from _part(source, field, NETWORK_DATA)


def _part(source: Document, field: str, keys: tuple[str, ...]) -> Iterator[Cause]:
    given = [key for key in keys if source.get(key)]
    if len(given) > 1:
        yield Cause(f"{field}.{given[1]}", INVALID, f"set only one of: {', '.join(keys)}")
    for key in given:
        if key == keys[2]:
            if not source[key].get("name"):
                yield Cause(f"{field}.{key}.name", REQUIRED, "must name a Secret in the same namespace")
        else:
            yield from _inline(source[key], f"{field}.{key}", keys[2], encoded=key == keys[1])


def _inline(text: str, field: str, secret_key: str, *, encoded: bool) -> Iterator[Cause]:
    data = text.encode(errors="surrogatepass")
    if encoded:
        try:
            data = decoded(data)
        except binascii.Error as error:
            yield Cause(field, INVALID, f"is not base64: {error}")
            return
    if len(data) > MAX_INLINE_BYTES:
        yield Cause(
            field,
            INVALID,
            f"has {len(data)} bytes; at most {MAX_INLINE_BYTES} may stand in the object: "
            f"put it into a Secret and name that in {secret_key}",
        )
