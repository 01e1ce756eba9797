"""Every broken workflow of the corpus is refused with the right finding, and told how to mend it."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.verify.corpus import CORPUS, Broken, items_of_every_fitting_kind
from workflow_engine.verify import broken, verify


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.name)
def test_a_broken_workflow_is_refused(case: Broken) -> None:
    findings = broken(verify(case.make()))
    named = [each for each in findings if (each.code, each.place) == (case.code, case.place)]
    assert named, f"expected {case.code} at {case.place}, found\n" + "\n".join(map(str, findings))
    assert all(each.cure and each.what and "  " not in each.cure for each in named)
    assert not [each for each in findings if each.code == "W190"]


def test_the_corpus_breaks_every_law_and_knows_every_finding() -> None:
    laws = Counter(case.law for case in CORPUS)
    assert set(laws) == {"W1", "W2", "W3", "W4", "W5"}
    assert min(laws.values()) >= 2


def test_items_of_every_fitting_kind_break_no_law() -> None:
    assert not verify(items_of_every_fitting_kind())
