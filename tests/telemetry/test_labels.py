"""A label belongs to who is configured or in use, not to who came first."""

from __future__ import annotations

import numpy as np

from stream_rec.telemetry.labels import MAX_NAMES, LabelNames, NameKind

AGE = 10
"""Windows after which an unused name may lose its label."""


def names(*configured: str) -> LabelNames:
    return LabelNames(configured or ("default",), AGE)


def label(of: LabelNames, window: int, scenario: str = "default", variant: str = "") -> dict[str, str]:
    """Of one record."""
    code = np.zeros(1, np.int32)
    of.codes([scenario], [variant], [False], np.array([window]), lambda *_: None, code)
    return of.labels(int(code[0]))


def test_configured_scenarios_have_a_label_whoever_comes_first() -> None:
    of = names(*(f"page-{n}" for n in range(MAX_NAMES - 1)))
    for n in range(40):
        assert label(of, n, f"typo-{n}")["scenario"] == "other"
    assert label(of, 40, f"page-{MAX_NAMES - 2}")["scenario"] == f"page-{MAX_NAMES - 2}"


def test_names_that_are_used_no_more_make_room() -> None:
    of = names()
    for n in range(MAX_NAMES):
        label(of, 0, f"typo-{n}", f"arm-{n}")
    assert label(of, AGE - 1, "checkout", "new-arm") | {"segment": ""} == {
        "scenario": "other",
        "variant": "other",
        "segment": "",
    }
    assert label(of, AGE, "checkout", "new-arm") | {"segment": ""} == {
        "scenario": "checkout",
        "variant": "new-arm",
        "segment": "",
    }


def test_a_name_that_is_in_use_keeps_its_label() -> None:
    of = names()
    label(of, 0, "home", "treatment")
    for window in range(1, 200):
        label(of, window, f"typo-{window}", f"arm-{window}")
        assert label(of, window, "home", "treatment")["scenario"] == "home"
        assert label(of, window, "home", "treatment")["variant"] == "treatment"


def test_a_late_record_takes_no_label_away() -> None:
    of = names()
    for n in range(MAX_NAMES):
        label(of, 1000, f"page-{n}")
    assert label(of, 0, "late")["scenario"] == "other"


def test_a_scenario_that_is_configured_later_has_its_label_after_a_restore() -> None:
    """The table of a worker whose labels were all taken by others."""
    old, retired = names(), []
    for n in range(MAX_NAMES):
        label(old, n // 2, f"typo-{n}")
    new = names("default", "checkout")
    new.table[:], new.used[:] = old.table, old.used
    new.reload(lambda *lost: retired.append(lost))
    assert label(new, 9, "checkout")["scenario"] == "checkout"
    assert label(new, 9, "default")["scenario"] == "default"
    assert label(new, 9, f"typo-{MAX_NAMES - 3}")["scenario"] == f"typo-{MAX_NAMES - 3}"
    assert label(new, 9, "typo-0")["scenario"] == "other", "the one silent for longest made room"
    assert [(kind, before) for kind, _, before in retired] == [(NameKind.SCENARIO, 0)]


def test_odd_names_are_counted_as_other() -> None:
    of = names()
    for odd in ("", "x" * 100, "nul\0"):
        assert label(of, 0, odd)["scenario"] == "other"
    assert label(of, 0)["variant"] == "none"
