"""Every test asserts something, and the repository says nothing it should not."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
FORBIDDEN = re.compile(
    r"pyp[i]\.org|pythonh[o]sted|registry\.npmj[s]|deb\.debi[a]n|--index[-]url|--extra[-]index|/w[o]rk/"
)


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node


def asserts(function: ast.AST, helpers: set[str]) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in ("raises", "fail") or name in helpers:
                return True
    return False


def asserting_helpers(paths: list[Path]) -> set[str]:
    """Names of functions in the tests that assert by themselves."""
    found: set[str] = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and asserts(node, set()):
                found.add(node.name)
    return found


def test_no_test_is_without_an_assertion() -> None:
    paths = sorted((ROOT / "tests").rglob("*.py"))
    helpers = {name for name in asserting_helpers(paths) if not name.startswith("test_")}
    silent = [
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}"
        for path in paths
        for function in functions(path)
        if not asserts(function, helpers)
    ]
    assert silent == []


def test_the_repository_names_no_registry_and_no_machine() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split(
        "\n"
    )
    found = []
    for name in filter(None, listed):
        path = ROOT / name
        if path.is_file() and path.stat().st_size < 2_000_000:
            text = path.read_text("utf-8", errors="ignore")
            found += [f"{name}: {match.group()}" for match in FORBIDDEN.finditer(text)]
    assert found == []
