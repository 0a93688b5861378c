"""Draws: calls of operators made up by a seeded generator, which heddle and the real MXNet must answer alike.

- `generator.py` makes a draw of (operator, seed): parameters, inputs, dtype, mode, gradients asked for.
- `specs.py` says how, for operators whose inputs depend on each other.
- `run.py` runs a draw in either package and writes it as a script.
- `witness.py` keeps a process of MXNet that answers draws, also when it dies of one.
- `differences.py` names where the two differ on purpose, and why.
- `judge.py` compares answers; `python -m draws` is the long mode.
"""
