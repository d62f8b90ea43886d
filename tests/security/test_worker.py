"""The whole way through servers that demand TLS and a name, by the settings alone, as an operator gives them."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.serve.client import Client
from stream_rec.settings import BusSettings, Settings, StoreSettings
from tests.certificates import Authority, Certificate
from tests.cli.running import clean_environment, run
from tests.consumers.publishing import clicks
from tests.consumers.running import READY_SECONDS
from tests.forked.process import start
from tests.security.conftest import KEY_PASSWORD
from tests.tls_front import tls_front
from tests.waiting import wait_until

pytestmark = pytest.mark.kafka
ANSWER_SECONDS = 30.0


def environment_of(settings: Settings) -> dict[str, str]:
    """The settings that say who we are, as variables: each option of librdkafka its own."""
    security = {
        f"BUS__SECURITY__{key.replace('.', '_')}": value for key, value in settings.bus.security.items()
    }
    bus = {f"BUS__{name}": getattr(settings.bus, name) for name in ("bootstrap", "prefix", "group")}
    store = {f"STORE__{name}": value for name, value in settings.store if isinstance(value, str)}
    return {f"STREAM_REC__{name.upper()}": value for name, value in (security | bus | store).items()}


def test_publisher_worker_client_lag_and_doctor_with_only_the_documented_rights(
    identities: dict[str, BusSettings],
    authority: Authority,
    certified: Certificate,
    acl_redis: tuple[int, str],
    tmp_path: Path,
) -> None:
    with tls_front(acl_redis[0], authority.issue("redis"), authority.ca) as port:
        store = StoreSettings(
            url=f"rediss://127.0.0.1:{port}/0",
            prefix="shop:",
            username="worker",
            password=acl_redis[1],
            ca_file=str(authority.ca),
            certificate_file=str(certified.certificate),
            key_file=str(certified.key),
            key_password=KEY_PASSWORD,
        )
        settings = Settings(bus=identities["SCRAM-SHA-512"], store=store)
        environment = environment_of(settings)
        log = tmp_path / "worker.log"
        with log.open("wb") as out:
            worker = start(
                ["--log-level", "debug", "worker"],
                env=clean_environment(**environment),
                stdout=out,
                stderr=out,
            )
        try:
            wait_until(
                lambda: worker.poll() is not None or "serving" in log.read_text(), READY_SECONDS, "the worker"
            )
            assert worker.poll() is None, log.read_text()
            with Publisher(settings.bus) as publisher, Client(settings.store) as client:
                for click in clicks(50):
                    ack = publisher.publish(click)
                answer = client.recommendations(click.user_id, after=ack, timeout_seconds=ANSWER_SECONDS)
            assert answer.origin == "personal"
            assert not answer.stale
            lag = json.loads(run("lag", "--json", environment=environment).stdout)
            assert lag
            doctor = run("doctor", "--json", environment=environment)
            assert doctor.returncode == 0, doctor.stdout
        finally:
            worker.send_signal(signal.SIGTERM)
            code = worker.wait(30)
        assert code == 0
    shown = log.read_text() + doctor.stdout + json.dumps(lag)
    for secret in (acl_redis[1], KEY_PASSWORD, settings.bus.security["sasl.password"]):
        assert secret not in shown
