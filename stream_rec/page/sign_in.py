"""What a browser sees that is not let in: plain HTML, with the page's own style."""

from __future__ import annotations

from functools import cache
from html import escape
from importlib.resources import files

RETRY_SECONDS = 5


@cache
def style() -> str:
    """The page's style sheet."""
    return (files("stream_rec.page") / "page.css").read_text(encoding="utf-8")


def sign_in_page(said: str) -> bytes:
    """Asks for a key; `said` is what was wrong with the last one."""
    wrong = f'<p class="bad" role="alert">{escape(said)}</p>' if said else ""
    return _page(
        "Sign in",
        f"""<h1>Sign in</h1>
<p class="quiet">With a key of the scope admin: <code>stream-rec key create NAME --scope admin</code>.</p>
{wrong}<form method="post" action="/sign-in">
<label for="key">Key</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
<button class="button strong">Sign in</button></form>""",
    )


def trouble_page(said: str) -> bytes:
    """Redis does not answer, which says whether there are keys; the browser asks again by itself."""
    return _page(
        "Not now",
        f"""<h1>Not now</h1><p role="alert">{escape(said)}</p>
<p class="quiet">Redis knows who may see the page. This one asks again every {RETRY_SECONDS} seconds;
<code>stream-rec doctor</code> says more.</p>""",
        f'<meta http-equiv="refresh" content="{RETRY_SECONDS}">',
    )


def _page(title: str, body: str, head: str = "") -> bytes:
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} · stream_rec</title>{head}
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<style>{style()}</style></head><body class="alone"><main class="card narrow">{body}</main></body></html>""".encode()


NOT_HERE = _page(
    "Not from here",
    "<h1>Not from here</h1><p>There are no keys yet, so only a browser on the server's own machine sees the page.</p>"
    "<p class='quiet'><code>stream-rec key create NAME --scope admin</code> makes one.</p>",
)
OTHER_SITE = _page("Not from there", "<h1>Not from there</h1><p>Another site has sent this browser here.</p>")
