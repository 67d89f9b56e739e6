"""The stub's dealings with files that a tenant made, and its size."""

from __future__ import annotations

import ast
import json
import os
import socket
import struct
import sys
from pathlib import Path

import pytest

from kubevirt_py.virt_launcher import companions, consolelog, files, locks, memorydump, share, stub

SOURCES = [Path(module.__file__ or "") for module in (stub, files, locks, companions, consolelog, memorydump, share)]


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    root = tmp_path / "volume"
    (root / "disk").mkdir(parents=True)
    (root / "disk" / "image.qcow2").write_bytes(_qcow2(1 << 30))
    (tmp_path / "secret").write_text("not yours")
    return root


def _qcow2(size: int, version: int = 3, features: int = 0) -> bytes:
    return struct.pack(">4sIQIIQ", b"QFI\xfb", version, 0, 0, 16, size).ljust(72, b"\0") + struct.pack(
        ">QQ", features, 0
    )


def _perform(*steps: dict[str, object]) -> dict[str, dict[str, object]]:
    table: dict[str, int] = {}
    try:
        return files.perform(list(steps), table)[0]
    finally:
        for fd in table.values():
            os.close(fd)


def test_the_only_file_of_an_image_is_its_disk(volume: Path) -> None:
    facts = _perform({"do": "open", "name": "base.a", "root": str(volume), "read_only": True, "probe": True})
    assert (facts["base.a"]["format"], facts["base.a"]["size"]) == ("qcow2", 1 << 30)


def test_block_sizes_of_a_file_are_its_file_systems(volume: Path) -> None:
    facts = _perform({"do": "open", "name": "a", "root": str(volume), "read_only": True})
    assert facts["a"]["blocks"] == [os.statvfs(volume).f_bsize] * 2


def test_an_image_with_two_files_must_be_named(volume: Path) -> None:
    (volume / "disk" / "other.img").write_bytes(b"x" * 512)
    with pytest.raises(files.Refused, match=r"2 files in /disk; name one in containerDisk\.path"):
        _perform({"do": "open", "name": "a", "root": str(volume), "read_only": True})
    named = {"do": "open", "name": "a", "root": str(volume), "path": "/disk/other.img", "read_only": True}
    found = _perform(named)["a"]
    assert (found["format"], found["size"], found["block"]) == ("raw", 512, False)


def test_a_name_that_is_no_utf8_can_be_opened_and_told(volume: Path) -> None:
    """The agent takes a message with half a character for nonsense, and the user would learn nothing."""
    (volume / "disk" / "image.qcow2").unlink()
    image = volume / "disk" / os.fsdecode(b"caf\xe9.img")
    image.write_bytes(b"x" * 512)
    step: dict[str, object] = {"do": "open", "name": "a", "root": str(volume), "read_only": True}
    assert _perform(step)["a"]["size"] == 512
    image.unlink()
    os.symlink("nowhere", image)
    with pytest.raises(files.Refused, match="image of volume volume has 0 files in /disk"):
        _perform(step)
    with pytest.raises(files.Refused) as refused:
        _perform({**step, "path": f"disk/{image.name}"})
    assert str(refused.value).encode() == os.fsencode(volume) + b"/disk/caf\\xe9.img: Too many levels of symbolic links"


@pytest.mark.parametrize(
    "path", ["../secret", "disk/../../secret", "link", "folder/secret", "disk", "pipe", "gone", "/"]
)
def test_nothing_but_files_of_the_volume(volume: Path, path: str) -> None:
    (volume / "link").symlink_to("../secret")
    (volume / "folder").symlink_to("..")
    os.mkfifo(volume / "pipe")
    with pytest.raises(files.Refused):
        _perform({"do": "open", "name": "a", "root": str(volume), "path": path, "read_only": True})


def test_an_image_that_points_elsewhere_is_refused(volume: Path) -> None:
    (volume / "disk" / "image.qcow2").write_bytes(_qcow2(1 << 20, features=1 << 2))
    with pytest.raises(files.Refused, match="keeps its data in another file"):
        _perform({"do": "open", "name": "a", "root": str(volume), "read_only": True, "probe": True})


def test_what_a_guest_could_write_is_never_probed(volume: Path) -> None:
    facts = _perform({"do": "open", "name": "a", "root": str(volume), "path": "disk/image.qcow2"})
    assert facts["a"]["format"] == "raw"


