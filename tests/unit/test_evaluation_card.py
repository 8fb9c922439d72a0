"""The model card speaks of the model that is shipped."""

from __future__ import annotations

from pathlib import Path

from cxr_node.reasoning.open_model import read_identity

CARD = Path(__file__).parents[2] / "docs" / "model-card.md"


def test_the_card_names_the_shipped_model() -> None:
    text, shipped = CARD.read_text(encoding="utf-8"), read_identity("")
    assert f"`{shipped.digest}`" in text
    assert f"# Model card: {shipped.name} {shipped.version}\n" in text
    assert "Outside intended use" in text
