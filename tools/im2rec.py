#!/usr/bin/env python3
"""Makes lists of images and record files of them: what `python -m heddle.tools.im2rec` does, where MXNet's users look."""
import sys

from heddle.tools.im2rec import main

if __name__ == "__main__":
    sys.exit(main())
