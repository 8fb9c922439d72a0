"""Secrets of the configuration: from a file that only the node may read, or written in place.

Every key that can hold a secret has a twin that ends in ``_file``; one of the two is used.
"""

from __future__ import annotations

from pathlib import Path

from cxr_node.domain.errors import ConfigurationError

LONGEST_SECRET = 65_536
OTHERS = 0o007
"""Permission bits that let everybody on the machine read or change a file."""


def secret(value: str, file: str, key: str) -> str:
    """The secret itself: ``value``, or what the first line of ``file`` holds; empty for neither.

    ``key`` is the name of the key without ``_file``, for the message. Raises
    :class:`ConfigurationError` if both are given, or the file cannot be read, is empty or has
    more than one line. The message never holds the secret.
    """
    if not file:
        return value
    if value:
        raise ConfigurationError(f"{key}, {key}_file: give one of them, not both")
    try:
        with Path(file).open(encoding="utf-8") as opened:
            text = opened.read(LONGEST_SECRET + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{key}_file: {file}: cannot be read") from error
    found = text.strip()
    if not found or len(found.splitlines()) != 1 or len(text) > LONGEST_SECRET:
        raise ConfigurationError(f"{key}_file: {file}: must hold one secret on one line")
    return found


def readable_by_others(file: str) -> bool:
    """Whether anybody on this machine may read or change the file; False where there is none."""
    try:
        return bool(Path(file).stat().st_mode & OTHERS)
    except OSError:
        return False
