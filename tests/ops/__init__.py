"""Rows that describe every operator: see case.py."""
