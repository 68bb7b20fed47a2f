"""Photos and masks as files."""
