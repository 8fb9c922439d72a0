"""Phantoms of difficulty "phantom-2": batched in torch, all findings and devices, both times.

The shipped embedded model was taught on these. Planning a case needs numpy alone, drawing it
needs torch, on the CPU or a GPU.
"""
