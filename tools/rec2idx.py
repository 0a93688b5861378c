#!/usr/bin/env python3
"""Makes the index of a record file: what `python -m heddle.tools.rec2idx` does, where MXNet's users look."""
import sys

from heddle.tools.rec2idx import main

if __name__ == "__main__":
    sys.exit(main())
