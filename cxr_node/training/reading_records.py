"""A stored reading as a dialogue record, so that a site can export its own dialogues.

The answers are a model's, not a reference; the record says whose.
"""

from __future__ import annotations

from cxr_node.domain.findings import Reading
from cxr_node.domain.stages import OPENING, StageKey, Turn
from cxr_node.training.record_stages import (
    OPEN,
    TASKS,
    Answered,
    plain_turn,
    shown,
    turn_of,
)
from cxr_node.training.records import Record, RecordTurn, new_record

SOURCE = "cxr-node reading"


def reading_record(reading: Reading, *, study: str, patient: str | None = None) -> Record:
    """The questions and accepted answers of ``reading``; refused answers are left out.

    Pictures are named by SOP Instance UID: those of the study, then that of the earlier one.
    Questions stand in the plain wording, whatever wording the model was asked in. The extra
    field ``answered_by`` names the model, ``refused`` counts what was left out. Answers that a
    person gave in the model's place carry ``source`` person, and ``corrected`` counts them.
    """
    turns = [_turn(turn) for turn in reading.turns if turn.accepted]
    images = [image.sop_instance_uid.text for image in reading.images]
    prior = reading.prior
    return new_record(
        shown(turns, len(images), earlier=1 if prior else 0),
        source=SOURCE,
        patient=patient,
        study=study,
        images=[*images, *([prior.image.sop_instance_uid.text] if prior else ())],
        reference_study=prior.study_uid.text if prior else None,
        answered_by=f"{reading.model.name} {reading.model.version} ({reading.model.digest[:12]})",
        refused=sum(not turn.accepted for turn in reading.turns),
        corrected=sum(turn.by_person for turn in reading.turns),
    )


def _turn(turn: Turn) -> RecordTurn:
    if turn.question == OPENING:
        task = TASKS[StageKey.FINDINGS][0]
        return plain_turn(turn.stage, task, OPEN, turn.prompt, turn.raw, node_key=OPENING)
    made = turn_of(Answered(turn.stage, turn.question, turn.answer, turn.subject))
    return RecordTurn({**made.document, "source": turn.source.value}) if turn.by_person else made
