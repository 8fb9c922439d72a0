"""Templates, codes, wording and priority rules: data a site may override, no code.

``cxr_node.reporting.templates`` reads and checks the files; a site's folder may replace
any of them by a file of the same name.
"""
