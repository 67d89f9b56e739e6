from datetime import timedelta

import pytest

from kubevirt_py.api.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("168h", timedelta(days=7)),
        ("1h30m0s", timedelta(minutes=90)),
        ("0.5h", timedelta(minutes=30)),
        ("1500ms", timedelta(seconds=1.5)),
    ],
)
def test_go_durations_are_read(text: str, wanted: timedelta) -> None:
    assert parse_duration(text) == wanted


@pytest.mark.parametrize("text", ["", "7d", "h", "10", "1h 2m", "-1h", "99999999999999999h", "9" * 400 + "s"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="such as 24h"):
        parse_duration(text)
