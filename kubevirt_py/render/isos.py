"""The ISO images that the agent makes of small files: cloud-init, and volumes of Secrets, ConfigMaps and their like."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from kubevirt_py.api import names
from kubevirt_py.plan import Document
from kubevirt_py.render.cloudinit import META_DATA, cloud_init_images
from kubevirt_py.render.cloudinit import SOURCES as CLOUD_INIT_SOURCES
from kubevirt_py.render.config_volumes import SOURCES as CONFIG_SOURCES
from kubevirt_py.render.config_volumes import check_answers, label, source_of

SOURCES = (*CLOUD_INIT_SOURCES, *CONFIG_SOURCES)
"""Volume sources whose disk is such an image."""
_FOLDERS = {
    "configMap": "config-map-disks",
    "downwardAPI": "downwardapi-disks",
    "secret": "secret-disks",
    "serviceAccount": "service-account-disk",
    "sysprep": "sysprep-disks",
}


class IsoImage(msgspec.Struct, frozen=True, kw_only=True):
    """An ISO to make of `files`, by path. The stub puts it at root/path in its pod."""

    volume: str
    label: str
    root: str
    path: str
    files: dict[str, bytes]


def with_devices(images: tuple[IsoImage, ...], devices: list[Document]) -> tuple[IsoImage, ...]:
    """The images with tagged devices in the meta data of config drives."""
    return tuple(
        msgspec.structs.replace(image, files=image.files | {META_DATA: _told(image.files[META_DATA], devices)})
        if META_DATA in image.files
        else image
        for image in images
    )


def _told(meta: bytes, devices: list[Document]) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(meta) | {"devices": devices})


def iso_images(
    namespace: str, name: str, uid: str, spec: Document, files: Mapping[str, Mapping[str, bytes]]
) -> tuple[IsoImage, ...]:
    """Images for a VMI; `files` are what the stub read, by step name.

    Raises ValueError as cloud_init_images and check_answers do.
    """
    cloud = cloud_init_images(namespace, name, uid, spec, files)
    images = [
        IsoImage(volume=one.volume, label=one.label, root=names.CLOUD_INIT_DIR, path=one.path, files=one.files)
        for one in cloud
    ]
    for volume in spec.get("volumes") or ():
        source = source_of(volume)
        if source and volume["name"] in files:
            if source == "sysprep":
                check_answers(volume, files[volume["name"]])
            images.append(
                IsoImage(
                    volume=volume["name"],
                    label=label(volume),
                    root=names.PRIVATE_DIR,
                    path=f"{_FOLDERS[source]}/{volume['name']}.iso",
                    files=dict(files[volume["name"]]),
                )
            )
    return tuple(images)
