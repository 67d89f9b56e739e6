"""create: the manifests, by golden files and by the API's own rules."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubevirt_py.api.base import Model
from kubevirt_py.api.clone_v1beta1 import VirtualMachineClone
from kubevirt_py.api.instancetype_v1beta1 import VirtualMachineInstancetype
from kubevirt_py.api.preference_v1beta1 import VirtualMachinePreference
from kubevirt_py.api.v1.vm import VirtualMachine
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.parse import parse_causes
from kubevirt_py.render.validate import validate_vm_create
from tests.unit.virtctl.conftest import Shell

MODELS: dict[str, type[Model]] = {
    "VirtualMachine": VirtualMachine,
    "VirtualMachineClone": VirtualMachineClone,
    "VirtualMachineClusterInstancetype": VirtualMachineInstancetype,
    "VirtualMachineClusterPreference": VirtualMachinePreference,
    "VirtualMachineInstancetype": VirtualMachineInstancetype,
    "VirtualMachinePreference": VirtualMachinePreference,
}
USER_DATA = base64.b64encode(b"#cloud-config\n").decode()

# What this release runs; admission takes it as it is.
RUNNABLE = {
    "plain": ["--name", "my-vm"],
    "containerdisk": ["--name=my-vm", "--memory=1Gi", "--volume-containerdisk=src:my.registry/img:my-tag", "-n=ns"],
    "boot_order": ["--name=my-vm", "--volume-containerdisk=src:i,bootorder:2", "--volume-pvc=src:c,name:d,bootorder:1",
                   "--infer-instancetype=false", "--infer-preference=false"],
    "login": ["--name=my-vm", "--user=me", "--ssh-key=ssh-ed25519 AAAA a,ssh-ed25519 BBBB b", "--ssh-key=ssh-rsa CC",
              "--ga-manage-ssh", "--run-strategy=halted"],
    "config_drive": ["--name=my-vm", "--cloud-init=configDrive", "--termination-grace-period=5",
                     f"--cloud-init-user-data={USER_DATA}", f"--cloud-init-network-data={USER_DATA}"],
    "cloud_init_asked_for": ["--name=my-vm", "--cloud-init=nocloud"],
    "keys_by_cloud_init": ["--name=my-vm", "--access-cred=src:keys,method:nocloud"],
}  # fmt: skip
# What the API can say already and admission refuses by name.
LATER = {
    "instancetype": ["--name=my-vm", "--instancetype=virtualmachineinstancetype/small", "--preference=fedora"],
    "inferred": ["--name=my-vm", "--volume-import=type:ds,src:ns/data,name:root"],
    "inferred_on_demand": ["--name=my-vm", "--volume-pvc=src:a", "--volume-pvc=src:b", "--infer-instancetype-from=b",
                           "--infer-preference"],
    "inferred_from_boot_order": ["--name=my-vm", "--volume-pvc=src:a,bootorder:7", "--volume-pvc=src:b,bootorder:3"],
    "credentials": ["--name=my-vm", "--user=me", "--access-cred=src:keys", "--access-cred=src:more,user:you",
                    "--access-cred=type:password,src:words"],
    "sysprep": ["--name=my-vm", "--volume-sysprep=src:answers,type:Secret"],
    "imports": ["--name=my-vm",
                "--volume-import=type:blank,size:1Gi,name:blank",
                "--volume-import=type:gcs,size:1Gi,name:gcs,url:gs://b/x,secretref:s",
                ("--volume-import=type:http,size:1Gi,name:http,url:https://h/x,certconfigmap:c,extraheaders:a;b,"
                "secretextraheaders:d"),
                "--volume-import=type:imageio,size:1Gi,name:imageio,url:https://h,diskid:1",
                "--volume-import=type:pvc,name:pvc,src:ns/claim,bootorder:1",
                "--volume-import=type:registry,size:1Gi,name:registry,url:docker://img,pullmethod:node",
                "--volume-import=type:registry,size:1Gi,name:stream,imagestream:is",
                "--volume-import=type:s3,size:1Gi,name:s3,url:http://s3/x",
                ("--volume-import=type:vddk,size:1Gi,name:vddk,url:https://v,uuid:u,thumbprint:aa:bb,secretref:s,"
                "backingfile:[x] y,initimageurl:img"),
                "--volume-import=type:snapshot,name:snapshot,src:ns/snap,size:2Gi"],
    "old_flags": ["--name=my-vm", "--volume-import=type:blank,size:1Gi,name:last", "--volume-blank=size:1Gi,name:blank",
                  "--volume-clone-pvc=src:ns/claim,name:clone", "--volume-datasource=src:data,name:ds"],
}  # fmt: skip
OTHERS = {
    "instancetype": ["instancetype", "--name=small", "--cpu=2", "--memory=256Mi", "--iothreadspolicy=auto",
                     "--gpu=name:gpu1,devicename:nvidia.com/gpu", "--hostdevice=name:d,devicename:intel.com/qat"],
    "instancetype_namespaced": ["instancetype", "--name=small", "--namespaced", "--cpu=1", "--memory=1Gi"],
    "instancetype_in_namespace": ["instancetype", "--name=small", "-n=ns", "--cpu=1", "--memory=1Gi"],
    "preference": ["preference", "--name=p", "--cpu-topology=spread", "--machine-type=q35",
                   "--volume-storage-class=fast"],
    "preference_in_namespace": ["preference", "--name=p", "-n=ns"],
    "clone": ["clone", "--name=c", "--source-name=a"],
    "clone_of_snapshot": ["clone", "--name=c", "--source-name=s", "--source-type=snapshot", "--target-name=b",
                          "--label-filter=*", "--label-filter=!some/key", "--annotation-filter=*", "-n=ns",
                          "--template-label-filter=a", "--template-annotation-filter=b",
                          "--new-mac-address=nic1:02:00:00:00:00:01", "--new-smbios-serial=s1"],
}  # fmt: skip


def _made(virtctl: Shell, golden: Any, case: str, *words: str) -> dict[str, Any]:
    code, out, err = virtctl("create", *words)
    assert code == 0, err
    golden.check(f"virtctl/create_{words[0]}/{case}.yaml", out)
    document: dict[str, Any] = yaml.safe_load(out)
    assert parse_causes(MODELS[document["kind"]], document) == []
    return document


@pytest.mark.parametrize("case", RUNNABLE)
def test_vm_that_admission_takes(virtctl: Shell, golden: Any, case: str) -> None:
    assert validate_vm_create(_made(virtctl, golden, case, "vm", *RUNNABLE[case]), ClusterConfig()) == []


@pytest.mark.parametrize("case", LATER)
def test_vm_of_later_features(virtctl: Shell, golden: Any, case: str) -> None:
    _made(virtctl, golden, case, "vm", *LATER[case])


@pytest.mark.parametrize("case", OTHERS)
def test_other_kinds(virtctl: Shell, golden: Any, case: str) -> None:
    _made(virtctl, golden, case, *OTHERS[case])


@pytest.mark.parametrize(
    ("words", "prefix"),
    [
        (["vm"], "vm-"),
        (["clone", "--source-name=a"], "clone-"),
        (["preference"], "clusterpreference-"),
        (["instancetype", "--cpu=1", "--memory=1Gi", "--namespaced"], "instancetype-"),
    ],
)
def test_names_are_random_by_default(virtctl: Shell, words: list[str], prefix: str) -> None:
    names = {yaml.safe_load(virtctl("create", *words)[1])["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith(prefix) and len(name) == len(prefix) + 5 for name in names)


def test_a_password_is_read_from_a_file_with_a_warning(virtctl: Shell, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(" secret\n")
    code, out, err = virtctl("create", "vm", "--user=me", f"--password-file={tmp_path / 'password'}")
    assert (code, err) == (0, "WARNING: --password-file: The password is stored in cleartext in the VM definition!\n")
    (volume,) = yaml.safe_load(out)["spec"]["template"]["spec"]["volumes"]
    data = yaml.safe_load(volume["cloudInitNoCloud"]["userData"])
    assert data == {"user": "me", "password": "secret", "chpasswd": {"expire": False}}


def test_old_flags_say_what_is_new(virtctl: Shell) -> None:
    _, _, err = virtctl("create", "vm", "--volume-blank=size:1Gi")
    assert err == "Flag --volume-blank has been deprecated, use flag --volume-import instead\n"


def test_no_cloud_init_on_demand(virtctl: Shell) -> None:
    _, out, err = virtctl("create", "vm", "--cloud-init=none", "--ssh-key=a")
    assert "volumes" not in yaml.safe_load(out)["spec"]["template"]["spec"]
    assert "--cloud-init: was set to none" in err


FAILURES = {
    "vm --memory=1x": "failed to parse \"--memory\" flag: '1x' is not a quantity",
    "vm --run-strategy=Never": 'failed to parse "--run-strategy" flag: invalid run strategy "Never", supported values',
    "vm --instancetype=pod/x": 'invalid instancetype kind "pod", supported values are: virtualmachineinstancetype, ',
    "vm --preference=a/b/c": 'failed to parse "--preference" flag: invalid count 2 of slashes in prefix/name',
    "vm --preference=virtualmachinepreference/": "name cannot be empty",
    "vm --volume-pvc=": 'failed to parse "--volume-pvc" flag: params may not be empty',
    "vm --volume-pvc=claim": "params need to have at least one colon: claim",
    "vm --volume-pvc=src:a,what:b": "unknown param(s): what:b",
    "vm --volume-pvc=name:a": "src must be specified",
    "vm --volume-pvc=src:ns/a": 'not allowed to specify namespace of pvc "a"',
    "vm --volume-pvc=src:a,bootorder:x": 'failed to parse param "bootorder"',
    "vm --volume-pvc=src:a,bootorder:0": "bootorder must be greater than 0",
    "vm --volume-pvc=src:a,bootorder:1 --volume-pvc=src:b,bootorder:1": "bootorder 1 was specified multiple times",
    "vm --volume-pvc=src:a --volume-pvc=src:a": 'there is already a volume with name "a"',
    "vm --volume-pvc=src:a,name:A_b": 'invalid name "A_b"',
    "vm --volume-containerdisk=name:a": 'failed to parse "--volume-containerdisk" flag: src must be specified',
    "vm --volume-sysprep=src:a,type:x": 'invalid sysprep source type "x", supported values are: configmap, secret',
    "vm --volume-import=size:1Gi": 'failed to parse "--volume-import" flag: type must be specified',
    "vm --volume-import=type:x": 'invalid volume import type "x"',
    "vm --volume-import=type:blank": "size must be specified",
    "vm --volume-import=type:blank,size:big": 'failed to parse param "size"',
    "vm --volume-import=type:http,size:1Gi": "url is required with http volume source",
    "vm --volume-import=type:imageio,size:1Gi,url:a": "url and diskid are both required with imageio volume source",
    "vm --volume-import=type:vddk,size:1Gi,url:a": "uuid is required with vddk volume source",
    "vm --volume-import=type:registry,size:1Gi": "exactly one of url or imagestream must be defined",
    "vm --volume-import=type:registry,size:1Gi,url:a,pullmethod:b": "pullmethod must be set to pod or node",
    "vm --volume-import=type:pvc,src:a": 'namespace of pvc "a" must be specified',
    "vm --volume-import=type:snapshot,src:a": 'namespace of snapshot "a" must be specified',
    "vm --volume-import=type:ds,name:a": "src must be specified",
    "vm --volume-import=type:blank,size:1Gi --infer-preference": "this datavolume is not valid to infer",
    "vm --volume-containerdisk=src:a --infer-instancetype": "works only with datasources, datavolumes or pvcs",
    "vm --infer-instancetype": "at least one volume is needed to infer",
    "vm --infer-preference-from=x": 'there is no volume with name "x"',
    "vm --access-cred=src:a": "user must be specified with access credential ssh method ga",
    "vm --access-cred=src:a,type:x": 'invalid access credential type "x", supported values are: ssh, password',
    "vm --access-cred=src:a,method:x": 'invalid access credentials ssh method "x"',
    "vm --access-cred=src:a,method:nocloud,user:b": "user cannot be specified",
    "vm --access-cred=src:a,method:nocloud --cloud-init=configdrive": "have to match: nocloud vs configdrive",
    "vm --access-cred=src:a,type:password,method:nocloud": 'invalid access credentials password method "nocloud"',
    "vm --access-cred=src:a,type:password,user:b": "user cannot be specified",
    "vm --cloud-init=x": 'invalid cloud-init data source type "x", supported values are: nocloud, configdrive, none',
    "vm --cloud-init=nocloud --volume-pvc=src:cloudinitdisk": 'there is already a volume with name "cloudinitdisk"',
    "vm --password-file=/does/not/exist": 'failed to parse "--password-file" flag: /does/not/exist: No such file',
    "instancetype --cpu=0 --memory=1Gi": "cpu value must be greater than zero",
    "instancetype --cpu=1 --memory=x": 'failed to parse "--memory" flag',
    "instancetype --cpu=1 --memory=1Gi --iothreadspolicy=x": "IOThread must be of value auto or shared",
    "instancetype --cpu=1 --memory=1Gi --gpu=name:a": "deviceName must be specified",
    "instancetype --cpu=1 --memory=1Gi --hostdevice=devicename:a": "name must be specified",
    "preference --cpu-topology=x": "CPU topology must have a value of sockets, cores, threads, spread or any",
    "clone --source-name=": "source name must not be empty",
    "clone --source-name=a --source-type=x": "source type x is not supported. Supported types: vm, vmsnapshot",
    "clone --source-name=a --target-type=vmsnapshot": "target type vmsnapshot is not supported. Supported types: vm",
    "clone --source-name=a --new-mac-address=x": "expected 'interface:address'",
    "clone --source-name=a --new-mac-address=:x": "has empty interface name",
    "clone --source-name=a --new-mac-address=x:": "has empty address name",
}


@pytest.mark.parametrize("line", FAILURES)
def test_what_is_wrong_is_said(virtctl: Shell, line: str) -> None:
    code, out, err = virtctl("create", *line.split())
    assert (code, out) == (1, "")
    assert FAILURES[line] in err


@pytest.mark.parametrize(
    "line",
    [
        "vm extra",
        "vm --memory=1Gi --instancetype=a",
        "vm --infer-preference --infer-preference-from=a",
        "vm --cloud-init-user-data=a --user=b",
        "vm --ga-manage-ssh=maybe",
        "instancetype --cpu=1",
        "instancetype --cpu=x --memory=1Gi",
        "clone",
        "pod",
    ],
)
def test_wrong_usage(virtctl: Shell, line: str) -> None:
    code, out, err = virtctl("create", *line.split())
    assert (code, out) == (2, "")
    assert "Error: " in err
