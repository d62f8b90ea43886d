"""Apache Kafka that demands TLS and a name: both clients of a worker get in, and who does not is told why."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from stream_rec.bus.credentials import faust_credentials
from stream_rec.bus.lag import lag
from stream_rec.bus.topics import ensure_topics, partition_counts
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.settings import BusSettings
from tests.certificates import Authority, Certificate
from tests.consumers.publishing import clicks
from tests.security.conftest import IDENTITIES
from tests.security.secured_kafka import SecuredKafka

pytestmark = pytest.mark.kafka


def changed(bus: BusSettings, **security: str) -> BusSettings:
    """With other security settings; an underscore is a dot, and an empty text takes the setting away."""
    new = bus.security | {key.replace("_", "."): value for key, value in security.items()}
    return bus.model_copy(update={"security": {key: value for key, value in new.items() if value}})


def hasty(bus: BusSettings) -> BusSettings:
    """Told soon that it is refused."""
    return bus.model_copy(update={"admin_timeout_seconds": 1.0})


def read_one_as_faust_does(bus: BusSettings) -> bytes:
    async def read() -> bytes:
        consumer = AIOKafkaConsumer(
            f"{bus.prefix}events",
            bootstrap_servers=bus.bootstrap,
            group_id=bus.group,
            auto_offset_reset="earliest",
            **credentials_to_aiokafka_auth(faust_credentials(bus.security)),
        )
        await consumer.start()
        try:
            record = await asyncio.wait_for(consumer.getone(), 30)
        finally:
            await consumer.stop()
        assert isinstance(record.value, bytes)
        return record.value

    return asyncio.run(read())


def publish_one(bus: BusSettings) -> None:
    with Publisher(bus) as publisher:
        publisher.publish(clicks(1)[0])


@pytest.mark.parametrize("identity", IDENTITIES)
def test_admin_producer_reader_and_fausts_consumer_all_get_in(
    identities: dict[str, BusSettings], identity: str
) -> None:
    bus = identities[identity]
    ensure_topics(bus)
    publish_one(bus)
    assert sum(at.lag for at in lag(bus) if at.topic == "events") == 1
    assert b'"user_id"' in read_one_as_faust_does(bus)


def test_certificates_may_be_given_as_text(
    identities: dict[str, BusSettings], authority: Authority, certified: Certificate
) -> None:
    bus = changed(
        identities["certificate"],
        ssl_ca_location="",
        ssl_certificate_location="",
        ssl_key_location="",
        ssl_ca_pem=authority.ca.read_text(),
        ssl_certificate_pem=certified.certificate.read_text(),
        ssl_key_pem=certified.key.read_text(),
    )
    ensure_topics(bus)
    publish_one(bus)
    assert read_one_as_faust_does(bus)


def test_a_wrong_password_is_for_the_operator(identities: dict[str, BusSettings]) -> None:
    wrong = changed(identities["SCRAM-SHA-512"], sasl_password="gu3ss-gu3ss")
    with pytest.raises(ConfigError, match="user, password, mechanism") as raised:
        ensure_topics(hasty(wrong))
    assert "gu3ss" not in str(raised.value)


def test_an_authority_that_we_do_not_know_is_for_the_operator(
    identities: dict[str, BusSettings], stranger: Authority
) -> None:
    with pytest.raises(ConfigError, match="certificates"):
        ensure_topics(hasty(changed(identities["PLAIN"], ssl_ca_location=str(stranger.ca))))


def test_without_the_certificate_that_kafka_wants_we_are_not_let_in(
    identities: dict[str, BusSettings], stranger: Authority
) -> None:
    nobody = changed(
        identities["certificate"], ssl_certificate_location="", ssl_key_location="", ssl_key_password=""
    )
    foreign = stranger.issue("foreign")
    unknown = changed(
        nobody, ssl_certificate_location=str(foreign.certificate), ssl_key_location=str(foreign.key)
    )
    for bus in (nobody, unknown):
        with pytest.raises(ConfigError, match="certificates"):
            ensure_topics(hasty(bus))


def test_plain_text_to_a_tls_port_is_no_connection_and_the_error_says_what_may_be_wrong(
    identities: dict[str, BusSettings],
) -> None:
    bus = identities["PLAIN"].model_copy(update={"security": {}})
    with pytest.raises(Unavailable, match=r"security\.protocol"):
        ensure_topics(hasty(bus))


def test_a_revoked_certificate_of_the_broker_is_refused_by_both_clients(
    identities: dict[str, BusSettings], authority: Authority, secured: SecuredKafka
) -> None:
    nothing = changed(identities["PLAIN"], ssl_crl_location=str(authority.revoked()))
    ensure_topics(nothing)
    publish_one(nothing)
    assert read_one_as_faust_does(nothing)
    brokers = changed(nothing, ssl_crl_location=str(authority.revoked(secured.certificate)))
    with pytest.raises(ConfigError, match="certificates"):
        partition_counts(hasty(brokers))
    with pytest.raises(Exception, match=r"(?i)connect|revoked"):
        read_one_as_faust_does(brokers)


def test_a_right_that_is_missing_is_named(identities: dict[str, BusSettings]) -> None:
    bus = identities["PLAIN"]
    with pytest.raises(ConfigError, match="ACL"):
        ensure_topics(hasty(bus.model_copy(update={"prefix": "not-ours-"})))
