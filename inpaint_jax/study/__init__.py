"""The study: which cells it has, how they are run, and what came out."""
