"""The wire: associations in and out, and the header of what arrived.

Importing the package silences the DICOM libraries: their logs and warnings quote
received values, and no received value may reach a log.
"""

from cxr_node.dicom.quiet import silence

silence()
