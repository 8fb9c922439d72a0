"""The text model that ships: it plans from a table, reads by rules and writes from templates.

It answers the same three prompts as a language model. What it writes is dull and true: every
observation is made anew from what the negation-aware reader understood, never copied, so no
wording of the report comes through. The same prompt gives the same text.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

from cxr_node.domain.findings import Laterality, Presence, Zone
from cxr_node.reasoning.prose.mentions import Mention
from cxr_node.training.chain_prompts import input_of
from cxr_node.training.chain_reports import CURRENT, EARLIER, implied, mentions_in, stated
from cxr_node.training.chain_topics import OF_KIND, TOPICS, Topic, size_words

_ORDER = list(TOPICS)
_WALK = ("Lung Opacity", "Pleural Effusion", "Pneumothorax", "Cardiomegaly", "Support Devices")
"""What is looked at in any case where nothing is offered."""
_LEADS = ("Look first at the", "Next, the", "Then the", "Turn to the", "Now the")
_FOR = ("This speaks for", "This fits", "This is the sign of")
_IN_ORDER = ("Nothing seen here is out of order.", "All of this is as it should be.")
_ZONES = {
    Zone.APEX: "at the apex",
    Zone.UPPER: "in the upper zone",
    Zone.MIDDLE: "in the middle zone",
    Zone.LOWER: "in the lower zone",
}


class RuleModel:
    """Implements :class:`cxr_node.training.chain_prompts.TextModel`."""

    def complete(self, prompt: str) -> str:
        found = input_of(prompt)
        draw = random.Random(prompt)  # noqa: S311 - wording, no secret
        if found["call"] == "plan":
            reply: dict[str, Any] = {"plan": _plan(found)}
        elif found["call"] == "evidence":
            reply = {"evidence": _evidence(found, draw)}
        else:
            reply = _refined(found, draw)
        return json.dumps(reply)


def _plan(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The findings asked about with what speaks for or against them, each structure once."""
    asked = [TOPICS[label] for label in found["asked_about"]]
    if found["task"] == "temporal":
        return [_step(topic, study) for topic in asked for study in (EARLIER, CURRENT)]
    if found["task"] == "listed":
        labels = sorted({*_WALK, *_true(found)}, key=_ORDER.index)
    elif len(asked) == 1:
        labels = [*asked[0].beside, asked[0].label]
    else:
        labels = [topic.label for topic in asked] or list(_WALK)
    return [_step(TOPICS[label], CURRENT) for label in dict.fromkeys(labels)]


def _true(found: dict[str, Any]) -> set[str]:
    return {label for label in found["answer_means"] if label in TOPICS}


def _step(topic: Topic, study: str) -> dict[str, Any]:
    step = {"finding": topic.label, "look_at": topic.look_at, "why": topic.why}
    return step | {"study": study}


def _evidence(found: dict[str, Any], draw: random.Random) -> list[dict[str, Any]]:
    read = [
        (line["sentence"], line["study"], mentions_in(line["text"])) for line in found["report"]
    ]
    result = []
    for number, step in enumerate(found["plan"]):
        topic = TOPICS[step["finding"]]
        lines = [(n, said) for n, study, said in read if study == step["study"]]
        sentence, status, about = _decisive(lines, topic)
        everything = [mention for _, said in lines for mention in said]
        if status is Presence.ABSENT and implied(everything, topic.kinds):
            continue
        entry = {"step": number, "sentence": sentence, "status": status.value}
        result.append(entry | {"observation": _observation(topic, status, about, draw)})
    return result


def _decisive(
    lines: Sequence[tuple[int, Sequence[Mention]]], topic: Topic
) -> tuple[int | None, Presence, list[Mention]]:
    """The sentence that settles a topic, what it says, and its mentions of the topic."""
    for wanted in (Presence.PRESENT, Presence.UNCERTAIN, Presence.ABSENT):
        for number, said in lines:
            if stated(said, topic.kinds) is wanted:
                about = [m for m in said if stated((m,), topic.kinds) is wanted]
                return number, wanted, about
    return None, Presence.ABSENT, []


def _observation(
    topic: Topic, status: Presence, about: Sequence[Mention], draw: random.Random
) -> str:
    if status is Presence.ABSENT:
        return draw.choice(topic.normal)
    named = list(dict.fromkeys(_described(mention) for mention in about))
    verb = "may be" if status is Presence.UNCERTAIN else "is"
    return f"There {verb} {_and([_with_article(words) for words in named])}."


def _described(mention: Mention) -> str:
    """A finding anew from what was understood of it: size, side, name, place."""
    words = []
    if len(mention.sizes) == 1 and not mention.kind.is_device:
        words.append(size_words(mention.kind, next(iter(mention.sizes))))
    if mention.side and mention.kind.has_side:
        words.append(mention.side.value)
    words.append(OF_KIND[mention.kind].name)
    zone = next(iter(mention.zones)) if len(mention.zones) == 1 else None
    both = mention.side is Laterality.BILATERAL
    if zone in _ZONES and not mention.kind.is_device and not both:
        words.append(_ZONES[zone])
    return " ".join(words)


_UNCOUNTED = ("atelectasis", "cardiomegaly", "consolidation", "edema", "pneumonia", "thickening")


def _with_article(words: str) -> str:
    if any(words.split(" in the ")[0].split(" at the ")[0].endswith(n) for n in _UNCOUNTED):
        return words
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _refined(found: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    evidence: list[dict[str, Any]] = found["evidence"]
    steps = []
    for place, number in enumerate(_bearing(found)):
        entry = evidence[number]
        topic = TOPICS[entry["finding"]]
        lead = _LEADS[0] if place == 0 else draw.choice(_LEADS[1:])
        where = {EARLIER: " on the earlier picture", CURRENT: ""}[entry["study"]]
        where = " on the new picture" if found["task"] == "temporal" and not where else where
        text = f"{lead} {entry['look_at']}{where}: {entry['why']}. {entry['observation']}"
        remark = _remark(found, topic, draw)
        steps.append({"evidence": number, "text": f"{text}{remark}"})
    return {"steps": steps, "conclusion": _conclusion(found, draw)}


def _bearing(found: dict[str, Any]) -> list[int]:
    """Evidence that bears on the answer: doubts bear on none but their own finding."""
    asked = {*found["asked_about"], *found["answer_means"]}
    return [
        number
        for number, entry in enumerate(found["evidence"])
        if entry["status"] != Presence.UNCERTAIN.value or entry["finding"] in asked
    ]


def _remark(found: dict[str, Any], topic: Topic, draw: random.Random) -> str:
    """In a choice between several: which of them a step speaks for."""
    chosen = found["task"] in ("single", "multiple") and topic.label in found["answer_means"]
    return f" {draw.choice(_FOR)} {topic.name}." if chosen else ""


def _conclusion(found: dict[str, Any], draw: random.Random) -> str:
    names = [TOPICS[label].name for label in found["answer_means"] if label in TOPICS]
    if found["task"] == "temporal":
        word = {"stable": "the same in both", "worsened": "worse now", "improved": "better now"}
        return f"Side by side, the {names[0]} is {word[found['course']]}."
    if not names and found["task"] == "binary":
        return f"So there is no {TOPICS[found['asked_about'][0]].name}."
    if not names:
        return draw.choice(
            ("Nothing seen here is out of order.", "All of this is as it should be.")
        )
    lead = draw.choice(("Taken together, this shows", "So the picture shows", "In sum, this is"))
    return f"{lead} {_and(names)}."


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""
