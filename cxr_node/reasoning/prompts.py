"""The only place where words reach the model: questions, options and subjects.

Prompts are built from closed codes alone; no text of a data set can enter one. "Brief" is
for the embedded model, whose tokenizer knows few words, "plain" for language models of
ordinary size, and "chestx" is plain with the questions that ChestX-Reasoner was taught
(arXiv 2504.20930). A prompt's bytes are part of the model: changing a word here means
training or validating again, so ``PROMPTS_VERSION`` is in every manifest.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType

from cxr_node.domain.findings import FindingKind
from cxr_node.domain.stages import GRAPH, AnswerKind, Question, StageKey

PROMPTS_VERSION = "1"
NOT_ASSESSED = "not assessed"
"""What later questions see where an answer was refused."""

LETTERS = string.ascii_uppercase

REASON_ALOUD = (
    "Let's think step by step. Enclose the reasoning within <think></think> "
    "and the answer within <answer></answer>."
)
"""The instruction that ends every question ChestX-Reasoner was taught to reason about."""

STRUCTURES = ("heart", "thorax")
"""Subjects of the anatomy loop."""

_PAIR = "+"


class Wording(StrEnum):
    """A set of question and option words."""

    BRIEF = "brief"
    PLAIN = "plain"
    CHESTX = "chestx"


_K, _S = FindingKind, StageKey
_FINDINGS: dict[Wording, dict[FindingKind, str]] = {
    Wording.BRIEF: {
        _K.ENLARGED_CARDIOMEDIASTINUM: "widened mediastinum",
        _K.LUNG_LESION: "lesion",
        _K.LUNG_OPACITY: "opacity",
        _K.PLEURAL_EFFUSION: "effusion",
        _K.PLEURAL_OTHER: "pleural other",
        _K.CENTRAL_VENOUS_CATHETER: "venous catheter",
    },
    Wording.PLAIN: {
        _K.EDEMA: "pulmonary edema",
        _K.FRACTURE: "bone fracture",
        _K.LUNG_LESION: "lung nodule or mass",
        _K.PLEURAL_OTHER: "pleural thickening or other pleural abnormality",
        _K.ENTERIC_TUBE: "nasogastric or enteric tube",
        _K.PORT: "implanted port",
        _K.PACEMAKER: "pacemaker or defibrillator",
    },
}

_OPTIONS: dict[Wording, dict[str, str]] = {
    Wording.BRIEF: {
        "too_high": "high",
        "too_low": "low",
        "chest_wall": "wall",
        "not_comparable": "incomparable",
        "follow_up_radiograph": "radiograph",
        "urgent_clinical_review": "urgent",
    },
    Wording.PLAIN: {
        "follow_up_radiograph": "follow-up radiograph",
        "ct": "CT",
        "chest_wall": "chest wall",
    },
}

# {x} is the subject; {a} and {b} the two of a pair.
_QUESTIONS: dict[Wording, dict[tuple[StageKey, str], str]] = {
    Wording.BRIEF: {
        (_S.QUALITY_VIEW, "projection"): "projection?",
        (_S.QUALITY_VIEW, "positioning"): "positioning?",
        (_S.QUALITY_VIEW, "inspiration"): "inspiration?",
        (_S.QUALITY_VIEW, "exposure"): "exposure?",
        (_S.QUALITY_VIEW, "rotation"): "rotation?",
        (_S.QUALITY_VIEW, "coverage"): "coverage?",
        (_S.QUALITY_VIEW, "limits"): "limits?",
        (_S.FINDINGS, "overall"): "overall?",
        (_S.FINDINGS, "presence"): "{x}?",
        (_S.FINDINGS, "other"): "other findings?",
        (_S.ATTRIBUTES_GROUNDING, "side"): "side of {x}?",
        (_S.ATTRIBUTES_GROUNDING, "zone"): "zone of {x}?",
        (_S.ATTRIBUTES_GROUNDING, "severity"): "severity of {x}?",
        (_S.ATTRIBUTES_GROUNDING, "position"): "position of {x}?",
        (_S.ATTRIBUTES_GROUNDING, "box"): "box of {x}?",
        (_S.ATTRIBUTES_GROUNDING, "description"): "describe {x}?",
        (_S.ATTRIBUTES_GROUNDING, "anatomy_box"): "box of {x}?",
        (_S.RELATIONSHIPS, "relation"): "relation of {a} to {b}?",
        (_S.RELATIONSHIPS, "summary"): "relations?",
        (_S.COMPARISON, "change"): "change of {x}?",
        (_S.COMPARISON, "summary"): "changes?",
        (_S.FUTURE_TREND, "course"): "course?",
        (_S.FUTURE_TREND, "summary"): "outlook?",
        (_S.ADVICE, "category"): "category?",
        (_S.ADVICE, "next_step"): "next step?",
        (_S.REPORT, "findings"): "report findings?",
        (_S.REPORT, "impression"): "report impression?",
    },
    Wording.PLAIN: {
        (_S.QUALITY_VIEW, "projection"): "Which projection is this chest radiograph?",
        (_S.QUALITY_VIEW, "positioning"): "How good is the patient positioning?",
        (_S.QUALITY_VIEW, "inspiration"): "How good is the inspiration?",
        (_S.QUALITY_VIEW, "exposure"): "How good is the exposure?",
        (_S.QUALITY_VIEW, "rotation"): "How adequate is the image with regard to rotation?",
        (_S.QUALITY_VIEW, "coverage"): "Is the whole chest covered?",
        (_S.QUALITY_VIEW, "limits"): "What limits the reading of this image? One sentence.",
        (_S.FINDINGS, "overall"): "Is this chest radiograph normal or abnormal?",
        (_S.FINDINGS, "presence"): "Is {x} present, absent or uncertain?",
        (_S.FINDINGS, "other"): (
            "Which other abnormalities are seen? Answer with a list of terms, or none."
        ),
        (_S.ATTRIBUTES_GROUNDING, "side"): "On which side is the {x}?",
        (_S.ATTRIBUTES_GROUNDING, "zone"): "In which zone is the {x}?",
        (_S.ATTRIBUTES_GROUNDING, "severity"): "How severe is the {x}?",
        (_S.ATTRIBUTES_GROUNDING, "position"): "How is the {x} positioned?",
        (_S.ATTRIBUTES_GROUNDING, "box"): (
            "Where is the {x}? Answer with a box (x1, y1), (x2, y2) {unit}."
        ),
        (_S.ATTRIBUTES_GROUNDING, "description"): "Describe the {x} in one sentence.",
        (_S.ATTRIBUTES_GROUNDING, "anatomy_box"): (
            "Where is the {x}? Answer with a box (x1, y1), (x2, y2) {unit}."
        ),
        (_S.RELATIONSHIPS, "relation"): (
            "How does the {a} relate to the {b}: none, explains, accompanies or obscures?"
        ),
        (_S.RELATIONSHIPS, "summary"): "How do the findings relate? One sentence.",
        (_S.COMPARISON, "change"): "Compared with the earlier study, how has the {x} changed?",
        (_S.COMPARISON, "summary"): "What has changed since the earlier study? One sentence.",
        (_S.FUTURE_TREND, "course"): (
            "Is the condition expected to improve, stay or worsen, or is it unclear?"
        ),
        (_S.FUTURE_TREND, "summary"): "What course is expected? One sentence.",
        (_S.ADVICE, "category"): (
            "Which actionable category applies: none, 1 (minutes), 2 (hours) or 3 (days)?"
        ),
        (_S.ADVICE, "next_step"): "Which next step do you advise?",
        (_S.REPORT, "findings"): "Write the findings section of the report.",
        (_S.REPORT, "impression"): "Write the impression of the report.",
    },
}

# CheXpert's own names, and what the published model's questions offer (RadRBench-CXR).
_FINDINGS[Wording.CHESTX] = {
    kind: words for kind, words in _FINDINGS[Wording.PLAIN].items() if kind.is_device
}
_OPTIONS[Wording.CHESTX] = _OPTIONS[Wording.PLAIN] | {
    "present": "Yes",
    "absent": "No",
    "improved": "improving",
    "worsened": "worsening",
}
_QUESTIONS[Wording.CHESTX] = _QUESTIONS[Wording.PLAIN] | {
    (_S.FINDINGS, "presence"): "Does this chest X-ray show {x}?",
    (_S.COMPARISON, "change"): (
        "You are given two images: one reference image and one new image. "
        "Please identify the progression of {x}."
    ),
}
_OFFERED: dict[Wording, dict[str, tuple[str, ...]]] = {
    Wording.CHESTX: {
        "presence": ("present", "absent"),
        "change": ("stable", "worsened", "improved"),
    },
}

PERCENT_UNIT = "in percent of width and height"
BOX_UNITS: Mapping[str, str] = MappingProxyType(
    {
        "percent": PERCENT_UNIT,
        "thousandths": "in thousandths of width and height",
        "pixels": "in pixels of the image",
    }
)
"""What a plain question about a place asks for, by :class:`profiles.BoxFormat`."""

_PICTURES: dict[Wording, tuple[str, str]] = {
    Wording.BRIEF: ("first current, second prior.", "first prior, second current."),
    Wording.PLAIN: (
        "The first image is the current study, the second an earlier study of the same patient. "
        "Answer about the current study unless asked about change.",
        "The first image is an earlier study of the same patient, the second the current study. "
        "Answer about the current study unless asked about change.",
    ),
}


class FollowUpPreset(StrEnum):
    """Questions that are often put after a reading."""

    DIFFERENTIALS = "differentials"
    STRUCTURED = "structured"
    FINDING = "finding"


_FOLLOW_UPS: dict[Wording, dict[FollowUpPreset, str]] = {
    # The embedded model knows no words but those of its own questions.
    Wording.BRIEF: {
        FollowUpPreset.STRUCTURED: "report findings?",
        FollowUpPreset.FINDING: "describe {x}?",
    },
    Wording.PLAIN: {
        FollowUpPreset.DIFFERENTIALS: (
            "Which diagnoses could explain these findings? Name the most likely one first, and "
            "say for each how likely it is and what on the image speaks for and against it."
        ),
        FollowUpPreset.STRUCTURED: (
            "Write a structured report of this chest radiograph under the headings Technique, "
            "Comparison, Lungs, Pleura, Heart and mediastinum, Bones, Devices and Impression."
        ),
        FollowUpPreset.FINDING: (
            "Look at the {x} again. Where is it, what on the image speaks for it, "
            "and what speaks against it?"
        ),
    },
}
_FOLLOW_UPS[Wording.CHESTX] = _FOLLOW_UPS[Wording.PLAIN]


def follow_up_words(wording: Wording, preset: FollowUpPreset, finding: str = "") -> str:
    """A question put after a reading; empty where a model with this wording knows none.

    Raises ``ValueError`` when ``finding`` is given or missing against the preset's nature.
    """
    if bool(finding) != (preset is FollowUpPreset.FINDING):
        raise ValueError("only the preset finding is about a finding, and it needs one")
    template = _FOLLOW_UPS[wording].get(preset, "")
    return template.format(x=subject_words(wording, finding)) if finding else template


def pictures_words(wording: Wording, *, reference_first: bool) -> str:
    """What stands before the first question when two studies are shown."""
    return _PICTURES[Wording.BRIEF if wording is Wording.BRIEF else Wording.PLAIN][reference_first]


def pair(first: str, second: str) -> str:
    """The subject of a question about two findings."""
    return f"{first}{_PAIR}{second}"


def subject_words(wording: Wording, subject: str) -> str:
    """A finding key or structure in words. Raises ``ValueError`` for any other text."""
    if subject in STRUCTURES:
        return subject
    kind = FindingKind(subject)
    return _FINDINGS[wording].get(kind, kind.value.replace("_", " "))


def question_words(
    wording: Wording,
    stage: StageKey,
    question: Question,
    subject: str = "",
    unit: str = PERCENT_UNIT,
) -> str:
    """The exact prompt for one question about one subject (or pair of subjects).

    ``unit`` is one of ``BOX_UNITS``, for a question whose answer is a box.
    """
    template = _QUESTIONS[wording][stage, question.key]
    if not subject:
        return template
    words = [subject_words(wording, part) for part in subject.split(_PAIR)]
    return template.format(x=words[0], a=words[0], b=words[-1], unit=unit)


def offered(wording: Wording, question: Question) -> tuple[str, ...]:
    """The options of ``question`` that are put to the model, in the order it was taught."""
    return _OFFERED.get(wording, {}).get(question.key, question.options)


def lettered(question: str, options: Sequence[str]) -> str:
    """A question with its options as ChestX-Reasoner was taught them (at most 26)."""
    listed = (f"{letter}) {words}" for letter, words in zip(LETTERS, options, strict=False))
    return "\n".join((f"{question} Options:", *listed))


def option_words(wording: Wording, option: str) -> str:
    """An option key as the model sees it."""
    return _OPTIONS[wording].get(option, option.replace("_", " "))


def option_key(wording: Wording, question: Question, words: str) -> str | None:
    """The option of ``question`` that reads ``words``; None when there is none."""
    said = words.strip().casefold()
    for option in question.options:
        if option_words(wording, option).casefold() == said:
            return option
    return None


def box_words(x0: float, y0: float, x1: float, y1: float) -> str:
    """A box as the embedded model is taught to write it: whole percent, one token a number."""
    corners = [round(value) for value in (x0, y0, x1, y1)]
    return "( {}, {}), ( {}, {})".format(*corners)


def every_prompt(wording: Wording) -> tuple[str, ...]:
    """Every prompt that can be asked about one subject or none, and one of each pair kind."""
    subjects = [*FindingKind, *STRUCTURES]
    found: dict[str, None] = {}
    for stage in GRAPH:
        for question in stage.questions:
            for subject in subjects:
                asked = pair(subject, subject) if question.key == "relation" else subject
                found[question_words(wording, stage.key, question, asked)] = None
    return tuple(found)


def every_option(wording: Wording) -> tuple[str, ...]:
    """The words of every option of every closed question."""
    return tuple(
        dict.fromkeys(
            option_words(wording, option)
            for stage in GRAPH
            for question in stage.questions
            if question.kind is AnswerKind.CLOSED
            for option in question.options
        )
    )
