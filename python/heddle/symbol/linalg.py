"""Linear algebra, for symbols. Filled from the catalogue when heddle is imported."""
