"""Operators on images, for arrays. Filled from the catalogue when heddle is imported."""
