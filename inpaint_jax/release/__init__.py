"""Released models: files, cards, downloads, exports."""
