"""The command-line programs; main.py and scripts/ start them.

Most import JAX, or numba, within a function, since each takes a second or half
of one: --help and wrong flags need not wait for them.
"""
