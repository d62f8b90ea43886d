"""A client's answers, and the reads behind them: shared by the clients with and without asyncio."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from stream_rec.clock import Clock
from stream_rec.schemas.records import DEFAULT_SCENARIO, AsOf, Reason, Slate, SlateItem
from stream_rec.sdk.profile import InArm, Profile, StandingSlate
from stream_rec.sdk.wire import Origin
from stream_rec.serve.fallback import not_leading, recent_items, session_slate
from stream_rec.serve.wishes import (
    PageWish,
    Position,
    ProfileWish,
    Rail,
    Ranking,
    Recommendations,
    SessionWish,
    TopWish,
    UnknownScenario,
    Wish,
)
from stream_rec.store.encoding import ItemList
from stream_rec.store.questions import Pause, Question, Questions

T = TypeVar("T")

_FIRST_PAUSE_SECONDS = 0.002
_LONGEST_PAUSE_SECONDS = 0.05
_SPARE = 4
"""Places beyond those wanted that are asked about at once: so many may be taken out without a second round trip."""


class Answers:
    """One tenant's answers, as questions to a reader.

    Args:
        prefix: `store.prefix`.
        clock: for timeouts.
        log: incarnation of the topic `events` that positions come from; None = any.
    """

    def __init__(self, prefix: str, clock: Clock, log: str | None) -> None:
        self._questions = Questions(prefix)
        self._clock = clock
        self._log = log

    def recommendations(self, wish: Wish) -> Question[Recommendations]:
        """The user's slate; without one, what fits the session; without that, what is popular.

        A scenario with rules has a list of its own in place of the last two, which know nothing of its rules. What the
        user never wants to see is in none of them.

        The session's latest item does not lead, whoever answers.

        Raises:
            UnknownScenario: workers write slates, but none of this scenario.
        """
        slate, of_scenario, stale = yield from self._wait(wish)
        if slate is None:
            yield from self._check_scenario(wish.scenario)
        if slate and (items := (yield from self._for_session(wish, slate.items))):
            return Recommendations(items, "personal", stale, slate)
        popular = None if of_scenario else (yield from self._questions.top("popular"))
        others, origin = _in_place(wish.scenario, of_scenario, popular)
        nevers = yield from self._questions.nevers(wish.user_id)
        if wish.session and origin == "popular" and (items := (yield from self._from_session(wish, nevers))):
            return Recommendations(items, "session", stale, None)
        items = yield from self._for_session(wish, _but(nevers, others))
        return Recommendations(items, origin if items else "none", stale, None)

    def beyond(self, user_id: str, scenario: str, k: int) -> Question[Recommendations]:
        """What stands behind a user's slate of the scenario: its own list if it has rules, else what is popular."""
        of_scenario, popular = yield from self._questions.of_everybody(scenario)
        nevers = yield from self._questions.nevers(user_id)
        others, origin = _in_place(scenario, of_scenario, popular)
        items = yield from self._available(_but(nevers, others), k, scenario)
        return Recommendations(items, origin if items else "none", False, None)

    def session(self, wish: SessionWish) -> Question[Recommendations]:
        """What fits a session; without that, what is popular. Neither its items nor the negatives are in it.

        If the scenario has rules, its own list in place of both, as in `recommendations`.
        """
        found, stale = yield from self._until(lambda: self._session(wish), wish.after, wish.timeout_seconds)
        return replace(found, stale=stale)

    def _session(self, wish: SessionWish) -> Question[tuple[Recommendations, list[AsOf]]]:
        """The answer, and what the lists know that it is made from."""
        named = {*wish.items, *wish.negatives}
        of_scenario, popular = yield from self._questions.of_everybody(wish.scenario)
        others, origin = _in_place(wish.scenario, of_scenario, popular)
        if origin == "popular":
            mine, known = yield from self._fitting(wish)
            if items := (yield from self._available([i for i in mine if i.item_id not in named], wish.k)):
                return Recommendations(items, "session", False, None), known
        others = [each for each in others if each.item_id not in named]
        items = yield from self._available(others, wish.k, wish.scenario)
        source = of_scenario or popular
        found = Recommendations(items, origin if items else "none", False, None)
        return found, [source.as_of] if source else []

    def _fitting(self, wish: SessionWish) -> Question[tuple[list[SlateItem], list[AsOf]]]:
        """What the session's items lead to, less what the negatives do; and what the neighbours' lists know."""
        liked, disliked = recent_items(wish.items), recent_items(wish.negatives)
        found = yield from self._questions.similar([*liked, *disliked])
        against = session_slate(wish.negatives, found[len(liked) :])
        known = [each.as_of for each in found if each]
        return session_slate(wish.items, found[: len(liked)], against), known

    def page(self, wish: PageWish) -> Question[list[Recommendations]]:
        """Several slates of a user, from the top: an item stands where it comes first. What is missing is popular.

        Raises:
            UnknownScenario: as `recommendations`.
        """
        found, stale = yield from self._wait_for_all(wish)
        for rail, (slate, _) in zip(wish.rails, found, strict=True):
            if slate is None:
                yield from self._check_scenario(rail.scenario)
        popular = yield from self._questions.top("popular")
        nevers = yield from self._questions.nevers(wish.user_id)
        page: list[Recommendations] = []
        shown: set[str] = set()
        for rail, (slate, of_scenario) in zip(wish.rails, found, strict=True):
            others, source = _in_place(rail.scenario, of_scenario, popular)
            others = _but(nevers, others)
            own = slate.items if slate else ()
            kept = yield from self._available([*own, *others], len(own) + len(others), rail.scenario)
            chosen: list[SlateItem] = []
            for item in kept:
                if len(chosen) < rail.k and item.item_id not in shown:
                    chosen.append(item)
                    shown.add(item.item_id)
            is_own = not {item.item_id for item in chosen}.isdisjoint(item.item_id for item in own)
            origin: Origin = "personal" if is_own else source if chosen else "none"
            page.append(Recommendations(tuple(chosen), origin, stale, slate if is_own else None))
        return page

    def similar(
        self, item_id: str, k: int, after: Position | None = None, timeout_seconds: float = 0.0
    ) -> Question[Ranking]:
        """The item's neighbours, best first."""

        def neighbours() -> Question[tuple[ItemList | None, list[AsOf]]]:
            (found,) = yield from self._questions.similar([item_id])
            return found, [found.as_of] if found else []

        found, stale = yield from self._until(neighbours, after, timeout_seconds)
        reason = Reason("similar", item_id)
        items = [SlateItem(i.item_id, i.score, reason) for i in found.items] if found else []
        return Ranking((yield from self._available(items, k)), stale)

    def top(self, wish: TopWish) -> Question[Ranking]:
        """One of the lists that are the same for everybody, of all items or of a tag's."""

        def list_() -> Question[tuple[ItemList | None, list[AsOf]]]:
            found = yield from self._questions.top(wish.name, wish.tag)
            return found, [found.as_of] if found else []

        found, stale = yield from self._until(list_, wish.after, wish.timeout_seconds)
        return Ranking((yield from self._available(_places(found, wish.name), wish.k)), stale)

    def profile(self, wish: ProfileWish) -> Question[Profile]:
        """What Redis holds of a user: the slate of each scenario, and what the user never wants to see."""

        def standing() -> Question[tuple[list[Slate], list[AsOf]]]:
            names = yield from self._questions.scenarios()
            found = yield from self._questions.standing(wish.user_id, names or [DEFAULT_SCENARIO])
            slates = [slate for slate, _ in found if slate is not None]
            return slates, [slate.as_of for slate in slates]

        slates, stale = yield from self._until(standing, wish.after, wish.timeout_seconds)
        nevers = yield from self._questions.nevers(wish.user_id)
        arms = [
            InArm(each.scenario, each.experiment, each.variant)
            for each in slates
            if each.experiment is not None and each.variant is not None
        ]
        return Profile(wish.user_id, [self._aged(each) for each in slates], arms, sorted(nevers), stale=stale)

    def _aged(self, of: Slate) -> StandingSlate:
        age = max(0.0, self._clock.now() - of.created_ts)
        return StandingSlate(
            of.scenario,
            of.slate_id,
            len(of.items),
            of.created_ts,
            round(age, 3),
            of.experiment,
            of.variant,
        )

    def together(self, item_ids: Sequence[str], k: int) -> Question[tuple[SlateItem, ...]]:
        """What goes with the items of a basket, best first, none of them."""
        neighbours = yield from self._questions.similar(recent_items(item_ids))
        return (yield from self._available(session_slate(item_ids, neighbours, decays=False), k))

    def _check_scenario(self, scenario: str) -> Question[None]:
        """An unknown scenario is no unknown user.

        Raises:
            UnknownScenario: workers write slates, but none of this scenario.
        """
        known = yield from self._questions.scenarios()
        if known and scenario not in known:
            raise UnknownScenario(f"no scenario {scenario!r}", fix=f"one of {', '.join(known)}")

    def _wait(self, wish: Wish) -> Question[tuple[Slate | None, ItemList | None, bool]]:
        """The slate, the scenario's list, and whether the slate is stale."""
        rails = (Rail(wish.scenario, wish.k),)
        found, stale = yield from self._wait_for_all(
            PageWish(wish.user_id, rails, wish.after, wish.timeout_seconds)
        )
        return *found[0], stale

    def _wait_for_all(
        self, wish: PageWish
    ) -> Question[tuple[list[tuple[Slate | None, ItemList | None]], bool]]:
        """The slates of a page and their scenarios' lists, and whether one of the slates is stale."""
        names = [rail.scenario for rail in wish.rails]

        def standing() -> Question[tuple[list[tuple[Slate | None, ItemList | None]], list[AsOf]]]:
            found = yield from self._questions.standing(wish.user_id, names)
            known = [slate.as_of for slate, _ in found if slate is not None]
            return found, known if len(known) == len(found) else []

        return (yield from self._until(standing, wish.after, wish.timeout_seconds))

    def _until(
        self,
        ask: Callable[[], Question[tuple[T, list[AsOf]]]],
        after: Position | None,
        timeout_seconds: float,
    ) -> Question[tuple[T, bool]]:
        """An answer that knows an event, or the present one when the time is over; and whether it is stale.

        Args:
            ask: the answer, and up to where what it is made from knows; none = it is made from nothing.
            after: the event; None = any answer will do.
            timeout_seconds: of the wait.
        """
        deadline = self._clock.monotonic() + timeout_seconds
        pause = _FIRST_PAUSE_SECONDS
        while True:
            found, known = yield from ask()
            if after is None or (known and all(self._knows(as_of, after) for as_of in known)):
                return found, False
            left = deadline - self._clock.monotonic()
            if left <= 0:
                return found, True
            yield Pause(min(pause, left))
            pause = min(1.25 * pause, _LONGEST_PAUSE_SECONDS)

    def _knows(self, as_of: AsOf, event: Position) -> bool:
        if event.offset < 0:  # Kafka has it, and nobody knows where
            return False
        same = as_of.partition == event.partition and self._log in (None, as_of.log)
        return same and not as_of.is_of_batch and as_of.offset >= event.offset

    def _from_session(self, wish: Wish, nevers: set[str]) -> Question[tuple[SlateItem, ...]]:
        neighbours = yield from self._questions.similar(recent_items(wish.session))
        slate = _but(nevers, session_slate(wish.session, neighbours))
        return (yield from self._available(slate, wish.k))

    def _for_session(self, wish: Wish, items: Sequence[SlateItem]) -> Question[tuple[SlateItem, ...]]:
        """Those of the items that may be shown, k at most; the session's latest does not lead."""
        latest = wish.session[-1] if wish.session else None
        left = yield from self._available(items, wish.k + 1, wish.scenario)  # one may stand before the latest
        return tuple(not_leading(left, latest)[: wish.k])

    def _available(
        self, items: Sequence[SlateItem], k: int, scenario: str = ""
    ) -> Question[tuple[SlateItem, ...]]:
        """The first k that may be shown. What stands far behind is asked about only if those before are too few."""
        left: list[SlateItem] = []
        for some in (items[: k + _SPARE], items[k + _SPARE :]):
            removed = yield from self._questions.removed([place.item_id for place in some], scenario)
            left += [place for place in some if place.item_id not in removed]
            if len(left) >= k:
                break
        return tuple(left[:k])


def _in_place(
    scenario: str, of_scenario: ItemList | None, popular: ItemList | None
) -> tuple[list[SlateItem], Origin]:
    """What is shown where there is no slate, or behind it; nothing that a scenario's rules know nothing of."""
    if of_scenario:
        return _places(of_scenario, "popular"), "scenario"
    if popular and scenario in popular.not_for:
        return [], "none"
    return _places(popular, "popular"), "popular"


def _but(nevers: set[str], items: Sequence[SlateItem]) -> list[SlateItem]:
    return [each for each in items if each.item_id not in nevers]


def _places(found: ItemList | None, source: str) -> list[SlateItem]:
    reason = Reason(source)
    return [SlateItem(i.item_id, i.score, reason) for i in found.items] if found else []
