"""`fame` on the command line."""
