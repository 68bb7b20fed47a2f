"""The command-line programs; main.py and scripts/ start them."""
