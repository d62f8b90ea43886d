"""What `bus.security` may hold: librdkafka's words for TLS and SASL, as far as every client of ours understands them.

A worker has two clients: confluent-kafka, which takes these words as they are, and Faust's, for which `credentials`
translates. So both refuse what one of them cannot do, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from stream_rec.errors import ConfigError

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
SASL_KEYS = frozenset({"sasl.mechanisms", "sasl.username", "sasl.password"})
SSL_KEYS = frozenset(
    {
        "enable.ssl.certificate.verification",
        "ssl.ca.location",
        "ssl.ca.pem",
        "ssl.certificate.location",
        "ssl.certificate.pem",
        "ssl.cipher.suites",
        "ssl.crl.location",
        "ssl.endpoint.identification.algorithm",
        "ssl.key.location",
        "ssl.key.password",
        "ssl.key.pem",
    }
)
KNOWN = frozenset({"security.protocol"}) | SASL_KEYS | SSL_KEYS

_SAME = {"sasl.mechanism": "sasl.mechanisms"}
_VALUES = {
    "security.protocol": PROTOCOLS,
    "sasl.mechanisms": MECHANISMS,
    "ssl.endpoint.identification.algorithm": ("https", "none"),
    "enable.ssl.certificate.verification": ("true", "false"),
}
_PEM = (
    "write key and certificate as PEM files, and name them in ssl.key.location and ssl.certificate.location"
)
_INSTEAD = {
    "sasl.jaas.config": "it is Java's: set sasl.mechanisms, sasl.username and sasl.password",
    "ssl.truststore.": "it is Java's: write the authorities as a PEM file, and name it in ssl.ca.location",
    "ssl.keystore.": _PEM,
    "sasl.kerberos.": "use a listener with SCRAM, or with client certificates",
    "sasl.oauthbearer.": "use a listener with SCRAM, or with client certificates",
    "ssl.curves.list": "leave it out: the broker's choice counts",
    "ssl.sigalgs.list": "leave it out: the broker's choice counts",
    "ssl.engine.": _PEM,
    "ssl.providers": _PEM,
}


def checked(security: Mapping[str, str]) -> dict[str, str]:
    """The same settings in one spelling, known to be complete and understood by all clients.

    Returns:
        Keys of `KNOWN`, values of fixed sets as librdkafka writes them; empty = plain text.

    Raises:
        ConfigError: a key or a value that a client does not understand, an identity that is incomplete, or
            one that would not be used because the protocol is plain. No value is repeated that may be secret.
    """
    found = {_SAME.get(key, key): value for key, value in security.items()}
    for key in sorted(found):
        if key not in KNOWN:
            raise ConfigError(f"bus.security has {key}, which a worker cannot use", fix=_instead(key))
        if key in _VALUES:
            found[key] = _spelled(key, found[key])
    protocol = found.get("security.protocol", "PLAINTEXT")
    _refuse_unused(found, protocol)
    if protocol.startswith("SASL"):
        _need(found, SASL_KEYS, f"security.protocol is {protocol}")
    for kind in ("location", "pem"):
        if f"ssl.key.{kind}" in found:
            _need(found, {f"ssl.certificate.{kind}"}, f"there is ssl.key.{kind}")
    return found


def _instead(key: str) -> str:
    for start, fix in _INSTEAD.items():
        if key.startswith(start):
            return fix
    return f"correct bus.security: it takes {', '.join(sorted(KNOWN))}"


def _spelled(key: str, value: str) -> str:
    for allowed in _VALUES[key]:
        if value.upper() == allowed.upper():
            return allowed
    raise ConfigError(f"bus.security has another {key} than we know", fix=f"use {' or '.join(_VALUES[key])}")


def _refuse_unused(found: Mapping[str, str], protocol: str) -> None:
    """A password that is not asked for is no mistake of the broker's: the connection would be open to all."""
    for keys, part, others in ((SASL_KEYS, "SASL", "SASL_SSL"), (SSL_KEYS, "SSL", "SSL or SASL_SSL")):
        unused = sorted(keys & found.keys())
        used = protocol.startswith(part) if part == "SASL" else protocol.endswith(part)
        if unused and not used:
            raise ConfigError(
                f"bus.security has {unused[0]}, but security.protocol is {protocol}",
                fix=f"set security.protocol to {others}, or leave it out",
            )


def _need(found: Mapping[str, str], keys: set[str] | frozenset[str], why: str) -> None:
    if missing := sorted(key for key in keys if not found.get(key)):
        raise ConfigError(f"bus.security lacks {', '.join(missing)}: {why}", fix="set it")
