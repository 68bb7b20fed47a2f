"""The engine beside other ways to fill holes, on whole photos."""
