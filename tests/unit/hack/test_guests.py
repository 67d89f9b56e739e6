"""The parts of the guest and image builders that think."""

from __future__ import annotations

import gzip
import lzma
import runpy
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hack.guests.flatkernel import KERNEL, flatten
from hack.guests.initramfs import write_initramfs

HACK = Path(__file__).resolve().parents[3] / "hack"


@pytest.fixture
def run_cloud_config(tmp_path: Path) -> Callable[[str], str]:
    """Translate #cloud-config and run the script in a folder; passwords and host name go to standard output."""

    def run(text: str) -> str:
        awk = HACK / "guests/tiny/usr/lib/tiny/cloud-config.awk"
        script = subprocess.run(["awk", "-f", awk], input=text, text=True, capture_output=True, check=True).stdout
        stand_ins = "chpasswd() { sed 's/^/password of /'; }\nhostname() { echo \"host name $1\"; }\n"
        done = subprocess.run(
            ["sh"], input=stand_ins + script, text=True, capture_output=True, check=True, cwd=tmp_path
        )
        return done.stdout

    return run


def test_cloud_config_sets_name_and_passwords(run_cloud_config: Callable[[str], str]) -> None:
    out = run_cloud_config(
        "#cloud-config\nfqdn: web.example.org\npassword: 'it''s $HOME'\nchpasswd:\n  list: |\n    root:a b\n"
    )
    assert out == "host name web\npassword of tiny:it's $HOME\npassword of root:a b\n"


def test_cloud_config_writes_files(run_cloud_config: Callable[[str], str], tmp_path: Path) -> None:
    run_cloud_config(
        "#cloud-config\n"
        "write_files:\n"
        "- path: a/script\n"
        "  permissions: '0750'\n"
        "  content: |\n"
        "    #!/bin/sh\n"
        '      echo "it\'s"\n'
        "\n"
        "- content: aGkK\n"
        "  encoding: b64\n"
        "  path: b\n"
        "- path: b\n"
        "  append: true\n"
        "  content: |-\n"
        "    no end of line\n"
    )
    assert (tmp_path / "a/script").read_text() == '#!/bin/sh\n  echo "it\'s"\n'
    assert (tmp_path / "a/script").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "b").read_text() == "hi\nno end of line"


def test_cloud_config_runs_commands_in_order(run_cloud_config: Callable[[str], str]) -> None:
    out = run_cloud_config(
        "#cloud-config\n"
        "runcmd:\n"
        "  - echo one > out; cat out\n"
        "  - [echo, \"two,  three\", 'four']\n"
        "  - |\n"
        "    x=five\n"
        "    echo $x\n"
        "  # a comment\n"
        '  - "echo \\"six\\""\n'
    )
    assert out == "one\ntwo,  three four\nfive\nsix\n"


VERSION_2 = """
version: 2
ethernets:
  first:
    match: {macaddress: "02:00:00:00:00:01"}
    addresses: [192.0.2.7/24, "2001:db8::7/64"]
    nameservers:
      addresses: [192.0.2.53]
  eth9:
    mtu: 1400
    addresses:
      - 192.0.2.9/24
      - '2001:db8::9/64'
    routes:
      - to: default
  last: {dhcp4: true}
"""
OPENSTACK = """
{"links": [{"type": "phy", "id": "one", "ethernet_mac_address": "02:00:00:00:00:03"},
           {"type": "phy", "id": "other", "ethernet_mac_address": "02:00:00:00:00:04"}],
 "networks": [{"link": "one", "ip_address": "192.0.2.3", "netmask": "255.255.255.0", "id": "4"},
              {"link": "other", "type": "ipv4_dhcp", "id": "5"},
              {"id": "6", "ip_address": "2001:db8::3", "netmask": "64", "link": "one"}]}
"""


@pytest.mark.parametrize(
    ("card", "mac", "addresses"),
    [
        ("eth0", "02:00:00:00:00:01", ["192.0.2.7/24", "2001:db8::7/64"]),
        ("eth9", "02:00:00:00:00:02", ["192.0.2.9/24", "2001:db8::9/64"]),
        ("eth0", "02:00:00:00:00:03", ["192.0.2.3/255.255.255.0", "2001:db8::3/64"]),
        ("eth0", "02:00:00:00:00:04", []),
    ],
)
def test_network_data_gives_a_card_its_addresses(tmp_path: Path, card: str, mac: str, addresses: list[str]) -> None:
    (tmp_path / "network-config").write_text(VERSION_2)
    (tmp_path / "network-data").write_text(OPENSTACK)
    (tmp_path / card).mkdir()
    (tmp_path / card / "address").write_text(f"{mac}\n")
    script = (HACK / "guests/tiny/usr/lib/tiny/network-data").read_text()
    for place in ("/run/seed", "/sys/class/net"):
        script = script.replace(place, str(tmp_path))
    done = subprocess.run(["sh", "-c", script, "sh", card], text=True, capture_output=True, check=True)
    assert done.stdout.split() == addresses


def elf_kernel(code: bytes = b"K" * 64) -> bytes:
    """A kernel of one segment at 16 MiB: 64 bytes of code, then zeros (.bss, .brk)."""
    names = b"\0.bss\0.brk\0.shstrtab\0"
    code_at, names_at, sections_at = 0x1000, 0x2000, 0x3000
    virtual = 0xFFFFFFFF81000000
    header = bytearray(64)
    struct.pack_into("<QQ", header, 32, 64, sections_at)
    struct.pack_into("<HHHHH", header, 54, 56, 1, 64, 3, 2)
    program = struct.pack("<IIQQQQQQ", 1, 5, code_at, virtual, 0x1000000, 64, 0x9000, 0x1000)
    sections = (
        (1, virtual + 64, 0, 0x100),
        (6, virtual + 0x2000, 0, 0x1000),
        (11, 0, names_at, len(names)),
    )
    out = bytearray(0x4000)
    out[: len(header) + len(program)] = bytes(header) + program
    out[code_at : code_at + 64] = code
    out[names_at : names_at + len(names)] = names
    for number, (name, address, offset, size) in enumerate(sections):
        struct.pack_into("<IIQQQQ", out, sections_at + 64 * number, name, 1, 0, address, offset, size)
    return bytes(out)


