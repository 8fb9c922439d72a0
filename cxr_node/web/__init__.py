"""HTTP: the API and the reading pages."""
