"""The study: which cells, who runs them, and what came out."""
