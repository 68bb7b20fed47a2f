"""Compares the engine with other ways to fill holes, on whole photos."""
