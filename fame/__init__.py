"""FAME: a sequential recommender whose every decision can be opened up and looked at."""

__version__ = "0.1.0"
