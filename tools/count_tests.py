#!/usr/bin/env python3
"""Adds up JUnit files and NAME=passed|failed words, and closes with the line that says so.

usage: count_tests.py FILE.xml ... [demo=passed]; exits 1 when anything failed or nothing ran.
"""
import pathlib
import sys
import xml.etree.ElementTree as xml

passed = failed = skipped = 0
for word in sys.argv[1:]:
    if word.endswith(".xml"):
        if not pathlib.Path(word).exists():
            print(f"{word} was not written: its tests did not finish")
            failed += 1
            continue
        for case in xml.parse(word).getroot().iter("testcase"):
            tags = {child.tag for child in case}
            if tags & {"failure", "error"} or case.get("status") == "fail":
                failed += 1
            elif "skipped" in tags or case.get("status") in ("notrun", "disabled"):
                skipped += 1
            else:
                passed += 1
    elif word.endswith("=passed"):
        passed += 1
    else:
        failed += 1
print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
sys.exit(failed > 0 or passed == 0)
