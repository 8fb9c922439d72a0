"""The node's own terms and rules: standard library only, no input or output."""
