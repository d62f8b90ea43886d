"""`bus.security` is written in librdkafka's words; Faust's client needs the same in Python's."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import faust

from stream_rec.errors import ConfigError

_KNOWN = {
    "security.protocol",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.username",
    "sasl.password",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.endpoint.identification.algorithm",
}
_MECHANISMS = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}


def faust_credentials(security: Mapping[str, str]) -> faust.SASLCredentials | faust.SSLCredentials | None:
    """The same identity for Faust's consumer.

    Returns:
        None for plain text.

    Raises:
        ConfigError: a key or a value that this translation does not know, or a file that cannot be read.
    """
    if unknown := sorted(set(security) - _KNOWN):
        raise ConfigError(
            f"bus.security has {', '.join(unknown)}, which a worker cannot translate",
            fix=f"use only {', '.join(sorted(_KNOWN))}",
        )
    protocol = security.get("security.protocol", "PLAINTEXT").upper()
    if protocol not in ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"):
        raise ConfigError(
            f"security.protocol is {protocol}", fix="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
        )
    context = _ssl_context(security) if protocol.endswith("SSL") else None
    if protocol.startswith("SASL"):
        mechanism = security.get("sasl.mechanism", security.get("sasl.mechanisms", "PLAIN")).upper()
        if mechanism not in _MECHANISMS:
            raise ConfigError(
                f"sasl.mechanism is {mechanism}", fix=f"use one of {', '.join(sorted(_MECHANISMS))}"
            )
        return faust.SASLCredentials(
            username=security.get("sasl.username"),
            password=security.get("sasl.password"),
            ssl_context=context,
            mechanism=mechanism,
        )
    return faust.SSLCredentials(context) if context is not None else None


def _ssl_context(security: Mapping[str, str]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=security.get("ssl.ca.location"))
        if certificate := security.get("ssl.certificate.location"):
            context.load_cert_chain(
                certificate, security.get("ssl.key.location"), security.get("ssl.key.password")
            )
    except OSError as error:
        raise ConfigError(
            f"bus.security: {error}", fix="correct the paths of certificates and keys"
        ) from error
    if security.get("ssl.endpoint.identification.algorithm") == "none":
        context.check_hostname = False
    return context
