"""Readings through an inference server are those of the model itself, alone and in company."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from cxr_node.domain.findings import Finding, PriorStudy, Reading, ReadingKind
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import Ask, Generated, PreparedImage, VisionModel
from cxr_node.domain.stages import Turn
from cxr_node.reasoning.embedded import embedded_folder
from cxr_node.reasoning.engine_start import open_engine
from cxr_node.reasoning.profiles import Architecture, MannerKind, PictureOrder
from cxr_node.reasoning.prompts import Wording
from cxr_node.reasoning.staged import PriorPicture, Request, StagedReader
from cxr_node.reasoning.transformers_model import TransformersModel, load_model
from tests.asking import generate, request, score
from tests.engine_network import EngineNetwork
from tests.engine_server import EngineServer
from tests.engines import Open, section, served_folder
from tests.families import BuildFamily, build_family, seal_plainly
from tests.models import picture, reference

NEAR = 1e-4


def plain(turn: Turn) -> Turn:
    """A turn without numbers that another arithmetic may round otherwise."""
    return replace(turn, probabilities={}, scores={})


def assert_same(found: Reading, expected: Reading) -> None:
    """Every turn's words are equal, and every probability."""
    assert [plain(turn) for turn in found.turns] == [plain(turn) for turn in expected.turns]
    for one, other in zip(found.turns, expected.turns, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=NEAR)
    assert [words(finding) for finding in found.findings] == [
        words(finding) for finding in expected.findings
    ]


def words(finding: Finding) -> tuple[object, ...]:
    return finding.kind, finding.presence, finding.laterality, finding.box, finding.description


def read_together(model: VisionModel, images: Sequence[PreparedImage]) -> list[Reading]:
    """Triage of several studies, each question of all of them at once."""
    reader = StagedReader(model)
    with ExitStack() as open_studies:
        readings = [
            open_studies.enter_context(reader.begin(request(image, ReadingKind.TRIAGE)))
            for image in images
        ]
        while any(reading.ask is not None for reading in readings):
            reader.advance(readings)
        return [reading.reading() for reading in readings]


def test_a_whole_reading_is_the_models_own(
    open_served: Open, engine_server: EngineServer, untrained: TransformersModel
) -> None:
    image = picture(1)
    # Every finding is held present, so that every kind of question is asked.
    eager = untrained.profile.model_copy(update={"default_threshold": 0.0})
    found = StagedReader(open_served(), eager).read(request(image))
    assert_same(found, StagedReader(untrained, eager).read(request(image)))
    assert len(found.turns) > 50
    # What the server was given, with every visual token, ends as the node believes.
    assert engine_server.prompts[-1].endswith("<|user|>report impression?<|assistant|>")


def test_scores_of_the_whole_vocabulary_are_the_models_own(tmp_path: Path) -> None:
    """A server that does not mask: scores are equal, or no lower where they are not shown."""
    weights = embedded_folder()
    own = load_model(weights, threads=1, device="cpu")
    with EngineServer(EngineNetwork(weights, masked=False)) as server:
        served = open_engine(served_folder(weights, tmp_path / "tiny"), section(server.url))
        with served.begin([picture(2)]) as talk, own.begin([picture(2)]) as own_talk:
            for prompt, options in (
                ("overall?", ("normal", "abnormal")),
                ("pneumothorax?", ("present", "absent", "uncertain")),
            ):
                found = score(served, talk, prompt, options)
                exact = score(own, own_talk, prompt, options)
                assert found[:2] == pytest.approx(exact[:2], abs=NEAR)
                assert all(a >= b - NEAR for a, b in zip(found, exact, strict=True))
                for each in (talk, own_talk):
                    each.settle(options[0])
        served.close()


def test_studies_in_company_read_as_each_alone(
    open_served: Open, engine_server: EngineServer, untrained: TransformersModel
) -> None:
    """The server's cache never looks at pictures; the same questions must not mix studies."""
    images = [picture(seed) for seed in (1, 2, 3)]
    together = read_together(open_served(), images)
    for image, found in zip(images, together, strict=True):
        alone = StagedReader(untrained).read(request(image, ReadingKind.TRIAGE))
        assert_same(found, alone)
    assert together[0].findings != together[1].findings
    assert len({body["cache_salt"] for body in engine_server.requests}) == 1 + len(images)


def test_studies_in_turn_read_as_each_alone(
    open_served: Open, untrained: TransformersModel
) -> None:
    model = open_served()
    images = picture(4), picture(5)
    steps = ("limits?", "describe effusion?", "report findings?")

    def said(talker: VisionModel, image: PreparedImage) -> list[Generated]:
        with talker.begin([image]) as talk:
            found = []
            for prompt in steps:
                found.append(generate(talker, talk, prompt, 8))
                talk.settle(found[-1].text)
            return found

    expected = [said(untrained, image) for image in images]
    with model.begin([images[0]]) as first, model.begin([images[1]]) as second:
        found: list[list[Generated]] = [[], []]
        for prompt in steps:
            for talk, heard in ((first, found[0]), (second, found[1])):
                heard.append(generate(model, talk, prompt, 8))
                talk.settle(heard[-1].text)
    assert found == expected


def test_every_request_is_the_former_with_something_added(
    open_served: Open, engine_server: EngineServer
) -> None:
    model = open_served()
    engine_server.requests.clear()
    engine_server.cached.clear()
    StagedReader(model).read(request(picture(6), ReadingKind.TRIAGE))
    sent = [json.dumps(body["messages"]) for body in engine_server.requests]
    assert len(sent) > 10
    for former, later in pairwise(sent):
        assert later.startswith(former.removesuffix("]"))
    fixed = {
        json.dumps([body[k] for k in ("model", "cache_salt", "mm_processor_kwargs", "temperature")])
        for body in engine_server.requests
    }
    assert len(fixed) == 1
    # What the model's own generation settings would else bring in.
    assert all(body["temperature"] == 0.0 for body in engine_server.requests)
    assert all(body["repetition_penalty"] == 1.0 for body in engine_server.requests)
    assert engine_server.cached == sorted(engine_server.cached)
    assert engine_server.cached[1] >= 64  # the picture at least


