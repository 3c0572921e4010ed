"""The page of all templates, and the reading of templates from Meta."""
