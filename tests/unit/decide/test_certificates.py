from datetime import UTC, datetime, timedelta

from kubevirt_py.decide.certificates import (
    SPREAD,
    Lifetime,
    Rotation,
    Validity,
    leaf_renewal_time,
    renewal_time,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
LEAF = Lifetime(DAY, DAY / 5)


def test_defaults_are_a_week_and_a_day_renewed_at_four_fifths() -> None:
    rotation = Rotation.from_spec({})
    assert rotation.ca == Lifetime(7 * DAY, 7 * DAY / 5)
    assert rotation.leaf == LEAF


def test_the_cr_shortens_lives() -> None:
    spec = {"certificateRotateStrategy": {"selfSigned": {"server": {"duration": "1h", "renewBefore": "10m"}}}}
    assert Rotation.from_spec(spec).leaf == Lifetime(timedelta(hours=1), timedelta(minutes=10))


def test_a_missing_or_untrusted_certificate_is_due_now() -> None:
    assert renewal_time(None, LEAF, NOW) == NOW
    assert renewal_time(Validity(NOW, NOW + DAY, trusted=False), LEAF, NOW) == NOW


def test_a_good_certificate_is_due_before_its_end() -> None:
    assert renewal_time(Validity(NOW, NOW + DAY), LEAF, NOW) == NOW + DAY * 4 / 5


def test_a_shorter_wanted_life_makes_it_due_at_once() -> None:
    shorter = Lifetime(timedelta(hours=1), timedelta(minutes=10))
    assert renewal_time(Validity(NOW, NOW + DAY), shorter, NOW) == NOW
    assert renewal_time(Validity(NOW, NOW + timedelta(hours=1)), shorter, NOW) == NOW + timedelta(minutes=50)


def test_a_leaf_that_serves_waits_until_a_new_ca_has_spread() -> None:
    old = Validity(NOW - DAY, NOW + timedelta(hours=1))
    assert leaf_renewal_time(old, LEAF, NOW, NOW) == NOW + SPREAD
    assert leaf_renewal_time(None, LEAF, NOW, NOW) == NOW
    assert leaf_renewal_time(Validity(NOW - DAY, NOW + SPREAD / 2), LEAF, NOW, NOW) == NOW


def test_the_deprecated_spelling_still_counts() -> None:
    signed = {"caRotateInterval": "48h", "caOverlapInterval": "6h", "certRotateInterval": "12h"}
    rotation = Rotation.from_spec({"certificateRotateStrategy": {"selfSigned": signed}})
    assert rotation.ca == Lifetime(timedelta(hours=48), timedelta(hours=6))
    assert rotation.leaf.duration == timedelta(hours=12)
