"""The state machine of work items against the words of PS3.4 CC.1.1, told another way."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cxr_node.domain.ups import FINAL, REQUEST_FOR, Request, UpsState, UpsStatus, outcome

TRANSACTIONS = st.sampled_from(["1.2.1", "1.2.2", ""])

# PS3.4 Table CC.1.1-2: rows are events, columns null, SCHEDULED, IN PROGRESS, COMPLETED, CANCELED.
TABLE = """
start holding     | C307 | -> IN PROGRESS | C302         | C300 | C300
start without     | C307 | C301           | C301         | C301 | C301
schedule          | C307 | C303           | C303         | C303 | C303
complete holding  | C307 | C310           | -> COMPLETED | B306 | C300
complete without  | C307 | C301           | C301         | C301 | C301
cancel holding    | C307 | C310           | -> CANCELED  | C300 | B304
cancel without    | C307 | C301           | C301         | C301 | C301
ask               | C307 | -> CANCELED    | ok           | C311 | B304
update holding    | C307 | ok             | ok           | C300 | C300
update without    | C307 | ok             | C301         | C300 | C300
"""
COLUMNS = (None, *UpsState)
WORDS = {
    "start": Request.START,
    "schedule": Request.SCHEDULE,
    "complete": Request.COMPLETE,
    "cancel": Request.CANCEL,
    "ask": Request.ASK_TO_CANCEL,
    "update": Request.UPDATE,
}


def test_every_cell_of_the_table() -> None:
    cells = 0
    for line in TABLE.strip().splitlines():
        event, *answers = (cell.strip() for cell in line.split("|"))
        word, _, how = event.partition(" ")
        for state, answer in zip(COLUMNS, answers, strict=True):
            found = outcome(WORDS[word], state, holds=how != "without")
            if answer.startswith("->"):
                said = (UpsStatus.SUCCESS, UpsState(answer[3:]))
            else:
                said = (UpsStatus(0 if answer == "ok" else int(answer, 16)), None)
            assert (found.status, found.state) == said, (event, state)
            cells += 1
    assert cells == 50


def test_a_final_state_asks_for_its_attributes() -> None:
    for request in (Request.COMPLETE, Request.CANCEL):
        found = outcome(request, UpsState.IN_PROGRESS, holds=True, final_met=False)
        assert (found.status, found.state) == (UpsStatus.NOT_FINAL_YET, None)
    asked = outcome(Request.ASK_TO_CANCEL, UpsState.SCHEDULED, holds=False, final_met=False)
    assert asked.state is UpsState.CANCELED


class WorkitemLife(RuleBasedStateMachine):
    """One work item and many callers; the model is two flags and an owner, not the table."""

    def __init__(self) -> None:
        super().__init__()
        self.state: UpsState | None = None
        self.owner = ""
        self.started = self.ended = False
        self.history: list[UpsState] = []

    @rule()
    def create(self) -> None:
        if self.state is None:
            self._enter(UpsState.SCHEDULED)

    @rule(wanted=st.sampled_from(UpsState), given=TRANSACTIONS, final_met=st.booleans())
    def change(self, wanted: UpsState, given: str, final_met: bool) -> None:
        request = REQUEST_FOR[wanted]
        holds = bool(given) if request is Request.START and not self.owner else self._holds(given)
        found = outcome(request, self.state, holds=holds, final_met=final_met)
        allowed = (
            (wanted is UpsState.IN_PROGRESS and self.state is not None and not self.started)
            if not self.owner
            else wanted in FINAL and not self.ended and final_met
        )
        moved = bool(allowed and given and holds and not self.ended)
        assert (found.state is wanted) is moved
        assert found.status.is_failure is not (
            moved or (found.status in (UpsStatus.ALREADY_CANCELED, UpsStatus.ALREADY_COMPLETED))
        )
        if moved:
            if wanted is UpsState.IN_PROGRESS:
                self.owner = given
            self._enter(wanted)

    @rule()
    def ask_to_cancel(self) -> None:
        found = outcome(Request.ASK_TO_CANCEL, self.state, holds=False)
        if self.state is not None and not self.started and not self.ended:
            assert found.state is UpsState.CANCELED
            self._enter(UpsState.CANCELED)
        else:
            assert found.state is None

    @rule(given=TRANSACTIONS)
    def update(self, given: str) -> None:
        found = outcome(Request.UPDATE, self.state, holds=self._holds(given))
        may = self.state is not None and not self.ended and (not self.started or self._holds(given))
        assert (found.status is UpsStatus.SUCCESS) is may

    def _holds(self, given: str) -> bool:
        return bool(given) and given == self.owner

    def _enter(self, state: UpsState) -> None:
        self.state = state
        self.started = self.started or state is UpsState.IN_PROGRESS
        self.ended = self.ended or state in FINAL
        self.history.append(state)

    @invariant()
    def never_goes_back(self) -> None:
        order = [UpsState.SCHEDULED, UpsState.IN_PROGRESS]
        assert [s for s in self.history if s not in FINAL] == order[: len(self.history)][
            : 2 if self.started else 1
        ]
        assert sum(state in FINAL for state in self.history) <= 1


WorkitemLife.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestWorkitemLife = WorkitemLife.TestCase
