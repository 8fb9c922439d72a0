"""``cxr-node commission``: phantoms through the whole installed path, and a graded report.

Association, intake, spool, database, jobs, model, report, delivery and worklist are those of
the running node; nothing is short-cut and nothing of its set-up is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.progress import track

from cxr_node.config import Configuration
from cxr_node.domain.errors import ConfigurationError
from cxr_node.entry.access import own_token
from cxr_node.entry.commission_answers import Gathering, look_at, settled, wait
from cxr_node.entry.commission_report import about, show, write
from cxr_node.entry.commission_results import Results, open_results
from cxr_node.entry.commission_sending import reachable, receiver, send
from cxr_node.entry.http_client import NodePage
from cxr_node.entry.wiring import Node, open_bell
from cxr_node.evaluation.commission.grade import grade
from cxr_node.evaluation.commission.limits import Limits, load_limits
from cxr_node.evaluation.commission.studies import PATIENT_PREFIX, PhantomStudy
from cxr_node.services.phantom_removal import remove_phantoms

_START_SECONDS, _STUDY_SECONDS = 60.0, 30.0


@dataclass(frozen=True, slots=True)
class CommissionOptions:
    """What the command line asked for. Empty texts and 0 leave it to the configuration."""

    out: Path
    count: int = 24
    first_seed: int = 9_900_000
    size: int = 1024
    difficulty: str = "phantom-2"
    to: str = ""
    calling_ae: str = ""
    limits: Path | None = None
    seconds: float = 0.0
    keep: bool = False

    @property
    def set_words(self) -> str:
        """Which phantoms: enough to draw them again."""
        last = self.first_seed + self.count - 1
        return (
            f"{self.count} phantoms of {self.difficulty}, seeds {self.first_seed} to {last}, "
            f"{self.size} pixels"
        )


def run_commission(config: Configuration, options: CommissionOptions, console: Console) -> bool:
    """Draw, send, wait, read back, grade, write the report; whether the node passed.

    Raises :class:`CxrNodeError` where nothing could be graded, with what to do.
    """
    limits = load_limits(options.limits)
    if find_spec("torch") is None:
        raise ConfigurationError("phantoms need the package torch; install cxr-node[model]")
    commission = Commission(config, options, console)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        return commission.run(limits)
    except OSError as error:
        raise ConfigurationError(f"{options.out}: cannot be written: {error.strerror}") from error
    finally:
        commission.close()


class Commission:
    """One commissioning of one running node."""

    def __init__(self, config: Configuration, options: CommissionOptions, console: Console) -> None:
        self._config = config
        self._options = options
        self._console = console
        self._receiver = receiver(config, options.to)
        self._calling = options.calling_ae or config.node.ae_title
        web = config.web
        host = reachable(web.host)
        self._page = NodePage(host, web.port, own_token(config), web.certificate_file)
        self._started = datetime.now(UTC).replace(microsecond=0)
        self._node = Node(config, open_bell(config))

    def close(self) -> None:
        self._node.close()

    def run(self, limits: Limits) -> bool:
        """Raises ``OSError`` where the folder cannot be written."""
        look_at(self._page)
        out = self._options.out
        with open_results(self._config, self._node, out / "received") as results:
            return self._run(results, limits)

    def _run(self, results: Results, limits: Limits) -> bool:
        options, to = self._options, self._receiver
        studies = self._drawn()
        refused = send(studies, to, self._calling, self._console, self._config.tls)
        sent = {study.study_uid for study in studies} - refused.keys()
        limit = options.seconds or _START_SECONDS + _STUDY_SECONDS * len(studies)
        wait(self._page, sent, limit, self._console)
        gathering = Gathering(self._config, self._page, results, self._node.templates.codes)
        asked = list(gathering.of(studies, refused))
        found = grade(asked, limits, self._node.identity, options.difficulty)
        who = about(
            self._node,
            at=self._started,
            set_words=options.set_words,
            limits=f"version {limits.version}, {options.limits or 'shipped'}",
            results=results.words,
            sent=f"as {self._calling} to {to.ae_title} at {to.host}:{to.port}",
            afterwards=self._afterwards(studies),
        )
        write(found, asked, who, options.out)
        show(found, options.out, self._console)
        return found.passed

    def _drawn(self) -> list[PhantomStudy]:
        import torch

        from cxr_node.entry.commission_set import SetWish, drawn
        from cxr_node.phantom.batched.patient import Level

        torch.set_num_threads(1)  # the node beside us needs the processors
        chosen, node = self._options, self._node
        wish = SetWish(
            folder=chosen.out / "sent",
            count=chosen.count,
            first_seed=chosen.first_seed,
            size=chosen.size,
            level=Level(chosen.difficulty),
            started=self._started,
            eligibility=node.eligibility,
            templates=node.templates,
            model=node.identity,
        )
        shown = {"total": chosen.count, "console": self._console, "transient": True}
        return list(track(drawn(wish), "drawing", **shown))  # type: ignore[arg-type]

    def _afterwards(self, studies: Sequence[PhantomStudy]) -> str:
        """Take the phantoms from the worklist, but those on which the node still works."""
        if self._options.keep:
            return f"kept in the node; patient IDs begin with {PATIENT_PREFIX}"
        sent = {study.study_uid for study in studies}
        ended = {i.study_uid for i in self._page.studies() if i.study_uid in sent and settled(i)}
        removed = remove_phantoms(self._node.db, ended, PATIENT_PREFIX)
        return (
            f"{removed} of {len(studies)} removed from the node; destinations keep what they were "
            f"sent, under patient IDs that begin with {PATIENT_PREFIX}"
        )