def test_a_claim_without_a_disk_gets_a_sparse_one_and_keeps_it(tmp_path: Path) -> None:
    step: dict[str, object] = {"do": "create", "name": "a", "root": str(tmp_path), "path": "disk.img", "size": 1 << 30}
    assert _perform(step)["a"]["size"] == 1 << 30
    assert (tmp_path / "disk.img").stat().st_blocks == 0
    (tmp_path / "disk.img").write_bytes(b"data")
    assert _perform(step)["a"]["size"] == 4


def test_a_file_that_has_all_its_space_is_told_from_one_with_holes(tmp_path: Path) -> None:
    step: dict[str, object] = {"do": "create", "name": "a", "root": str(tmp_path), "path": "disk.img", "size": 1 << 20}
    assert _perform(step)["a"]["allocated"] is False
    with open(tmp_path / "disk.img", "r+b") as disk:
        os.posix_fallocate(disk.fileno(), 0, 1 << 20)
    assert _perform(step)["a"]["allocated"] is True


def test_a_volume_named_as_a_device_is_its_file_system(tmp_path: Path) -> None:
    for name in ("null", "shm", "kvm"):
        step: dict[str, object] = {"do": "create", "name": "a", "root": str(tmp_path), "path": "disk.img", "size": 4096}
        assert _perform({**step, "device": f"/dev/{name}"})["a"]["size"] == 4096


def test_a_file_that_outlives_its_pod_is_seeded_once(tmp_path: Path) -> None:
    (tmp_path / "template").write_bytes(b"new" * 100)
    step: dict[str, object] = {"do": "seed", "name": "vars", "root": str(tmp_path), "path": "vars.fd"}
    step["source"] = str(tmp_path / "template")
    (tmp_path / "vars.fd").write_bytes(b"cut off")
    assert _perform(step)["vars"]["size"] == 300
    (tmp_path / "vars.fd").write_bytes(b"old" * 100)
    _perform(step)
    assert (tmp_path / "vars.fd").read_bytes() == b"old" * 100


@pytest.mark.parametrize("do", ["seed", "create"])
def test_what_is_made_in_a_volume_never_follows_a_link(tmp_path: Path, do: str) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (tmp_path / "secret").write_text("not yours")
    (volume / "disk.img").symlink_to("../secret")
    with pytest.raises(files.Refused, match="symbolic links"):
        _perform({"do": do, "name": "a", "root": str(volume), "path": "disk.img", "size": 4096, "source": "/dev/null"})
    assert (tmp_path / "secret").read_text() == "not yours"


def test_servers_of_shares_are_waited_for(tmp_path: Path) -> None:
    table: dict[str, int] = {}
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "data.sock"))
        server.listen()
        companions.call([{"name": "fs.data", "socket": str(tmp_path / "data.sock")}], table)
        peer, _ = server.accept()
        with peer, socket.socket(fileno=table["fs.data"]) as ours:
            ours.sendall(b"x")
            assert peer.recv(1) == b"x"


def test_a_share_without_server_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(companions, "CONNECT_S", 0.0)
    with pytest.raises(files.Refused, match=r"fs\.data: virtiofsd does not answer"):
        companions.call([{"name": "fs.data", "socket": str(tmp_path / "none.sock")}], {})


def test_a_network_that_is_a_process_is_waited_for_and_left_to_qemu(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "passt.sock"))
        server.listen()
        companions.wait_for([{"name": "default", "socket": str(tmp_path / "passt.sock")}])
        peer, _ = server.accept()
        with peer:
            assert peer.recv(1) == b""


def test_passt_that_does_not_come_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(companions, "CONNECT_S", 0.0)
    with pytest.raises(files.Refused, match=r"interface default: passt \(see the log of the pod's container passt\)"):
        companions.wait_for([{"name": "default", "socket": str(tmp_path / "none.sock")}])


def test_secrets_keep_every_byte(tmp_path: Path) -> None:
    content = bytes(range(256)) + b"\r\n"
    (tmp_path / "userdata").write_bytes(content)
    (tmp_path / "..data").mkdir()
    fd = files.secret(str(tmp_path))
    entries = json.loads(os.pread(fd, 1 << 20, 0))
    os.close(fd)
    assert {key: text.encode("latin-1") for key, text in entries.items()} == {"userdata": content}


def test_projected_files_are_read_whole_with_their_folders(tmp_path: Path) -> None:
    """As the kubelet lays them out: links into a folder that it swaps at once."""
    (tmp_path / "..2026" / "meta").mkdir(parents=True)
    (tmp_path / "..2026/meta/labels").write_text("a=b")
    (tmp_path / "..2026/.dockerconfigjson").write_text("{}")
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "meta").symlink_to("..data/meta")
    (tmp_path / ".dockerconfigjson").symlink_to("..data/.dockerconfigjson")
    fd = files.secret(str(tmp_path))
    assert json.loads(os.pread(fd, 1 << 20, 0)) == {"meta/labels": "a=b", ".dockerconfigjson": "{}"}
    os.close(fd)


