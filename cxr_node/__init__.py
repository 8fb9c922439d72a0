"""A chest X-ray reading node: DICOM in, staged reasoning, Structured Reports and flags out."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("cxr-node")
except PackageNotFoundError:  # running from a checkout that was never installed
    __version__ = "0.0.0+unknown"
