"""The HTTP service on the public port: verifies each webhook, stores it, notifies the workers, and answers."""
