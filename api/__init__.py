"""The API: what programs do by the same use cases as people, at `/api/v1`, with tokens and JSON: docs/api.md."""
