"""The report's advice, the versions it names, and its language."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cxr_node.domain.findings import Advice
from cxr_node.reporting.templates import load_templates
from tests.readings import MODEL, sample_reading
from tests.reports import built, coded, items_below, templates, text_of


def test_advice_of_the_model_is_told_apart_from_the_policy(tmp_path: Path) -> None:
    reading = sample_reading(advice=Advice(2, "ct"))
    report = built(tmp_path, reading)
    assert coded(items_below(report, "Recommended Follow-up")[0]) == "CT"
    advised = items_below(report, "Actionable category advised by the model")[0]
    assert coded(advised) == "ACR Category 2 Actionable Finding"
    policy = items_below(report, "Actionable finding category")[0]
    assert coded(policy) == "ACR Category 1 Actionable Finding"


def test_versions_of_model_and_templates_stand_in_every_group(tmp_path: Path) -> None:
    for group in items_below(built(tmp_path), "Measurement Group"):
        said = {item.TextValue for item in items_below(group, "Algorithm Parameters")}
        assert {f"model digest {MODEL.digest}", f"templates {templates().version}"} <= said


def test_another_model_is_another_device(tmp_path: Path) -> None:
    other = replace(MODEL, device_uid=MODEL.device_uid.__class__("2.25.99"))
    first, second = built(tmp_path), built(tmp_path, sample_reading(model=other))
    for report, model in ((first, MODEL), (second, other)):
        assert report.DeviceUID == model.device_uid.text
        assert report.ContributingEquipmentSequence[0].DeviceUID == model.device_uid.text


def test_a_german_report_says_so_and_keeps_its_codes(tmp_path: Path) -> None:
    german = load_templates(language="de")
    english, report = built(tmp_path), built(tmp_path, templates=german)
    (language,) = items_below(report, "Language of Content Item and Descendants")
    assert language.ConceptCodeSequence[0].CodeValue == "de"
    said = text_of(report, "Conclusion")
    assert "Pneumothorax rechts, mäßig ausgeprägt, Lungenspitze (87 %)" in said
    assert "Beurteilung, wie vom Modell erzeugt (Englisch): Right pneumothorax." in said
    comments = [item.TextValue for item in items_below(report, "Comment")]
    assert comments == ["KI: Pneumothorax re", "KI: Pleuraerguss li"]
    assert [coded(item) for item in items_below(report, "Finding")] == [
        coded(item) for item in items_below(english, "Finding")
    ]


def test_warnings_and_closed_answers_of_a_german_report_are_german(tmp_path: Path) -> None:
    clash = "the impression denies pneumothorax, which is held present"
    reading = sample_reading(
        warnings=(clash, "3 of 40 answers were refused", "model's own words"),
        relations=("endotracheal tube accompanies pneumothorax", "The tube may be the cause."),
        changes=("pneumothorax: worsened",),
        trend="worsen: Expected to grow.",
    )
    report = built(tmp_path, reading, templates=load_templates(language="de"))
    worded = "die Beurteilung: Pneumothorax verneint, gilt aber als vorhanden"
    assert [item.TextValue for item in items_below(report, "Warning about this reading")] == [
        worded,
        "3 von 40 Antworten wurden nicht angenommen",
        "model's own words",
    ]
    assert worded in text_of(report, "Stage 8: report")
    relations = text_of(report, "Stage 4: relationships")
    assert "Endotrachealtubus begleitet Pneumothorax" in relations
    assert "The tube may be the cause." in relations, "what a model wrote stays as it is"
    assert "Pneumothorax: verschlechtert" in text_of(report, "Stage 5: comparison")
    assert "Verschlechterung: Expected to grow." in text_of(report, "Stage 6: expected course")
