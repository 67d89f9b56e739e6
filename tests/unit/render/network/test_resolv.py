from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevirt_py.render.network.model import ResolvFacts
from kubevirt_py.render.network.resolv import guest_hostname, parse_resolv, with_subdomain


def test_a_pods_resolv_conf() -> None:
    text = (
        "search default.svc.cluster.local svc.cluster.local.\n"
        "nameserver 10.96.0.10\nnameserver fd00::a\noptions ndots:5\n"
    )
    assert parse_resolv(text) == ResolvFacts(
        ("10.96.0.10", "fd00::a"), ("default.svc.cluster.local", "svc.cluster.local")
    )


def test_the_last_search_or_domain_line_counts() -> None:
    assert parse_resolv("search a b\ndomain c\n").search == ("c",)


@pytest.mark.parametrize("line", ["nameserver", "nameserver x", "nameserver fe80::1%eth0", "search a..b", "", "# x"])
def test_lines_without_sense_are_left_out(line: str) -> None:
    assert parse_resolv(line) == ResolvFacts()


@given(st.text(max_size=400))
def test_any_text_is_read(text: str) -> None:
    assert all(len(domain) <= 253 for domain in parse_resolv(text).search)


def test_subdomain_leads_the_search_list() -> None:
    search = ("default.svc.cluster.local", "svc.cluster.local")
    assert with_subdomain(search, "farm") == ("farm.default.svc.cluster.local", *search)
    assert with_subdomain(search, "") == search
    assert with_subdomain(("example.com",), "farm") == ("example.com",)


@pytest.mark.parametrize(
    ("name", "hostname", "expected"),
    [("vm1", "", "vm1"), ("vm1.example", "", "vm1"), ("vm1", "web", "web"), ("a" * 62 + "-b", "", "a" * 62)],
)
def test_hostname(name: str, hostname: str, expected: str) -> None:
    assert guest_hostname(name, hostname) == expected
