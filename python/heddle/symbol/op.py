"""Every operator with a public name, for symbols. Filled from the catalogue when heddle is imported."""
