"""Pages of campaigns, templates, suppressions and import errors, for people and for programs."""
