"""Where the node is put together: command line, wiring, health, demo."""
