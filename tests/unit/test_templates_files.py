"""The files of sr_templates: whole, correctly coded, and refused when they are not."""

from __future__ import annotations

import re
import shutil
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydicom.sr._concepts_dict import concepts

from cxr_node.domain.errors import ConfigurationError
from cxr_node.domain.findings import FindingKind
from cxr_node.reporting.codes import CodeEntry, Confidence
from cxr_node.reporting.templates import CODES, FILES, PRIORITY, WORDING, load_templates
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
    assert {p.relative_to(root).as_posix() for p in root.rglob("*.yaml")} == set(FILES)


@pytest.mark.parametrize("entry", templates().codes.entries, ids=lambda e: f"{e.scheme}-{e.value}")
def test_every_code_is_as_sure_as_it_claims(entry: CodeEntry) -> None:
    """Verified: the dictionary has scheme, value and meaning. Anything else says so."""
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
    private = [e for e in templates().codes.entries if e.scheme == "99CXRNODE"]
    assert all(entry.source == "private" for entry in private)
    assert len({entry.value for entry in private}) == len(private) <= 60


def test_two_meanings_never_share_a_code() -> None:
    meanings: dict[tuple[str, str], set[str]] = {}
    for entry in templates().codes.entries:
        meanings.setdefault((entry.scheme, entry.value), set()).add(entry.meaning)
    assert {code: found for code, found in meanings.items() if len(found) > 1} == {}


def test_findings_have_different_codes() -> None:
    codes = templates().codes.findings
    assert len({(entry.scheme, entry.value) for entry in codes.values()}) == len(FindingKind)


def test_the_version_follows_every_file(override: Path) -> None:
    before = load_templates()
    assert load_templates().version == before.version
    assert len(before.policy_version) <= 32
    wording = shipped(WORDING)
    wording["conclusion"]["banner"] = "KI-Ergebnis, ungeprüft."
    put(override, WORDING, wording)
    after = load_templates(override)
    assert after.version != before.version
    assert after.policy_version == before.policy_version
    assert after.wording.conclusion.banner == "KI-Ergebnis, ungeprüft."
    assert after.codes == before.codes


def test_a_site_may_replace_the_priority_rules(override: Path) -> None:
    rules = shipped(PRIORITY)
    rules["version"] = "site-7"
    put(override, PRIORITY, rules)
    assert load_templates(override).policy_version.startswith("site-7+")


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
    with pytest.raises(ConfigurationError, match=r"codes\.yaml: not valid YAML"):
        load_templates(override)


def test_bytes_that_are_no_text_are_refused(override: Path) -> None:
    (override / CODES).write_bytes(b"version: \xff\xfe\xfa")
    with pytest.raises(ConfigurationError, match=r"codes\.yaml: not valid YAML"):
        load_templates(override)


def test_yaml_cannot_make_objects(override: Path) -> None:
    (override / CODES).write_text("!!python/object/apply:os.getcwd []", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="not valid YAML"):
        load_templates(override)


def test_a_folder_named_like_a_file_is_refused(override: Path) -> None:
    (override / CODES).mkdir()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_templates(override)


def spoil_codes(codes: Any) -> None:
    del codes["findings"]["pneumothorax"]


def spoil_scheme(codes: Any) -> None:
    codes["findings"]["pneumothorax"] |= {"scheme": "99OTHER", "confidence": "private"}


def spoil_confidence(codes: Any) -> None:
    codes["findings"]["pneumothorax"]["scheme"] = "99CXRNODE"


def spoil_meaning(codes: Any) -> None:
    codes["findings"]["pneumothorax"]["meaning"] = "x" * 65


def spoil_site(codes: Any) -> None:
    codes["findings"]["pneumothorax"]["site"] = "knee"


def spoil_sentence(wording: Any) -> None:
    wording["conclusion"]["present"] = "Held present: {findngs}"


def spoil_format(wording: Any) -> None:
    wording["conclusion"]["present"] = "{findings.__class__}"


def spoil_short(wording: Any) -> None:
    wording["short_findings"]["pneumothorax"] = "a name longer than beside a box"


def spoil_rules(rules: Any) -> None:
    rules["rules"] = [rule for rule in rules["rules"] if rule.get("finding") != "pneumothorax"]


def spoil_subject(rules: Any) -> None:
    rules["rules"][0]["advice"] = 1


def spoil_outside(rules: Any) -> None:
    rules["outside"]["priority"] = "STAT"


def spoil_id(rules: Any) -> None:
    rules["rules"][1]["id"] = rules["rules"][0]["id"]


def spoil_key(rules: Any) -> None:
    rules["rules"][0]["minimum_probabilty"] = 0.5


@pytest.mark.parametrize(
    ("name", "spoil", "reason"),
    [
        (CODES, spoil_codes, "findings: no entry for pneumothorax"),
        (CODES, spoil_scheme, "private scheme 99OTHER is not declared"),
        (CODES, spoil_confidence, "findings.pneumothorax: Value error, confidence: private"),
        (CODES, spoil_meaning, "findings.pneumothorax.meaning"),
        (CODES, spoil_site, "pneumothorax names an unknown site"),
        (WORDING, spoil_sentence, "{findngs} is not a name"),
        (WORDING, spoil_format, "{findings.__class__} is not a name"),
        (WORDING, spoil_short, "pneumothorax is longer than"),
        (PRIORITY, spoil_rules, "rules: no entry for pneumothorax"),
        (PRIORITY, spoil_subject, "name either a finding or an advice"),
        (PRIORITY, spoil_outside, "raises nothing"),
        (PRIORITY, spoil_id, "two rules share one id"),
        (PRIORITY, spoil_key, "minimum_probabilty"),
    ],
)
def test_a_bad_file_is_refused_with_its_name_and_the_reason(
    override: Path, name: str, spoil: Any, reason: str
) -> None:
    content = shipped(name)
    spoil(content)
    path = put(override, name, content)
    with pytest.raises(ConfigurationError) as refused:
        load_templates(override)
    assert str(path) in str(refused.value)
    assert reason in str(refused.value)


def test_a_copy_of_the_shipped_files_is_the_shipped_version(override: Path) -> None:
    shutil.copytree(str(resources.files("sr_templates")), override, dirs_exist_ok=True)
    assert load_templates(override).version == load_templates().version
