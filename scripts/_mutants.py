"""Makes mutants of source code (copies with one small bug) and samples them.

Two mutation reports are comparable only if they use the same sample. mutmut and cosmic-ray have no sample that stays
the same when a file is renamed. mutmut also wraps every function, which makes tests of frames and signatures fail.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

from attrs import frozen

_SWAPPED_COMPARISON = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_SWAPPED_ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.Div: ast.Mult, ast.Mod: ast.Add}


@frozen
class Mutant:
    """A file with one small bug.

    Attributes:
        file: The path of the file.
        line: The first line of the changed code.
        last_line: The last line of the changed code.
        old: The original code.
        new: The changed code.
        text: The whole file with the change.
        in_function: Whether the code runs in a function call. If not, it runs at import.
        identity: Depends on the function and the change, not on the file name or the line number.
    """

    file: Path
    line: int
    last_line: int
    old: str
    new: str
    text: str
    in_function: bool
    identity: str


def sample(mutants: list[Mutant], size: int, seed: str) -> list[Mutant]:
    """Choose mutants at random.

    The choice does not depend on file names or line numbers.
    """

    def rank(mutant: Mutant) -> bytes:
        return hashlib.sha256(f"{seed}\n{mutant.identity}".encode()).digest()

    return sorted(sorted(mutants, key=rank)[:size], key=lambda mutant: (mutant.file, mutant.line, mutant.new))


def mutants_of(file: Path, text: str) -> list[Mutant]:
    """Return all mutants of a file."""
    source = text.encode()
    starts = [0]
    for each in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(each))
    found: list[Mutant] = []
    seen: dict[str, int] = {}
    for node, new, scope, in_function in _changes(ast.parse(text)):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        old = source[start:end].decode()
        identity = f"{scope}\n{ast.unparse(node)}\n{new}"
        # The same code may occur twice in one scope.
        seen[identity] = seen.get(identity, 0) + 1
        changed = (source[:start] + new.encode() + source[end:]).decode()
        where = (node.lineno, node.end_lineno or node.lineno)
        found.append(Mutant(file, *where, old, new, changed, in_function, f"{identity}\n{seen[identity]}"))
    return found


def _changes(
    node: ast.AST, scope: str = "", *, in_function: bool = False
) -> Iterator[tuple[ast.expr | ast.stmt, str, str, bool]]:
    """Yield each node to change, its replacement, its scope, and whether that is a function.

    A scope is the path of a class or function, such as `.Token.reveal`. Outside functions, the statement is part of it,
    since short code such as `True` occurs in many files.
    """
    if _is_excluded(node):
        return
    if isinstance(node, ast.expr):
        for changed in _changed_expressions(node):
            yield node, f"({ast.unparse(changed)})", scope, in_function
    elif isinstance(node, ast.stmt):
        for new in _changed_statements(node):
            yield node, new, scope, in_function
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        scope = f"{scope}.{node.name}"
    elif isinstance(node, ast.stmt) and not in_function:
        scope = f"{scope}\n{ast.unparse(node)}"
    if isinstance(node, ast.If | ast.While | ast.IfExp) and not isinstance(node.test, ast.Compare | ast.UnaryOp):
        yield node.test, f"(not ({ast.unparse(node.test)}))", scope, in_function
    if isinstance(node, ast.ExceptHandler) and node.type is not None:
        yield node.type, "()", scope, in_function  # catches nothing
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list"}:
            continue
        runs_in_call = in_function or (name == "body" and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _changes(child, scope, in_function=runs_in_call)


def _is_excluded(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    # Before Python 3.12, the nodes of an f-string have no usable position.
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and any(isinstance(each, ast.Name) and each.id == "overload" for each in node.decorator_list)
    )


def _changed_expressions(node: ast.expr) -> Iterator[ast.expr]:
    changed = deepcopy(node)
    match changed:
        case ast.Compare(ops=[*operators]):
            for index, operator in enumerate(operators):
                changed.ops[index] = _SWAPPED_COMPARISON[type(operator)]()
                yield changed
                changed.ops[index] = operator
        case ast.BoolOp(op=operator):
            changed.op = ast.Or() if isinstance(operator, ast.And) else ast.And()
            yield changed
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.BinOp(op=operator) if type(operator) in _SWAPPED_ARITHMETIC:
            changed.op = _SWAPPED_ARITHMETIC[type(operator)]()
            yield changed
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield ast.Constant(value + 1)
        case ast.Call(keywords=[*keywords]):
            for keyword in keywords:
                changed.keywords = [other for other in keywords if other is not keyword]
                yield changed


def _changed_statements(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.AugAssign() | ast.Delete():
            yield "pass"
        case ast.Raise(exc=error, cause=cause):
            yield "pass"
            if error is not None and cause is not None:
                yield f"raise {ast.unparse(error)}"
        case ast.Return(value=ast.expr() as value):
            # Most callers test for truth, so None in place of False is no bug.
            if not (isinstance(value, ast.Constant) and (value.value is None or value.value is False)):
                yield "return None"
        case ast.Break():
            yield "continue"
        case ast.Continue():
            yield "break"
