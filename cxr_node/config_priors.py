"""Tables of the configuration that say where earlier studies are fetched from."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from cxr_node.config_section import Section


class PriorSource(Section):
    """One archive that holds earlier studies."""

    way: Literal["c-move", "c-get", "dicomweb"] = Field(description="how it is asked")
    peer: str = Field("", description="name of the [[peer]] that is asked by DIMSE")
    url: str = Field(
        "", description="root of its DICOMweb services, such as https://pacs/dicom-web"
    )
    token_file: str = Field("", description="file with the bearer token of these services")
    ca_file: str = Field("", description="certificates to trust for https; empty is the system's")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.way == "dicomweb" and (not self.url or self.peer):
            raise ValueError("way = dicomweb needs url, and no peer")
        if self.way != "dicomweb" and (not self.peer or self.url):
            raise ValueError(f"way = {self.way} needs peer, and no url")
        return self


class PriorsSection(Section):
    """Whether the node looks for earlier studies elsewhere."""

    seconds: float = Field(
        8.0, gt=0, le=120, description="longest that a reading waits for an earlier study"
    )
    source: tuple[PriorSource, ...] = Field(
        (), description="archives that are asked ([[priors.source]]); none: nothing is fetched"
    )
