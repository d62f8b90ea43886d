"""What producers get wrong in real life: the demo sends some of it on purpose."""

from __future__ import annotations

BAD_MESSAGES: tuple[bytes | None, ...] = (
    b"this is not JSON",
    b'{"user_id": "17", "item_id": "242", "event_type": "rating"',
    b'{"user_id": "17", "event_type": "rating", "ts": 881250949}',
    b'{"user_id": "", "item_id": "242", "event_type": "rating", "ts": 881250949}',
    b'{"user_id": 17, "item_id": "242", "event_type": "rating", "ts": 881250949}',
    b'{"user_id": "17", "item_id": "242", "event_type": "rating", "ts": "yesterday"}',
    b'{"user_id": "17", "item_id": "242", "event_type": "rating", "ts": 99999999999}',
    b'{"user_id": "\\xff\\xfe", "item_id": "242", "event_type": "rating", "ts": 881250949}',
    b'{"user_id": "' + b"x" * 5_000 + b'", "item_id": "242", "event_type": "rating", "ts": 881250949}',
    b"[]",
    b"",
    None,
)
"""Values for the topic `events`; every one is dead-lettered, each for a reason of its own or nearly so."""
