"""`bus.security` is written in librdkafka's words; Faust's client needs the same in Python's."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import faust

from stream_rec.bus.security import checked
from stream_rec.errors import ConfigError


def faust_credentials(security: Mapping[str, str]) -> faust.SASLCredentials | faust.SSLCredentials | None:
    """The same identity for Faust's consumer.

    Returns:
        None for plain text.

    Raises:
        ConfigError: as `security.checked`, or a file that cannot be read.
    """
    found = checked(security)
    protocol = found.get("security.protocol", "PLAINTEXT")
    context = ssl_context(found) if protocol.endswith("SSL") else None
    if protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=found["sasl.username"],
            password=found["sasl.password"],
            ssl_context=context,
            mechanism=found["sasl.mechanisms"],
        )
    return faust.SSLCredentials(context) if context is not None else None


def ssl_context(security: Mapping[str, str]) -> ssl.SSLContext:
    """Python's TLS with the same authorities, certificate and checks as librdkafka's.

    Args:
        security: as `security.checked` returns it.

    Raises:
        ConfigError: a file or a PEM text that cannot be read, or a key whose password is wrong or missing.
    """
    try:
        context = _trusting(security)
        _identify(context, security)
        if ciphers := security.get("ssl.cipher.suites"):
            context.set_ciphers(ciphers)
    except OSError as error:  # an SSLError is one
        raise ConfigError(
            f"bus.security: {error}",
            fix="correct the ssl.* settings: PEM files that we may read, and the password of the key",
        ) from error
    if security.get("ssl.endpoint.identification.algorithm") == "none":
        context.check_hostname = False
    if security.get("enable.ssl.certificate.verification") == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _trusting(security: Mapping[str, str]) -> ssl.SSLContext:
    where = security.get("ssl.ca.location")
    at = Path(where) if where and where != "probe" else None
    context = ssl.create_default_context(
        cafile=None if at is None or at.is_dir() else str(at),
        capath=str(at) if at is not None and at.is_dir() else None,
        cadata=security.get("ssl.ca.pem"),
    )
    if revoked := security.get("ssl.crl.location"):
        context.load_verify_locations(revoked)
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    return context


def _identify(context: ssl.SSLContext, security: Mapping[str, str]) -> None:
    with ExitStack() as kept:
        certificate, key = (_file(security, f"ssl.{name}", kept) for name in ("certificate", "key"))
        if certificate is not None:
            password = security.get("ssl.key.password", "")  # never asked for at a terminal
            context.load_cert_chain(certificate, key, lambda: password)


def _file(security: Mapping[str, str], name: str, kept: ExitStack) -> str | None:
    """Python reads certificates of ours from files only: a PEM text gets one, which nobody else may read."""
    if text := security.get(f"{name}.pem"):
        return kept.enter_context(_written(text))
    return security.get(f"{name}.location")


@contextmanager
def _written(text: str) -> Iterator[str]:
    with tempfile.NamedTemporaryFile("w", prefix="stream-rec-", suffix=".pem") as file:
        file.write(text)
        file.flush()
        yield file.name
