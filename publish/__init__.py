"""The third stage: what BI tools and people look at, whole, tested and never waiting for a run."""
