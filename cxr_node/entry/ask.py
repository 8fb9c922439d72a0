"""``cxr-node ask``: one more question to the model that read a study, and its answer as text."""

from __future__ import annotations

import getpass
from dataclasses import dataclass

from rich.console import Console

from cxr_node.config import Configuration
from cxr_node.domain.errors import QuestionRefused
from cxr_node.domain.findings import FindingKind
from cxr_node.domain.identifiers import Uid
from cxr_node.entry.options import with_model
from cxr_node.entry.wiring import Node, open_bell
from cxr_node.reasoning.follow_up import own_words, preset_words
from cxr_node.reasoning.open_model import read_facts
from cxr_node.reasoning.profiles import Profile
from cxr_node.reasoning.prompts import FollowUpPreset
from cxr_node.services.follow_up import Answered

UNVERIFIED = "AI text, unverified"


@dataclass(frozen=True, slots=True)
class Asking:
    """What was typed: a question, or a preset, or a finding to ask about."""

    study_uid: str
    question: str = ""
    preset: FollowUpPreset | None = None
    finding: FindingKind | None = None
    by: str = ""
    model: str = ""


def ask_study(config: Configuration, asking: Asking, console: Console) -> None:
    """Ask, keep and print. Raises :class:`CxrNodeError` saying why there is no answer."""
    chosen = with_model(config, asking.model)
    node = Node(chosen, open_bell(chosen))
    try:
        facts = read_facts(chosen.model.path, cache=chosen.models_dir)
        words = _words(asking, facts.profile)
        answered = node.follow_ups.ask(Uid(asking.study_uid), words, asking.by or _user())
    finally:
        node.close()
    for line in _lines(answered, words):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _words(asking: Asking, profile: Profile) -> str:
    preset = asking.preset or (FollowUpPreset.FINDING if asking.finding else None)
    if bool(asking.question) == bool(preset):
        raise QuestionRefused("give a question, or --preset, or --finding")
    if preset:
        return preset_words(profile, preset, asking.finding or "")
    return own_words(profile, asking.question)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"  # a container may run under a number that has no name


def _lines(answered: Answered, words: str) -> list[str]:
    run, asked = answered.run, answered.asked
    model = run.reading.model
    return [
        f"study     {run.study_uid}",
        f"reading   {run.reading.kind}, revision {run.revision}",
        f"model     {model.name} {model.version}, {asked.model_digest}",
        f"turn      {asked.turn}",
        f"question  {words}",
        f"{UNVERIFIED}{', cut at the token limit' if answered.truncated else ''}:",
        asked.answer,
    ]
