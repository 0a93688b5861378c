"""All rows of the operator tests. Importing this module fills CASES."""
import importlib
import pathlib

from .case import ROWS, Case

for _file in sorted(pathlib.Path(__file__).parent.glob("cases_*.py")):
    importlib.import_module(f"{__package__}.{_file.stem}")

CASES: list[Case] = ROWS
