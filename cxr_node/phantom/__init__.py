"""Synthetic chest radiographs with known truth."""

from cxr_node.phantom.make import make_phantom
from cxr_node.phantom.truth import DRAWN, FindingTruth, Phantom, PhantomTruth

__all__ = ["DRAWN", "FindingTruth", "Phantom", "PhantomTruth", "make_phantom"]
