"""A settings file that cannot be read says what to do about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_rec.errors import ConfigError
from stream_rec.settings import load


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        (
            "[shapes.shop]\n[bus]\n[shapes.shop]\n",
            "[shapes.shop] stands twice: delete one of them, the one in line 3, say",
        ),
        ('[shapes."my shop"]\n[shapes."my shop"]\n', "[shapes.my shop] stands twice"),
        ("[bus\n", "give a valid TOML file"),
    ],
)
def test_a_table_that_was_appended_twice_is_named(tmp_path: Path, text: str, fix: str) -> None:
    file = tmp_path / "stream-rec.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        load(file=file, environment={})
    assert fix in str(error.value.fix)
