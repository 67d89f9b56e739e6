"""The guide shows the example that the tests run."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_example_in_the_guide_is_the_file() -> None:
    example = (ROOT / "examples/operator/team_cards.py").read_text()
    guide = (ROOT / "docs/reconcile.md").read_text()
    assert f"```python\n{example}```" in guide, "copy examples/operator/team_cards.py into docs/reconcile.md"
    assert len(example.splitlines()) < 60
