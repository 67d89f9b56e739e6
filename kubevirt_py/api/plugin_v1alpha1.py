"""plugin.kubevirt.io: extensions of the domain and of the node agent."""

from __future__ import annotations

from typing import Annotated

from kubevirt_py.api.base import AtomicList, Empty, MinLen, Model, NonEmpty, Resource


class CELHook(Model):
    """A change expressed in CEL."""

    expression: NonEmpty


class SidecarHook(Model):
    """A change made by a helper container."""

    socket_path: NonEmpty


class DomainHook(Model):
    """Changes the domain before it starts."""

    cel: CELHook | None = None
    condition: str | None = None
    failure_strategy: str | None = None
    sidecar: SidecarHook | None = None
    timeout: str | None = None


class AdmissionReference(Model):
    """Names an admission object."""

    name: NonEmpty


class NodeHook(Model):
    """Called by the node agent."""

    permitted_hooks: Annotated[AtomicList[str], MinLen(1)]
    socket: NonEmpty
    condition: str | None = None
    failure_strategy: str | None = None
    timeout: str | None = None


class PluginSpec(Model):
    """Hooks and admission objects of an extension."""

    condition: str | None = None
    domain_hooks: AtomicList[DomainHook] | None = None
    failure_strategy: str | None = None
    mutating_admission_policies: AtomicList[AdmissionReference] | None = None
    mutating_admission_webhooks: AtomicList[AdmissionReference] | None = None
    node_hooks: AtomicList[NodeHook] | None = None
    validating_admission_policies: AtomicList[AdmissionReference] | None = None
    validating_admission_webhooks: AtomicList[AdmissionReference] | None = None


class Plugin(Resource):
    """An extension of the domain and of the node agent."""

    spec: PluginSpec
    """What it does, and when."""
    status: Empty | None = None
    """Empty."""
