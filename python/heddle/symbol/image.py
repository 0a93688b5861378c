"""Operators on images, for symbols. Filled from the catalogue when heddle is imported."""
