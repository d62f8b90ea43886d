"""Apache Kafka itself, one node in KRaft mode, from Maven's jars: `up --broker kafka` and the tests.

Needs Java 17, and Maven the first time; then the jars are in the cache folder and no network is used. Beside them
stands what a first start leaves for all later ones: its classes as the JVM mapped them, and the storage's first record.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Self

from stream_rec.embedded.broker import BrokerServer, answers
from stream_rec.embedded.child_process import Child
from stream_rec.embedded.server import READY_SECONDS, ServerFolder, free_port, start_on_free_port
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.settings import cache_folder

VERSION = "4.1.1"
_JAVA = 17
_MAVEN_SECONDS = 900.0
_FORMAT_SECONDS = 120.0
_STOP_SECONDS = 20.0
_DUMP_SECONDS = 90.0
"""A stop that first writes the archive of classes."""
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_JVM = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""A small heap, and no optimizing compiler, which does not pay off in the minutes such a broker lives."""
_CHECKPOINT, _CLASSES = "bootstrap.checkpoint", "classes.jsa"
"""What a first start leaves: the record that formatting writes, and the archive of classes (CDS)."""
_POM = files("stream_rec.embedded") / "kafka.pom.xml"
_LOG4J = files("stream_rec.embedded") / "kafka.log4j2.xml"


class KafkaServer(BrokerServer):
    """A running broker and controller in one JVM: ready in some 3 s. It can be stopped and started again."""

    _argv: Sequence[str]

    @classmethod
    def start(cls, log_dir: Path | None = None) -> Self:
        """As the base class says; needs Java, and Maven for the jars if they are not in the cache."""
        program, version = _java()
        command = [program, *_JVM, "-cp", f"{jars()}{os.sep}*"]
        first = cache_folder() / f"kafka-{VERSION}-on-{version}"
        if not first.is_dir():
            KafkaServer._start_first(command, first, log_dir)
        return start_on_free_port(
            "kafka", log_dir, lambda port, folder: cls._on(port, folder, command, first)
        )

    @classmethod
    def _start_first(cls, command: Sequence[str], kept: Path, log_dir: Path | None) -> None:
        """Start one and stop it again, for what later ones take from `kept`."""
        with tempfile.TemporaryDirectory(dir=kept.parent) as new:
            made = Path(new, kept.name)
            made.mkdir()
            with start_on_free_port(
                "kafka", log_dir, lambda port, folder: cls._on(port, folder, command, made)
            ) as server:
                server._child.stop(_DUMP_SECONDS)
            keep_first(made, kept)

    @classmethod
    def settings(cls, port: int, folder: ServerFolder) -> Mapping[str, str]:
        """The node's `server.properties`; a kind of node that has more of them overrides this."""
        return properties(f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}", log_dir=str(folder.data / "log"))

    @classmethod
    def cluster_id(cls) -> str:
        """Of the cluster that the node is in: a new one's; a kind of node that joins another's overrides this."""
        return _new_id()

    @classmethod
    def _on(cls, port: int, folder: ServerFolder, command: Sequence[str], first: Path) -> Self:
        config = folder.data / "server.properties"
        values = cls.settings(port, folder)
        config.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        log4j = folder.data / "log4j2.xml"
        log4j.write_text(_LOG4J.read_text())
        program, *options = command
        program_and_log = [program, f"-Dlog4j2.configurationFile={log4j}"]
        classes, checkpoint = first / _CLASSES, first / _CHECKPOINT
        if classes.exists():
            _write_storage(Path(values["log.dirs"]), checkpoint, cls.cluster_id(), values["node.id"])
            archive = f"-XX:SharedArchiveFile={classes}"
        else:
            _format([*program_and_log, *options], config, folder)
            shutil.copy(Path(values["log.dirs"], _CHECKPOINT), checkpoint)
            archive = f"-XX:ArchiveClassesAtExit={classes}"
        argv = [*program_and_log, archive, *options, "kafka.Kafka", str(config)]
        child = Child.start("kafka", argv, log_path=folder.log_path, folder=folder.data)
        server = cls(port, child, folder)
        server._argv = argv
        return server

    def down(self, *, politely: bool = True) -> None:
        """Stop it, or kill it, but keep its port and its data."""
        if politely:
            self._child.stop(_STOP_SECONDS)
        else:
            self._child.kill()

    def start_again(self) -> None:
        """Start it on its port after `down` (or after it was killed), with its data.

        Raises:
            Unavailable: it did not start.
        """
        self._child = Child.start("kafka", self._argv, log_path=self.log_path, folder=self._folder.data)
        self._child.wait_ready(lambda: answers(self.bootstrap), READY_SECONDS)


