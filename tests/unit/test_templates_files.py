"""The files of sr_templates: whole, correctly coded, and refused when they are not."""

from __future__ import annotations

import re
import shutil
from functools import cache
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from pydicom.sr._concepts_dict import concepts

from cxr_node.domain.errors import ConfigurationError
from cxr_node.domain.findings import FindingKind, Laterality, TraceSection
from cxr_node.domain.stages import PROJECTIONS
from cxr_node.reasoning.assemble import OUTSIDE_PHANTOMS
from cxr_node.reasoning.walk import NO_PRIOR, NO_PRIOR_PICTURE, NOT_IN_TRIAGE, UNTAUGHT
from cxr_node.reporting.codes import Codes, Confidence
from cxr_node.reporting.measurement_groups import LONGEST_COMMENT
from cxr_node.reporting.narrative import label
from cxr_node.reporting.priority_rules import PriorityPolicy
from cxr_node.reporting.templates import (
    CODES,
    CRITICAL,
    MESSAGES,
    ORDER,
    PRIORITY,
    load_templates,
    wording_file,
)
from cxr_node.reporting.wording import Wording
from tests.readings import finding
from tests.reports import templates


@cache
def dictionary() -> dict[tuple[str, str], tuple[set[str], set[int]]]:
    """Scheme and value to the meanings and context groups of the standard's dictionary."""
    found: dict[tuple[str, str], tuple[set[str], set[int]]] = {}
    for scheme, table in concepts.items():
        for values in table.values():
            for value, (meaning, groups) in values.items():
                meanings, all_groups = found.setdefault((scheme, value), (set(), set()))
                meanings.add(meaning.casefold())
                all_groups.update(groups)
    return found


WORDING = wording_file("en")
LANGUAGES = ("en", "de")

# Meanings that templates print and the dictionary words otherwise.
OTHER_WORDS = {
    "Finding category": "findings category type (qualifier value)",
    "Severity": "severity (attribute)",
}