def bzimage(kernel: bytes) -> bytes:
    payload = lzma.compress(kernel) + struct.pack("<I", len(kernel))
    setup = bytearray(1024)
    setup[0:2], setup[0x1F1], setup[0x202:0x206] = b"MZ", 1, b"HdrS"
    struct.pack_into("<II", setup, 0x248, 16, len(payload))
    return bytes(setup) + b"stub".ljust(16, b"\0") + payload


def test_flat_kernel_lies_behind_its_entry() -> None:
    image = flatten(bzimage(elf_kernel()), b"enter")
    protected = image[1024:]
    assert protected.startswith(b"enter")
    assert protected[0x100000:].rstrip(b"\0") == b"K" * 64
    assert image[:2] != b"MZ"
    assert struct.unpack_from("<B", image, 0x234) == (0,), "must not be moved"
    assert struct.unpack_from("<Q", image, 0x258) == (0x100000,)
    assert struct.unpack_from("<I", image, 0x260) == (0x100000 + 0x3000,), "the gap, then all up to the end of .brk"


def test_flat_kernel_can_ask_for_more_memory() -> None:
    image = flatten(bzimage(elf_kernel()), b"enter", least_memory=64 << 20)
    assert struct.unpack_from("<I", image, 0x260) == ((64 << 20) - KERNEL // 2,)


def test_flat_kernel_starts_with_the_sysctls_it_is_given() -> None:
    virtual = 0xFFFFFFFF81000000
    table = struct.pack("<QQi", virtual + 1, virtual + 60, 4)
    code = (b"\0switch\0".ljust(16, b"\0") + table).ljust(60, b"K") + struct.pack("<i", 1)
    image = flatten(bzimage(elf_kernel(code)), b"enter", sysctls={"switch": 0})
    assert image[1024 + 0x100000 :][:64] == code[:60] + bytes(4)
    with pytest.raises(ValueError, match="kernel without sysctl swit"):
        flatten(bzimage(elf_kernel(code)), b"enter", sysctls={"swit": 0})
    long = code.replace(table, struct.pack("<QQi", virtual + 1, virtual + 56, 8))
    with pytest.raises(ValueError, match="switch is no int"):
        flatten(bzimage(elf_kernel(long)), b"enter", sysctls={"switch": 0})


def test_flat_kernel_refuses_other_files() -> None:
    with pytest.raises(ValueError, match="not a bzImage"):
        flatten(bytes(4096), b"enter")
    image = bytearray(bzimage(elf_kernel()))
    image[1024 + 16 : 1024 + 20] = b"????"
    with pytest.raises(ValueError, match="unknown kernel compression"):
        flatten(bytes(image), b"enter")


def test_initramfs_is_reproducible_and_complete(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "bin/tool").write_bytes(b"12345")
    (root / "sh").symlink_to("bin/tool")
    for name in ("first", "second"):
        write_initramfs(tmp_path / name, root)
    packed = (tmp_path / "first").read_bytes()
    assert packed == (tmp_path / "second").read_bytes()
    entries = cpio_entries(gzip.decompress(packed))
    assert entries["bin/tool"] == b"12345"
    assert entries["sh"] == b"bin/tool"
    assert entries["bin"] == b""


def cpio_entries(archive: bytes) -> dict[str, bytes]:
    entries: dict[str, bytes] = {}
    at = 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * number : at + 14 + 8 * number], 16) for number in range(13)]
        size, name_length = fields[6], fields[11]
        name = archive[at + 110 : at + 110 + name_length - 1].decode()
        if name == "TRAILER!!!":
            return entries
        start = at + (110 + name_length + 3) // 4 * 4
        entries[name] = archive[start : start + size]
        at = start + (size + 3) // 4 * 4


@pytest.fixture
def rootfs() -> dict[str, Any]:
    return runpy.run_path(str(HACK / "rootfs/rootfs.py"))


def test_rootfs_lists_are_expanded(rootfs: dict[str, Any], tmp_path: Path) -> None:
    for name in ("lib/a.py", "lib/deep/b.py", "lib/test/c.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    wanted, excluded = rootfs["parse"](f"# all of it\n{tmp_path}/lib\n!*/test/*  # but not these\n")
    found = {path.relative_to(tmp_path).as_posix() for path in rootfs["expand"](wanted, excluded)}
    assert found == {"lib/a.py", "lib/deep/b.py"}


def test_rootfs_glob_without_match_is_an_error(rootfs: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="nothing matches"):
        list(rootfs["expand"]([f"{tmp_path}/gone*"], []))


def test_rootfs_copies_what_links_point_to_and_drops_set_uid(rootfs: dict[str, Any], tmp_path: Path) -> None:
    source, root = tmp_path / "source", tmp_path / "root"
    source.mkdir()
    (source / "real").write_text("x")
    (source / "real").chmod(0o4755)
    (source / "link").symlink_to("real")
    rootfs["copy"]([source / "link"], root)
    copied = root / source.relative_to("/")
    assert (copied / "link").read_text() == "x"
    assert (copied / "real").stat().st_mode & 0o7777 == 0o755