def test_copies_are_placed_and_opened(tmp_path: Path) -> None:
    source = os.memfd_create("iso")
    os.write(source, b"x" * 8192)
    table = {"iso.ci": source}
    files.copy_out([{"source": "iso.ci", "name": "disk.ci", "root": str(tmp_path), "path": "ns/vm/noCloud.iso"}], table)
    assert (tmp_path / "ns/vm/noCloud.iso").read_bytes() == b"x" * 8192
    assert os.fstat(table["disk.ci"]).st_size == 8192
    os.close(table["disk.ci"])


def test_a_copy_is_whole_though_the_kernel_sends_it_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sendfile = os.sendfile
    monkeypatch.setattr(os, "sendfile", lambda out, source, at, count: sendfile(out, source, at, min(count, 3)))
    source = os.memfd_create("iso")
    os.write(source, b"0123456789")
    table = {"iso.ci": source}
    files.copy_out([{"source": "iso.ci", "name": "disk.ci", "root": str(tmp_path), "path": "ci.iso"}], table)
    os.close(table.pop("disk.ci"))
    assert (tmp_path / "ci.iso").read_bytes() == b"0123456789"


def test_a_cut_off_message_is_refused() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        theirs.close()
        with pytest.raises(ConnectionError):
            stub.receive(ours)


def test_it_is_small_and_needs_the_standard_library_only() -> None:
    imported = set()
    for source in SOURCES:
        tree = ast.parse(source.read_text())
        imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert len(source.read_text().splitlines()) < 200
    imported -= {f"kubevirt_py.virt_launcher.{source.stem}" for source in SOURCES}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names
    assert not imported & {"asyncio", "logging", "pathlib", "typing"}


def _dump(root: Path, file: str = "vm-core-20260501-120000.memory.dump", size: int = 1) -> int:
    return memorydump.dump({"root": str(root), "file": file, "older": ["vm-core-", ".memory.dump"], "size": size})


def test_a_dump_takes_the_place_of_its_machines_own_dumps_alone(tmp_path: Path) -> None:
    """A folder of that name is a tenant's, and so is what a dump of another machine is called."""
    mine = {"vm-core-20250101-000000.memory.dump", "vm-core-20260501-120000.memory.dump"}
    others = {"vm-core-core-20250101-000000.memory.dump", "x-core-20250101-000000.memory.dump", "disk.img"}
    for name in mine | others:
        (tmp_path / name).write_text("old")
    (tmp_path / "vm-core-20250101-000001.memory.dump").mkdir()
    fd = _dump(tmp_path)
    os.write(fd, b"core")
    os.close(fd)
    left = {each.name for each in tmp_path.iterdir() if each.is_file()}
    assert left == {"vm-core-20260501-120000.memory.dump", *others}
    assert (tmp_path / "vm-core-20260501-120000.memory.dump").read_bytes() == b"core"


def test_a_dump_is_never_written_through_a_link_that_comes_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, outside = tmp_path / "claim", tmp_path / "outside"
    claim.mkdir()
    real = os.fstatvfs

    def swap(fd: int) -> os.statvfs_result:
        (claim / "vm-core-20260501-120000.memory.dump").symlink_to(outside)
        return real(fd)

    monkeypatch.setattr(os, "fstatvfs", swap)
    with pytest.raises(files.Refused, match="File exists"):
        _dump(claim)
    assert not outside.exists()


def test_a_claim_mounted_by_a_link_or_without_files_takes_no_dump(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(OSError, match="Not a directory"):
        _dump(tmp_path / "link")
    with pytest.raises(files.Refused, match="volumeMode Filesystem"):
        _dump(tmp_path / "nothing")


def test_a_claim_without_room_is_told(tmp_path: Path) -> None:
    with pytest.raises(files.Refused, match=r"the claim has \d+ MiB left, a dump needs 1099511627776 MiB"):
        _dump(tmp_path, size=1 << 60)


@pytest.mark.parametrize(("name", "code"), [("livenessProbe", 0), ("readinessProbe", 1)])
def test_a_node_agent_that_is_stuck_kills_no_guest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    path = str(tmp_path / "agent")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stuck:
        stuck.bind(path)
        stuck.listen()
        monkeypatch.setattr(stub, "AGENT_SOCKET", path)
        assert stub.probe(name, 0.1) == code
