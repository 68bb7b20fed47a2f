"""The command-line programs; main.py and scripts/ start them.

Most import JAX within a function, since it takes a second: --help and wrong
flags need not wait for it.
"""
