"""A visitor's own logs: kept in a folder, read and trained by processes of their own."""
