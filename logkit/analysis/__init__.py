"""Questions put to the values of a snapshot: plain functions, frames out. `Snapshot` calls them, they never call it."""
