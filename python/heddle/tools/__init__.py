"""Programs that come with the package: `python -m heddle.tools.im2rec`, `python -m heddle.tools.rec2idx`."""
