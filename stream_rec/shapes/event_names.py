"""What events are that others have named: `productViewed`, `add_to_cart`, `Order Completed`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_WORDS: dict[str, frozenset[str]] = {
    "view": frozenset({
        "view", "views", "viewed", "viewing", "pageview", "pv", "visit", "visited", "seen", "angesehen",
    }),
    "click": frozenset({"click", "clicks", "clicked"}),
    "cart": frozenset({"cart", "basket", "addtocart", "addtobasket", "warenkorb"}),
    "purchase": frozenset({
        "purchase", "purchases", "purchased", "buy", "bought", "order", "orders", "ordered", "checkout", "transaction",
        "sale", "conversion", "gekauft", "kauf", "bestellung", "bestellt",
    }),
    "rating": frozenset({"rating", "ratings", "rate", "rated"}),
}  # fmt: skip
_DONE = frozenset({
    "placed", "completed", "complete", "created", "create", "submitted", "confirmed", "paid", "success", "succeeded",
    "successful", "finished", "made", "done",
})  # fmt: skip
_BESIDE: dict[str, frozenset[str]] = {
    "view": frozenset({"page", "screen", "detail", "details"}),
    "cart": frozenset({"add", "added", "adding", "to", "in", "into", "shopping"}),
    "purchase": _DONE,
}
"""Words that may stand beside a type's own; any other (`cart viewed`, `order shipped`) makes it something else."""
_ANYWHERE = frozenset({
    "product", "products", "item", "items", "article", "articles", "sku", "event", "user", "customer", "ecommerce",
    "commerce", "shop", "store", "web", "app", "was", "has", "been", "a", "the",
})  # fmt: skip
_ONLY_DONE = frozenset({"checkout"})
"""Words that are a purchase only where one of `_DONE` stands beside."""
_TAKES_BACK = re.compile(
    r"(un|dis)(like|liked|favou?rited?|wish(ed)?)|remov|delet|return|refund|cancel|dislik|block|hid|abandon|storno|report"
)
_ALIKE = 0.75


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name in camelCase, snake_case, with dots or with blanks, in small letters."""
    parted = re.sub(r"([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])", r"\1\3 \2\4", name)
    return tuple(word for word in re.split(r"[\W_]+", parted.lower()) if word)


def built_in(name: str) -> str | None:
    """The built-in event type that a name stands for; None = it cannot be told."""
    words = frozenset(words_of(name))
    rest = words - _ANYWHERE
    for kind, own in _WORDS.items():
        said = rest & own
        if not said or rest - own - _BESIDE.get(kind, frozenset()):
            continue
        return None if said <= _ONLY_DONE and not rest & _DONE else kind
    return None


def takes_back(name: str) -> bool:
    """Does a name say that something is taken back, or not liked? As interest it would teach the contrary."""
    return any(_TAKES_BACK.match(word) for word in words_of(name))


def closest(name: str, among: Iterable[str]) -> str | None:
    """The name that was probably meant; None = none is like it."""
    plain = {"".join(words_of(other)): other for other in among}
    found = difflib.get_close_matches("".join(words_of(name)), plain, 1, _ALIKE)
    return plain[found[0]] if found else None
