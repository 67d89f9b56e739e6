"""A guest's DHCP clients, told to renew a lease, or to give it back and ask anew."""

from __future__ import annotations

from e2e.console import Console
from e2e.kubectl import eventually

SAID = "/run/renewal"
ATTEMPTS = 5


def renewed(guest: Console, card: str, address: str, server: str) -> bool:
    """Whether a client that holds `address` asks its server alone to keep it, and is answered (RFC 2131, RENEWING).

    udhcpc asks by a socket of its own that it closes at once, and so misses an answer that is faster. It then asks all
    servers, which is no renewal: it is told again.
    """
    guest.run(f"{{ udhcpc -f -i {card} -r {address} -s /bin/true >{SAID} 2>&1 & echo $! >{SAID}.pid; }}")
    try:
        _obtained(guest, 1)
        for attempt in range(ATTEMPTS):
            guest.run(f"kill -USR1 $(cat {SAID}.pid)")
            said = _obtained(guest, attempt + 2)
            if said == [f"sending renew to server {server}", f"lease of {address} obtained from {server}"]:
                return True
        return False
    finally:
        guest.run(f"kill $(cat {SAID}.pid)")


def _obtained(guest: Console, times: int) -> list[str]:
    """What the client has said since it got its lease the last time, once it has got it so often."""
    assert eventually(lambda: guest.run(f"grep -c obtained {SAID}; true") == str(times), 30), guest.run(f"cat {SAID}")
    lines = [line.removeprefix("udhcpc: ").partition(",")[0] for line in guest.run(f"cat {SAID}").splitlines()]
    before = [number for number, line in enumerate(lines) if "obtained" in line][:-1]
    return lines[before[-1] + 1 :] if before else lines


def leased_again(guest: Console, card: str, address: str) -> None:
    """See that DHCPv6 gives an address back to a client that gave it up.

    Its lease is for ever, and such a one no client renews (RFC 8415, section 14.2).
    """
    held = f"ip -6 addr show dev {card} | grep -c 'inet6 {address}/'"
    assert guest.attempt(held)[0] == "1"
    guest.run("kill $(cat /run/dhcp6c.pid)")
    guest.until(held, "0", 20)
    guest.run("/usr/lib/tiny/lease6")
    guest.until(held, "1", 20)