@pytest.fixture
def override(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def shipped(name: str) -> Any:
    content = resources.files("sr_templates").joinpath(*name.split("/")).read_text("utf-8")
    return yaml.safe_load(content)


def put(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_the_shipped_files_are_all_known() -> None:
    root = Path(str(resources.files("sr_templates")))
    known = {CODES, PRIORITY, ORDER, CRITICAL, *map(wording_file, LANGUAGES)}
    known |= {f"{MESSAGES}orders.yaml", f"{MESSAGES}oru.yaml"}
    assert {p.relative_to(root).as_posix() for p in root.rglob("*.yaml")} == known


ENTRIES = templates().codes.entries


@pytest.mark.parametrize("place", ENTRIES)
def test_every_code_is_as_sure_as_it_claims(place: str) -> None:
    """Verified: the dictionary has scheme, value and meaning. Anything else says so."""
    entry = ENTRIES[place]
    known = dictionary().get((entry.scheme, entry.value))
    assert (known is not None) is (entry.confidence is Confidence.VERIFIED), entry
    if known is None:
        expected = "private" if entry.confidence is Confidence.PRIVATE else "public mapping"
        assert entry.source == expected or entry.value == "C0034375", entry
        return
    meanings, groups = known
    assert OTHER_WORDS.get(entry.meaning, entry.meaning).casefold() in meanings, entry
    named = re.fullmatch(r"PS3\.16(?: CID (\d+)| TID \d+)?|UCUM", entry.source)
    assert named, entry
    assert named[1] is None or int(named[1]) in groups, entry


def test_codes_of_the_private_scheme_are_few_and_unique() -> None:
    private = [e for e in ENTRIES.values() if e.scheme == "99CXRNODE"]
    assert all(entry.source == "private" for entry in private)
    assert len({entry.value for entry in private}) == len(private) <= 60


def test_two_meanings_never_share_a_code() -> None:
    meanings: dict[tuple[str, str], set[str]] = {}
    for entry in ENTRIES.values():
        meanings.setdefault((entry.scheme, entry.value), set()).add(entry.meaning)
    assert {code: found for code, found in meanings.items() if len(found) > 1} == {}


def test_findings_have_different_codes() -> None:
    codes = templates().codes.findings
    assert len({(entry.scheme, entry.value) for entry in codes.values()}) == len(FindingKind)


def test_a_site_says_only_what_differs(override: Path) -> None:
    before = load_templates()
    assert load_templates().version == before.version
    assert len(before.policy_version) <= 32
    put(override, WORDING, {"conclusion": {"banner": "Read by a machine."}})
    after = load_templates(override)
    assert after.version != before.version
    assert after.policy_version == before.policy_version
    assert after.wording.conclusion.banner == "Read by a machine."
    assert after.wording.conclusion.image == before.wording.conclusion.image
    assert after.codes == before.codes


def test_a_site_may_replace_one_code(override: Path) -> None:
    other = {"value": "60046009", "source": "our browser", "confidence": "agreed"}
    put(override, CODES, {"findings": {"pleural_effusion": other}})
    changed = load_templates(override).codes.findings
    assert changed[FindingKind.PLEURAL_EFFUSION].value == "60046009"
    assert changed[FindingKind.PLEURAL_EFFUSION].meaning == "Pleural effusion"
    assert changed[FindingKind.EDEMA] == templates().codes.findings[FindingKind.EDEMA]


def test_a_site_may_change_one_threshold_and_add_a_rule(override: Path) -> None:
    mine = {"id": "large-heart", "finding": "cardiomegaly", "priority": "MEDIUM", "words": "heart"}
    rules = [{"id": "pneumothorax", "minimum_probability": 0.7}, mine]
    put(override, PRIORITY, {"version": "site-7", "rules": rules})
    site = load_templates(override)
    assert site.policy_version.startswith("site-7+")
    before = {rule.id: rule for rule in templates().priority.rules}
    after = {rule.id: rule for rule in site.priority.rules}
    assert list(after) == [*before, "large-heart"]
    assert after["pneumothorax"].minimum_probability == 0.7
    assert after["pneumothorax"].severity == before["pneumothorax"].severity
    del before["pneumothorax"]
    assert before.items() <= after.items()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_words_for_every_rule_and_fits_beside_a_box(language: str) -> None:
    found = load_templates(language=language)
    wording = found.wording
    assert wording.language.value == language
    rules = (found.priority.outside, found.priority.otherwise, *found.priority.rules)
    assert language == "en" or set(wording.rules) == {rule.id for rule in rules}
    for kind, side in product(FindingKind, (*Laterality, None)):
        about = finding(kind, 0.9, laterality=side)
        comment = wording.markers.comment.format(finding=label(about, wording))
        assert len(comment) <= LONGEST_COMMENT, comment


def test_phrases_translate_what_the_node_really_says() -> None:
    said = {*PROJECTIONS, *TraceSection, NO_PRIOR, NO_PRIOR_PICTURE, UNTAUGHT, NOT_IN_TRIAGE}
    german = load_templates(language="de").wording
    assert said | {OUTSIDE_PHANTOMS} <= set(german.phrases)
    assert german.phrase("unknown words") == "unknown words"


def test_a_language_without_words_is_refused(override: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no wording\.fr\.yaml"):
        load_templates(override, "fr")


def test_a_site_may_bring_a_language(override: Path) -> None:
    wording = shipped(WORDING)
    wording["language"] = {"value": "fr", "meaning": "French"}
    put(override, wording_file("fr"), wording)
    assert load_templates(override, "fr").wording.language.value == "fr"


def test_a_language_under_another_name_is_refused(override: Path) -> None:
    put(override, wording_file("fr"), shipped(WORDING))
    with pytest.raises(
        ConfigurationError, match=r"fr\.yaml:\d+: language\.value: the file is named"
    ):
        load_templates(override, "fr")


def test_an_empty_override_folder_changes_nothing(override: Path) -> None:
    assert load_templates(override) == load_templates()


def test_a_missing_override_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        load_templates(tmp_path / "absent")


def test_a_file_that_overrides_nothing_is_refused(override: Path) -> None:
    put(override, "wordings.en.yaml", {})
    with pytest.raises(ConfigurationError, match=r"wordings\.en\.yaml: overrides nothing"):
        load_templates(override)


@pytest.mark.parametrize("content", ["findings: [", "\x00", "- a\n  b: c: d"])
def test_what_is_not_yaml_is_refused(override: Path, content: str) -> None:
    (override / CODES).write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"codes\.yaml:\d+: not valid YAML"):
        load_templates(override)


def test_bytes_that_are_no_text_are_refused(override: Path) -> None:
    (override / CODES).write_bytes(b"version: \xff\xfe\xfa")
    with pytest.raises(ConfigurationError, match=r"codes\.yaml:1: not valid YAML"):
        load_templates(override)


def test_yaml_cannot_make_objects(override: Path) -> None:
    (override / CODES).write_text("!!python/object/apply:os.getcwd []", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="not valid YAML"):
        load_templates(override)


def test_a_folder_named_like_a_file_is_refused(override: Path) -> None:
    (override / CODES).mkdir()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_templates(override)


BAD = [
    (
        CODES,
        "findings:\n  pneumothorax: {scheme: 99OTHER, confidence: private}",
        2,
        "99OTHER is not",
    ),
    (CODES, "findings:\n  pneumothorax: {scheme: 99CXRNODE}", 2, "confidence: private goes with"),
    (CODES, "findings:\n  edema: {}\n  pneumothorax: {meaning: " + "x" * 65 + "}", 3, "meaning"),
    (CODES, "findings:\n  pneumothorax: {site: knee}", 2, "names an unknown site"),
    (CODES, "findings:\n  gallstone: {}", 2, "findings.gallstone"),
    (CODES, "version: '2'\nversion: '3'", 2, "version: given twice"),
    (WORDING, "conclusion:\n  present: 'Held present: {findngs}'", 2, "{findngs} is not a name"),
    (WORDING, "conclusion:\n  present: '{findings.__class__}'", 2, "is not a name"),
    (WORDING, "short_findings:\n  port: a name longer than beside a box", 2, "longer than"),
    (WORDING, "findings: [a, b]", 1, "findings"),
    (WORDING, "- a list", 1, "file"),
    (PRIORITY, "rules:\n  - {id: port, advice: 1}", 2, "name either a finding or an advice"),
    (PRIORITY, "version: x\noutside:\n  priority: STAT", 2, "raises nothing"),
    (PRIORITY, "rules:\n  - {id: a}\n  - {id: a}", 3, "rules.a: given twice"),
    (PRIORITY, "rules:\n  - id: port\n    minimum_probabilty: 0.5", 3, "minimum_probabilty"),
    (PRIORITY, "rules:\n\n  - {finding: port}", 3, "rules"),
    (PRIORITY, "rules:\n  - {id: port, priority: STAT}", 2, "needs an acr_category"),
    (PRIORITY, "rules:\n  - id: port\n    change: [bigger]", 3, "change"),
    (PRIORITY, "patient_classes:\n  maternity: [W4]", 2, "maternity"),
    (ORDER, "version: x\ndue_minutes: {STAT: 90}", 2, "a higher priority must not be due later"),
    (ORDER, "first: [HIGH]", 1, "without a gap"),
    (CRITICAL, "escalation:\n  - {after_minutes: 5, to: x}", 1, "none before"),
    (CRITICAL, "roles: [porter]", 1, "roles"),
]


@pytest.mark.parametrize(
    ("name", "content", "line", "reason"), BAD, ids=lambda value: str(value)[:30]
)
def test_a_bad_file_is_refused_with_its_name_line_and_reason(
    override: Path, name: str, content: str, line: int, reason: str
) -> None:
    path = override / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        load_templates(override)
    assert f"{path}:{line}: " in str(refused.value)
    assert reason in str(refused.value)


@pytest.mark.parametrize("name", [CODES, wording_file("fr"), PRIORITY])
def test_a_file_that_is_not_whole_is_refused(name: str) -> None:
    """What a site leaves out comes from the shipped file; what that lacks is missing."""
    whole = shipped(name.replace("fr", "en"))
    del whole["version"]
    model = {CODES: Codes, PRIORITY: PriorityPolicy}.get(name, Wording)
    with pytest.raises(ValidationError, match="version"):
        model.model_validate(whole)


def test_a_copy_of_the_shipped_files_is_the_shipped_version(override: Path) -> None:
    shutil.copytree(str(resources.files("sr_templates")), override, dirs_exist_ok=True)
    assert load_templates(override).version == load_templates().version
