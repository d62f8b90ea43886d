"""A Redis that demands TLS, a certificate, a user and a password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from stream_rec.errors import ConfigError, Unavailable
from stream_rec.settings import StoreSettings
from stream_rec.store.connection import connect
from stream_rec.store.reader import Reader
from stream_rec.store.sync_connection import connect_sync
from tests.certificates import Authority, Certificate
from tests.security.conftest import KEY_PASSWORD
from tests.store.building import Stores, as_of, slate, with_stores
from tests.tls_front import tls_front
from tests.waiting import wait_until


async def write(my: Stores) -> int:
    return (await my.slates.write([slate("ann", as_of(1))])).n_written


def store(port: int, ca: Path, **more: str) -> StoreSettings:
    return StoreSettings(url=f"rediss://127.0.0.1:{port}/0", prefix="shop:", ca_file=str(ca), **more)


@pytest.fixture
def tls(acl_redis: tuple[int, str], authority: Authority) -> Iterator[int]:
    """Port of a Redis with TLS that wants no certificate of ours."""
    with tls_front(acl_redis[0], authority.issue("redis")) as port:
        yield port


@pytest.fixture
def mutual(acl_redis: tuple[int, str], authority: Authority) -> Iterator[int]:
    """Port of a Redis with TLS that wants one."""
    with tls_front(acl_redis[0], authority.issue("redis"), authority.ca) as port:
        yield port


@pytest.fixture
def login(acl_redis: tuple[int, str]) -> dict[str, str]:
    return {"username": "worker", "password": acl_redis[1]}


def test_worker_and_reader_get_in_by_settings(tls: int, authority: Authority, login: dict[str, str]) -> None:
    found = store(tls, authority.ca, **login)
    assert with_stores(found, write) == 1
    assert Reader(found).slate("ann", "default") is not None


def test_all_of_it_may_stand_in_the_url_which_comes_first(
    tls: int, authority: Authority, acl_redis: tuple[int, str]
) -> None:
    url = f"rediss://worker:{quote(acl_redis[1], safe='')}@127.0.0.1:{tls}/0?ssl_ca_certs={authority.ca}"
    assert with_stores(StoreSettings(url=url, prefix="shop:"), write) == 1
    assert with_stores(StoreSettings(url=url, prefix="shop:", username="else", password="else"), write) == 1


def test_a_certificate_of_ours_and_its_encrypted_key(
    mutual: int, authority: Authority, certified: Certificate, login: dict[str, str]
) -> None:
    mine = {"certificate_file": str(certified.certificate), "key_file": str(certified.key)}
    assert with_stores(store(mutual, authority.ca, key_password=KEY_PASSWORD, **mine, **login), write) == 1


def test_without_a_certificate_where_redis_wants_one_it_says_so(
    mutual: int, authority: Authority, login: dict[str, str]
) -> None:
    """Now and then the connection's reset overtakes the alert that gives the reason; a worker then tries again, too."""

    def is_told() -> bool:
        with suppress(Unavailable):
            with_stores(store(mutual, authority.ca, **login), write)
        return False

    with pytest.raises(ConfigError, match=r"store\.certificate_file"):
        wait_until(is_told, what="the reason")


def test_an_unknown_authority_is_for_the_operator(
    tls: int, stranger: Authority, login: dict[str, str]
) -> None:
    for settings in (store(tls, stranger.ca, **login), StoreSettings(url=f"rediss://127.0.0.1:{tls}/0")):
        with pytest.raises(ConfigError, match=r"store\.ca_file"):
            with_stores(settings, write)


def test_a_certificate_for_another_host_is_refused(
    acl_redis: tuple[int, str], authority: Authority, login: dict[str, str]
) -> None:
    with (
        tls_front(acl_redis[0], authority.issue("elsewhere", address="192.0.2.1")) as port,
        pytest.raises(ConfigError, match="use the host name of its certificate"),
    ):
        with_stores(store(port, authority.ca, **login), write)


def test_a_wrong_password_is_for_the_operator_and_not_repeated(tls: int, authority: Authority) -> None:
    with pytest.raises(ConfigError, match=r"store\.password") as raised:
        with_stores(store(tls, authority.ca, username="worker", password="gu3ss-gu3ss"), write)
    assert "gu3ss" not in str(raised.value)


def test_the_user_may_not_leave_its_tenant(tls: int, authority: Authority, login: dict[str, str]) -> None:
    settings = store(tls, authority.ca, **login).model_copy(update={"prefix": "bank:"})
    with pytest.raises(ConfigError, match=r"docs/redis\.md"):
        with_stores(settings, write)


def test_files_that_cannot_be_read_are_named_at_the_start(
    authority: Authority, certified: Certificate, tmp_path: Path
) -> None:
    mine = {"certificate_file": str(certified.certificate), "key_file": str(certified.key)}
    for settings in (
        store(1, tmp_path / "missing.pem"),
        store(1, authority.ca, **mine, key_password="gu3ss"),
        store(1, authority.ca, **mine),  # an encrypted key, and nobody is asked for its password
    ):
        for open_it in (connect, connect_sync):
            with pytest.raises(ConfigError, match=r"store\.ca_file"):
                open_it(settings)


def test_tls_settings_without_tls_are_refused(authority: Authority) -> None:
    with pytest.raises(ConfigError, match="rediss://"):
        connect(StoreSettings(url="redis://127.0.0.1:1/0", ca_file=str(authority.ca)))
