"""Finds and fetches images of an archive over DICOMweb: QIDO-RS and WADO-RS (PS3.18 §10)."""

from __future__ import annotations

import io
import json
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from pydicom import dcmread
from pydicom.dataset import Dataset

from cxr_node.dicom import values
from cxr_node.dicom.fetched import Keep, keep_fetched
from cxr_node.dicom.part10 import read_frame
from cxr_node.dicom.query_keys import (
    IMAGE_KEYS,
    SERIES_KEYS,
    STUDY_KEYS,
    found_images,
    found_studies,
    wanted_series,
)
from cxr_node.dicom.reception import StoreCommand
from cxr_node.dicom.values import BROKEN_VALUE
from cxr_node.domain.errors import CxrNodeError, PriorUnavailable, Unreadable
from cxr_node.domain.events import Event, emit_failure
from cxr_node.domain.instance import PatientFacts
from cxr_node.domain.prior_search import Deadline, FoundImage, FoundStudy

_MOST_ANSWERS = 500
_MOST_JSON_BYTES = 8_388_608
_DICOM = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_BOUNDARY = re.compile(r'boundary="?([^";,]+)"?', re.IGNORECASE)
_LONGEST_CONNECT = 5.0


class WebArchive:
    """Fulfils :class:`cxr_node.domain.prior_search.PriorArchive` for one DICOMweb root."""

    ae_title = ""

    def __init__(
        self, url: str, *, token: str = "", tls: ssl.SSLContext | None = None, most_bytes: int
    ) -> None:
        self.name = httpx.URL(url).host
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._tls = tls
        self._most_bytes = most_bytes

    def studies(
        self, patient: PatientFacts, dates: tuple[str, str], until: Deadline
    ) -> list[FoundStudy]:
        """QIDO-RS for studies. Raises :class:`PriorUnavailable`."""
        query = {"PatientID": patient.patient_id, "StudyDate": "-".join(dates)}
        fields = [*(keyword for keyword, _ in STUDY_KEYS), "IssuerOfPatientID"]
        return found_studies(self._answers("studies", query, fields, until))

    def images(self, found: FoundStudy, most: int, until: Deadline) -> list[FoundImage]:
        """QIDO-RS for series and instances. Raises :class:`PriorUnavailable`."""
        images: list[FoundImage] = []
        place = f"studies/{found.study.study_uid}/series"
        answers = self._answers(place, {}, [keyword for keyword, _ in SERIES_KEYS], until)
        for series in wanted_series(answers, found):
            fields = [keyword for keyword, _ in IMAGE_KEYS]
            instances = self._answers(f"{place}/{series}/instances", {}, fields, until)
            images += found_images(instances, found, series)
            if len(images) >= most:
                break
        return images[:most]

    def retrieve(
        self, images: Sequence[FoundImage], folder: Path, keep: Keep, until: Deadline
    ) -> int:
        """WADO-RS, one instance at a time. Raises :class:`PriorUnavailable`."""
        done = 0
        for image in images:
            place = (
                f"studies/{image.study_uid}/series/{image.series_uid}"
                f"/instances/{image.instance_uid}"
            )
            with self._opened(place, {}, _DICOM, until) as answer:
                body = _read(answer, self._most_bytes, until)
                kind = answer.headers.get("content-type", "")
            done += self._file(_one_part(kind, body), image, folder, keep)
        return done

    def _file(self, part10: bytes, image: FoundImage, folder: Path, keep: Keep) -> int:
        """Hand the file over; one that is refused is left out, and said in the log."""
        try:
            stream = io.BytesIO(part10)
            frame = read_frame(stream)
            command = StoreCommand(
                _named_class(part10), image.instance_uid.text, frame.transfer_syntax.text
            )
            keep_fetched(command, part10[frame.start :], folder, (self.ae_title, self.name), keep)
        except CxrNodeError as error:
            emit_failure(Event.PRIOR_FAILED, error, source=self.name)
            return 0
        return 1

    def _answers(
        self, place: str, query: Mapping[str, str], fields: Sequence[str], until: Deadline
    ) -> list[Dataset]:
        """One query. Raises :class:`PriorUnavailable` for anything but a list of data sets."""
        asked: dict[str, Any] = {**query, "includefield": list(fields)}
        with self._opened(place, asked, "application/dicom+json", until) as answer:
            if answer.status_code == httpx.codes.NO_CONTENT:
                return []
            body = _read(answer, _MOST_JSON_BYTES, until)
        try:
            return [Dataset.from_json(one) for one in json.loads(body)[:_MOST_ANSWERS]]
        except BROKEN_VALUE as error:
            raise PriorUnavailable("the archive's answer cannot be used") from error

    @contextmanager
    def _opened(
        self, place: str, query: Mapping[str, Any], accept: str, until: Deadline
    ) -> Iterator[httpx.Response]:
        if until.past:
            raise PriorUnavailable("no time is left")
        limits = httpx.Timeout(until.left, connect=min(_LONGEST_CONNECT, until.left))
        headers = {**self._headers, "Accept": accept}
        trusted: ssl.SSLContext | bool = self._tls or True
        try:
            with (
                httpx.Client(timeout=limits, verify=trusted, trust_env=False) as client,
                client.stream("GET", f"{self._url}/{place}", params=query, headers=headers) as got,
            ):
                if got.status_code not in (httpx.codes.OK, httpx.codes.NO_CONTENT):
                    raise PriorUnavailable(f"the archive answered {got.status_code}")
                yield got
        except httpx.HTTPError as error:
            raise PriorUnavailable("the archive does not answer") from error


def _read(answer: httpx.Response, most: int, until: Deadline) -> bytes:
    body = bytearray()
    for chunk in answer.iter_bytes():
        body += chunk
        if until.past:
            raise PriorUnavailable("the archive takes too long")
        if len(body) > most:
            raise PriorUnavailable("the archive's answer is too long")
    return bytes(body)


def _one_part(kind: str, body: bytes) -> bytes:
    """The first part of a multipart/related answer (RFC 2387), or the whole of another."""
    if not kind.lower().startswith("multipart/"):
        return body
    named = _BOUNDARY.search(kind)
    if named is None:
        raise PriorUnavailable("the archive's answer names no boundary")
    mark = b"--" + named[1].encode("ascii", "replace")
    _, _, rest = body.partition(mark)
    _, _, content = rest.partition(b"\r\n\r\n")
    part, end, _ = content.rpartition(b"\r\n" + mark)
    if not end:
        raise PriorUnavailable("the archive's answer is cut short")
    return part.partition(b"\r\n" + mark)[0]


def _named_class(part10: bytes) -> str:
    """SOP Class UID of the data set; there is no command to compare it with."""
    try:
        head = dcmread(io.BytesIO(part10), stop_before_pixels=True, specific_tags=["SOPClassUID"])
    except BROKEN_VALUE as error:
        raise Unreadable("the archive sent no DICOM file") from error
    return values.text(head, "SOPClassUID")
