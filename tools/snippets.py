#!/usr/bin/env python3
"""The Python examples in README.md and docs/: the tests run them, and a type checker reads them.

usage: snippets.py FOLDER     writes each to a file in FOLDER, and prints nothing
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def snippets():
    """(page, line where it begins, program) of each example."""
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = page.read_text()
        for m in re.finditer(r"^```python\n(.*?)^```", text, re.M | re.S):
            yield page, text[:m.start()].count("\n") + 1, m[1]


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.py"):
        old.unlink()
    for page, line, program in snippets():
        name = re.sub(r"\W", "_", page.stem)
        (folder / f"{name}_line_{line}.py").write_text(program)


if __name__ == "__main__":
    main()
