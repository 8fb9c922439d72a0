"""Bytes on disk: written, synced and renamed before anyone is told they are safe."""
