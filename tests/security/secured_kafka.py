"""Apache Kafka that lets nobody in without TLS and a name, and lets names do only what they were allowed to.

| listener | asks for | its users are |
|---|---|---|
| (first) | nothing; only the tests' own administration uses it | `User:ANONYMOUS`, a super user |
| `SASL_SSL` | TLS, and a password by PLAIN or SCRAM | `User:<name>` |
| `MUTUAL` | TLS with a certificate of ours | `User:CN=<name>` |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from stream_rec.embedded.kafka import KafkaServer
from stream_rec.embedded.server import ServerFolder, free_port
from tests.certificates import Authority, Certificate

PASSWORD = "kafka-s3cret/pw"
PLAIN_USER, SCRAM_USER, CERTIFIED_USER = "plain-worker", "scram-worker", "certified-worker"
_JAAS = "org.apache.kafka.common.security.{kind}.{kind_}LoginModule required {more};"


class SecuredKafka(KafkaServer):
    """Attributes.

    addresses: by listener.
    authority: whom clients' certificates must be from. Set before the start.
    certificate: what it shows. Set before the start.
    """

    authority: ClassVar[Authority]
    certificate: ClassVar[Certificate]
    addresses: ClassVar[dict[str, str]]

    @classmethod
    def settings(cls, port: int, folder: ServerFolder) -> Mapping[str, str]:
        """A plain node's, and two listeners that demand an identity."""
        plain = super().settings(port, folder)
        cls.addresses = {name: f"127.0.0.1:{free_port()}" for name in ("SASL_SSL", "MUTUAL")}
        more = ",".join(f"{name}://{address}" for name, address in cls.addresses.items())
        return {
            **plain,
            "listeners": f"{plain['listeners']},{more}",
            "advertised.listeners": f"{plain['advertised.listeners']},{more}",
            "listener.security.protocol.map": f"{plain['listener.security.protocol.map']},SASL_SSL:SASL_SSL,MUTUAL:SSL",
            **_tls(cls.certificate, cls.authority.ca, folder.data),
            "listener.name.mutual.ssl.client.auth": "required",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": _JAAS.format(
                kind="plain", kind_="Plain", more=f'user_{PLAIN_USER}="{PASSWORD}"'
            ),
            **{
                f"listener.name.sasl_ssl.scram-sha-{bits}.sasl.jaas.config": _JAAS.format(
                    kind="scram", kind_="Scram", more=""
                )
                for bits in (256, 512)
            },
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }

    def admin(self) -> AdminClient:
        """May do everything. It works as long as somebody holds it."""
        return AdminClient({"bootstrap.servers": self.bootstrap})

    def add_scram_user(self) -> None:
        """`SCRAM_USER` with both mechanisms."""
        client = self.admin()
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
            info = ScramCredentialInfo(mechanism, 4096)
            change = UserScramCredentialUpsertion(SCRAM_USER, info, PASSWORD.encode())
            for done in client.alter_user_scram_credentials([change]).values():
                done.result(30)

    def allow(self, user: str, rights: Iterable[tuple[str, str, str, str]]) -> None:
        """Let a user in.

        Args:
            user: its principal, without `User:`.
            rights: resource type, pattern type, name, operation: in Kafka's own words.
        """
        bindings = [
            AclBinding(
                ResourceType[kind],
                name,
                ResourcePatternType[pattern],
                f"User:{user}",
                "*",
                AclOperation[operation],
                AclPermissionType.ALLOW,
            )
            for kind, pattern, name, operation in rights
        ]
        client = self.admin()
        for done in client.create_acls(bindings).values():
            done.result(30)

    @contextmanager
    def denied(self, user: str, topic: str) -> Iterator[None]:
        """Inside, a user may not write to a topic, whatever else he may."""
        rule = (
            ResourceType.TOPIC,
            topic,
            ResourcePatternType.LITERAL,
            f"User:{user}",
            "*",
            AclOperation.WRITE,
        )
        client = self.admin()
        for made in client.create_acls([AclBinding(*rule, AclPermissionType.DENY)]).values():
            made.result(30)
        try:
            yield
        finally:
            for gone in client.delete_acls([AclBindingFilter(*rule, AclPermissionType.DENY)]).values():
                gone.result(30)


def _tls(mine: Certificate, ca: Path, folder: Path) -> dict[str, str]:
    both = folder / "broker.pem"  # Kafka wants key and certificate in one file
    both.write_text(mine.key.read_text() + mine.certificate.read_text())
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(both),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(ca),
    }
