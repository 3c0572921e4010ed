"""The tables with numbers over time."""
