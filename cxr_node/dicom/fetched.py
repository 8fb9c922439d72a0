"""An instance that this node asked an archive for, on its way to intake."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from cxr_node.dicom.reception import StoreCommand, write_head
from cxr_node.domain.instance import Received

Keep = Callable[[Received], None]


def keep_fetched(
    command: StoreCommand, data_set: bytes, folder: Path, sender: tuple[str, str], keep: Keep
) -> None:
    """Hand the encoded ``data_set`` over as a file; ``sender`` is AE title and address.

    The file is what a C-STORE would have left, so that the instance is recognised when it is
    sent. Raises what ``keep`` raises.
    """
    partial = folder / f"in-{secrets.token_hex(8)}.part"
    try:
        with partial.open("wb") as stream:
            write_head(stream, command)
            stream.write(data_set)
        keep(
            Received(
                partial=partial,
                sop_class_uid=command.sop_class_uid,
                sop_instance_uid=command.sop_instance_uid,
                transfer_syntax=command.transfer_syntax,
                calling_ae=sender[0],
                address=sender[1],
                as_prior=True,
            )
        )
    finally:
        partial.unlink(missing_ok=True)
