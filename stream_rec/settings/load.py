"""Reading the settings tree from all its sources.

Later ones win: defaults, a TOML file (`--config FILE`, else `stream-rec.toml` in the working folder, else none), the
environment (`STREAM_REC__BUS__BOOTSTRAP=...`), flags (`--set bus.bootstrap=...`).
"""

from __future__ import annotations

import ast
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stream_rec.errors import ConfigError
from stream_rec.settings import key_paths
from stream_rec.settings.addresses_file import is_left_over
from stream_rec.settings.tree import Settings

ENV_PREFIX = "STREAM_REC__"
DEFAULT_FILE = "stream-rec.toml"
DATA_VARIABLE = "STREAM_REC_DATA"
_KEY = re.compile(r"[\w. -]+")


def load(
    *,
    file: Path | None = None,
    flags: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> tuple[Settings, dict[str, str]]:
    """Read the tree.

    Args:
        file: a TOML file; None = `stream-rec.toml` in the working folder if there is one.
        flags: `key.path=value`, from the command line.
        environment: None = the process's.

    Returns:
        The settings, and for every key path that is not at its default where its value came from.

    Raises:
        ConfigError: an unknown key, an ill-typed value, or a file that cannot be read; names the key and its source.
    """
    origins: dict[str, str] = {}
    tree: dict[str, Any] = {}
    _add_file(file, tree, origins)
    _add_environment(environment if environment is not None else os.environ, tree, origins)  # noqa: TID251
    for flag in flags:
        key, equals, value = flag.partition("=")
        if not equals or not _KEY.fullmatch(key):  # it is not repeated: it may be a URL with a password in it
            what = "a key that is none" if equals else "no `=`"
            raise ConfigError(f"--set with {what}", fix="write --set key.path=value")
        _add(tree, origins, key_paths.path(key), value, f"--set {key}")
    try:
        return Settings.model_validate(tree), origins
    except ValidationError as error:
        lines = [_line(problem["loc"], problem["msg"], origins) for problem in error.errors()]
        raise ConfigError("settings are wrong:\n  " + "\n  ".join(lines), fix=_LISTS) from None


def _add_file(file: Path | None, tree: dict[str, Any], origins: dict[str, str]) -> None:
    path = file or _default_file()
    if path is None:
        return
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"cannot read settings from {path}: {error}", fix=_toml_fix(str(error))) from error
    key_paths.merge(tree, data, origins, str(path))


def _toml_fix(said: str) -> str:
    """What to do about a file that is no TOML: a table that was appended twice is named."""
    twice = re.search(r"Cannot declare (\(.*\)) twice(?: \(at (line \d+))?", said)
    if twice is None:
        return "give a valid TOML file, in UTF-8"
    table = ".".join(map(str, ast.literal_eval(twice[1])))
    where = f", the one in {twice[2]}, say" if twice[2] else ""
    return f"the table [{table}] stands twice: delete one of them{where}, or give it another name"


def _default_file() -> Path | None:
    """`stream-rec.toml` in the working folder, unless its servers have died with the `up` that wrote it."""
    path = Path(DEFAULT_FILE)
    try:
        return path if path.exists() and not is_left_over(path) else None
    except OSError:  # we may not look into the working folder: there is nothing for us
        return None


def _add_environment(variables: Mapping[str, str], tree: dict[str, Any], origins: dict[str, str]) -> None:
    if DATA_VARIABLE in variables:
        folder = {"data": {"folder": variables[DATA_VARIABLE]}}
        key_paths.merge(tree, folder, origins, f"environment {DATA_VARIABLE}")
    for name, value in sorted(variables.items()):
        if name.startswith(ENV_PREFIX):
            _add(tree, origins, name[len(ENV_PREFIX) :].lower().split("__"), value, f"environment {name}")


def _add(tree: dict[str, Any], origins: dict[str, str], keys: list[str], text: str, origin: str) -> None:
    key_paths.merge(tree, key_paths.nest(keys, key_paths.parse(Settings, keys, text)), origins, origin)


def _line(at: Sequence[int | str], said: str, origins: Mapping[str, str]) -> str:
    where = ".".join(str(part) for part in at if part != "[key]")
    said = said.removeprefix("Value error, ")
    return f"{where} (from {origins.get(where, 'settings')}): {said}" if where else said


_LISTS = "`stream-rec settings` lists every setting"
