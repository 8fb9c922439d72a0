"""The declared limits that a commissioning is graded by (``limits.yaml``, or a site's own)."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Literal

import yaml
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from cxr_node.domain.errors import ConfigurationError
from cxr_node.domain.findings import FindingKind, ModelIdentity
from cxr_node.reasoning.profiles import PHANTOMS

Difficulty = Literal["phantom-2", "phantom-2-hard"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PathLimits(_Frozen):
    """Seconds, for every model."""

    stat_seconds: float = Field(gt=0)
    study_seconds: float = Field(gt=0)


class Shares(_Frozen):
    """Least shares; None is not limited."""

    sensitivity: float | None = Field(None, gt=0, le=1)
    specificity: float | None = Field(None, gt=0, le=1)


class ModelLimits(_Frozen):
    """What one model declares of itself on phantoms of one difficulty."""

    name: str
    versions: str
    difficulty: Difficulty
    projection: float | None = Field(None, gt=0, le=1)
    side: float | None = Field(None, gt=0, le=1)
    flag: Shares = Shares()
    findings: dict[FindingKind, Shares] = {}

    @field_validator("versions")
    @classmethod
    def _understood(cls, versions: str) -> str:
        try:
            SpecifierSet(versions)
        except InvalidSpecifier as error:
            raise ValueError(f"{versions}: not a range such as >=0.3,<0.4") from error
        return versions

    def covers(self, model: ModelIdentity, difficulty: str) -> bool:
        """Whether these limits are of that model on such phantoms."""
        try:
            version = Version(model.version)
        except InvalidVersion:
            return False
        fits = SpecifierSet(self.versions).contains(version, prereleases=True)
        return model.name == self.name and fits and difficulty == self.difficulty


class Limits(_Frozen):
    """The whole file."""

    version: str
    chance: float = Field(gt=0, lt=0.5)
    path: PathLimits
    models: tuple[ModelLimits, ...] = ()

    def of(self, model: ModelIdentity, difficulty: str) -> ModelLimits | None:
        """What the model declares; None where its findings are not to be graded."""
        if model.intended_use != PHANTOMS:
            return None
        return next((m for m in self.models if m.covers(model, difficulty)), None)


def load_limits(path: Path | None = None) -> Limits:
    """The shipped limits, or those of ``path``. Raises :class:`ConfigurationError`."""
    shipped = files("cxr_node.evaluation.commission") / "limits.yaml"
    try:
        text = (path or shipped).read_text(encoding="utf-8")
        return Limits.model_validate(yaml.safe_load(text))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: is no text in UTF-8") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: not valid YAML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(map(str, first["loc"])) or "file"
        raise ConfigurationError(f"{path}: {key}: {first['msg']}") from error
