# SPDX-License-Identifier: AGPL-3.0-or-later
"""Connects an Orthanc to a chest X-ray reading node: one file, standard library only.

Orthanc loads it (``"PythonScript"``) and it reads the section ``"CxrNode"`` of Orthanc's
configuration. It sends new chest radiographs to the node once, shows the node's state and
priority in Orthanc, and answers worklist queries with the node's priorities. Works from
Orthanc 1.10.1 (Python plugin 4.0) on. The file reads in the order of a study's way:
configuration, rules, ledger, Orthanc, node, transports, loops, routes, start.

Calls of ``orthanc.*`` hold the interpreter lock, so none of them waits for a network: a
C-STORE is a job of Orthanc's own engine, HTTP goes through ``urllib`` in threads.
"""

from __future__ import annotations

import fnmatch
import hashlib
import importlib
import json
import math
import queue
import re
import secrets
import socket
import sqlite3
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

orthanc: Any = importlib.import_module("orthanc")

VERSION = "1.0"
SECTION = "CxrNode"

# ---------------------------------------------------------------- configuration


class BadConfiguration(Exception):
    """What is wrong with the section, one line for each key."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)


def _text(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and len(value) <= 1024


def _url(value: Any) -> bool:
    if value == "":
        return True
    if not _text(value):
        return False
    try:
        parts = urlsplit(value)
        usual = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return usual and not (parts.username or parts.query or parts.fragment)


def _ae_title(value: Any) -> bool:
    usual = _text(value) and value.isascii() and "\\" not in value
    return bool(usual and 1 <= len(value) <= 16 and value == value.strip())


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _number(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: type(value) in (int, float) and low <= value <= high


def _one_of(*words: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in words


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _prefix(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,32}", value) is not None


def _key(default: Any, fits: Callable[[Any], bool], allowed: str) -> Any:
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=_meta(fits, allowed))
    return field(default=default, metadata=_meta(fits, allowed))


def _meta(fits: Callable[[Any], bool], allowed: str) -> dict[str, Any]:
    return {"fits": fits, "allowed": allowed}


_CHEST = ["*CHEST*", "*THORAX*", "*LUNG*", "*RIBCAGE*"]
_RADIOGRAPH = ["CR", "DX", "RG"]
DEFAULT_RULES: list[dict[str, Any]] = [
    {
        "Name": "processed copies stay",
        "Match": {"ImageType": ["DERIVED\\SECONDARY*"]},
        "Send": False,
    },
    {
        "Name": "chest by body part",
        "Match": {"Modality": _RADIOGRAPH, "BodyPart": _CHEST},
        "Send": True,
    },
    {
        "Name": "chest by series description",
        "Match": {"Modality": _RADIOGRAPH, "BodyPart": [""], "SeriesDescription": _CHEST},
        "Send": True,
    },
    {
        "Name": "chest by study description",
        "Match": {"Modality": _RADIOGRAPH, "BodyPart": [""], "StudyDescription": _CHEST},
        "Send": True,
    },
    {
        "Name": "radiograph that names nothing",
        "Match": {
            "Modality": _RADIOGRAPH,
            "BodyPart": [""],
            "SeriesDescription": [""],
            "StudyDescription": [""],
        },
        "Send": True,
    },
]


@dataclass(frozen=True)
class Settings:
    """The section, checked. A field ``quiet_seconds`` is the key ``QuietSeconds``."""

    enabled: bool = _key(True, _flag, "true or false")
    transport: str = _key("dicom", _one_of("dicom", "stow"), '"dicom" or "stow"')
    modality: str = _key("", _text, 'a name in "DicomModalities"; or Aet, Host and Port instead')
    aet: str = _key("CXRNODE", _ae_title, "the node's AE title, 1 to 16 characters")
    host: str = _key("", _text, "host name or address of the node's DICOM listener")
    port: int = _key(11112, _whole(1, 65535), "a port from 1 to 65535")
    url: str = _key("", _url, "the node's address such as http://127.0.0.1:8042")
    public_url: str = _key("", _url, "the node's address as browsers reach it; empty: Url")
    api_token: str = _key("", _text, "the node's token; better: ApiTokenFile")
    api_token_file: str = _key("", _text, "a readable file that holds the node's token")
    ca_file: str = _key("", _text, "a readable PEM file of certificates to trust for https")
    timeout_seconds: int = _key(10, _whole(1, 120), "whole seconds from 1 to 120")
    send_when: str = _key(
        "arriving", _one_of("arriving", "stable"), '"arriving" (image by image) or "stable"'
    )
    quiet_seconds: float = _key(1.0, _number(0, 60), "seconds from 0 to 60")
    rules: list[Any] = _key(DEFAULT_RULES, lambda value: isinstance(value, list), "a list of rules")
    ledger: str = _key("", _text, "a file that Orthanc may write; empty: beside Orthanc's index")
    sweep_days: int = _key(7, _whole(0, 36500), "whole days from 0 (no sweep) to 36500")
    max_waiting: int = _key(200, _whole(1, 100000), "a number of studies from 1 to 100000")
    retry_seconds: float = _key(5.0, _number(0.1, 3600), "seconds from 0.1 to 3600")
    longest_retry_seconds: float = _key(300.0, _number(0.1, 86400), "seconds from 0.1 to 86400")
    give_up_hours: float = _key(72.0, _number(0.01, 8760), "hours from 0.01 to 8760")
    poll_seconds: float = _key(3.0, _number(0.2, 3600), "seconds from 0.2 to 3600")
    state_metadata: int = _key(4120, _whole(1024, 65535), "a number from 1024 to 65535")
    priority_metadata: int = _key(4121, _whole(1024, 65535), "a number from 1024 to 65535")
    labels: bool = _key(True, _flag, "true or false")
    label_prefix: str = _key("CXR-", _prefix, "1 to 32 letters, digits, - or _")
    worklist: bool = _key(True, _flag, "true or false")
    button: bool = _key(True, _flag, "true or false")

    @property
    def page(self) -> str:
        """The node's address for browsers, without a slash at its end."""
        return (self.public_url or self.url).rstrip("/")


def key_name(attribute: str) -> str:
    """``quiet_seconds`` as it stands in the file: ``QuietSeconds``."""
    return "".join(part.capitalize() for part in attribute.split("_"))


_SECRET = frozenset({"api_token", "url", "public_url"})
"""What may hold a password where somebody put it into the wrong place."""


def settings_of(section: Any) -> Settings:
    """Check the section. Raises :class:`BadConfiguration` with a line for each wrong key."""
    if not isinstance(section, dict):
        raise BadConfiguration([f'"{SECTION}": the section is missing or is no JSON object'])
    known = {key_name(one.name): one for one in fields(Settings)}
    problems = [
        f"{SECTION}.{name}: unknown key; known are {', '.join(sorted(known))}"
        for name in section
        if name not in known
    ]
    values = {}
    for name, one in known.items():
        if name not in section:
            continue
        value = values[one.name] = section[name]
        if not one.metadata["fits"](value):
            shown = "the value" if one.name in _SECRET else json.dumps(value)[:80]
            allowed = one.metadata["allowed"]
            problems.append(f"{SECTION}.{name}: {shown} is not allowed; allowed is {allowed}")
    if not problems:
        problems = list(_contradictions(Settings(**values)))
    if problems:
        raise BadConfiguration(problems)
    return Settings(**values)


