"""What the description allows and what it does not: no fault of the server, no answer that is not described."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from stream_rec.api.app import table
from stream_rec.settings import Settings
from tests.api.serving import Serve, live, until_ready

EXAMPLES = 15
"""Of each route."""
FEW = {"/v1/scenarios/{name}/preview": 2}
"""What one is answered with costs a process."""
PATIENCE_SECONDS = 120.0
"""A busy machine may take as long for that process; schemathesis itself would wait for 10 s."""
RANK = "/v1/rank"
"""It is answered by 501 but by a live server, as are the parameters of LIVE_ONLY."""
LIVE_ONLY = ("fields", "filter", "exclude", "min_relevance", "also", "user_id", "variant")
WITH_SIMILAR = ("scenario",)
ROUTES = [(each.method, each.route) for each in table()]
READS_WITH_BODY = ("/v1/sessions/recommendations", "/v1/pages")
LIVE = ("recommendations", "similar", "pages", "rank")


def fuzz(http: httpx.Client, method: str, route: str, without: Sequence[str]) -> None:
    # Here, as they take most of a second to import: not in each process that only collects the tests.
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
    ]
    url = str(http.base_url)
    operation = schemathesis.openapi.from_url(f"{url}/openapi.json")[route][method]

    @given(case=operation.as_strategy())
    @hypothesis_settings(
        max_examples=FEW.get(route, EXAMPLES),
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    def send(case: Any) -> None:
        for name in (*without, *(WITH_SIMILAR if without and route.endswith("/similar") else ())):
            case.query.pop(name, None)
            if isinstance(case.body, dict) and name != "user_id" and route in READS_WITH_BODY:
                case.body.pop(name, None)
        case.call_and_validate(base_url=url, checks=checks, timeout=PATIENCE_SECONDS)

    send()


@pytest.mark.parametrize(("method", "route"), [each for each in ROUTES if each[1] != RANK], ids=str)
def test_every_answer_is_one_that_is_described(http: httpx.Client, method: str, route: str) -> None:
    fuzz(http, method, route, LIVE_ONLY)


@pytest.mark.parametrize(
    ("method", "route"), [each for each in ROUTES if each[1].rpartition("/")[2] in LIVE], ids=str
)
def test_and_of_a_live_server_too(serve: Serve, bus: Settings, method: str, route: str) -> None:
    fuzz(until_ready(serve(live(bus))), method, route, ())
