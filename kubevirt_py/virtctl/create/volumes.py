"""The --volume-* flags of `create vm`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kubevirt_py.plan import Document
from kubevirt_py.virtctl.create.draft import Draft
from kubevirt_py.virtctl.create.manifest import random_name
from kubevirt_py.virtctl.create.params import (
    Shape,
    flag_error,
    local_source,
    parameter,
    parse,
    quantity,
    split_prefixed_name,
    text,
    texts,
    uint,
)

CONTAINERDISK = "volume-containerdisk"
PVC = "volume-pvc"
SYSPREP = "volume-sysprep"
IMPORT = "volume-import"

SOURCE: Shape = {"name": text, "src": text, "bootorder": uint}
SYSPREP_SOURCE: Shape = {"src": text, "type": text}

_COMMON: Shape = {"type": text, "name": text, "size": quantity, "bootorder": uint}
_REMOTE: Shape = {"url": text, "secretref": text}
_TRUSTED: Shape = {**_REMOTE, "certconfigmap": text}
_OTHER: Shape = {"src": text}
IMPORTS: dict[str, Shape] = {
    "blank": _COMMON,
    "gcs": {**_COMMON, **_REMOTE},
    "http": {**_COMMON, **_TRUSTED, "extraheaders": texts, "secretextraheaders": texts},
    "imageio": {**_COMMON, **_TRUSTED, "diskid": text},
    "pvc": {**_COMMON, **_OTHER},
    "registry": {**_COMMON, **_TRUSTED, "imagestream": text, "pullmethod": text},
    "s3": {**_COMMON, **_TRUSTED},
    "vddk": {
        **_COMMON, **_REMOTE, "backingfile": text, "initimageurl": text, "uuid": text, "thumbprint": text,
    },
    "snapshot": {**_COMMON, **_OTHER},
    "ds": {**_COMMON, **_OTHER},
}  # fmt: skip
"""Parameters of --volume-import by its `type`."""
_SIZE_OPTIONAL = ("pvc", "snapshot", "ds")
_FIELDS = {
    "url": "url",
    "secretref": "secretRef",
    "certconfigmap": "certConfigMap",
    "extraheaders": "extraHeaders",
    "secretextraheaders": "secretExtraHeaders",
    "diskid": "diskId",
    "imagestream": "imageStream",
    "pullmethod": "pullMethod",
    "backingfile": "backingFile",
    "initimageurl": "initImageURL",
    "uuid": "uuid",
    "thumbprint": "thumbprint",
}


def add_containerdisks(draft: Draft, given: Sequence[str]) -> None:
    """--volume-containerdisk."""
    for number, each in enumerate(given):
        source = parse(CONTAINERDISK, each, SOURCE)
        if not source.get("src"):
            raise flag_error(CONTAINERDISK, "src must be specified")
        name = source.get("name") or f"{draft.name}-containerdisk-{number}"
        draft.add_volume(CONTAINERDISK, name, {"containerDisk": {"image": source["src"]}}, source.get("bootorder"))


def add_claims(draft: Draft, given: Sequence[str]) -> None:
    """--volume-pvc."""
    for each in given:
        source = parse(PVC, each, SOURCE)
        claim = local_source(PVC, source, "pvc")
        volume = {"persistentVolumeClaim": {"claimName": claim}}
        draft.add_volume(PVC, source.get("name") or claim, volume, source.get("bootorder"))


def add_sysprep(draft: Draft, given: str) -> None:
    """--volume-sysprep."""
    source = parse(SYSPREP, given, SYSPREP_SOURCE)
    name = local_source(SYSPREP, source, "configmap or secret")
    kind = source.get("type") or "configmap"
    field = {"configmap": "configMap", "secret": "secret"}.get(kind.lower())
    if field is None:
        raise flag_error(SYSPREP, f'invalid sysprep source type "{kind}", supported values are: configmap, secret')
    draft.add_volume(SYSPREP, "sysprepdisk", {"sysprep": {field: {"name": name}}})


def add_imports(draft: Draft, given: Sequence[str]) -> None:
    """--volume-import."""
    for each in given:
        kind = parameter(IMPORT, each, "type")
        if kind not in IMPORTS:
            raise flag_error(IMPORT, f'invalid volume import type "{kind}", see help for supported values')
        source = parse(IMPORT, each, IMPORTS[kind])
        spec: Document = {**_READERS.get(kind, _remote)(kind, source), "storage": {}}
        if source.get("size"):
            spec["storage"] = {"resources": {"requests": {"storage": source["size"]}}}
        elif kind not in _SIZE_OPTIONAL:
            raise flag_error(IMPORT, "size must be specified")
        name = source.get("name") or random_name("imported-volume")
        draft.add_data_volume(IMPORT, name, spec, source.get("bootorder"))


def _remote(kind: str, source: Document) -> Document:
    """A source that is named by its address."""
    _require(kind, source, "url")
    return _fields(kind, source)


def _fields(kind: str, source: Document) -> Document:
    return {"source": {kind: {field: source[word] for word, field in _FIELDS.items() if source.get(word)}}}


def _require(kind: str, source: Document, *words: str) -> None:
    for word in words:
        if not source.get(word):
            raise flag_error(IMPORT, f"{word} is required with {kind} volume source")


def _blank(kind: str, source: Document) -> Document:
    del kind, source
    return {"source": {"blank": {}}}


def _imageio(kind: str, source: Document) -> Document:
    if not source.get("url") or not source.get("diskid"):
        raise flag_error(IMPORT, "url and diskid are both required with imageio volume source")
    return _fields(kind, source)


def _registry(kind: str, source: Document) -> Document:
    if source.get("pullmethod") not in (None, "", "pod", "node"):
        raise flag_error(IMPORT, "pullmethod must be set to pod or node")
    if bool(source.get("url")) == bool(source.get("imagestream")):
        raise flag_error(IMPORT, "exactly one of url or imagestream must be defined")
    return _fields(kind, source)


def _vddk(kind: str, source: Document) -> Document:
    _require(kind, source, "url", "uuid", "thumbprint", "secretref", "backingfile")
    return _fields(kind, source)


def _object(kind: str, source: Document) -> Document:
    namespace, name = _named(source)
    if not namespace:
        raise flag_error(IMPORT, f'namespace of {kind} "{name}" must be specified')
    return {"source": {kind: {"namespace": namespace, "name": name}}}


def _data_source(kind: str, source: Document) -> Document:
    del kind
    namespace, name = _named(source)
    return {"sourceRef": {"kind": "DataSource", "name": name, **({"namespace": namespace} if namespace else {})}}


def _named(source: Document) -> tuple[str, str]:
    if not source.get("src"):
        raise flag_error(IMPORT, "src must be specified")
    return split_prefixed_name(IMPORT, source["src"], "src invalid: ")


_READERS: dict[str, Callable[[str, Document], Document]] = {
    "blank": _blank,
    "imageio": _imageio,
    "pvc": _object,
    "registry": _registry,
    "vddk": _vddk,
    "snapshot": _object,
    "ds": _data_source,
}