def _contradictions(found: Settings) -> Iterator[str]:
    """Keys that are fine alone and wrong together, and files that cannot be read."""
    yield from rule_problems(found.rules)
    if found.transport == "stow" and not found.url:
        yield f"{SECTION}.Url: is needed for Transport stow"
    if found.transport == "dicom" and not (found.modality or (found.aet and found.host)):
        yield f"{SECTION}.Host: give Host (with Aet and Port) or Modality for Transport dicom"
    if found.longest_retry_seconds < found.retry_seconds:
        yield f"{SECTION}.LongestRetrySeconds: must be RetrySeconds or more"
    if found.state_metadata == found.priority_metadata:
        yield f"{SECTION}.PriorityMetadata: must be another number than StateMetadata"
    if found.api_token and found.api_token_file:
        yield f"{SECTION}.ApiToken: leave it out where ApiTokenFile is given"
    for name in ("api_token_file", "ca_file"):
        path = getattr(found, name)
        if path and not _readable(Path(path)):
            yield f"{SECTION}.{key_name(name)}: the file cannot be read"


def _readable(path: Path) -> bool:
    try:
        return bool(path.read_bytes().strip())
    except OSError:
        return False


# ---------------------------------------------------------------- rules

FIELDS = (
    "CallingAet",
    "Station",
    "StudyDescription",
    "SeriesDescription",
    "BodyPart",
    "Modality",
    "ImageType",
)
"""What a rule may look at; an image's attributes are a mapping of these to text."""


@dataclass(frozen=True)
class Rule:
    """Holds for an image whose every named field fits one of its patterns (``*``, ``?``)."""

    name: str
    match: tuple[tuple[str, tuple[str, ...]], ...]
    send: bool

    def refusal(self, attributes: Mapping[str, str]) -> str:
        """Why the rule does not hold, or nothing where it does."""
        for name, patterns in self.match:
            value = attributes.get(name, "")
            if not any(_fits(value, pattern) for pattern in patterns):
                wanted = ", ".join(pattern or "(empty)" for pattern in patterns)
                return f"{name} is {value or '(empty)'}, not {wanted}"
        return ""


def _fits(value: str, pattern: str) -> bool:
    literal = pattern.replace("[", "[[]")
    return fnmatch.fnmatchcase(value.strip().upper(), literal.strip().upper())


def rule_problems(listed: Sequence[Any]) -> Iterator[str]:
    """What is wrong with the list of rules, one line for each place."""
    for number, entry in enumerate(listed):
        place = f"{SECTION}.Rules[{number}]"
        if not isinstance(entry, dict):
            yield f"{place}: must be an object with Name, Match and Send"
            continue
        for name in entry.keys() - {"Name", "Match", "Send"}:
            yield f"{place}.{name}: unknown key; allowed are Name, Match, Send"
        if not _flag(entry.get("Send")):
            yield f"{place}.Send: must be true or false"
        if not _text(entry.get("Name", "")):
            yield f"{place}.Name: must be a text"
        yield from _match_problems(f"{place}.Match", entry.get("Match"))


def _match_problems(place: str, match: Any) -> Iterator[str]:
    if not isinstance(match, dict):
        yield f"{place}: must be an object; allowed fields are {', '.join(FIELDS)}"
        return
    for name, patterns in match.items():
        if name not in FIELDS:
            yield f"{place}.{name}: unknown field; allowed are {', '.join(FIELDS)}"
        several = isinstance(patterns, list) and patterns and all(map(_text, patterns))
        if not (_text(patterns) or several):
            yield f"{place}.{name}: must be a pattern or a list of patterns, such as CHEST*"


def rules_of(listed: Sequence[Mapping[str, Any]]) -> list[Rule]:
    """The rules of a list in which :func:`rule_problems` finds nothing."""
    return [
        Rule(
            name=entry.get("Name") or f"rule {number}",
            match=tuple(
                (name, (given,) if isinstance(given, str) else tuple(given))
                for name, given in entry["Match"].items()
            ),
            send=entry["Send"],
        )
        for number, entry in enumerate(listed)
    ]


@dataclass(frozen=True)
class Verdict:
    """Whether an image goes to the node, in words why, and each step on the way there."""

    send: bool
    why: str
    steps: tuple[dict[str, Any], ...] = ()


def judged(rules: Sequence[Rule], attributes: Mapping[str, str]) -> Verdict:
    """The first rule that holds decides; without one the image stays."""
    steps: list[dict[str, Any]] = []
    for rule in rules:
        refusal = rule.refusal(attributes)
        steps.append({"Rule": rule.name, "Holds": not refusal, "Why": refusal or "all fields fit"})
        if not refusal:
            does = "sends" if rule.send else "keeps back"
            return Verdict(rule.send, f'rule "{rule.name}" {does}', tuple(steps))
    return Verdict(False, "no rule holds", tuple(steps))


IMAGE_CLASSES = frozenset(f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("1", "1.1", "1.1.1", "7"))
"""CR, DX for presentation and for processing, Secondary Capture: what the node takes."""
NODE_MODEL = "CXR-NODE"
"""Manufacturer's Model Name of what the node makes."""


def guarded(tags: Mapping[str, Any], calling_aet: str, node_aet: str) -> str:
    """Why an image never goes to the node, whatever the rules say; or nothing."""
    if str(tags.get("ManufacturerModelName", "")).strip().upper() == NODE_MODEL:
        return "a result of the node"
    if node_aet and calling_aet.strip() == node_aet:
        return "came from the node"
    if str(tags.get("SOPClassUID", "")) not in IMAGE_CLASSES:
        return "not an object of a kind that the node reads (CR, DX, secondary capture)"
    return ""


def attributes_of(tags: Mapping[str, Any], calling_aet: str) -> dict[str, str]:
    """The fields that rules look at, from Orthanc's simplified tags."""
    named = {
        "Station": "StationName",
        "StudyDescription": "StudyDescription",
        "SeriesDescription": "SeriesDescription",
        "BodyPart": "BodyPartExamined",
        "Modality": "Modality",
        "ImageType": "ImageType",
    }
    found = {name: tags.get(tag) for name, tag in named.items()}
    plain = {name: text if isinstance(text, str) else "" for name, text in found.items()}
    return {"CallingAet": calling_aet, **plain}


# ---------------------------------------------------------------- ledger

