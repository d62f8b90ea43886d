"""What libraries log comes out in our format."""

from __future__ import annotations

import logging

import pytest

from stream_rec.consumers.runtime import library_logs


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> logging.Logger:
    """The root logger without a handler of ours, as in a new process."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    return root


def test_warnings_are_passed_on_once_with_the_librarys_name(
    root: logging.Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    library_logs.forward()
    library_logs.forward()
    logging.getLogger("faust.app").warning("something is odd")
    logging.getLogger("faust.app").info("nothing is")
    said = "".join(capfd.readouterr())
    assert said.count("something is odd") == 1
    assert "library=faust.app" in said
    assert "nothing is" not in said
    assert len([one for one in root.handlers if type(one).__module__ == library_logs.__name__]) == 1


@pytest.mark.usefixtures("root")
def test_aiokafkas_warnings_at_every_rebalance_are_left_out(capfd: pytest.CaptureFixture[str]) -> None:
    library_logs.forward()
    logging.getLogger("aiokafka").warning("heartbeat failed")
    logging.getLogger("aiokafka").error("no such group")
    said = "".join(capfd.readouterr())
    assert "heartbeat" not in said
    assert "no such group" in said
