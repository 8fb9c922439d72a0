"""The log: closed event names, keyed digests, no patient data."""
