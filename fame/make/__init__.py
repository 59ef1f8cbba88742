"""Wings: see docs/architecture.md."""
