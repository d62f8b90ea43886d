"""A secret stands only where it was set: not in `settings`, `doctor`, logs, errors, nor in what a server sent back."""

from __future__ import annotations

import json
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stream_rec.errors import ConfigError
from stream_rec.settings import Settings, load, masking
from stream_rec.settings.table import list_settings, secrets
from tests.certificates import Authority
from tests.cli.running import run

SECRET = "hunter2/pw#?@x"
"""As people make them, not as URLs like them."""


def shown_nothing(*outputs: subprocess.CompletedProcess[str]) -> bool:
    text = "".join(output.stdout + output.stderr for output in outputs)
    assert text
    return "hunter2" not in text


def toml(folder: Path) -> Path:
    """Secrets in every setting that may hold one."""
    mine = Authority(folder).issue("me", password=SECRET)
    file = folder / "secret.toml"
    file.write_text(
        f"""
[bus]
bootstrap = "127.0.0.1:1"
admin_timeout_seconds = 1.0
[bus.security]
"security.protocol" = "SASL_SSL"
"sasl.mechanisms" = "PLAIN"
"sasl.username" = "app"
"sasl.password" = {json.dumps(SECRET)}
"ssl.certificate.location" = "{mine.certificate}"
"ssl.key.location" = "{mine.key}"
"ssl.key.password" = {json.dumps(SECRET)}
[store]
url = {json.dumps(f"rediss://app:{SECRET}@127.0.0.1:1/0?password={SECRET}")}
username = "app"
password = {json.dumps(SECRET)}
key_password = {json.dumps(SECRET)}
[snapshot]
url = {json.dumps(f"s3://key:{SECRET}@bucket/folder?secret={SECRET}")}
[snapshot.options]
key = "me"
secret = {json.dumps(SECRET)}
"""
    )
    return file


def test_settings_masks_what_a_file_holds_and_says_where_it_is_from(tmp_path: Path) -> None:
    file = toml(tmp_path)
    table, as_json = run("settings", "-c", str(file)), run("settings", "--json", "-c", str(file))
    assert shown_nothing(table, as_json)
    rows = {row["key"]: row for row in json.loads(as_json.stdout)}
    assert rows["store.password"]["value"] == masking.MASK
    assert rows["store.password"]["origin"] == str(file)
    assert rows["store.url"]["value"].startswith(f"rediss://app:{masking.MASK}@")
    assert rows["bus.security"]["value"]["sasl.username"] == "app"


def test_settings_masks_what_the_environment_and_flags_hold() -> None:
    variables = {
        "STREAM_REC__BUS__SECURITY__SASL_PASSWORD": SECRET,
        "STREAM_REC__STORE__PASSWORD": SECRET,
        "STREAM_REC__STORE__URL": f"redis://app:{SECRET}@h:1/0",
    }
    flags = [f"bus.security.ssl.key.password={SECRET}", f"store.key_password={SECRET}"]
    shown = run("settings", *(word for flag in flags for word in ("--set", flag)), environment=variables)
    assert shown.returncode == 0, shown.stderr
    assert shown_nothing(shown)
    assert "STREAM_REC__STORE__PASSWORD" in shown.stdout


def test_doctor_and_a_worker_that_cannot_start_show_none(tmp_path: Path) -> None:
    file = str(toml(tmp_path))
    doctor = run("doctor", "-c", file)
    assert doctor.returncode == 1
    worker = run("--log-level", "debug", "worker", "-c", file)
    assert worker.returncode in (2, 3)
    assert shown_nothing(doctor, worker, run("recommend", "ann", "-c", file))


@pytest.mark.parametrize(
    "wrong",
    [
        f"store.url:redis://app:{SECRET}@h/0",
        f"store.pasword={SECRET}",
        f"store.password=['{SECRET}']",
        f"bus.security.sasl.jaas.config={SECRET}",
        f"bus.security=hunter2{SECRET}",
        f"store.url=redis://[:{SECRET}@h:1/0",
    ],
)
def test_errors_about_settings_do_not_repeat_the_value(wrong: str) -> None:
    refused = run(
        "doctor", "--set", "bus.bootstrap=127.0.0.1:1", "--set", "bus.admin_timeout_seconds=0.1", "-s", wrong
    )
    assert refused.returncode != 0
    assert shown_nothing(refused)
    assert "Traceback" not in refused.stderr


