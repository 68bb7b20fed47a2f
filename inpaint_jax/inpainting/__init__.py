"""Filling the holes of one photo."""
