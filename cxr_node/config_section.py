"""What every table of the configuration file is made from, and the rule for web addresses."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen table of the file; refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine and reachable from nowhere else."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def private_url(url: str, example: str) -> str:
    """The address, if what goes there travels encrypted or not over a network at all.

    Raises ValueError, with ``example`` for one that is no web address.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"must look like {example}")
    if parts.username or parts.query or parts.fragment:
        raise ValueError("must be an address alone; a secret belongs into a file of its own")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("http is for this machine only; put TLS before the server, use https")
    return url