@contextmanager
def tactless_redis() -> Iterator[int]:
    """Repeats what it was sent, as Redis before 6 does with commands that it does not know."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while sent := self.request.recv(65_536):
                words = sent.decode().replace("\r\n", " ")
                self.wfile.write(f"-ERR unknown command, with args beginning with: {words}\r\n".encode())

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_what_a_server_repeats_of_ours_is_masked() -> None:
    with tactless_redis() as port:
        flags = ("--set", f"store.url=redis://127.0.0.1:{port}/0", "--set", f"store.password={SECRET}")
        assert shown_nothing(run("doctor", *flags), run("recommend", "ann", *flags))


def test_every_secret_of_the_tree_is_known_to_the_log(tmp_path: Path) -> None:
    settings, _ = load(file=toml(tmp_path), environment={})
    assert set(secrets(settings)) >= {SECRET}
    shown = json.dumps([row.value for row in list_settings(settings, {})])
    assert "hunter2" not in shown
    assert list(secrets(Settings())) == []


def test_masking_knows_a_secret_in_every_form_it_may_be_repeated_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_secrets", [])
    masking.hide(['a"b/c\nd', "abc", ""])
    for form in ('a"b/c\nd', r"a\"b/c\nd", "a%22b%2Fc%0Ad"):
        assert masking.hidden(f"<{form}>") == f"<{masking.MASK}>"
    assert masking.hidden("abc") == "abc"  # too short to be one


@pytest.mark.parametrize(
    ("url", "shown", "address"),
    [
        ("redis://h:1/0", "redis://h:1/0", "redis://h:1/0"),
        ("redis://u:p@h:1/0", "redis://u:********@h:1/0", "redis://h:1/0"),
        ("redis://:p@h", "redis://:********@h", "redis://h"),
        ("redis://u@h/0", "redis://u@h/0", "redis://h/0"),
        ("rediss://u:p/#?@q@h/0?password=p", "rediss://u:********@h/0?********", "rediss://h/0"),
        ("", "", ""),
    ],
)
def test_urls_without_their_passwords(url: str, shown: str, address: str) -> None:
    assert masking.shown_url(url) == shown
    assert masking.address(url) == address


@pytest.mark.parametrize("password", ["123456", "true", "1979-05-27", "[1]", "0x12", 'a "b"'])
def test_a_text_is_taken_as_it_is_also_where_it_looks_like_something_else(password: str) -> None:
    settings, origins = load(
        environment={
            "STREAM_REC__STORE__PASSWORD": password,
            "STREAM_REC__BUS__SECURITY__SASL_PASSWORD": password,
        },
        flags=[f"bus.security.ssl.key.password={password}"],
    )
    assert settings.store.password == password
    assert settings.bus.security == {"sasl.password": password, "ssl.key.password": password}
    assert origins["bus.security.sasl.password"].startswith("environment")


def test_the_environment_beats_the_file_in_either_spelling(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('[bus.security]\n"sasl.password" = "file"\n')
    settings, _ = load(file=file, environment={"STREAM_REC__BUS__SECURITY__SASL_PASSWORD": "variable"})
    assert settings.bus.security == {"sasl.password": "variable"}
    settings, _ = load(
        file=file,
        environment={"STREAM_REC__BUS__SECURITY__SASL_PASSWORD": "variable"},
        flags=["bus.security.sasl.password=flag"],
    )
    assert settings.bus.security == {"sasl.password": "flag"}


def test_an_unknown_setting_of_a_branch_is_still_an_error() -> None:
    with pytest.raises(ConfigError, match=r"store\.pasword"):
        load(environment={"STREAM_REC__STORE__PASWORD": "x"})
