"""The TLS settings of the KubeVirt CR, whose ciphers have IANA's names, in OpenSSL's words."""

from __future__ import annotations

from kubevirt_py.plan import Document

LEAST_VERSION = "VersionTLS12"
VERSIONS = (LEAST_VERSION, "VersionTLS13")
"""What can be served; older versions are refused by OpenSSL itself."""
CIPHERS = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256": "ECDHE-ECDSA-AES128-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256": "ECDHE-RSA-AES128-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_RSA_WITH_AES_128_CBC_SHA256": "AES128-SHA256",
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
}
"""Of TLS 1.2; those of TLS 1.3 cannot be chosen."""
SERVED = "TLS_ECDHE_ECDSA_"
"""Our certificates hold elliptic-curve keys: of TLS 1.2, only these can be agreed on."""


def least_version(settings: Document) -> str:
    """The oldest version to serve."""
    given = settings.get("minTLSVersion")
    return given if given in VERSIONS else LEAST_VERSION


def ciphers(settings: Document) -> tuple[str, ...]:
    """OpenSSL's names of the ciphers to serve with TLS 1.2; none leaves the choice to OpenSSL."""
    return tuple(CIPHERS[name] for name in settings.get("ciphers") or () if name in CIPHERS)
