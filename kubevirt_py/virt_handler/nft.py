"""Loads an nftables document with the `nft` binary, in the namespace of the calling thread."""

from __future__ import annotations

import subprocess

import msgspec

from kubevirt_py.plan import Document

_DEADLINE_S = 20


class NftError(RuntimeError):
    """`nft` refused the document; the message is its own."""


def load(document: Document) -> None:
    """Apply `document` as one transaction. An empty one does nothing."""
    if not document["nftables"]:
        return
    done = subprocess.run(
        ["nft", "-j", "-f", "-"],
        input=msgspec.json.encode(document),
        capture_output=True,
        timeout=_DEADLINE_S,
        check=False,
    )
    if done.returncode != 0:
        raise NftError(f"nft ended with {done.returncode}: {(done.stderr or done.stdout).decode(errors='replace')}")
