"""The benchmark of scripts/speed.py; no test is judged by a clock."""
