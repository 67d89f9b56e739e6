"""plugin.kubevirt.io: extensions of the domain and of the node agent."""

from __future__ import annotations

from typing import Annotated

from kubevirt_py.api.base import AtomicList, Empty, MinLen, Model, NonEmpty, Resource


class CELHook(Model):
    """A change expressed in CEL."""

    expression: NonEmpty
    """Expression that gives the changed domain."""


class SidecarHook(Model):
    """A change made by a helper container."""

    socket_path: NonEmpty
    """Socket the helper listens on."""


class DomainHook(Model):
    """Changes the domain before it starts."""

    cel: CELHook | None = None
    """A change expressed in CEL."""
    condition: str | None = None
    """CEL condition for the change."""
    failure_strategy: str | None = None
    """What a failure does: Fail or Ignore."""
    sidecar: SidecarHook | None = None
    """A helper container that makes the change."""
    timeout: str | None = None
    """How long it may take."""


class AdmissionReference(Model):
    """Names an admission object."""

    name: NonEmpty
    """Name of the object."""


class NodeHook(Model):
    """Called by the node agent."""

    permitted_hooks: Annotated[AtomicList[str], MinLen(1)]
    """Moments at which it may be called."""
    socket: NonEmpty
    """Socket it listens on."""
    condition: str | None = None
    """CEL condition for the call."""
    failure_strategy: str | None = None
    """What a failure does: Fail or Ignore."""
    timeout: str | None = None
    """How long it may take."""


class PluginSpec(Model):
    """Hooks and admission objects of an extension."""

    condition: str | None = None
    """CEL condition for the whole plugin."""
    domain_hooks: AtomicList[DomainHook] | None = None
    """Changes to the domain."""
    failure_strategy: str | None = None
    """What a failure does: Fail or Ignore."""
    mutating_admission_policies: AtomicList[AdmissionReference] | None = None
    """Admission policies that belong to it."""
    mutating_admission_webhooks: AtomicList[AdmissionReference] | None = None
    """Webhooks that belong to it."""
    node_hooks: AtomicList[NodeHook] | None = None
    """Calls by the node agent."""
    validating_admission_policies: AtomicList[AdmissionReference] | None = None
    """Admission policies that belong to it."""
    validating_admission_webhooks: AtomicList[AdmissionReference] | None = None
    """Webhooks that belong to it."""


class Plugin(Resource):
    """An extension of the domain and of the node agent."""

    spec: PluginSpec
    """What it does, and when."""
    status: Empty | None = None
    """Empty."""