def properties(broker: str, controller: str, *, log_dir: str, listen_on: str = "") -> Mapping[str, str]:
    """`server.properties` of a single node that starts fast and keeps little.

    Args:
        broker: host:port that clients are told to use.
        controller: host:port of the controller.
        log_dir: where it keeps its logs.
        listen_on: host:port it binds for clients; empty = `broker`.
    """
    internal_topics = {
        f"{topic}.{limit}": "1"
        for topic in ("transaction.state.log", "share.coordinator.state.topic")
        for limit in ("replication.factor", "min.isr", "num.partitions")
    }
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "listeners": f"PLAINTEXT://{listen_on or broker},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{broker}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": f"1@{controller}",
        "log.dirs": log_dir,
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "1",
        **internal_topics,
        "group.initial.rebalance.delay.ms": "0",
        "auto.create.topics.enable": "false",
        "log.cleaner.dedupe.buffer.size": str(16 << 20),
    }


def jars() -> Path:
    """The folder of Kafka's jars, from the cache; Maven fills it the first time (checksums verified).

    Raises:
        ConfigError: there is no Maven, or it failed.
    """
    kept = cache_folder() / f"kafka-{VERSION}"
    if kept.is_dir():
        return kept
    maven = shutil.which("mvn")
    if maven is None:
        raise ConfigError(
            "Apache Kafka's jars are fetched by Maven, and there is no mvn on PATH",
            fix="apt-get install maven",
        )
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as new:
        pom, got = Path(new, "pom.xml"), Path(new, "jars")
        pom.write_text(_POM.read_text())
        argv = [maven, "-B", "-q", "-C", "-f", str(pom), _COPY, f"-Dkafka.version={VERSION}"]
        argv += ["-DincludeScope=runtime", f"-DoutputDirectory={got}"]
        ran = _run(argv, _MAVEN_SECONDS)
        if ran.returncode != 0:
            raise ConfigError(
                f"Maven cannot get Apache Kafka {VERSION}:\n{ran.stdout[-2000:]}",
                fix="correct Maven's settings or the network, and retry",
            )
        keep_first(got, kept)
    return kept


def keep_first(got: Path, kept: Path) -> None:
    """Move the whole folder at once: another process sees all jars or none, and the first one wins."""
    try:
        got.rename(kept)
    except OSError:
        if not kept.is_dir():
            raise


def java() -> str:
    """The JVM's own program: a wrapper script's death would not be the JVM's.

    Raises:
        ConfigError: there is none on PATH, or it is too old.
    """
    return _java()[0]


def _java() -> tuple[str, str]:
    """The program, and which build it is."""
    on_path = shutil.which("java")
    if on_path is None:
        raise ConfigError(
            "Apache Kafka needs Java, and there is none on PATH",
            fix="apt-get install openjdk-17-jre-headless",
        )
    said = _run([on_path, "-XshowSettings:properties", "-version"], 60.0).stdout
    home = re.search(r"java\.home = (.+)", said)
    version = re.search(r"java\.specification\.version = ([\d.]+)", said)
    build = re.search(r"java\.vm\.version = (\S+)", said)
    if home is None or version is None or float(version[1]) < _JAVA:
        raise ConfigError(
            f"Apache Kafka {VERSION} needs Java {_JAVA}, not {version[1] if version else said!r}",
            fix="apt-get install openjdk-17-jre-headless, and put it first on PATH",
        )
    return str(Path(home[1].strip(), "bin", "java")), build[1] if build else version[1]


def _new_id() -> str:
    return urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode().replace("-", "A")  # no leading dash


def _write_storage(log_dir: Path, checkpoint: Path, cluster_id: str, node_id: str) -> None:
    """What `kafka-storage format` writes, which takes a JVM of its own: the record is the same for every node."""
    log_dir.mkdir()
    shutil.copy(checkpoint, log_dir)
    ids = {"cluster.id": cluster_id, "directory.id": _new_id(), "node.id": node_id, "version": "1"}
    (log_dir / "meta.properties").write_text("".join(f"{name}={value}\n" for name, value in ids.items()))


def _format(command: list[str], config: Path, folder: ServerFolder) -> None:
    argv = [*command, "kafka.tools.StorageTool", "format", "-t", _new_id(), "-c", str(config)]
    ran = _run(argv, _FORMAT_SECONDS)
    folder.log_path.write_text(ran.stdout)
    if ran.returncode != 0:
        raise Unavailable(
            "kafka", f"its storage was not formatted; log {folder.log_path}:\n{ran.stdout[-2000:]}"
        )


def _run(argv: list[str], seconds: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(Path(argv[0]).name, f"{argv[:4]} did not end", waited_seconds=seconds) from error
