"""The same pipeline on other engines."""
