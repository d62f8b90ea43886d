"""Every Redis key, in one place. docs/redis.md says what each holds and how long it lives.

An id is always the last part, verbatim, so colons in it are not ambiguous. Keys have no braces of ours: Redis
Cluster would read `{...}` as a hash tag.
"""

from __future__ import annotations

import re
from typing import Literal

from stream_rec.errors import ConfigError

TopName = Literal["popular", "trending", "new"]

NEVER = "_never"
"""In place of a scenario: not what a user is shown, but what the user never wants to see again."""

_SCENARIO = re.compile(r"[A-Za-z0-9_.-]+")


class Keys:
    """The names of the keys of one tenant.

    Args:
        prefix: `store.prefix`.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.removed = f"{prefix}removed"
        self.workers = f"{prefix}workers"
        self.scenarios = f"{prefix}scenarios"
        self.catalogue = f"{prefix}catalogue"
        self.api_keys = f"{prefix}api-keys"

    def slate(self, scenario: str, user_id: str) -> str:
        """`rec:<scenario>:<user_id>`.

        Raises:
            ConfigError: the scenario's name would make the key ambiguous.
        """
        if not _SCENARIO.fullmatch(scenario):
            raise ConfigError(
                f"{scenario!r} cannot be the name of a scenario",
                fix="use letters, digits, '.', '_' and '-' in engine.scenarios",
            )
        return f"{self._prefix}rec:{scenario}:{user_id}"

    def top(self, name: TopName, tag: str = "") -> str:
        """`popular`, `trending` or `new`; of a tag's items `popular:<tag>` and so on."""
        return f"{self._prefix}{name}:{tag}" if tag else f"{self._prefix}{name}"

    def scenario_list(self, scenario: str) -> str:
        """`list:<scenario>`."""
        return f"{self._prefix}list:{scenario}"

    def removed_of(self, scenario: str) -> str:
        """`removed:<scenario>`; of no scenario `removed`."""
        return f"{self.removed}:{scenario}" if scenario else self.removed

    def similar(self, item_id: str) -> str:
        """`similar:<item_id>`."""
        return f"{self._prefix}similar:{item_id}"

    def marker(self, partition: int) -> str:
        """`marker:<partition>`, of the topic `events`."""
        return f"{self._prefix}marker:{partition}"

    def forgotten(self, user_hash: str) -> str:
        """`forgotten:<user hash>`."""
        return f"{self._prefix}forgotten:{user_hash}"

    def metrics(self, worker: str) -> str:
        """`metrics:<worker>`."""
        return f"{self._prefix}metrics:{worker}"
