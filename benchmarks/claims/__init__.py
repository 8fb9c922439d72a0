"""The papers' claims, put to the test at the size of this project; see ``docs/claims.md``."""
