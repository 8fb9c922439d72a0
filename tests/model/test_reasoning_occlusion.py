"""The shipped model under the audit: what it sees of a phantom goes when its place is hidden."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cxr_node.domain.findings import Box, FindingKind, ReadingKind
from cxr_node.domain.instance import View
from cxr_node.domain.ports import PreparedImage
from cxr_node.phantom.batched.case import make_case
from cxr_node.phantom.batched.make import Radiograph, radiographs
from cxr_node.phantom.batched.signs import Sign
from cxr_node.reasoning.embedded import embedded_folder
from cxr_node.reasoning.occlusion import Occlusion, occlusions
from cxr_node.reasoning.staged import StagedReader
from cxr_node.reasoning.transformers_model import TransformersModel, load_model
from tests.asking import request
from tests.models import picture

KIND = FindingKind.PNEUMOTHORAX


@pytest.fixture(scope="module")
def shipped() -> TransformersModel:
    return load_model(embedded_folder(), threads=1, device="cpu")


def phantoms(first_seed: int, count: int) -> list[Radiograph]:
    """Frontal phantoms with a pneumothorax and nothing else."""
    cases = [
        make_case(first_seed + n, view=View.PA, signs=(Sign.PNEUMOTHORAX,)) for n in range(count)
    ]
    return list(radiographs(cases))


def seen(phantom: Radiograph) -> PreparedImage:
    grey = (phantom.image * 255 + 0.5).astype(np.uint8)
    return replace(
        picture(),
        gray=grey.tobytes(),
        left=0,
        content_width=224,
        original_columns=224,
        original_rows=224,
    )


def audited(model: TransformersModel, phantom: Radiograph) -> Occlusion:
    """The pneumothorax hidden where it was drawn."""
    image, reader = seen(phantom), StagedReader(model)
    asked = request(image, ReadingKind.TRIAGE)
    (box,) = (f.box for f in phantom.facts.signs)
    (held,) = (f for f in reader.read(asked).findings if f.kind is KIND)
    drawn = replace(held, box=Box(image.sop_instance_uid, *box))
    (found,) = occlusions(asked, [drawn], reader.read)
    return found


def test_hiding_a_pneumothorax_lowers_its_probability_and_hiding_elsewhere_does_not(
    shipped: TransformersModel,
) -> None:
    """A model that guesses from elsewhere, or a filling that is itself a sign, would fail."""
    found = [audited(shipped, phantom) for phantom in phantoms(9_800_000, 6)]
    fallen = [o for o in found if o.before and o.after and o.after < o.before / 2]
    assert len(fallen) >= 3
    steady = [o for o in found if o.before and o.control and o.control >= o.before - 0.2]
    assert len(steady) >= 4
