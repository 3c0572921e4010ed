"""Use cases for files: uploads in pieces, and work with whole files, which the role `files` does."""