def test_the_same_pictures_are_found_again_and_other_sites_are_not(
    open_served: Open, engine_server: EngineServer
) -> None:
    salts = []
    for site in ("site", "site", "another"):
        model = open_served(cache_salt=site)
        StagedReader(model).read(request(picture(7), ReadingKind.TRIAGE))
        salts.append(engine_server.requests[-1]["cache_salt"])
    assert salts[0] == salts[1] != salts[2]
    assert all(len(salt) == 64 and "site" not in salt for salt in salts)


def test_a_question_goes_on_behind_a_lead_and_ends_before_a_stop(
    open_served: Open, engine_server: EngineServer, untrained: TransformersModel
) -> None:
    asks = (
        Ask("describe effusion?", max_new_tokens=6, lead=" The"),
        Ask("", options=(" normal", " small", " large"), lead=" The heart is"),
    )
    replies = []
    for model in (open_served(), untrained):
        with model.begin([picture(8)]) as talk:
            heard = [model.answer([(talk, ask)])[0] for ask in asks]
            talk.settle(" The heart is small")
            heard.append(generate(model, talk, "limits?", 6))
            replies.append((heard, talk.context))
    (served, context), (own, own_context) = replies
    assert (served[0], served[2], context) == (own[0], own[2], own_context)
    assert isinstance(served[1], tuple) and isinstance(own[1], tuple)
    assert [a - served[1][0] for a in served[1]] == pytest.approx(
        [a - own[1][0] for a in own[1]], abs=NEAR
    )
    body = engine_server.requests[-2]
    assert body["messages"][-1] == {"role": "assistant", "content": " The heart is"}
    assert body["continue_final_message"] and not body["add_generation_prompt"]
    text = served[0].text if isinstance(served[0], Generated) else ""
    stop = text.split()[-1]
    with open_served().begin([picture(8)]) as talk:
        model = open_served()
        cut = generate(model, talk, "describe effusion?", 6, lead=" The", stop=(stop,))
    assert stop not in cut.text and not cut.truncated


@pytest.mark.parametrize("architecture", list(Architecture))
def test_each_architecture_is_framed_by_its_own_template(
    architecture: Architecture, sealed: BuildFamily, tmp_path: Path
) -> None:
    """Options of several tokens: words and framing are equal, scores agree on the answer."""
    weights = sealed(architecture)
    own = load_model(weights, threads=1, device="cpu")
    side = own.image_policy.side
    image = picture(9, width=side, height=side)
    with EngineServer(EngineNetwork(weights)) as server:
        served = open_engine(served_folder(weights, tmp_path / "served"), section(server.url))
        with served.begin([image]) as talk, own.begin([image]) as own_talk:
            for prompt in ("Describe the heart.", "Describe the lungs."):
                heard = [generate(m, t, prompt, 8) for m, t in ((served, talk), (own, own_talk))]
                assert heard[0] == heard[1]
                for each in (talk, own_talk):
                    each.settle(heard[0].text)
            assert talk.context == own_talk.context
            options = ("correct", "too high", "too low", "malpositioned")
            found = score(served, talk, "How is the tube positioned?", options)
        served.close()
    assert all(value <= 0.0 for value in found)


def test_letters_and_two_pictures_read_as_the_model_itself(tmp_path: Path) -> None:
    """ChestX-Reasoner's way of asking: the earlier picture first, options under letters."""
    folder = build_family(tmp_path / "weights", Architecture.QWEN2_VL)
    seal_plainly(
        folder,
        Architecture.QWEN2_VL,
        wording=Wording.CHESTX,
        manner=MannerKind.LETTERED,
        pictures=2,
        order=PictureOrder.REFERENCE_FIRST,
    )
    own = load_model(folder, threads=1, device="cpu")
    images = [picture(seed) for seed in (10, 11)]
    asked = Request(
        images[:1],
        [reference(images[0])],
        ReadingKind.TRIAGE,
        quality_control=True,
        prior=PriorPicture(PriorStudy(Uid("1.2.9"), reference(images[1])), images[1]),
    )
    with EngineServer(EngineNetwork(folder)) as server:
        served = open_engine(served_folder(folder, tmp_path / "served"), section(server.url))
        found = StagedReader(served).read(asked)
        served.close()
    expected = StagedReader(own).read(asked)
    assert len(found.turns) == 20
    assert_same(found, expected)
    first = next(body for body in server.requests[3:] if len(body["messages"]) == 3)
    parts = first["messages"][1]["content"]
    assert [part["type"] for part in parts] == ["image_url", "image_url", "text"]
    assert parts[0] != parts[1]


def test_the_token_is_sent_and_in_no_log(
    open_served: Open,
    engine_server: EngineServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    secret = "s3cret-of-this-site"
    path = tmp_path / "token"
    path.write_text(f"{secret}\n")
    engine_server.token = secret
    with caplog.at_level(logging.DEBUG):
        model = open_served(token_file=str(path))
        with model.begin([picture()]) as talk:
            score(model, talk, "overall?", ("normal", "abnormal"))
    assert caplog.records
    said = "".join(f"{record.getMessage()}{record.__dict__}" for record in caplog.records)
    assert secret not in said
    assert secret not in repr(model.__dict__)
