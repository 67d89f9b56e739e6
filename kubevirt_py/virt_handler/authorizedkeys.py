"""Sets a user's SSH keys by the agent in the guest: by its own command, or for old agents by writing the file."""

from __future__ import annotations

from collections.abc import Sequence

from kubevirt_py.virt_handler import guestcommands
from kubevirt_py.virt_handler.guestagent import TEXT, AgentRefused, Channel

RUN_S = 10.0
_WRITE = (
    "umask 077 && mkdir -p ~/.ssh && cat > ~/.ssh/authorized_keys.new"
    " && mv -f ~/.ssh/authorized_keys.new ~/.ssh/authorized_keys"
)


async def set_keys(channel: Channel, user: str, keys: Sequence[str]) -> None:
    """Make `keys` the user's authorized keys, all of them. Raises AgentError."""
    try:
        await guestcommands.set_keys(channel, user, keys)
    except AgentRefused as error:
        if not error.unknown:
            raise
        await _write_file(channel, user, keys)


async def _write_file(channel: Channel, user: str, keys: Sequence[str]) -> None:
    """As the user itself, so that links in its home lead nowhere it could not go anyway."""
    if user.startswith("-"):
        raise AgentRefused(f"{user!r} is not the name of a user")
    text = "".join(f"{key}\n" for key in keys).encode()
    written = await guestcommands.run(channel, ["su", "-s", "/bin/sh", "-c", _WRITE, user], RUN_S, stdin=text)
    if written.code:
        raise AgentRefused(f"the keys of {user} cannot be written: {written.errors.decode(errors='replace')[:TEXT]}")
