"""Phantoms: the same seed is the same picture, and the truth fits what was drawn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from cxr_node.domain.findings import FindingKind, Laterality, Severity
from cxr_node.domain.instance import View
from cxr_node.phantom import DRAWN, Phantom, make_phantom
from cxr_node.phantom.make import chosen


def _cases(kind: FindingKind, view: View = View.PA) -> Iterator[Phantom]:
    for seed in range(4):
        yield make_phantom(seed, findings=[kind], view=view)


@pytest.mark.parametrize("view", [View.PA, View.AP, View.LATERAL])
def test_same_seed_same_picture(view: View) -> None:
    first, again = make_phantom(5, view=view), make_phantom(5, view=view)
    assert np.array_equal(first.image, again.image)
    assert first.truth == again.truth
    assert not np.array_equal(first.image, make_phantom(6, view=view).image)


@pytest.mark.parametrize("size", [224, 256])
def test_picture_is_between_black_and_white_with_bright_bones(size: int) -> None:
    phantom = make_phantom(1, size=size, findings=())
    assert phantom.image.shape == (size, size)
    assert phantom.image.dtype == np.float32
    assert 0.0 <= float(phantom.image.min()) < 0.05
    assert 0.8 < float(phantom.image.max()) <= 1.0
    middle = phantom.image[size // 2 : size // 2 + size // 8]
    spine = middle[:, round(size * 0.49) : round(size * 0.53)].mean()
    lung = middle[:, round(size * 0.26) : round(size * 0.36)].mean()
    assert spine > lung + 0.2


def test_every_size_shows_the_same_geometry() -> None:
    small = make_phantom(11, findings=[FindingKind.CARDIOMEGALY])
    large = make_phantom(11, size=896, findings=[FindingKind.CARDIOMEGALY])
    assert small.truth.ratio == pytest.approx(large.truth.ratio, abs=0.02)
    assert small.truth.findings[0].box == pytest.approx(
        [edge / 4 for edge in large.truth.findings[0].box], abs=2.0
    )
    shrunk = large.image.reshape(224, 4, 224, 4).mean(axis=(1, 3))
    assert float(np.abs(shrunk - small.image).mean()) < 0.03


@pytest.mark.parametrize("kind", DRAWN)
def test_a_finding_changes_the_picture_inside_its_box(kind: FindingKind) -> None:
    for phantom in _cases(kind):
        assert phantom.truth.kinds == {kind}
        without = make_phantom(phantom.seed, findings=())
        change = np.abs(phantom.image - without.image)
        x0, y0, x1, y1 = (int(edge) for edge in phantom.truth.findings[0].box)
        inside = change[y0:y1, x0:x1]
        assert phantom.masks[kind][y0:y1, x0:x1].sum() == phantom.masks[kind].sum()
        assert float(np.percentile(inside, 98)) > 0.03, (kind, phantom.seed)


@pytest.mark.parametrize(
    "kind",
    [FindingKind.PNEUMOTHORAX, FindingKind.PLEURAL_EFFUSION, FindingKind.CONSOLIDATION],
)
def test_patient_right_is_on_the_image_left(kind: FindingKind) -> None:
    for phantom in _cases(kind):
        x0, _, x1, _ = phantom.truth.findings[0].box
        on_the_left = (x0 + x1) / 2 < phantom.size / 2
        assert (phantom.truth.findings[0].side is Laterality.RIGHT) == on_the_left


def test_cardiothoracic_ratio_separates_large_hearts() -> None:
    for view in (View.PA, View.AP):
        for seed in range(8):
            normal = make_phantom(seed, size=112, findings=(), view=view).truth.ratio
            big = [FindingKind.CARDIOMEGALY]
            large = make_phantom(seed, size=112, findings=big, view=view).truth.ratio
            assert normal is not None and large is not None
            assert 0.36 < normal < 0.52
            assert 0.54 < large < 0.72


def test_pneumothorax_is_dark_and_effusion_is_bright() -> None:
    air = make_phantom(3, findings=[FindingKind.PNEUMOTHORAX], severity=Severity.SEVERE)
    plain = make_phantom(3, findings=())
    mask = air.masks[FindingKind.PNEUMOTHORAX]
    assert air.image[mask].mean() < plain.image[mask].mean() - 0.05
    fluid = make_phantom(3, findings=[FindingKind.PLEURAL_EFFUSION], severity=Severity.SEVERE)
    mask = fluid.masks[FindingKind.PLEURAL_EFFUSION]
    assert fluid.image[mask].mean() > plain.image[mask].mean() + 0.1


def test_a_graver_finding_covers_more() -> None:
    for kind in (FindingKind.PNEUMOTHORAX, FindingKind.PLEURAL_EFFUSION, FindingKind.LUNG_LESION):
        areas = [
            make_phantom(8, findings=[kind], severity=grade).masks[kind].sum()
            for grade in (Severity.MILD, Severity.MODERATE, Severity.SEVERE)
        ]
        assert areas == sorted(areas) and areas[0] > 0


def test_chance_gives_every_finding_and_nothing_its_share() -> None:
    sets = [chosen(seed) for seed in range(2000)]
    assert 0.13 < sum(not s for s in sets) / 2000 < 0.20
    for kind in DRAWN:
        assert 0.28 < sum(kind in s for s in sets) / 2000 < 0.40


def test_report_names_what_is_there() -> None:
    phantom = make_phantom(
        4, findings=[FindingKind.PNEUMOTHORAX, FindingKind.PACEMAKER], severity=Severity.SEVERE
    )
    side = next(f.side for f in phantom.truth.findings if f.kind is FindingKind.PNEUMOTHORAX)
    assert f"Large {side} pneumothorax." in phantom.truth.findings_text
    assert "acemaker" in phantom.truth.findings_text
    assert "pneumothorax" in phantom.truth.impression
    assert "pacemaker" not in phantom.truth.impression
    assert phantom.truth.abnormal
    assert not make_phantom(4, findings=[FindingKind.PACEMAKER]).truth.abnormal


def test_unknown_view_is_refused() -> None:
    with pytest.raises(ValueError, match="PA, AP or LATERAL"):
        make_phantom(1, view=View.OBLIQUE)
