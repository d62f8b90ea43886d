"""Whom a client asks: a server, or another one when that does not answer."""

from __future__ import annotations

from collections.abc import Sequence

from stream_rec.errors import ConfigError


class Servers:
    """Addresses of servers that answer alike. The one that answered last is asked next. Thread-safe.

    Args:
        urls: one or several, in the order in which they are tried.

    Raises:
        ConfigError: there is none.
    """

    def __init__(self, urls: str | Sequence[str]) -> None:
        given = [urls] if isinstance(urls, str) else urls
        self._urls = tuple(url.rstrip("/") for url in given)
        if not all(self._urls) or not self._urls:
            raise ConfigError("a client needs the address of a server", fix="give it a URL, or several")
        self._asked = 0

    @property
    def asked(self) -> str:
        """The one to be asked now."""
        return self._urls[self._asked]

    @property
    def are_many(self) -> bool:
        """Is there another one."""
        return len(self._urls) > 1

    def failed(self, url: str) -> None:
        """It did not answer, or cannot now: the next one is asked, unless that has been found out already."""
        at = self._urls.index(url)
        if self._asked == at:
            self._asked = (at + 1) % len(self._urls)
