"""Synthetic chest radiographs with known answers: for demonstration, tests and commissioning.

Schematic on purpose. They are drawn by :mod:`cxr_node.phantom.batched`, and every file says
that it is a quality control image.
"""
