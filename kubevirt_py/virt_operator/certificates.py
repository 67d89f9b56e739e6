"""Makes and rotates the platform's certificates: one CA, one leaf per role, one bundle that overlaps."""

from __future__ import annotations

import logging
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kubevirt_py.api import names
from kubevirt_py.api.kinds import CONFIG_MAP, SECRET
from kubevirt_py.decide.certificates import Rotation, Validity, leaf_renewal_time, renewal_time
from kubevirt_py.kube.api import Api
from kubevirt_py.kube.errors import NotFound
from kubevirt_py.plan import Document, Key

log = logging.getLogger(__name__)

CA_SECRET = "kubevirt-ca"
CA_BUNDLE = "ca-bundle"
BACKDATE = timedelta(minutes=1)
"""Clocks of nodes may differ a little."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One role's certificate: the secret it is kept in, its name, and the Services it answers for."""

    secret: str
    common_name: str
    services: tuple[str, ...] = ()
    client: bool = False


OPERATOR_LEAF = Leaf("kubevirt-operator-certs", "kubevirt.io:system:virt-operator", ("kubevirt-operator-webhook",))
LEAVES = (
    Leaf("kubevirt-virt-api-certs", "kubevirt.io:system:virt-api", ("virt-api",)),
    Leaf("kubevirt-controller-certs", "kubevirt.io:system:virt-controller", ("kubevirt-prometheus-metrics",)),
    Leaf("kubevirt-virt-handler-server-certs", "kubevirt.io:system:node:virt-handler", ("virt-handler",)),
    OPERATOR_LEAF,
    Leaf("kubevirt-virt-handler-certs", names.HANDLER_CLIENT, client=True),
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes

    @property
    def x509(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate)

    def validity(self, *, trusted: bool = True) -> Validity:
        held = self.x509
        return Validity(held.not_valid_before_utc + BACKDATE, held.not_valid_after_utc, trusted)


class Certificates:
    """Keeps the secrets and the bundle of one installation."""

    def __init__(self, api: Api, namespace: str, *, manager: str, now: Callable[[], datetime]) -> None:
        self._api, self._namespace, self._manager, self._now = api, namespace, manager, now

    async def write_leaf(self, leaf: Leaf, directory: Path) -> None:
        """Put a kept leaf where a server of this process reads it, unless it is there already."""
        held = await self._read(leaf.secret)
        if held is not None and (directory / "tls.crt").read_bytes() != held.certificate:
            write_pair(directory, held)

    async def keep(self, rotation: Rotation, stamp: Callable[[Document], Document]) -> tuple[str, datetime]:
        """Create or renew what is due. Returns the CA bundle (PEM) and when to look again."""
        now = self._now()
        ca, ca_due = await self._keep_ca(rotation, stamp, now)
        bundle = await self._keep_bundle(ca, stamp, now)
        roots = x509.load_pem_x509_certificates(bundle.encode())
        due = [await self._keep_leaf(leaf, ca, roots, rotation, stamp, now) for leaf in LEAVES]
        return bundle, min(ca_due, *due)

    async def _keep_ca(
        self, rotation: Rotation, stamp: Callable[[Document], Document], now: datetime
    ) -> tuple[Pair, datetime]:
        held = await self._read(CA_SECRET)
        due = renewal_time(held.validity() if held else None, rotation.ca, now)
        if held is None or due <= now:
            held = new_ca(now, rotation.ca.duration)
            await self._write(CA_SECRET, held, stamp)
            due = renewal_time(held.validity(), rotation.ca, now)
        return held, due

    async def _keep_bundle(self, ca: Pair, stamp: Callable[[Document], Document], now: datetime) -> str:
        """The new CA first, then every earlier one that has not expired: peers trust both while leaves change over."""
        key = Key(self._namespace, CA_SECRET)
        try:
            before = msgspec.json.decode(await self._api.get(CONFIG_MAP, key)).get("data", {}).get(CA_BUNDLE, "")
        except NotFound:
            before = ""
        kept = [ca.x509]
        kept += [old for old in _readable(before) if _still_good(old, ca, now)]
        bundle = "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in kept)
        if bundle != before:
            meta = {"name": CA_SECRET, "namespace": self._namespace}
            document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {CA_BUNDLE: bundle}}
            await self._api.apply(CONFIG_MAP, key, stamp(document), manager=self._manager)
        return bundle

    async def _keep_leaf(
        self,
        leaf: Leaf,
        ca: Pair,
        roots: list[x509.Certificate],
        rotation: Rotation,
        stamp: Callable[[Document], Document],
        now: datetime,
    ) -> datetime:
        held = await self._read(leaf.secret)
        validity = held.validity(trusted=_signed_by_any(held.x509, roots)) if held else None
        due = leaf_renewal_time(validity, rotation.leaf, ca.validity().not_before, now)
        if due <= now:
            fresh = issue(ca, leaf, self._namespace, now, rotation.leaf.duration)
            await self._write(leaf.secret, fresh, stamp)
            due = renewal_time(fresh.validity(), rotation.leaf, now)
        return due

    async def _read(self, name: str) -> Pair | None:
        try:
            data = msgspec.json.decode(await self._api.get(SECRET, Key(self._namespace, name))).get("data") or {}
            pair = Pair(b64decode(data["tls.crt"]), b64decode(data["tls.key"]))
            pair.validity()
        except (NotFound, KeyError, ValueError):
            return None
        return pair

    async def _write(self, name: str, pair: Pair, stamp: Callable[[Document], Document]) -> None:
        document = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": name, "namespace": self._namespace},
            "data": {"tls.crt": b64encode(pair.certificate).decode(), "tls.key": b64encode(pair.key).decode()},
        }
        await self._api.apply(SECRET, Key(self._namespace, name), stamp(document), manager=self._manager)


