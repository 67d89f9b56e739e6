"""A TPM 2.0 as a guest without a library talks to it: commands byte by byte, as part 3 of TCG's specification has them.

Numbers are hexadecimal; where a size is part of a command it stands in front of what it is the size of.
"""

from __future__ import annotations

import hashlib

from e2e.console import Console

SHA256 = "000b"
OWNER, NONE = "40000001", "40000007"
OWNERS_PASSWORD = "40000009" + "0000" + "00" + "0000"
"""Which is empty."""
POLICY_FAIL = 0x99D
"""TPM_RC_POLICY_FAIL of the first session."""
OWNER_MAY_WRITE, OWNER_MAY_READ, POLICY_MAY_READ = 1 << 1, 1 << 17, 1 << 19
PCR0 = "00000001" + SHA256 + "03" + "010000"
"""The selection of one PCR."""


class Tpm:
    """The TPM of a guest; what it refuses is an AssertionError."""

    def __init__(self, guest: Console) -> None:
        self._guest = guest

    def answer(self, code: str, handles: str, parameters: str, session: str = "") -> tuple[int, bytes]:
        """Send a command, authorised by a session if one is given; the answer's code, and what follows its header."""
        sized = f"{len(session) // 2:08x}{session}" if session else ""
        body = bytes.fromhex(code + handles + sized + parameters)
        command = bytes.fromhex("8002" if session else "8001") + (6 + len(body)).to_bytes(4, "big") + body
        self._guest.run("printf '" + "".join(f"\\{byte:03o}" for byte in command) + "' > /tmp/command")
        talk = "exec 3<>/dev/tpm0; cat /tmp/command >&3; dd bs=4096 count=1 <&3 2>/dev/null >/tmp/answer; exec 3>&-"
        self._guest.run(talk)
        said = bytes.fromhex("".join(self._guest.run("od -An -v -tx1 /tmp/answer").split()))
        return int.from_bytes(said[6:10], "big"), said[10:]

    def ask(self, code: str, handles: str, parameters: str, session: str = "") -> bytes:
        """What follows the header of an answer that says success."""
        result, said = self.answer(code, handles, parameters, session)
        assert result == 0, f"command {code} of the TPM ended with {result:#x}"
        return said

    def pcr(self, number: int) -> bytes:
        return bytes.fromhex(self._guest.run(f"cat /sys/class/tpm/tpm0/pcr-sha256/{number}"))

    def extend(self, number: int, event: bytes) -> None:
        """PCR_Extend by the digest of an event."""
        digest = hashlib.sha256(event).hexdigest()
        self.ask("00000182", f"{number:08x}", "00000001" + SHA256 + digest, OWNERS_PASSWORD)

    def define(self, index: str, size: int, *, policy: bytes = b"") -> None:
        """NV_DefineSpace: a place the owner may write, and read as well unless a policy says who may."""
        attributes = OWNER_MAY_WRITE | (POLICY_MAY_READ if policy else OWNER_MAY_READ)
        public = f"{index}{SHA256}{attributes:08x}{len(policy):04x}{policy.hex()}{size:04x}"
        self.ask("0000012a", OWNER, f"0000{len(public) // 2:04x}{public}", OWNERS_PASSWORD)

    def write(self, index: str, content: bytes) -> None:
        self.ask("00000137", OWNER + index, f"{len(content):04x}{content.hex()}0000", OWNERS_PASSWORD)

    def read(self, index: str, size: int) -> bytes:
        """By the owner."""
        return _content(self.ask("0000014e", OWNER + index, f"{size:04x}0000", OWNERS_PASSWORD))

    def unseal(self, index: str, size: int) -> bytes | None:
        """Read by the policy of `sealing`; None where the TPM says that PCR 0 is not what it has to be."""
        nonce = "0010" + "5a" * 16
        session = self.ask("00000176", NONE + NONE, nonce + "0000" + "01" + "0010" + SHA256)[:4].hex()
        self.ask("0000017f", session, "0000" + PCR0)
        result, said = self.answer("0000014e", index + index, f"{size:04x}0000", session + "0000" + "00" + "0000")
        if result == 0:
            return _content(said)
        assert result == POLICY_FAIL, f"NV_Read ended with {result:#x}"
        self.ask("00000165", "", session)
        return None


def sealing(pcr0: bytes) -> bytes:
    """The digest of the policy that wants PCR 0 to have this value (PolicyPCR)."""
    return hashlib.sha256(bytes(32) + bytes.fromhex("0000017f" + PCR0) + hashlib.sha256(pcr0).digest()).digest()


def _content(said: bytes) -> bytes:
    """What NV_Read answers, behind the size of its parameters."""
    size = int.from_bytes(said[4:6], "big")
    return said[6 : 6 + size]
