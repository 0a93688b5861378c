"""Every operator with a public name, for arrays. Filled from the catalogue when heddle is imported."""
