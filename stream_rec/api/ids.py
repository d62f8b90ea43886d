"""Ids that a request names, judged as those in records are."""

from __future__ import annotations

from stream_rec.api.problem import Problem
from stream_rec.errors import ContractError
from stream_rec.schemas.validation import required
from stream_rec.settings import IngestSettings


def must_be_id(text: str, where: str, rules: IngestSettings) -> None:
    """Judge an id.

    Args:
        text: the id.
        where: its place in the request, that ends with its name: `path user_id`.
        rules: what an id may be.

    Raises:
        Problem: it is none.
    """
    try:
        required(where.rpartition(" ")[2], text, rules)
    except ContractError as error:
        fix = f"send 1 to {rules.max_id_bytes} bytes of UTF-8, none of them NUL"
        raise Problem("refused", error.detail, where=where, reason=error.reason, fix=fix) from None
