#!/usr/bin/env python3
"""Fails when modules of the Python package import each other in a circle, or import each other late.

An import of the package's own modules inside a function counts like any other and is an offence by itself: it does not
undo a circle, it hides it. (Late imports of other packages are fine: they keep `import heddle` cheap.) What stands under
`if TYPE_CHECKING:` is not run and does not count. Importing a.b.c needs a and a.b, unless the importer lies in them.
"""
import ast
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMPILED = "_core"  # a module without a .py file; it imports nothing of the package


def modules(package):
    """Dotted names of the modules in a package's folder to their files."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = [package.name, *path.relative_to(package).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def statements(node, late=False):
    """(import statement, whether it stands in a function) for those below a node that may run."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child, late
        elif isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            yield from statements(ast.Module(child.orelse, []), late)
        else:
            yield from statements(child, late or isinstance(child, (ast.FunctionDef, ast.Lambda)))


def targets(statement, name, is_package):
    """Dotted names that a statement of module `name` imports; objects in modules look the same."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    parts = name.split(".")
    base = parts[:len(parts) - statement.level + is_package] if statement.level else []
    return [".".join([*base, *filter(None, [statement.module]), alias.name]) for alias in statement.names]


def needed(target, name, known):
    """The modules that run before module `name` has its `target`."""
    parts = target.split(".")
    for n in range(1, len(parts) + 1):
        module = ".".join(parts[:n])
        runs_already = f"{name}.".startswith(f"{module}.")
        # An object of a package that runs already has to be there by then; a module in it has not.
        is_object = n == len(parts) - 1 and target not in known
        if module in known and module != name and (is_object or not runs_already):
            yield module


def complaints(package=ROOT / "python/heddle"):
    """A line per late import, then one per circle."""
    files = modules(package)
    known = files.keys() | {f"{package.name}.{COMPILED}"}
    graph, bad = {name: set() for name in known}, []
    for name, path in files.items():
        for statement, late in statements(ast.parse(path.read_text())):
            modules_needed = {m for target in targets(statement, name, path.name == "__init__.py")
                              for m in needed(target, name, known)}
            graph[name] |= modules_needed
            if late and modules_needed:
                bad.append(f"{path}:{statement.lineno}: imports {', '.join(sorted(modules_needed))} inside a function")
    return bad + [f"circle of imports: {' -> '.join([*circle, circle[0]])}" for circle in circles(graph)]


def circles(graph):
    """Circles of a graph as lists of names: none if there are none."""
    done, result = set(), []

    def visit(name, path):
        if name in path:
            result.append(path[path.index(name):])
        elif name not in done:
            for other in sorted(graph[name]):
                visit(other, [*path, name])
            done.add(name)

    for name in sorted(graph):
        visit(name, [])
    return result


if __name__ == "__main__":
    offences = complaints()
    print("\n".join(offences) or "imports ok")
    sys.exit(bool(offences))
