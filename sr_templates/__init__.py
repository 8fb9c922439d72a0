"""Templates, codes, wording and priority rules: data a site may override."""
