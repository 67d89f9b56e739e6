"""Merge patches against what kubectl makes of the same."""

from __future__ import annotations

from typing import Any

import pytest

from kubevirt_py.render.strategic import merge, strategic_merge

POD: dict[str, Any] = {
    "containers": [
        {"name": "a", "image": "one", "env": [{"name": "X", "value": "1"}], "command": ["run"]},
        {"name": "b", "image": "two"},
    ],
    "tolerations": [{"key": "k"}],
    "nodeSelector": {"disk": "ssd"},
}

CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "an entry is found by its key": (
        {"containers": [{"name": "b", "image": "three"}]},
        {"containers": [POD["containers"][0], {"name": "b", "image": "three"}]},
    ),
    "lists merge at every depth": (
        {"containers": [{"name": "a", "env": [{"name": "Y", "value": "2"}]}]},
        {
            "containers": [
                {**POD["containers"][0], "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]},
                POD["containers"][1],
            ]
        },
    ),
    "an entry is deleted by its key": (
        {"containers": [{"name": "a", "$patch": "delete"}]},
        {"containers": [POD["containers"][1]]},
    ),
    "a list is replaced on request": (
        {"containers": [{"name": "c"}, {"$patch": "replace"}]},
        {"containers": [{"name": "c"}]},
    ),
    "a list without a key is replaced": ({"tolerations": [{"key": "l"}]}, {"tolerations": [{"key": "l"}]}),
    "null removes": ({"nodeSelector": {"disk": None}}, {"nodeSelector": {}}),
    "a map is replaced on request": (
        {"nodeSelector": {"$patch": "replace", "a": "b"}},
        {"nodeSelector": {"a": "b"}},
    ),
    "words about order are passed over": ({"$setElementOrder/containers": [{"name": "b"}]}, {}),
}


@pytest.mark.parametrize(("patch", "changed"), CASES.values(), ids=CASES)
def test_strategic(patch: dict[str, Any], changed: dict[str, Any]) -> None:
    assert strategic_merge(POD, patch) == {**POD, **changed}


def test_an_entry_without_its_key_is_refused() -> None:
    with pytest.raises(ValueError, match="an entry of containers has no name"):
        strategic_merge(POD, {"containers": [{"image": "x"}]})


def test_a_plain_merge_replaces_lists() -> None:
    assert merge(POD, {"containers": [], "nodeSelector": None}) == {
        "containers": [],
        "tolerations": POD["tolerations"],
    }
