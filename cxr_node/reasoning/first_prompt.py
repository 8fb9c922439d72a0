"""The first bytes that a model is given for a study, to be shown before anything is read."""

from __future__ import annotations

from cxr_node.domain.findings import ReadingKind
from cxr_node.reasoning.boxes import Boxes
from cxr_node.reasoning.profiles import Manifest
from cxr_node.reasoning.prompts import Wording
from cxr_node.reasoning.walk import Prior, Walk


class _Nothing:
    """A conversation in which nothing was said yet."""

    context = ""

    def tell(self, prompt: str) -> None:
        raise RuntimeError("nobody has answered anything")

    def settle(self, answer: str) -> None:
        raise RuntimeError("only the first question is asked")


def first_prompt(manifest: Manifest) -> str:
    """Everything up to the first answer, one picture shown, its visual token written once."""
    profile = manifest.profile
    nowhere = Boxes(profile.boxes, 1, 1, profile.wording is Wording.BRIEF)
    walk = Walk(_Nothing(), profile, nowhere, kind=ReadingKind.READ, prior=Prior.NONE)
    asked = next(walk.steps())
    chat = manifest.scaffolding
    return chat.head((1,)) + chat.question(asked.prompt, first=True) + asked.lead
