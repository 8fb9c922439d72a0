"""Phantoms of difficulty "phantom-2": batched in torch, all findings and devices, both times.

They stand beside phantom-1 (``cxr_node.phantom.make``), on which the shipped embedded model
was taught; phantom-1 goes when that model has been taught on these. Planning a case needs
numpy alone, drawing it needs torch, on the CPU or a GPU.
"""
