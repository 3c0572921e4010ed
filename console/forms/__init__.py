"""The forms: their fields, and what is wrong with the values that a person gives."""
