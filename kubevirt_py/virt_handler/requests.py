"""What users ask of a running guest, by the name of its subresource."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from kubevirt_py.decide.guest_state import PRELAUNCH
from kubevirt_py.decide.guest_status import info_document
from kubevirt_py.plan import Document
from kubevirt_py.virt_handler.guest import Guest
from kubevirt_py.virt_handler.guestagent import AgentSilent


async def pause(guest: Guest) -> None:
    await guest.monitor.execute("stop")


async def unpause(guest: Guest) -> None:
    if guest.run_state == PRELAUNCH:
        guest.record.resumed = True
        guest.hosted.save()
    await guest.monitor.execute("cont")


async def reset(guest: Guest) -> None:
    await guest.monitor.execute("system_reset")


async def soft_reboot(guest: Guest) -> None:
    """By the agent in the guest where there is one; else the power button, and on again after the shutdown."""
    if guest.agent.connected:
        await guest.channel.reboot()
        return
    guest.record.rebooting = True
    guest.hosted.save()
    await guest.monitor.execute("system_powerdown")


ACTIONS: dict[str, Callable[[Guest], Awaitable[None]]] = {
    "pause": pause,
    "unpause": unpause,
    "softreboot": soft_reboot,
    "reset": reset,
}


async def guest_os_info(guest: Guest) -> Document:
    """Raises AgentSilent."""
    info = await guest.channel.inform()
    if info is None:
        raise AgentSilent("no answer in time")
    return info_document(info, await _or_none(guest.channel.users), await _or_none(guest.channel.filesystems))


async def _or_none(question: Callable[[], Awaitable[list[Document]]]) -> list[Document]:
    """A part of an answer that an old agent may not know."""
    try:
        return await question()
    except AgentSilent:
        return []


async def user_list(guest: Guest) -> Document:
    """Raises AgentSilent."""
    return _list("VirtualMachineInstanceGuestOSUserList", await guest.channel.users())


async def filesystem_list(guest: Guest) -> Document:
    """Raises AgentSilent."""
    return _list("VirtualMachineInstanceFileSystemList", await guest.channel.filesystems())


def _list(kind: str, items: list[Document]) -> Document:
    return {"apiVersion": "subresources.kubevirt.io/v1", "kind": kind, "metadata": {}, "items": items}


QUESTIONS: dict[str, Callable[[Guest], Awaitable[Document]]] = {
    "guestosinfo": guest_os_info,
    "userlist": user_list,
    "filesystemlist": filesystem_list,
}