def write_pair(directory: Path, pair: Pair) -> None:
    """Write tls.crt and tls.key, the key readable by this process only."""
    key = directory / "tls.key"
    key.touch(mode=0o600)
    key.write_bytes(pair.key)
    (directory / "tls.crt").write_bytes(pair.certificate)


def write_temporary(directory: Path, leaf: Leaf, namespace: str) -> None:
    """A throw-away certificate to serve health checks with until the real one exists."""
    now, life = datetime.now(UTC), timedelta(days=1)
    write_pair(directory, issue(new_ca(now, life), leaf, namespace, now, life))


def new_ca(now: datetime, duration: timedelta) -> Pair:
    """A self-signed CA whose name carries its birth, so that overlapping CAs are told apart."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"kubevirt.io@{int(now.timestamp())}")
    builder = _builder(name, name, key.public_key(), now, duration)
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(usage, critical=True)
    return _sign(builder, key, key)


def issue(ca: Pair, leaf: Leaf, namespace: str, now: datetime, duration: timedelta) -> Pair:
    """A leaf for one role, never outliving its CA. The role stands in CN and SAN; usage is server or client."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = ca.x509
    usage = ExtendedKeyUsageOID.CLIENT_AUTH if leaf.client else ExtendedKeyUsageOID.SERVER_AUTH
    hosts = [leaf.common_name.replace(":", ".")]
    for service in leaf.services:
        hosts += [service, f"{service}.{namespace}", f"{service}.{namespace}.svc"]
    builder = _builder(
        _name(leaf.common_name), issuer.subject, key.public_key(), now, duration, issuer.not_valid_after_utc
    )
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
    signer = serialization.load_pem_private_key(ca.key, password=None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise ValueError(f"secret {CA_SECRET} holds no elliptic-curve key: delete it and a new CA is made")
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return _sign(builder.add_extension(authority, critical=False), key, signer)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    now: datetime,
    duration: timedelta,
    limit: datetime | None = None,
) -> x509.CertificateBuilder:
    end = now + duration
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(min(end, limit) if limit else end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _sign(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey
) -> Pair:
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Pair(builder.sign(signer, hashes.SHA256()).public_bytes(pem), private)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _readable(bundle: str) -> list[x509.Certificate]:
    """The certificates of a bundle; none of one that somebody spoiled, which is then written anew."""
    try:
        return x509.load_pem_x509_certificates(bundle.encode()) if bundle else []
    except ValueError:
        log.warning("the CA bundle cannot be read and is made anew", extra={"configmap": CA_SECRET})
        return []


def _still_good(old: x509.Certificate, ca: Pair, now: datetime) -> bool:
    return old != ca.x509 and old.not_valid_after_utc > now


def _signed_by_any(held: x509.Certificate, roots: list[x509.Certificate]) -> bool:
    for root in roots:
        try:
            held.verify_directly_issued_by(root)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return True
    return False
