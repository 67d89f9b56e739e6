"""A virtual machine's life as its owner sees it: start, log in, stop, restart, pause, delete."""

from __future__ import annotations

import json
import re
import socket
import subprocess

from e2e import machines
from e2e.console import console
from e2e.kubectl import VIRTCTL, Namespace, condition, eventually, status


def test_the_upstream_style_manifest_starts_by_hand(own: Namespace) -> None:
    machine = machines.vm("halted", "Halted", memory="64M", terminationGracePeriodSeconds=0)
    own.apply(machines.with_disk(machine, "cloudinitdisk", machines.user_data("echo printed from cloud-init userdata")))
    own.until_printed("halted", "Stopped")
    assert "VM halted was scheduled to start" in own.virtctl("start", "halted")
    own.until_printed("halted", "Running")
    header, row = own.kubectl("get", "vm", "halted").splitlines()
    assert header.split() == ["NAME", "AGE", "STATUS", "READY"]
    assert row.split()[2:] == ["Running", "True"]
    header, row = own.kubectl("get", "vmi", "halted").splitlines()
    assert header.split() == ["NAME", "AGE", "PHASE", "IP", "NODENAME", "READY"]
    assert row.split()[2] == "Running"
    with console(own.name, "halted") as guest:
        guest.send("\n")
        guest.expect("halted login: ", 120)
    assert "VM halted was scheduled to stop" in own.virtctl("stop", "halted")
    own.until_gone("vmi", "halted")
    own.until_printed("halted", "Stopped")


def test_the_first_boot_runs_the_user_data_and_a_panic_another_guest(own: Namespace) -> None:
    vm = machines.vm("told", "RerunOnFailure", memory="128Mi")
    vm["spec"]["template"]["spec"]["domain"]["devices"]["panicDevices"] = [{"model": "pvpanic"}]
    own.apply(machines.with_disk(vm, "cloudinit", machines.user_data("echo from-user-data > /tmp/made")))
    uid = own.until_phase("told", "Running")["metadata"]["uid"]
    with console(own.name, "told") as guest:
        guest.login()
        guest.until("cat /tmp/made", "from-user-data")
        assert guest.run("hostname") == "told"
        guest.send("echo c > /proc/sysrq-trigger\n")
        own.until("vmi", "told", lambda vmi: vmi and vmi["metadata"]["uid"] != uid, "another instance")
    assert "GuestPanicked" in {event["reason"] for event in own.events("told")}


def test_a_normal_start_warns_of_nothing(own: Namespace) -> None:
    own.apply(machines.vm("calm"))
    own.until_printed("calm", "Running")

    def reasons() -> set[str]:
        return {event["reason"] for event in own.events("calm")}

    wanted = {"SuccessfulCreate", "Created", "Started"}
    assert eventually(lambda: wanted <= reasons(), 30), f"events are sent in the background; these are {reasons()}"
    assert [event["note"] for event in own.events("calm") if event["type"] == "Warning"] == []


def test_poweroff_inside_the_guest_follows_the_run_strategy(own: Namespace) -> None:
    own.apply(machines.vm("always", "Always"), machines.vm("once", "Once"))
    first = own.until_phase("always", "Running")["metadata"]["uid"]
    own.until_phase("once", "Running")
    for name in ("always", "once"):
        with console(own.name, name) as guest:
            guest.login()
            guest.send("poweroff\n")
            own.until(
                "vmi",
                name,
                lambda vmi: not vmi or vmi["metadata"]["uid"] != first or status(vmi, "phase") == "Succeeded",
                "powered off",
            )
    own.until_phase("once", "Succeeded")
    own.until(
        "vmi",
        "always",
        lambda vmi: vmi and vmi["metadata"]["uid"] != first and status(vmi, "phase") == "Running",
        "started again as a new instance",
    )


def test_restart_gives_a_new_instance_of_the_same_board(own: Namespace, nodes: tuple[str, ...]) -> None:
    own.apply(machines.vm("again"))
    first = own.until_phase("again", "Running")
    board = first["status"]["machine"]["type"]
    assert (first["spec"]["domain"]["machine"]["type"], board[:7]) == ("q35", "pc-q35-")
    assert "VM again was scheduled to restart" in own.virtctl("restart", "again")
    uid = first["metadata"]["uid"]
    second = own.until(
        "vmi",
        "again",
        lambda vmi: vmi and vmi["metadata"]["uid"] != uid and status(vmi, "phase") == "Running",
        "running as a new instance",
    )
    assert second["spec"]["domain"]["machine"]["type"] == second["status"]["machine"]["type"] == board
    vm = own.get("vm", "again")
    assert vm["spec"]["template"]["spec"]["domain"]["machine"]["type"] == "q35"
    assert not condition(vm, "RestartRequired")
    labels = [own.get("node", node)["metadata"]["labels"] for node in nodes]
    assert all(f"machine-type.node.kubevirt.io/{board}" in found for found in labels)


def test_pause_and_unpause_show_in_status_and_the_guest_goes_on(own: Namespace) -> None:
    own.apply(machines.vmi("still"))
    own.until_phase("still", "Running")
    own.virtctl("pause", "vmi", "still")
    own.until("vmi", "still", lambda vmi: condition(vmi, "Paused").get("status") == "True", "paused")
    own.virtctl("unpause", "vmi", "still")
    own.until("vmi", "still", lambda vmi: condition(vmi, "Paused").get("status") != "True", "running on")
    with console(own.name, "still") as guest:
        guest.login()


def test_manual_machines_start_and_stop_only_on_request(own: Namespace) -> None:
    own.apply(machines.vm("manual", "Manual"))
    own.until_printed("manual", "Stopped")
    own.virtctl("start", "manual")
    own.until_printed("manual", "Running")
    own.virtctl("stop", "manual")
    own.until_gone("vmi", "manual")
    own.until_printed("manual", "Stopped")


def test_reset_restarts_the_guest_in_place(own: Namespace) -> None:
    own.apply(machines.vmi("reset"))
    first = own.until_phase("reset", "Running")
    with console(own.name, "reset") as guest:
        guest.login()
        before = guest.run("cat /proc/sys/kernel/random/boot_id")
        own.virtctl("reset", "reset")
        guest.expect("login: ", 90)
        guest.login()
        assert guest.run("cat /proc/sys/kernel/random/boot_id") != before
    assert own.get("vmi", "reset")["metadata"]["uid"] == first["metadata"]["uid"]
    assert status(own.get("vmi", "reset"), "phase") == "Running"


def test_a_second_console_ends_the_first(own: Namespace) -> None:
    own.apply(machines.vmi("seat"))
    own.until_phase("seat", "Running")
    with console(own.name, "seat") as first:
        first.login()
        with console(own.name, "seat") as second:
            second.login()
            first.ended()
            assert re.search(r"\d", second.run("cat /proc/uptime"))


def test_vnc_speaks_rfb(own: Namespace) -> None:
    own.apply(machines.vmi("screen"))
    own.until_phase("screen", "Running")
    command = [*VIRTCTL, "-n", own.name, "vnc", "screen", "--proxy-only"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = json.loads(process.stdout.readline())["port"]
            with socket.create_connection(("127.0.0.1", port), timeout=20) as screen:
                screen.settimeout(20)
                assert screen.recv(12) == b"RFB 003.008\n"
        finally:
            process.terminate()
