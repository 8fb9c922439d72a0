"""The decoder's child process: ``python -m cxr_node.imaging.decode_child MEMORY``.

Reads requests from standard input and answers on the descriptor that was standard output.
Everything that touches a stranger's pixels happens here, under the kernel's limits, so
that a crash of a codec ends this process and not the node. Whatever the codecs print is
thrown away: it may quote the header.
"""

from __future__ import annotations

import io
import logging
import math
import os
import resource
import sys
import warnings
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from cxr_node.domain.eligibility import Reason
from cxr_node.domain.errors import NotConformant, NotReadable, Unreadable, WrongInstance
from cxr_node.domain.instance import PixelFacts
from cxr_node.domain.ports import ImagePolicy, SizePolicy
from cxr_node.imaging.budget import Budget, check_budget
from cxr_node.imaging.decode import decode
from cxr_node.imaging.frames import read_frame, write_frame
from cxr_node.imaging.grayscale import Rendered, render
from cxr_node.imaging.prepare import fit_picture, shrink_to
from cxr_node.imaging.quality import check_quality
from cxr_node.imaging.stored import StoredPixels, read_stored

Answer = tuple[dict[str, Any], bytes]

_PAGE = resource.getpagesize()


def answer(request: dict[str, Any]) -> Answer:
    """Do what one request asks. Raises :class:`NotReadable` or :class:`NotConformant`."""
    path = Path(request["path"])
    stored, claims = _within_budget(path, request)
    if request["verb"] == "inspect":
        return {}, b""
    if str(stored.header.get("SOPInstanceUID", "")) != request["instance"]:
        raise WrongInstance("the file holds another instance")
    decoded = decode(path, stored, claims)
    rendered = render(decoded.values, stored.header, claims)
    if request["verb"] == "png":
        return {}, _png(rendered, int(request["max_side"]))
    return _prepared(rendered, request, decoded.decoder)


def _within_budget(path: Path, request: dict[str, Any]) -> tuple[StoredPixels, PixelFacts]:
    budget = Budget(request["max_pixels"], request["memory_bytes"], request["seconds"])
    try:
        stored = read_stored(path)
    except (NotReadable, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - a parser fed with anything raises anything
        raise Unreadable(f"the header cannot be read ({type(error).__name__})") from None
    return stored, check_budget(stored, budget)


def _prepared(rendered: Rendered, request: dict[str, Any], decoder: str) -> Answer:
    check_quality(rendered.gray)
    policy = ImagePolicy(
        SizePolicy(request["size"]),
        side=request["side"],
        max_pixels=request["policy_pixels"],
        multiple=request["multiple"],
    )
    where, picture = fit_picture(rendered.gray, policy)
    rows, columns = rendered.gray.shape
    facts = {
        "width": where.width,
        "height": where.height,
        "left": where.left,
        "top": where.top,
        "content_width": where.content_width,
        "content_height": where.content_height,
        "original_columns": columns,
        "original_rows": rows,
        "decoder": decoder,
        "notes": rendered.notes,
    }
    return facts, picture.tobytes()


def _png(rendered: Rendered, max_side: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(shrink_to(rendered.gray, max_side)).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def answered(request: dict[str, Any]) -> Answer:
    """Answer, or say in closed words why not; never raises."""
    try:
        facts, payload = answer(request)
    except NotReadable as refusal:
        return {"refused": str(refusal.reason), "detail": refusal.detail}, b""
    except NotConformant as refusal:
        return {"broken": refusal.code, "detail": str(refusal)}, b""
    except MemoryError:
        return {"refused": str(Reason.TOO_LARGE), "detail": "memory"}, b""
    except Exception as error:  # noqa: BLE001 - process boundary: the parent decides by reason
        return {"refused": str(Reason.DECODE), "detail": type(error).__name__}, b""
    return facts, payload


def limit_memory(memory_bytes: int) -> None:
    """Allow ``memory_bytes`` of address space beyond what the loaded program has."""
    used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * _PAGE
    resource.setrlimit(resource.RLIMIT_AS, (used + memory_bytes, used + memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def limit_cpu(seconds: float) -> None:
    """Let the kernel end this process after so much more processor time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until the parent closes its end."""
    write_frame(answers, {"ready": True})
    while (received := read_frame(requests)) is not None:
        request, _ = received
        limit_cpu(float(request["seconds"]))
        write_frame(answers, *answered(request))


def main() -> None:
    """Keep the pipe for ourselves, silence everything else, take the limits, serve."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, sys.stdout.fileno())
    os.dup2(quiet, sys.stderr.fileno())
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    limit_memory(int(sys.argv[1]))
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