WAITING, SENT, KEPT, GIVEN_UP = "waiting", "sent", "kept back", "given up"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS study (
    id TEXT PRIMARY KEY, uid TEXT NOT NULL DEFAULT '', state TEXT NOT NULL,
    turn INTEGER NOT NULL, due REAL NOT NULL, since REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, why TEXT NOT NULL DEFAULT '',
    last_update TEXT NOT NULL DEFAULT '', asked INTEGER NOT NULL DEFAULT 1,
    afresh INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS study_due ON study (state, turn, due);
CREATE TABLE IF NOT EXISTS image (id TEXT PRIMARY KEY, study TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS image_study ON image (study);
CREATE TABLE IF NOT EXISTS shown (
    uid TEXT PRIMARY KEY, id TEXT NOT NULL, said TEXT NOT NULL, settled INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, value TEXT NOT NULL);
PRAGMA user_version = 1;
"""


@dataclass(frozen=True)
class Entry:
    """A study in the ledger; times are seconds since 1970."""

    id: str
    uid: str
    state: str
    turn: int
    due: float
    since: float
    attempts: int
    why: str
    last_update: str
    asked: int
    """How often it was put on the list."""


_ENTRY = "SELECT id, uid, state, turn, due, since, attempts, why, last_update, asked FROM study "


class Ledger:
    """What waits and what was sent, in an SQLite file, so that it survives a restart."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(str(path), timeout=5.0, check_same_thread=False)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error:
            self._db.close()
            raise

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._db:
            yield self._db

    def _rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(statement, values).fetchall()

    def wait(self, study: str, due: float, now: float, *, turn: int = 0, hold: float = 0) -> None:
        """The study is to be looked at from ``due`` on; ``turn`` 0 goes before 1.

        A study that waits already is put off, but never longer than ``hold`` seconds in all;
        one that failed keeps its own time.
        """
        with self._changing() as db:
            db.execute(
                "INSERT INTO study (id, state, turn, due, since) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET turn = min(turn, excluded.turn), "
                "due = CASE WHEN state <> ? THEN excluded.due WHEN attempts > 0 THEN due "
                "ELSE min(excluded.due, max(since + ?, due)) END, "
                "since = CASE WHEN state <> ? THEN excluded.since ELSE since END, "
                "attempts = CASE WHEN state <> ? THEN 0 ELSE attempts END, "
                "state = ?, asked = asked + 1",
                (study, WAITING, turn, due, now, WAITING, hold, WAITING, WAITING, WAITING),
            )

    def next_due(self, now: float) -> Entry | None:
        """What is to be looked at now, new studies before swept ones."""
        found = self._rows(
            _ENTRY + "WHERE state = ? AND due <= ? ORDER BY turn, due LIMIT 1", WAITING, now
        )
        return Entry(*found[0]) if found else None

    def soonest(self) -> float | None:
        """When the next study is due."""
        [(due,)] = self._rows("SELECT min(due) FROM study WHERE state = ?", WAITING)
        return None if due is None else float(due)

    def entry(self, study: str) -> Entry | None:
        found = self._rows(_ENTRY + "WHERE id = ?", study)
        return Entry(*found[0]) if found else None

    def images(self, study: str) -> frozenset[str]:
        """Orthanc's identifiers of the images that were sent."""
        found = self._rows("SELECT id FROM image WHERE study = ?", study)
        return frozenset(identifier for (identifier,) in found)

    def again(self, study: str, now: float) -> None:
        """Everything of the study is to be sent once more, now."""
        self.wait(study, now, now)
        with self._changing() as db:
            db.execute(
                "UPDATE study SET afresh = 1, attempts = 0, due = ? WHERE id = ?", (now, study)
            )

    def begin(self, study: str) -> frozenset[str]:
        """The images that need not be sent: none where all is to be sent once more.

        Decided here, by the one thread that sends, so that an order is not lost that comes
        while the study is being sent.
        """
        with self._changing() as db:
            db.execute(
                "DELETE FROM image WHERE study IN (SELECT id FROM study WHERE id = ? AND afresh)",
                (study,),
            )
            db.execute("UPDATE study SET afresh = 0 WHERE id = ?", (study,))
        return self.images(study)

    def sent(self, entry: Entry, images: Iterable[str]) -> None:
        """The node has these images."""
        with self._changing() as db:
            db.executemany(
                "INSERT OR IGNORE INTO image (id, study) VALUES (?, ?)",
                [(image, entry.id) for image in images],
            )

    def settle(self, entry: Entry, state: str, why: str, uid: str, last_update: str) -> None:
        """Nothing is left to send; a study that was put on the list meanwhile stays there."""
        with self._changing() as db:
            db.execute(
                "UPDATE study SET state = ?, why = ?, uid = ?, last_update = ?, attempts = 0, "
                "turn = 0 WHERE id = ? AND asked = ?",
                (state, why, uid, last_update, entry.id, entry.asked),
            )

    def failed(self, entry: Entry, state: str, why: str, uid: str, due: float) -> None:
        with self._changing() as db:
            db.execute(
                "UPDATE study SET state = ?, why = ?, uid = ?, due = ?, attempts = attempts + 1 "
                "WHERE id = ?",
                (state, why, uid, due, entry.id),
            )

    def forget(self, study: str) -> None:
        """The study was deleted."""
        with self._changing() as db:
            db.execute("DELETE FROM image WHERE study = ?", (study,))
            db.execute("DELETE FROM study WHERE id = ?", (study,))
            db.execute("DELETE FROM shown WHERE id = ?", (study,))

    def forget_kept(self) -> None:
        """Other rules may decide otherwise."""
        with self._changing() as db:
            db.execute("DELETE FROM study WHERE state = ?", (KEPT,))

    def counts(self) -> dict[str, int]:
        found = dict(self._rows("SELECT state, count(*) FROM study GROUP BY state"))
        return {state: int(found.get(state, 0)) for state in (WAITING, SENT, KEPT, GIVEN_UP)}

    def shown(self, uid: str) -> str:
        """What Orthanc shows of the study; empty when nothing."""
        found = self._rows("SELECT said FROM shown WHERE uid = ?", uid)
        return str(found[0][0]) if found else ""

    def show(self, uid: str, study: str, said: str, *, settled: bool) -> None:
        with self._changing() as db:
            db.execute(
                "INSERT OR REPLACE INTO shown (uid, id, said, settled) VALUES (?, ?, ?, ?)",
                (uid, study, said, int(settled)),
            )

    def unsettled(self, limit: int) -> list[tuple[str, str, str]]:
        """Studies without an end, the longest unasked first: UID, identifier, what is shown."""
        return self._rows(
            "SELECT uid, id, said FROM shown WHERE settled = 0 ORDER BY rowid LIMIT ?", limit
        )

    def note(self, name: str) -> str:
        found = self._rows("SELECT value FROM note WHERE name = ?", name)
        return str(found[0][0]) if found else ""

    def put_note(self, name: str, value: str) -> None:
        with self._changing() as db:
            db.execute("INSERT OR REPLACE INTO note (name, value) VALUES (?, ?)", (name, value))


# ---------------------------------------------------------------- Orthanc

_ORTHANC_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}\Z")
_UID = re.compile(r"[0-9.]{1,64}\Z")


def stored(path: str) -> Any:
    """The JSON at a path of Orthanc's own REST API; None where there is nothing."""
    try:
        return json.loads(orthanc.RestApiGet(path))
    except orthanc.OrthancException:
        return None


def study_id(named: str) -> str | None:
    """Orthanc's identifier of a study that is named by it or by its Study Instance UID."""
    if _ORTHANC_ID.match(named):
        return named if stored(f"/studies/{named}") else None
    if not _UID.match(named):
        return None
    found = json.loads(orthanc.RestApiPost("/tools/lookup", named.encode()))
    studies = (one["ID"] for one in found if one.get("Type") == "Study")
    return next(studies, None)


@dataclass(frozen=True)
class Image:
    """One instance in Orthanc with what was decided about it."""

    id: str
    series: str
    attributes: Mapping[str, str]
    verdict: Verdict

    def explained(self) -> dict[str, Any]:
        return {
            "Instance": self.id,
            "Series": self.series,
            "Attributes": dict(self.attributes),
            "Send": self.verdict.send,
            "Why": self.verdict.why,
            "Steps": list(self.verdict.steps),
        }


def examined(
    study: Mapping[str, Any], rules: Sequence[Rule], node_aet: str, skip: frozenset[str]
) -> Iterator[Image]:
    """Every instance of the study but those in ``skip``, with its verdict.

    A series whose first object is nothing the node reads is not opened any further.
    """
    for series in study.get("Series", ()):
        described = stored(f"/series/{series}") or {}
        for identifier in described.get("Instances", ()):
            if identifier in skip:
                continue
            found = _image(identifier, series, rules, node_aet)
            if found is None:
                continue
            yield found
            if not found.verdict.send and not found.verdict.steps:
                break


def _image(identifier: str, series: str, rules: Sequence[Rule], node_aet: str) -> Image | None:
    tags = stored(f"/instances/{identifier}/simplified-tags")
    metadata = stored(f"/instances/{identifier}/metadata?expand")
    if tags is None or metadata is None:
        return None  # deleted in between
    calling = str(metadata.get("RemoteAET", ""))
    attributes = attributes_of(tags, calling)
    guard = guarded(tags, calling, node_aet)
    verdict = Verdict(False, guard) if guard else judged(rules, attributes)
    return Image(identifier, series, attributes, verdict)


# ---------------------------------------------------------------- the node over HTTP


class NotSent(Exception):
    """An image did not reach the node; the words say why and hold nothing of a patient."""


class NodeSilent(Exception):
    """The node gave no usable answer."""


LONGEST_ANSWER = 33_554_432


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token and the images go to the configured address and nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Node:
    """The node's HTTP API. No proxy of the environment is used."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.url.rstrip("/")
        self._seconds = float(settings.timeout_seconds)
        self._settings = settings
        handlers: list[Any] = [urllib.request.ProxyHandler({}), _NoRedirect()]
        if self._url.startswith("https"):
            context = ssl.create_default_context(cafile=settings.ca_file or None)
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    def document(self, path: str) -> Any:
        """The JSON at a path; None where the node knows nothing. Raises :class:`NodeSilent`."""
        status, body = self.request("GET", path)
        if status == 404:
            return None
        if status != 200:
            raise NodeSilent(f"the node answered with status {status}")
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise NodeSilent("the node answered with what is no JSON") from None

    def request(
        self, method: str, path: str, body: bytes | None = None, kind: str = ""
    ) -> tuple[int, bytes]:
        """Status and body of one request. Raises :class:`NodeSilent`."""
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked
            f"{self._url}{path}", data=body, method=method
        )
        request.add_header("Accept", "application/json")
        if kind:
            request.add_header("Content-Type", kind)
        token = self._token()
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with self._opener.open(request, timeout=self._seconds) as answer:
                return int(answer.status), self._read(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(65_536)
        except (OSError, ValueError, urllib.error.URLError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise NodeSilent(f"the node does not answer ({type(reason).__name__})") from None

    def _token(self) -> str:
        """Read at each request, so that a changed token needs no restart."""
        path = self._settings.api_token_file
        return Path(path).read_text("utf-8").strip() if path else self._settings.api_token

    def _read(self, answer: Any) -> bytes:
        """The body, within the time limit as a whole: a slow drip ends too."""
        ends = time.monotonic() + self._seconds
        parts: list[bytes] = []
        size = 0
        while True:
            part = answer.read(262_144)
            if not part:
                return b"".join(parts)
            parts.append(part)
            size += len(part)
            if size > LONGEST_ANSWER or time.monotonic() > ends:
                raise NodeSilent("the node's answer is too long or too slow")


# ---------------------------------------------------------------- transports

Ended = Callable[[], bool]
MODALITY_NAME = "cxr-node"
_JOB_RUNS = frozenset({"Pending", "Running", "Retry", "Paused"})
_PROBE_SECONDS = 3.0


class Jobs:
    """How Orthanc's jobs ended, as its events tell: the history of jobs may be short."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended: OrderedDict[str, bool] = OrderedDict()
        self._told = threading.Event()

    def tell(self, job: str, *, well: bool) -> None:
        with self._lock:
            self._ended[job] = well
            while len(self._ended) > 256:
                self._ended.popitem(last=False)
        self._told.set()

    def outcome(self, job: str, ended: Ended) -> str:
        """Wait for the job's end; nothing when it went well, else why not."""
        while not ended():
            self._told.clear()
            with self._lock:
                well = self._ended.get(job)
            known = stored(f"/jobs/{job}")
            if well is None and known is None:
                return "Orthanc's job is unknown"
            state = known.get("State") if known else ""
            if well or state == "Success":
                return ""
            if well is False or state not in _JOB_RUNS:
                return _job_words(known or {})
            self._told.wait(0.5)
        return "Orthanc stops"


def _job_words(job: Mapping[str, Any]) -> str:
    words = str(job.get("ErrorDescription") or "failed")
    return f"the DICOM association ended: {words[:120]}"


class DicomTransport:
    """Sends by a C-STORE job of Orthanc's own engine, outside the interpreter lock."""

    def __init__(self, settings: Settings, jobs: Jobs) -> None:
        self._settings = settings
        self._jobs = jobs
        self._name = settings.modality or MODALITY_NAME
        self._place = (settings.host, settings.port)
        self._doubted = False
        self.node_aet = settings.aet

    def prepare(self) -> None:
        """Make the node known to Orthanc, or find it. Raises :class:`BadConfiguration`."""
        settings = self._settings
        if settings.modality:
            known = (stored("/modalities?expand") or {}).get(settings.modality)
            if known is None:
                raise BadConfiguration(
                    [f'{SECTION}.Modality: is no name in "DicomModalities"; or give Host']
                )
            self._place = (str(known.get("Host", "")), int(known.get("Port", 0)))
            self.node_aet = str(known.get("AET", ""))
            return
        modality = {
            "AET": settings.aet,
            "Host": settings.host,
            "Port": settings.port,
            "Timeout": settings.timeout_seconds,
        }
        orthanc.RestApiPut(f"/modalities/{self._name}", json.dumps(modality).encode())

    def send(self, images: Sequence[str], ended: Ended) -> None:
        """All images over one association. Raises :class:`NotSent`.

        After a failure only a node that listens is worth one of Orthanc's few job threads.
        Not before each send: to the other side such a look is an association that says nothing.
        """
        if self._doubted:
            self._look()
        self._doubted = True
        self._store(images, ended)
        self._doubted = False

    def _look(self) -> None:
        try:
            socket.create_connection(self._place, _PROBE_SECONDS).close()
        except OSError as error:
            raise NotSent(f"nothing listens at Host and Port ({type(error).__name__})") from None

    def _store(self, images: Sequence[str], ended: Ended) -> None:
        order = {"Resources": list(images), "Synchronous": False}
        try:
            answer = orthanc.RestApiPost(
                f"/modalities/{self._name}/store", json.dumps(order).encode()
            )
        except orthanc.OrthancException as error:
            raise NotSent(f"Orthanc made no job of it ({type(error).__name__})") from None
        trouble = self._jobs.outcome(str(json.loads(answer)["ID"]), ended)
        if trouble:
            raise NotSent(trouble)


class StowTransport:
    """Sends by STOW-RS (PS3.18 10.5), one image a request."""

    def __init__(self, settings: Settings, node: Node) -> None:
        self._node = node
        self.node_aet = settings.aet

    def prepare(self) -> None:
        """Nothing: the address stands in the configuration."""

    def send(self, images: Sequence[str], ended: Ended) -> None:
        """Each image. Raises :class:`NotSent`."""
        for image in images:
            if ended():
                raise NotSent("Orthanc stops")
            try:
                data = orthanc.GetDicomForInstance(image)
            except orthanc.OrthancException:
                raise NotSent("an image cannot be read from Orthanc's storage") from None
            self._store(data)

    def _store(self, data: bytes) -> None:
        boundary = secrets.token_hex(16)
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body = b"".join((head, data, f"\r\n--{boundary}--\r\n".encode()))
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        try:
            status, _ = self._node.request("POST", "/dicom-web/studies", body, kind)
        except NodeSilent as error:
            raise NotSent(str(error)) from None
        if status != 200:
            raise NotSent(f"the node answered the STOW request with status {status}")


# ---------------------------------------------------------------- what Orthanc shows

PRIORITIES = ("STAT", "HIGH", "MEDIUM", "ROUTINE", "LOW")
STATES = {
    "running": "RUNNING",
    "read, nothing flagged": "READ",
    "flagged": "FLAGGED",
    "not eligible": "NOT-ELIGIBLE",
    "failed": "FAILED",
    "superseded": "SUPERSEDED",
    "withdrawn": "WITHDRAWN",
}
"""The node's visible states and the labels for them."""
_FINAL = frozenset({"delivered", "not-eligible", "parked", "superseded", "withdrawn"})


@dataclass(frozen=True)
class Item:
    """One line of the node's worklist, checked; texts hold no control characters."""

    uid: str
    state: str
    priority: str
    settled: bool
    texts: Mapping[str, str]

    @property
    def said(self) -> str:
        return f"{self.state}|{self.priority}|{self.settled}"


def _clean(value: Any, longest: int = 64) -> str:
    text = value if isinstance(value, str) else ""
    return re.sub(r"[\x00-\x1f\x7f\\]+", " ", text)[:longest].strip()


def item_of(entry: Any) -> Item | None:
    """One entry of the node's answer; None for what cannot be one."""
    if not isinstance(entry, dict):
        return None
    uid, state = entry.get("study_uid"), entry.get("visible_state")
    priority = entry.get("priority")
    usable = isinstance(uid, str) and _UID.match(uid)
    if not usable or state not in tuple(STATES) or priority not in PRIORITIES:
        return None
    names = (
        *("accession_number", "patient_id", "patient_name", "birth_date", "sex"),
        *("study_date", "study_time", "study_description", "words", "priority_words"),
    )
    texts = {name: _clean(entry.get(name)) for name in names}
    return Item(str(uid), str(state), str(priority), entry.get("state") in _FINAL, texts)


class Display:
    """Writes state and priority into metadata, and into labels where Orthanc has them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._labels: bool | None = None

    def show(self, study: str, state: str, priority: str) -> None:
        """``priority`` may be empty. A study that is gone is left alone."""
        texts = {self._settings.state_metadata: state, self._settings.priority_metadata: priority}
        try:
            for number, text in texts.items():
                if text:
                    orthanc.RestApiPut(f"/studies/{study}/metadata/{number}", text.encode())
            if self._has_labels():
                self._set_labels(study, state, priority)
        except orthanc.OrthancException:
            if stored(f"/studies/{study}") is not None:
                raise

    def _has_labels(self) -> bool:
        if self._labels is None:
            system = stored("/system") or {}
            self._labels = self._settings.labels and bool(system.get("HasLabels"))
        return self._labels

    def _set_labels(self, study: str, state: str, priority: str) -> None:
        prefix = self._settings.label_prefix
        names = [STATES.get(state, ""), priority]
        wanted = {f"{prefix}{name}" for name in names if name}
        has = set(stored(f"/studies/{study}/labels") or ())
        for label in sorted(wanted - has):
            orthanc.RestApiPut(f"/studies/{study}/labels/{label}", b"")
        for label in sorted(one for one in has - wanted if one.startswith(prefix)):
            orthanc.RestApiDelete(f"/studies/{study}/labels/{label}")


# ---------------------------------------------------------------- loops


class Loop(threading.Thread):
    """Does ``step`` again and again; a step says after how many seconds it wants the next.

    Whatever goes wrong in a step is logged by its kind and tried again.
    """

    def __init__(self, name: str, step: Callable[[], float]) -> None:
        super().__init__(name=f"cxr-node {name}", daemon=True)
        self._step = step
        self._wake = threading.Event()
        self._ending = threading.Event()

    def ended(self) -> bool:
        return self._ending.is_set()

    def wake(self) -> None:
        self._wake.set()

    def end(self) -> None:
        self._ending.set()
        self._wake.set()

    def run(self) -> None:
        while not self.ended():
            self._wake.clear()
            try:
                pause = self._step()
            except Exception as error:  # noqa: BLE001 - a loop of a PACS must go on
                log_failure(self.name, error)
                pause = 5.0
            if pause > 0:
                self._wake.wait(pause)


def log_failure(place: str, error: BaseException) -> None:
    """The kind of an error and its line; its text may hold what the log must not."""
    trace, line = error.__traceback__, 0
    while trace is not None:
        line, trace = trace.tb_lineno, trace.tb_next
    orthanc.LogWarning(f"{place}: {type(error).__name__} at line {line}; it goes on")


class Intake:
    """Puts studies on the list: those that change, and page by page those that were missed."""

    MOST_EVENTS = 10_000
    PAGE = 50

    def __init__(self, settings: Settings, ledger: Ledger, wake_sender: Callable[[], None]) -> None:
        self._settings = settings
        self._ledger = ledger
        self._wake_sender = wake_sender
        self._events: queue.Queue[tuple[str, str]] = queue.Queue(self.MOST_EVENTS)
        self._overflowed = threading.Event()
        self._series: OrderedDict[str, str] = OrderedDict()
        self._at = 0
        self._laps: list[float] = []
        """Where each lap of the sweep ends; none: no sweep."""

    def event(self, kind: str, resource: str) -> None:
        """From Orthanc's thread: never waits. Too many events at once mean a sweep."""
        try:
            self._events.put_nowait((kind, resource))
        except queue.Full:
            self._overflowed.set()

    def start_sweep(self) -> None:
        """From where the last one ended; then what lies before that, too."""
        if not self._settings.sweep_days:
            return
        position = self._ledger.note("sweep")
        self._at = int(position) if position.isdigit() else 0
        self._laps = [math.inf, self._at] if self._at else [math.inf]

    @property
    def sweep(self) -> dict[str, Any]:
        return {"Running": bool(self._laps), "Position": self._at}

    def step(self) -> float:
        """One event, or one page of the sweep."""
        if self._overflowed.is_set() and self._events.empty():
            self._overflowed.clear()
            self.start_sweep()
        try:
            kind, resource = self._events.get(timeout=0.1 if self._laps else 1.0)
        except queue.Empty:
            if self._laps:
                self._sweep_page()
            return 0.0
        self._take(kind, resource)
        return 0.0

    def _take(self, kind: str, resource: str) -> None:
        now = time.time()
        if kind == "deleted":
            self._ledger.forget(resource)
        elif kind == "stable":
            self._ledger.wait(resource, now, now)
            self._wake_sender()
        else:
            study = self._study_of(resource)
            if study:
                quiet = self._settings.quiet_seconds
                self._ledger.wait(study, now + quiet, now, hold=quiet * 5)
                self._wake_sender()

    def _study_of(self, instance: str) -> str:
        series = (stored(f"/instances/{instance}") or {}).get("ParentSeries", "")
        if series and series not in self._series:
            self._series[series] = (stored(f"/series/{series}") or {}).get("ParentStudy", "")
            while len(self._series) > 1024:
                self._series.popitem(last=False)
        return self._series.get(series, "")

    def _sweep_page(self) -> None:
        """The next studies, unless enough wait already."""
        if self._ledger.counts()[WAITING] >= self._settings.max_waiting:
            return
        page = stored(f"/studies?expand&since={self._at}&limit={self.PAGE}") or []
        now = time.time()
        oldest = time.strftime(
            "%Y%m%dT%H%M%S", time.gmtime(now - (self._settings.sweep_days + 1) * 86400)
        )
        for study in page:
            update = str(study.get("LastUpdate", ""))
            entry = self._ledger.entry(study["ID"])
            missed = entry is None or (entry.state in (SENT, KEPT) and entry.last_update != update)
            if missed and update >= oldest:
                self._ledger.wait(study["ID"], now, now, turn=1)
        self._at += len(page)
        if len(page) < self.PAGE or self._at >= self._laps[0]:
            self._at = 0
            self._laps.pop(0)
        self._ledger.put_note("sweep", str(self._at) if self._laps else "")
        self._wake_sender()


class Sender:
    """Sends what is due, one study at a time; waits for a node that is away."""

    MOST_PAUSE = 30.0
    """Longest pause in seconds after failures in a row: then one study tries again."""

    def __init__(
        self, settings: Settings, ledger: Ledger, transport: Any, display: Display, ended: Ended
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._transport = transport
        self._display = display
        self._ended = ended
        self._rules = rules_of(settings.rules)
        self._failures = 0
        self._not_before = 0.0
        self.last_failure = ""

    def step(self) -> float:
        """The next study that is due."""
        now = time.time()
        if now < self._not_before:
            return self._not_before - now
        entry = self._ledger.next_due(now)
        if entry is None:
            soonest = self._ledger.soonest()
            return 5.0 if soonest is None else min(max(soonest - now, 0.02), 5.0)
        study = stored(f"/studies/{entry.id}")
        if study is None:
            self._ledger.forget(entry.id)
        else:
            self._handle(entry, study)
        return 0.0

    def _handle(self, entry: Entry, study: Mapping[str, Any]) -> None:
        uid = str(study["MainDicomTags"].get("StudyInstanceUID", ""))
        before = self._ledger.begin(entry.id)
        found = list(examined(study, self._rules, self._transport.node_aet, before))
        wanted = [image.id for image in found if image.verdict.send]
        if wanted:
            try:
                self._transport.send(wanted, self._ended)
            except NotSent as error:
                if not self._ended():
                    self._failed(entry, uid, str(error))
                return
            self._failures = 0
            self._ledger.sent(entry, wanted)
            self._ledger.show(uid, entry.id, "", settled=False)
            self._display.show(entry.id, "sent", "")
        state = SENT if wanted or before else KEPT
        why = "the node has every image" if state == SENT else _why_kept(found)
        self._ledger.settle(entry, state, why, uid, str(study.get("LastUpdate", "")))

    def _failed(self, entry: Entry, uid: str, why: str) -> None:
        now = time.time()
        self.last_failure = why
        self._failures += 1
        shortest, longest = self._settings.retry_seconds, self._settings.longest_retry_seconds
        pause = min(shortest * 2 ** min(self._failures - 1, 20), longest, self.MOST_PAUSE)
        self._not_before = now + pause
        if stored(f"/studies/{entry.id}") is None:
            self._ledger.forget(entry.id)
            return
        over = now - entry.since > self._settings.give_up_hours * 3600
        due = now + min(shortest * 2 ** min(entry.attempts, 20), longest)
        self._ledger.failed(entry, GIVEN_UP if over else WAITING, why, uid, due)
        if over:
            self._display.show(entry.id, "failed: never reached the node", "")
        elif not entry.attempts:
            self._display.show(entry.id, "waiting for the node", "")


def _why_kept(found: Sequence[Image]) -> str:
    reasons = list(OrderedDict.fromkeys(image.verdict.why for image in found))
    return "; ".join(reasons[:4]) or "no images"


class Watcher:
    """Asks the node for its worklist; shows the changes and answers MWL from the last answer."""

    SINGLE = 10
    """Studies that left the node's list, asked for one by one in a round."""
    ABSENT_SECONDS = 300.0

    def __init__(self, settings: Settings, ledger: Ledger, node: Node, display: Display) -> None:
        self._settings = settings
        self._ledger = ledger
        self._node = node
        self._display = display
        self._absent: OrderedDict[str, float] = OrderedDict()
        self._items: tuple[Item, ...] = ()
        self._built: dict[str, tuple[Item, Any]] = {}
        self.words = "not asked yet"
        self.answered_at = 0.0

    def step(self) -> float:
        """One round."""
        try:
            items = self._listed()
            self.words, self.answered_at = "answers", time.time()
            self._items = items
            for item in items:
                self._show(item)
            self._ask_singly({item.uid for item in items})
        except NodeSilent as error:
            self.words = str(error)
            return max(self._settings.poll_seconds, 5.0)
        return self._settings.poll_seconds

    def _listed(self) -> tuple[Item, ...]:
        document = self._node.document("/api/v1/worklist")
        entries = document.get("studies") if isinstance(document, dict) else None
        if not isinstance(entries, list):
            raise NodeSilent("the node answered with what is no worklist")
        return tuple(item for item in map(item_of, entries) if item is not None)

    def _ask_singly(self, listed: set[str]) -> None:
        for uid, study, said in self._ledger.unsettled(self.SINGLE):
            if uid in listed:
                continue
            document = self._node.document(f"/api/v1/studies/{quote(uid, safe='.')}")
            item = item_of(document.get("study")) if isinstance(document, dict) else None
            self._ledger.show(uid, study, said, settled=False)  # goes to the end of the line
            if item is not None:
                self._show(item)

    def _show(self, item: Item) -> None:
        if self._ledger.shown(item.uid) == item.said or self._is_absent(item.uid):
            return
        study = study_id(item.uid)
        if study is None:
            self._absent[item.uid] = time.monotonic() + self.ABSENT_SECONDS
            while len(self._absent) > 2048:
                self._absent.popitem(last=False)
            return
        self._display.show(study, item.state, item.priority)
        self._ledger.show(item.uid, study, item.said, settled=item.settled)

    def _is_absent(self, uid: str) -> bool:
        return self._absent.get(uid, 0.0) > time.monotonic()

    def item(self, uid: str) -> Item | None:
        """What the node said last of a study."""
        return next((item for item in self._items if item.uid == uid), None)

    def answer(self, answers: Any, query: Any, *_: Any) -> None:
        """Orthanc's C-FIND MWL, in the node's order, without asking the node now."""
        items = self._items
        for item in items:
            built = self._built.get(item.uid)
            if built is None or built[0] != item:
                built = self._built[item.uid] = (item, worklist_dicom(item))
            if query.WorklistIsMatch(built[1]):
                answers.WorklistAddAnswer(query, built[1])
        if len(self._built) > 2 * len(items) + 100:
            self._built = {}


def worklist_dicom(item: Item) -> Any:
    """A worklist item (PS3.3 C.4.10) in the form that the node itself answers."""
    text = item.texts
    words = f"{item.state} - {text['words']}" if text["words"] else item.state
    described = {
        "SpecificCharacterSet": "ISO_IR 192",
        "AccessionNumber": text["accession_number"][:16],
        "PatientName": text["patient_name"],
        "PatientID": text["patient_id"],
        "PatientBirthDate": text["birth_date"],
        "PatientSex": text["sex"],
        "StudyInstanceUID": item.uid,
        "RequestedProcedureID": text["accession_number"][:16],
        "RequestedProcedureDescription": words[:64],
        "RequestedProcedurePriority": item.priority,
        "RequestedProcedureComments": text["priority_words"],
        "ScheduledProcedureStepSequence": [
            {
                "Modality": "DX",
                "ScheduledStationAETitle": "CXRNODE",
                "ScheduledProcedureStepStartDate": text["study_date"],
                "ScheduledProcedureStepStartTime": text["study_time"],
                "ScheduledProcedureStepDescription": f"AI reading: {words}"[:64],
                "ScheduledProcedureStepID": "AI",
            }
        ],
    }
    return orthanc.CreateDicom(
        json.dumps(described, ensure_ascii=False), None, orthanc.CreateDicomFlags.NONE
    )


# ---------------------------------------------------------------- all together

BUTTON = """
$('#study').live('pagebeforeshow', function() {
  $('#cxr-node-button').remove();
  var study = $.mobile.pageData ? $.mobile.pageData.uuid : '';
  if (!study) { return; }
  var address = '../cxr-node/studies/' + encodeURIComponent(study) + '/page';
  var button = $('<a>').attr({
    id: 'cxr-node-button', href: address, target: '_blank', rel: 'external noopener',
    'data-role': 'button', 'data-icon': 'search', 'data-theme': 'e'
  }).text('AI reading');
  button.insertAfter($('#study-info'));
  button.button();
});
"""


class Plugin:
    """The parts that run while Orthanc runs."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.problems: list[str] = []
        self.jobs = Jobs()
        self.node = Node(settings)
        self.display = Display(settings)
        self.transport: Any = (
            DicomTransport(settings, self.jobs)
            if settings.transport == "dicom"
            else StowTransport(settings, self.node)
        )
        self.ledger: Ledger | None = None
        self.intake: Intake | None = None
        self.sender: Sender | None = None
        self.watcher: Watcher | None = None
        self._loops: list[Loop] = []

    def start(self) -> None:
        """Open the ledger and start the loops; what is wrong stands in ``problems``."""
        try:
            self.transport.prepare()
            self.ledger = ledger = open_ledger(self.settings)
        except BadConfiguration as error:
            self.problems += error.problems
            for problem in error.problems:
                orthanc.LogError(f"cxr-node sends nothing: {problem}")
            return
        sending = Loop("sender", lambda: self.sender.step() if self.sender else 5.0)
        self.intake = Intake(self.settings, ledger, sending.wake)
        self.sender = Sender(self.settings, ledger, self.transport, self.display, sending.ended)
        self._loops = [sending, Loop("intake", self.intake.step)]
        if self.settings.url:
            self.watcher = Watcher(self.settings, ledger, self.node, self.display)
            self._loops.append(Loop("watcher", self.watcher.step))
        self.intake.start_sweep()
        for loop in self._loops:
            loop.start()

    def stop(self) -> None:
        """End the loops; a send in flight is repeated after the next start."""
        for loop in self._loops:
            loop.end()
        for loop in self._loops:
            loop.join(timeout=5.0)
        if self.ledger is not None and not any(loop.is_alive() for loop in self._loops):
            self.ledger.close()

    def wake_sender(self) -> None:
        self._loops[0].wake()

    def changed(self, change: Any, level: Any, resource: str) -> None:
        """Orthanc's event: only noted here."""
        kind = orthanc.ChangeType
        if change == kind.ORTHANC_STARTED:
            self.start()
        elif change == kind.ORTHANC_STOPPED:
            self.stop()
        elif change in (kind.JOB_SUCCESS, kind.JOB_FAILURE):
            self.jobs.tell(resource, well=change == kind.JOB_SUCCESS)
        elif self.intake is not None:
            if change == kind.STABLE_STUDY:
                self.intake.event("stable", resource)
            elif change == kind.NEW_INSTANCE and self.settings.send_when == "arriving":
                self.intake.event("instance", resource)
            elif change == kind.DELETED and level == orthanc.ResourceType.STUDY:
                self.intake.event("deleted", resource)

    def worklist(self, answers: Any, query: Any, *_: Any) -> None:
        """Orthanc's worklist callback."""
        if self.watcher is not None:
            self.watcher.answer(answers, query)


def open_ledger(settings: Settings) -> Ledger:
    """Raises :class:`BadConfiguration` where the file cannot be used."""
    configured = json.loads(orthanc.GetConfiguration())
    folder = configured.get("IndexDirectory") or configured.get("StorageDirectory") or "."
    path = Path(settings.ledger or Path(folder) / "cxr-node-plugin.sqlite3")
    try:
        ledger = Ledger(path)
        digest = hashlib.sha256(json.dumps(settings.rules).encode()).hexdigest()
        if ledger.note("rules") != digest:
            ledger.forget_kept()
            ledger.put_note("rules", digest)
    except sqlite3.Error as error:
        raise BadConfiguration(
            [f"{SECTION}.Ledger: cannot be used ({error}); allowed is {_ledger_words()}"]
        ) from None
    return ledger


def _ledger_words() -> str:
    return str(Settings.__dataclass_fields__["ledger"].metadata["allowed"])


# ---------------------------------------------------------------- REST routes


class Refused(Exception):
    """A request that is answered with a status and a sentence."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Routes:
    """What stands under ``/cxr-node/`` in Orthanc. Nothing here waits for the node."""

    def __init__(self, plugin: Plugin | None, problems: Sequence[str]) -> None:
        self._plugin = plugin
        self._problems = list(problems)

    def register(self) -> None:
        one = "([0-9a-f.-]+)"
        for method, pattern, answer in (
            ("GET", "/cxr-node/status", self.status),
            ("GET", f"/cxr-node/studies/{one}", self.study),
            ("GET", f"/cxr-node/studies/{one}/page", self.page),
            ("POST", f"/cxr-node/resend/{one}", self.resend),
            ("GET", f"/cxr-node/explain/{one}", self.explain),
            ("POST", "/cxr-node/explain", self.explain_attributes),
        ):
            orthanc.RegisterRestCallback(pattern, _answering(method, answer))

    def status(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Whether it sends, what waits, and what the node said last."""
        plugin = self._plugin
        problems = self._problems + (plugin.problems if plugin else [])
        found: dict[str, Any] = {
            "Version": VERSION,
            "Sending": plugin is not None and plugin.sender is not None and not problems,
            "Problems": problems,
        }
        if plugin is None or plugin.ledger is None or plugin.intake is None:
            return found
        counts = plugin.ledger.counts()
        found["Studies"] = {
            "Waiting": counts[WAITING],
            "Sent": counts[SENT],
            "KeptBack": counts[KEPT],
            "GivenUp": counts[GIVEN_UP],
        }
        found["Sweep"] = plugin.intake.sweep
        found["LastFailure"] = plugin.sender.last_failure if plugin.sender else ""
        found["Node"] = {
            "Words": plugin.watcher.words if plugin.watcher else "no Url is configured",
            "AnsweredAt": _utc(plugin.watcher.answered_at) if plugin.watcher else "",
        }
        return found

    def study(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """What the ledger and the node say of a study."""
        plugin, study, uid = self._named(request)
        assert plugin.ledger is not None
        entry = plugin.ledger.entry(study)
        item = plugin.watcher.item(uid) if plugin.watcher else None
        waits = entry is not None and entry.state == WAITING
        return {
            "ID": study,
            "StudyInstanceUID": uid,
            "Sending": entry.state if entry else "not looked at",
            "Why": entry.why if entry else "",
            "Attempts": entry.attempts if entry else 0,
            "NextAttempt": _utc(entry.due) if entry and waits else "",
            "ImagesSent": sorted(plugin.ledger.images(study)),
            "State": item.state if item else "",
            "Priority": item.priority if item else "",
            "Words": item.texts["words"] if item else "",
            "Page": f"{plugin.settings.page}/studies/{uid}" if plugin.settings.page else "",
        }

    def page(self, request: Mapping[str, Any]) -> str:
        """The node's page of a study, as an address to go to."""
        plugin, _, uid = self._named(request)
        if not plugin.settings.page:
            raise Refused(404, f"{SECTION}.PublicUrl or {SECTION}.Url is not configured")
        return f"{plugin.settings.page}/studies/{quote(uid, safe='.')}"

    def resend(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Forget what was sent of a study and send it again, if the rules let it go."""
        plugin, study, _ = self._named(request)
        assert plugin.ledger is not None
        plugin.ledger.again(study, time.time())
        plugin.wake_sender()
        return {"ID": study, "Sending": WAITING}

    def explain(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Image by image and rule by rule whether a study would be sent; sends nothing."""
        plugin, study, uid = self._named(request)
        rules = rules_of(plugin.settings.rules)
        described = stored(f"/studies/{study}") or {}
        images = list(examined(described, rules, plugin.transport.node_aet, frozenset()))
        return {
            "ID": study,
            "StudyInstanceUID": uid,
            "Send": any(image.verdict.send for image in images),
            "Images": [image.explained() for image in images],
        }

    def explain_attributes(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The same for attributes that stand in the request's body."""
        try:
            given = json.loads(request.get("body") or b"")
        except ValueError:
            given = None
        usable = isinstance(given, dict) and all(
            name in FIELDS and isinstance(value, str) for name, value in given.items()
        )
        if not usable:
            raise Refused(400, f"send an object of texts; allowed are {', '.join(FIELDS)}")
        verdict = judged(rules_of(self._running().settings.rules), given)
        return {"Send": verdict.send, "Why": verdict.why, "Steps": list(verdict.steps)}

    def _running(self) -> Plugin:
        plugin = self._plugin
        if plugin is None or plugin.ledger is None:
            raise Refused(503, "the plugin sends nothing; /cxr-node/status says why")
        return plugin

    def _named(self, request: Mapping[str, Any]) -> tuple[Plugin, str, str]:
        plugin = self._running()
        study = study_id(request["groups"][0])
        described = stored(f"/studies/{study}") if study else None
        if study is None or described is None:
            raise Refused(404, "Orthanc holds no such study")
        return plugin, study, str(described["MainDicomTags"].get("StudyInstanceUID", ""))


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)) if seconds else ""


def _answering(method: str, answer: Callable[[Mapping[str, Any]], Any]) -> Callable[..., None]:
    """An Orthanc REST callback: JSON for an object, a redirection for a text."""

    def callback(output: Any, uri: str, **request: Any) -> None:
        if request.get("method") != method:
            output.SendMethodNotAllowed(method)
            return
        try:
            found = answer(request)
        except Refused as refusal:
            _refuse(output, refusal.status, json.dumps({"Message": str(refusal)}))
            return
        if isinstance(found, str):
            output.Redirect(found)
        else:
            output.AnswerBuffer(json.dumps(found, indent=2) + "\n", "application/json")

    return callback


def _refuse(output: Any, status: int, body: str) -> None:
    """Plugin 4.0 wants the length beside the text, later ones do not."""
    try:
        output.SendHttpStatus(status, body)
    except TypeError:
        output.SendHttpStatus(status, body, len(body))


# ---------------------------------------------------------------- start


def load() -> Plugin | None:
    """Register with Orthanc. A wrong section never keeps a PACS from starting: it is told in
    the log and under ``/cxr-node/status``, and nothing is sent.
    """
    try:
        section = json.loads(orthanc.GetConfiguration()).get(SECTION)
        settings = settings_of(section)
        plugin = Plugin(settings) if settings.enabled else None
        problems = [] if plugin else [f"{SECTION}.Enabled is false"]
    except (BadConfiguration, OSError) as error:
        plugin = None
        problems = getattr(error, "problems", [f"{SECTION}.CaFile: holds no certificates"])
        for problem in problems:
            orthanc.LogError(f"cxr-node sends nothing: {problem}")
    Routes(plugin, problems).register()
    if plugin is None:
        return None
    orthanc.RegisterOnChangeCallback(plugin.changed)
    if plugin.settings.worklist and plugin.settings.url:
        orthanc.RegisterWorklistCallback(plugin.worklist)
    if plugin.settings.button and plugin.settings.page:
        orthanc.ExtendOrthancExplorer(BUTTON)
    return plugin


PLUGIN = load()
