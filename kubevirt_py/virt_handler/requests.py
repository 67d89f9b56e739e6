"""What users ask of a running guest, by the name of its subresource."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from kubevirt_py.decide.guest_state import PAUSED, PRELAUNCH
from kubevirt_py.decide.guest_status import info_document
from kubevirt_py.plan import Document
from kubevirt_py.virt_handler import guestcommands, guestfacts
from kubevirt_py.virt_handler.guest import Guest
from kubevirt_py.virt_handler.guestagent import AgentError, AgentSilent, Channel

log = logging.getLogger(__name__)


async def pause(guest: Guest) -> None:
    await guest.monitor.execute("stop")


async def unpause(guest: Guest) -> None:
    """A guest that has not begun and waits for hotpluggable volumes begins when it has them."""
    if guest.run_state == PRELAUNCH:
        guest.record.resumed = True
        guest.hosted.save()
        if guest.hotplug.incomplete:
            return
    await guest.monitor.execute("cont")


async def reset(guest: Guest) -> None:
    """A paused guest stays paused: QEMU has it stand before its first instruction then, as one that starts paused."""
    if (await guest.monitor.execute("query-status"))["status"] == PAUSED:
        guest.record.start_paused, guest.record.resumed = True, False
        guest.hosted.save()
    await guest.monitor.execute("system_reset")


async def soft_reboot(guest: Guest) -> None:
    """By the agent in the guest where one does it; else by the power button, and on again after the shutdown.

    Raises AgentError where the guest has no power button either.
    """
    if guest.agent.connected:
        try:
            await guestcommands.shut_down(guest.channel, "reboot")
            return
        except AgentError as error:
            if guest.machine is None or not guest.machine.platform.acpi:
                raise
            log.info("the agent does not reboot its guest", extra={"vmi": str(guest.key), "error": str(error)})
    guest.steering.expect_reboot()
    await guest.monitor.execute("system_powerdown")


async def freeze(guest: Guest, timeout_s: float | None) -> None:
    """For at most `timeout_s`, by default five minutes, without limit for 0. Raises AgentError."""
    await guest.freezer.freeze(timeout_s)


async def unfreeze(guest: Guest) -> None:
    """Raises AgentError."""
    await guest.freezer.thaw()


ACTIONS: dict[str, Callable[[Guest], Awaitable[None]]] = {
    "pause": pause,
    "unpause": unpause,
    "softreboot": soft_reboot,
    "reset": reset,
    "unfreeze": unfreeze,
}


async def guest_os_info(guest: Guest) -> Document:
    """A frozen guest's agent answers next to nothing, so it is what it said before. Raises AgentSilent."""
    channel = guest.channel
    info = (guest.agent.info if guest.freezer.frozen else None) or await guestfacts.inform(channel)
    if info is None:
        raise AgentSilent("no answer in time")
    users, filesystems = await _or_none(guestfacts.users, channel), await _or_none(guestfacts.filesystems, channel)
    load = await guestfacts.load(channel)
    return info_document(info, users, filesystems, load, frozen=guest.freezer.frozen)


async def _or_none(question: Callable[[Channel], Awaitable[list[Document]]], channel: Channel) -> list[Document]:
    """A part of an answer that an old agent may not know."""
    try:
        return await question(channel)
    except AgentError:
        return []


async def user_list(guest: Guest) -> Document:
    """Raises AgentError."""
    return _list("VirtualMachineInstanceGuestOSUserList", await guestfacts.users(guest.channel))


async def filesystem_list(guest: Guest) -> Document:
    """Raises AgentError."""
    return _list("VirtualMachineInstanceFileSystemList", await guestfacts.filesystems(guest.channel))


def _list(kind: str, items: list[Document]) -> Document:
    return {"apiVersion": "subresources.kubevirt.io/v1", "kind": kind, "metadata": {}, "items": items}


QUESTIONS: dict[str, Callable[[Guest], Awaitable[Document]]] = {
    "guestosinfo": guest_os_info,
    "userlist": user_list,
    "filesystemlist": filesystem_list,
}
