"""Operators on symbols that the language and other modules stand on. Filled from the catalogue at import."""
