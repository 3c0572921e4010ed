"""The public port: verifies a webhook, stores it, notifies the workers, and answers."""
