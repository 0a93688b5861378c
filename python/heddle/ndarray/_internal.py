"""Operators that the operators of the language and other modules stand on. Filled from the catalogue when heddle is imported."""
