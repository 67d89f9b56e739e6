from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID

from kubevirt_py.virt_operator.certificates import LEAVES, Leaf, issue, new_ca

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def usages(certificate: x509.Certificate) -> list[x509.ObjectIdentifier]:
    return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.secret)
def test_each_role_gets_one_usage_and_its_own_name(leaf: Leaf) -> None:
    ca = new_ca(NOW, 7 * DAY)
    held = issue(ca, leaf, "kubevirt", NOW, DAY).x509
    held.verify_directly_issued_by(ca.x509)
    assert usages(held) == [ExtendedKeyUsageOID.CLIENT_AUTH if leaf.client else ExtendedKeyUsageOID.SERVER_AUTH]
    assert held.subject.rfc4514_string() == f"CN={leaf.common_name}"


def test_a_server_answers_for_the_names_of_its_service() -> None:
    held = issue(new_ca(NOW, 7 * DAY), LEAVES[0], "kv", NOW, DAY).x509
    names = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    assert {"virt-api", "virt-api.kv", "virt-api.kv.svc"} <= set(names)


def test_a_leaf_never_outlives_its_ca() -> None:
    ca = new_ca(NOW, DAY)
    assert issue(ca, LEAVES[0], "kv", NOW, 7 * DAY).x509.not_valid_after_utc == ca.x509.not_valid_after_utc


def test_another_ca_is_not_accepted() -> None:
    held = issue(new_ca(NOW, DAY), LEAVES[0], "kv", NOW, DAY).x509
    with pytest.raises((InvalidSignature, ValueError)):
        held.verify_directly_issued_by(new_ca(NOW + DAY, DAY).x509)
