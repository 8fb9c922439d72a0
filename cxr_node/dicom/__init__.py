"""The wire: associations, C-STORE in and out, worklist answers, headers."""
