"""Errors, flags, files, processes, devices."""
