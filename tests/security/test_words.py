"""`bus.security`: what every client understands, what is refused, and what is said then."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

import faust
import pytest

from stream_rec.bus.clients import client_config
from stream_rec.bus.credentials import faust_credentials, ssl_context
from stream_rec.bus.security import KNOWN, MECHANISMS, checked
from stream_rec.errors import ConfigError
from stream_rec.settings import BusSettings
from tests.certificates import Authority

LOGIN = {"sasl.username": "app", "sasl.password": "s3cret-pw"}
ROOT = Path(__file__).parents[2]


def test_nothing_is_plain_text() -> None:
    assert checked({}) == {}
    assert faust_credentials({}) is None
    assert faust_credentials({"security.protocol": "plaintext"}) is None


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("key", ["sasl.mechanism", "sasl.mechanisms"])
def test_each_mechanism_is_the_same_for_both_clients(mechanism: str, key: str) -> None:
    security = {"security.protocol": "sasl_ssl", key: mechanism.lower(), **LOGIN}
    config = client_config(BusSettings(bootstrap="b:1", security=security))
    assert (config["security.protocol"], config["sasl.mechanisms"]) == ("SASL_SSL", mechanism)
    credentials = faust_credentials(security)
    assert isinstance(credentials, faust.SASLCredentials)
    assert (credentials.mechanism.value, credentials.username, credentials.password) == (
        mechanism,
        *LOGIN.values(),
    )
    assert credentials.ssl_context is not None


@pytest.mark.parametrize(
    ("security", "says"),
    [
        ({"security.protocol": "SASL_SSL", **LOGIN}, "lacks sasl.mechanisms"),
        ({"security.protocol": "SASL_SSL", "sasl.mechanisms": "PLAIN"}, "lacks sasl.password, sasl.username"),
        (LOGIN, "security.protocol is PLAINTEXT(.|\n)*SASL_SSL"),
        ({"security.protocol": "SSL", **LOGIN}, "sasl.password, but security.protocol is SSL"),
        ({"ssl.ca.location": "/ca.pem"}, "security.protocol is PLAINTEXT(.|\n)*SSL"),
        ({"security.protocol": "SSL", "ssl.key.location": "/k"}, "lacks ssl.certificate.location"),
        ({"security.protocol": "TLS"}, "another security.protocol(.|\n)*PLAINTEXT or SSL"),
        ({"security.protocol": "SASL_SSL", "sasl.mechanisms": "GSSAPI", **LOGIN}, "SCRAM-SHA-512"),
        ({"sasl.kerberos.keytab": "/k"}, "client certificates"),
        ({"sasl.oauthbearer.config": "s3cret-pw"}, "SCRAM"),
        ({"ssl.keystore.location": "/s.p12"}, "PEM"),
        ({"ssl.truststore.location": "/s.jks"}, "ssl.ca.location"),
        ({"sasl.jaas.config": 'password="s3cret-pw"'}, "sasl.username"),
        ({"client.id": "me"}, "it takes enable.ssl"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_what_a_client_cannot_use_is_refused_with_the_way_out(security: Mapping[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        client_config(BusSettings(bootstrap="b:1", security=dict(security)))
    assert "s3cret-pw" not in str(raised.value)
    with pytest.raises(ConfigError, match=says):
        faust_credentials(security)


def test_the_documentation_lists_every_option() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    assert all(f"`{key}`" in text for key in KNOWN)


def test_the_checks_that_may_be_switched_off(tmp_path: Path) -> None:
    trusting = {"security.protocol": "SSL", "ssl.ca.location": str(Authority(tmp_path).ca)}
    usual = ssl_context(trusting)
    assert usual.check_hostname
    assert usual.verify_mode is ssl.CERT_REQUIRED
    assert not ssl_context({**trusting, "ssl.endpoint.identification.algorithm": "none"}).check_hostname
    nobody = ssl_context({**trusting, "enable.ssl.certificate.verification": "false"})
    assert nobody.verify_mode is ssl.CERT_NONE


def test_authorities_may_be_a_folder_and_the_systems_are_the_default(tmp_path: Path) -> None:
    Authority(tmp_path)
    for where in ({"ssl.ca.location": str(tmp_path)}, {"ssl.ca.location": "probe"}, {}):
        assert ssl_context(where).verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("password", ["", "gu3ss-gu3ss"])
def test_a_key_that_cannot_be_read_is_for_the_operator_and_nobody_is_asked_at_the_terminal(
    tmp_path: Path, password: str
) -> None:
    mine = Authority(tmp_path).issue("me", password="right")
    security = {"ssl.certificate.location": str(mine.certificate), "ssl.key.location": str(mine.key)}
    with pytest.raises(ConfigError, match="password of the key") as raised:
        ssl_context({**security, "ssl.key.password": password})
    assert not password or password not in str(raised.value)


@pytest.mark.parametrize("key", ["ssl.ca.location", "ssl.certificate.location", "ssl.crl.location"])
def test_a_file_that_is_not_there_is_for_the_operator(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigError, match="PEM files that we may read"):
        ssl_context({key: str(tmp_path / "missing.pem")})


def test_ciphers_of_the_operators_choice() -> None:
    names = {
        cipher["name"] for cipher in ssl_context({"ssl.cipher.suites": "AES256-GCM-SHA384"}).get_ciphers()
    }
    assert "AES256-GCM-SHA384" in names
    assert not any(name.startswith("ECDHE") for name in names)
    with pytest.raises(ConfigError):
        ssl_context({"ssl.cipher.suites": "no such cipher"})
