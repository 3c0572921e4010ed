"""Commands for the users who may sign in, and for the record of what people change."""
