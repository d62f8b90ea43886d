"""What the description allows and what it does not: no fault of the server, no answer that is not described."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from stream_rec.api.app import table

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 15
"""Of each route."""
ROUTES = [(each.method, each.route) for each in table() if each.route != "/v1/rank"]
"""`rank` is answered by 501 as long as there is no live server."""


@pytest.mark.parametrize(("method", "route"), ROUTES, ids=lambda part: part)
def test_every_answer_is_one_that_is_described(http: httpx.Client, method: str, route: str) -> None:
    url = str(http.base_url)
    operation = schemathesis.openapi.from_url(f"{url}/openapi.json")[route][method]

    @given(case=operation.as_strategy())
    @hypothesis_settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    def send(case: Any) -> None:
        case.query.pop("fields", None)  # answered by 501, as `rank`
        case.call_and_validate(base_url=url, checks=CHECKS)

    send()
