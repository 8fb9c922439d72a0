"""Rewards of reinforcement learning as pure functions of one completion.

Published ones: label accuracy times form and the length punishment of NV-Reason-CXR (arXiv
2510.23968, its reward code), outcome and process reward as arXiv 2504.20930 describes them
(its formula is not published: ours is written here), the text reward on the report of the
eight-stage recipe (arXiv 2505.23143's follow-up) with a pluggable similarity. Our own: two
penalties for what those leave unpunished, labels that do not exist and answers that
contradict their own reasoning.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.findings import Finding
from cxr_node.reasoning.labels import LABELS, Listed, read_labels, weigh
from cxr_node.reasoning.tags import has_tags, read_tags
from cxr_node.training.key_findings import KeyFinding, by_kind, conclusions, observations, recalled

LEAST_TOKENS = 400
"""A completion of so many tokens is not punished for its length."""

CONTRADICTION = 0.25
"""What one contradiction costs; four and more cost everything."""

Similarity = Callable[[str, str], float]
"""(candidate, reference) to 0..1. The published recipe uses BERTScore-F1, which needs a
language model; any function of two texts fits here."""

_FORM = re.compile(r"<think>.*?</think>\s*<answer>.*?</answer>$", re.DOTALL)
_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_TAGS = ("<think>", "</think>", "<answer>", "</answer>")
_FOURTEEN = frozenset(label.lower() for label in LABELS)
_TOKEN = re.compile(r"[^\W_]+")


def jaccard(completion: str, reference: str) -> float:
    """|G ∩ A| / |G ∪ A| of the comma-separated labels inside the answer tags.

    Case does not matter; only the 14 CheXpert labels count, others are dropped on both
    sides. Both empty give 1; no answer tags give 0.
    """
    answer = _ANSWER.search(completion)
    if answer is None:
        return 0.0
    given, wanted = _labels(answer[1]), _labels(reference)
    union = given | wanted
    return len(given & wanted) / len(union) if union else 1.0


def _labels(listed: str) -> frozenset[str]:
    return frozenset(term.strip().lower() for term in listed.split(",")) & _FOURTEEN


def well_formed(completion: str) -> float:
    """1 for thoughts in tags, then the answer in tags, and nothing else; otherwise 0."""
    return float(_FORM.match(completion) is not None)


def tags_once(completion: str) -> float:
    """1 if each of the four tags stands exactly once; otherwise 0."""
    return float(all(completion.count(tag) == 1 for tag in _TAGS))


def accuracy_hard(completion: str, reference: str) -> float:
    """Jaccard x form x tags: a well-formed right answer or nothing."""
    return jaccard(completion, reference) * well_formed(completion) * tags_once(completion)


def overshort(tokens: int, least: int = LEAST_TOKENS, span: int = LEAST_TOKENS) -> float:
    """0 from ``least`` tokens on, below it ``(tokens - least) / span``, never under -1."""
    return 0.0 if tokens >= least else max(-1.0, (tokens - least) / span)


def outcome(completion: str, reference: str) -> float:
    """1 if the answer is exactly the option; case, blanks and a final stop do not matter.

    An empty answer is always wrong, as is one with broken tags.
    """
    given = _option(_answered(completion))
    return float(bool(given) and given == _option(_answered(reference)))


def _answered(text: str) -> str:
    """What stands in the one pair of answer tags; of a text without tags, all of it."""
    if not has_tags(text):
        return text
    found = _ANSWER.findall(text)
    return str(found[0]) if len(found) == 1 else ""


def _option(words: str) -> str:
    return " ".join(words.split()).rstrip(".").casefold()


def process(completion: str, reference: Sequence[KeyFinding]) -> float:
    """Share of the reference chain's observations that the thoughts end with, status and all.

    A reference without key findings asks for nothing: 1. The last word on a finding counts,
    so that saying both gains nothing.
    """
    if not reference:
        return 1.0
    units = observations(reference)
    held = by_kind(conclusions(_thoughts(completion)))
    return sum(recalled(unit, held) for unit in units) / len(units)


def _thoughts(completion: str) -> str:
    """The thoughts of a well-formed completion, all of one without tags, else nothing."""
    if not has_tags(completion):
        return completion
    try:
        return read_tags(completion).thoughts
    except AnswerRefused:
        return ""


def reasoned(
    completion: str,
    reference: str,
    chain: Sequence[KeyFinding],
    *,
    outcome_weight: float = 0.5,
    process_weight: float = 0.5,
) -> float:
    """form x (weighted outcome + weighted process); outcome of a label list is its Jaccard."""
    form = well_formed(completion) * tags_once(completion)
    right = jaccard(completion, reference) if _labels(reference) else outcome(completion, reference)
    return form * (outcome_weight * right + process_weight * process(completion, chain))


def token_f1(candidate: str, reference: str) -> float:
    """F1 of the words of two texts, as multisets, case ignored; both empty give 1."""
    given, wanted = _words(candidate), _words(reference)
    shared = (given & wanted).total()
    if not shared:
        return float(not given and not wanted)
    precision, recall = shared / given.total(), shared / wanted.total()
    return 2 * precision * recall / (precision + recall)


def _words(text: str) -> Counter[str]:
    return Counter(_TOKEN.findall(text.casefold()))


def report_score(answers: Sequence[tuple[str, str]], similarity: Similarity = token_f1) -> float:
    """Mean similarity of the stage-8 answers of one dialogue; (candidate, reference) each.

    Raises ValueError without any: such a dialogue cannot be rewarded by its report.
    """
    if not answers:
        raise ValueError("the dialogue has no answer of stage 8")
    return sum(similarity(said, wanted) for said, wanted in answers) / len(answers)


def unknown_labels(completion: str) -> float:
    """Minus the share of answered terms that are none of the 14 labels; -1 without any answer."""
    listed = _listed(completion)
    if listed is None:
        return -1.0
    return 0.0 - len(listed.unknown) / (len(listed.labels) + len(listed.unknown))


def contradictions(completion: str, each: float = CONTRADICTION) -> float:
    """Minus ``each`` for every contradiction of the label list, never under -1.

    Counted are No Finding beside a pathology, a label that the thoughts deny, and a finding
    that the thoughts affirm and the list leaves out. No answer contradicts nothing.
    """
    listed = _listed(completion)
    if listed is None:
        return 0.0
    said = conclusions(_thoughts(completion))
    held = [Finding(s.kind, s.status, None, 0.5) for s in said]
    return 0.0 - min(1.0, each * len(weigh(held, listed).contradictions))


def _listed(completion: str) -> Listed | None:
    try:
        return read_labels(_answered(completion))
    except AnswerRefused:
        return None
