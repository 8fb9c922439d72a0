"""The model: walks the stage graph, asks, checks every answer."""
