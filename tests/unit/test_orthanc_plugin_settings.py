"""The plugin's configuration and rules: every key refused by name, every rule explained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.fake_orthanc import DX, FakeOrthanc, loaded

HERE = {"Host": "127.0.0.1"}


@pytest.fixture
def plugin() -> Iterator[ModuleType]:
    with loaded(FakeOrthanc()) as module:
        yield module


WRONG: dict[str, Any] = {
    "Enabled": "yes",
    "Transport": "ftp",
    "Modality": 5,
    "Aet": "A TITLE THAT IS TOO LONG",
    "Host": 7,
    "Port": 0,
    "Url": "ftp://node",
    "PublicUrl": "http://user:secret@node",
    "ApiToken": ["t"],
    "ApiTokenFile": 3,
    "CaFile": False,
    "TimeoutSeconds": 0,
    "SendWhen": "later",
    "QuietSeconds": -1,
    "Rules": {},
    "Ledger": None,
    "SweepDays": 1.5,
    "MaxWaiting": True,
    "RetrySeconds": "5",
    "LongestRetrySeconds": float("inf"),
    "GiveUpHours": 0,
    "PollSeconds": 0,
    "StateMetadata": 1023,
    "PriorityMetadata": 70_000,
    "Labels": 1,
    "LabelPrefix": "CXR ",
    "Worklist": "on",
    "Button": None,
}


def test_the_list_of_wrong_values_is_complete(plugin: ModuleType) -> None:
    assert {plugin.key_name(one.name) for one in fields(plugin.Settings)} == set(WRONG)


@pytest.mark.parametrize("key", sorted(WRONG))
def test_a_wrong_value_is_refused_by_key_with_what_is_allowed(plugin: ModuleType, key: str) -> None:
    with pytest.raises(plugin.BadConfiguration) as refused:
        plugin.settings_of({**HERE, key: WRONG[key]})
    [problem] = refused.value.problems
    assert problem.startswith(f"CxrNode.{key}: ")
    assert "; allowed is " in problem


@pytest.mark.parametrize(
    "section, named",
    [
        (None, '"CxrNode": the section is missing'),
        ([], '"CxrNode": the section is missing'),
        ({}, "CxrNode.Host: give Host"),
        ({**HERE, "host": "x"}, "CxrNode.host: unknown key; known are Aet, ApiToken,"),
        ({"Transport": "stow"}, "CxrNode.Url: is needed"),
        ({**HERE, "RetrySeconds": 900}, "CxrNode.LongestRetrySeconds: must be"),
        ({**HERE, "StateMetadata": 4121}, "CxrNode.PriorityMetadata: must be another"),
        ({**HERE, "ApiTokenFile": "/nowhere"}, "CxrNode.ApiTokenFile: the file cannot be read"),
        ({**HERE, "CaFile": "/nowhere"}, "CxrNode.CaFile: the file cannot be read"),
        ({**HERE, "Rules": [5]}, "CxrNode.Rules[0]: must be an object"),
        ({**HERE, "Rules": [{"Match": {}}]}, "CxrNode.Rules[0].Send: must be true or false"),
        ({**HERE, "Rules": [{"Send": True}]}, "CxrNode.Rules[0].Match: must be an object"),
        ({**HERE, "Rules": [{"Send": True, "Match": {}, "If": 1}]}, "CxrNode.Rules[0].If: unknown"),
        (
            {**HERE, "Rules": [{"Send": True, "Match": {"Aet": "X"}}]},
            "CxrNode.Rules[0].Match.Aet: unknown field; allowed are CallingAet,",
        ),
        (
            {**HERE, "Rules": [{"Send": True, "Match": {"Station": []}}]},
            "CxrNode.Rules[0].Match.Station: must be a pattern",
        ),
    ],
)
def test_what_contradicts_is_refused(plugin: ModuleType, section: Any, named: str) -> None:
    with pytest.raises(plugin.BadConfiguration) as refused:
        plugin.settings_of(section)
    assert refused.value.problems[0].startswith(named)


def test_no_message_holds_the_token(plugin: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("x")
    both = {**HERE, "ApiToken": "tell-nobody\n", "ApiTokenFile": str(tmp_path / "token")}
    with pytest.raises(plugin.BadConfiguration) as refused:
        plugin.settings_of(both)
    assert "tell-nobody" not in str(refused.value)


@pytest.mark.parametrize("section", [None, {}, {"Host": 5}, "text"])
def test_orthanc_starts_with_a_wrong_section_and_is_told(section: Any) -> None:
    orthanc = FakeOrthanc(configuration={"CxrNode": section})
    with loaded(orthanc):
        assert any("cxr-node sends nothing: " in line for line in orthanc.logged)
        assert "change" not in orthanc.registered
        assert "/cxr-node/status" in orthanc.registered


CHEST = {"Modality": "DX", "BodyPart": "CHEST"}


@pytest.mark.parametrize(
    "attributes, sends",
    [
        (CHEST, True),
        ({**CHEST, "Modality": "CR"}, True),
        ({**CHEST, "BodyPart": "thorax"}, True),
        ({**CHEST, "BodyPart": "HAND"}, False),
        ({**CHEST, "Modality": "CT"}, False),
        ({**CHEST, "ImageType": "DERIVED\\PRIMARY"}, True),
        ({**CHEST, "ImageType": "DERIVED\\SECONDARY\\OTHER"}, False),
        ({"Modality": "DX", "SeriesDescription": "Chest PA"}, True),
        ({"Modality": "DX", "SeriesDescription": "PA", "StudyDescription": "XR CHEST 2V"}, True),
        ({"Modality": "DX", "SeriesDescription": "Hand PA"}, False),
        ({"Modality": "DX"}, True),
        ({}, False),
    ],
)
def test_the_rules_that_are_shipped(
    plugin: ModuleType, attributes: dict[str, str], sends: bool
) -> None:
    rules = plugin.rules_of(plugin.DEFAULT_RULES)
    assert list(plugin.rule_problems(plugin.DEFAULT_RULES)) == []
    assert plugin.judged(rules, attributes).send is sends


def test_every_field_and_both_wild_cards_decide(plugin: ModuleType) -> None:
    for name in plugin.FIELDS:
        rules = plugin.rules_of([{"Match": {name: "R?OM [1]*"}, "Send": True}])
        assert plugin.judged(rules, {name: "room [1] left"}).send
        assert not plugin.judged(rules, {name: "room 1 left"}).send
        [step] = plugin.judged(rules, {}).steps
        assert step == {
            "Rule": "rule 0",
            "Holds": False,
            "Why": f"{name} is (empty), not R?OM [1]*",
        }


@pytest.mark.parametrize(
    "tags, calling, why",
    [
        ({"SOPClassUID": DX, "ManufacturerModelName": "cxr-node "}, "PACS", "a result of the node"),
        ({"SOPClassUID": DX}, "CXRNODE", "came from the node"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, "CT", "not an object of a kind"),
        ({}, "CT", "not an object of a kind"),
        ({"SOPClassUID": DX}, "CT", ""),
    ],
)
def test_what_never_goes_to_the_node(
    plugin: ModuleType, tags: dict[str, str], calling: str, why: str
) -> None:
    found = plugin.guarded(tags, calling, "CXRNODE")
    assert found.startswith(why) and bool(found) is bool(why)
