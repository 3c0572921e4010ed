"""The use cases about prices and costs."""
