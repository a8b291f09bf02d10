"""Ways to look at a snapshot. Each takes a `Snapshot`; none imports the engine."""
