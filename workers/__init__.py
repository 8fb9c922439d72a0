"""Celery workers: three thin files; the work itself is in cxr_node.services."""
