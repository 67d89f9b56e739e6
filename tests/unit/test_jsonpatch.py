"""Our patches against the reference implementation."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevirt_py.jsonpatch import PatchError, apply_patch, pointer
from kubevirt_py.plan import Document

VALUES = st.recursive(
    st.integers(0, 3) | st.sampled_from(["", "x"]) | st.booleans(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b", "c/d"]), inner, max_size=2),
    max_leaves=6,
)
DOCUMENTS = st.dictionaries(st.sampled_from(["a", "b", "c/d"]), VALUES, max_size=3)
PATHS = st.lists(st.sampled_from(["a", "b", "c/d", "0", "1", "-"]), min_size=1, max_size=3)
OPS = st.builds(
    lambda op, path, value: {"op": op, "path": pointer(*path), **({} if op == "remove" else {"value": value})},
    st.sampled_from(["test", "add", "replace", "remove"]),
    PATHS,
    VALUES,
)


@given(DOCUMENTS, st.lists(OPS, max_size=3))
def test_equal_to_the_reference(document: Document, ops: list[Document]) -> None:
    before = deepcopy(document)
    try:
        expected: Any = jsonpatch.apply_patch(document, ops)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError):
        with pytest.raises(PatchError):
            apply_patch(document, ops)
    else:
        assert apply_patch(document, ops) == expected
    assert document == before


def test_pointers_escape() -> None:
    assert pointer("metadata", "labels", "example.com/a~b") == "/metadata/labels/example.com~1a~0b"


def test_absent_equals_null_as_the_api_server_has_it() -> None:
    assert apply_patch({}, [{"op": "test", "path": "/status", "value": None}]) == {}
