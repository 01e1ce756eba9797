"""Laws of subflows: fields that fit on both sides, findings with the way to them, names, depths, ceilings."""

from __future__ import annotations

from typing import Any

import pytest

from workflow_engine import (
    END,
    FAIL,
    START,
    Question,
    State,
    Workflow,
    at_most,
    ceiling,
    each,
    from_document,
    function,
    human,
    subflow,
    to_document,
    verify,
    workflow,
)
from workflow_engine.errors import DeclarationError
from workflow_engine.spec.nesting import nested
from workflow_engine.spec.subflow import Subflow


class Bill(State):
    order: str
    total: int | None = None
    note: str | None = None


class Cart(State):
    cart: str
    invoice: int | None = None


@function(writes="total")
def charge(order: str) -> int:
    return len(order)


billing = workflow("billing", state=Bill, edges=[START >> charge >> END])


def around(node: Subflow, state: type[State] = Cart, name: str = "order") -> Workflow[Any]:
    return workflow(name, state=state, edges=[START >> node >> END])


def codes(made: Workflow[Any]) -> list[tuple[str, str]]:
    return [(each.code, each.place) for each in verify(made)]


def test_a_subflow_whose_fields_fit_on_both_sides_breaks_no_law() -> None:
    bill = subflow(billing, reads={"order": "cart"}, writes={"invoice": "total"})
    assert (bill.name, bill.writes) == ("billing", ("invoice",))
    assert codes(around(bill)) == []


def test_names_alone_stand_for_fields_called_the_same() -> None:
    bill = subflow(billing, reads="order", writes=("total", "note"))
    assert codes(workflow("order", state=Bill, edges=[START >> bill >> END])) == []


def test_at_a_second_place_it_may_write_elsewhere() -> None:
    again = subflow(billing, reads={"order": "cart"}).named("again", writes={"invoice": "total"})
    assert (again.name, again.gives) == ("again", {"invoice": "total"})
    assert codes(around(again)) == []


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"reads": {"ordr": "cart", "order": "cart"}}, "W431"),
        ({"reads": {"order": "crt"}}, "W401"),
        ({"reads": {}}, "W432"),
        ({"reads": {"order": "cart"}, "writes": {"invoice": "totl"}}, "W433"),
        ({"reads": {"order": "cart"}, "writes": {"invoce": "total"}}, "W405"),
        ({"reads": {"order": "invoice"}}, "W402"),
        ({"reads": {"order": "cart"}, "depth": 2}, "W585"),
        ({"reads": {"order": "cart"}, "depth": 0}, "W583"),
        ({"reads": {"order": "cart"}, "depth": 51}, "W583"),
    ],
)
def test_a_subflow_that_does_not_fit_is_a_finding(settings: Any, code: str) -> None:
    assert (code, "billing") in codes(around(subflow(billing, **settings)))


def test_types_are_looked_at_both_ways() -> None:
    class Other(State):
        cart: list[str]
        invoice: str = ""

    bill = subflow(billing, reads={"order": "cart"}, writes={"invoice": "total"})
    assert codes(around(bill, Other)) == [("W403", "billing"), ("W404", "billing")]


def test_what_is_taken_was_written_on_every_path_or_its_default_fits() -> None:
    class Strict(State):
        cart: str
        invoice: int = 0

    free = workflow("free", state=Bill, edges=[START >> charge >> END])
    fits = subflow(free, reads={"order": "cart"}, writes={"invoice": "total"})
    assert codes(around(fits, Strict)) == []
    takes = subflow(free, reads={"order": "cart"}, writes={"invoice": "note"})
    assert ("W434", "free") in codes(around(takes, Strict))


def test_a_reader_after_it_knows_what_it_wrote() -> None:
    class Shop(State):
        cart: str
        invoice: int | None = None
        text: str = ""

    @function(writes="text")
    def tell(invoice: int) -> str:
        return str(invoice)

    bill = subflow(billing, reads={"order": "cart"}, writes={"invoice": "total"})
    assert codes(workflow("shop", state=Shop, edges=[START >> bill >> tell >> END])) == []


def test_findings_within_are_shown_with_the_way_to_them() -> None:
    @function(writes="total")
    def broken(ordr: str) -> int:
        return 0

    inner = workflow("inner", state=Bill, edges=[START >> broken >> END])
    middle = workflow("middle", state=Bill, edges=[START >> subflow(inner, reads="order", writes="total") >> END])
    outer = workflow("outer", state=Bill, edges=[START >> subflow(middle, reads="order", writes="total") >> END])
    assert codes(outer) == [("W401", "middle/inner/broken")]


def test_two_workflows_of_one_name_are_a_finding() -> None:
    @function(writes="total")
    def other(order: str) -> int:
        return 1

    namesake = workflow("billing", state=Bill, edges=[START >> other >> END])
    one = subflow(billing, reads={"order": "cart"}, writes={"invoice": "total"})
    two = subflow(namesake, name="two", reads={"order": "cart"}, writes={"invoice": "total"})
    assert codes(workflow("order", state=Cart, edges=[START >> one >> two >> END])) == [("W584", "two")]
    assert codes(workflow("billing", state=Cart, edges=[START >> one >> END])) == [("W584", "billing")]


class Tree(State):
    left: int
    done: int = 0


@function(writes="left")
def less(left: int) -> int:
    return left - 1


def tree(depth: int | None) -> Workflow[Any]:
    deeper = subflow(lambda: made, name="deeper", reads="left", writes="done", depth=depth)
    made: Workflow[Any] = workflow("tree", state=Tree, edges=[START >> less >> deeper >> END])
    return made


def test_a_workflow_that_contains_itself_says_how_deep() -> None:
    assert codes(tree(None)) == [("W582", "deeper")]
    assert codes(tree(5)) == []


def test_one_depth_on_the_way_round_is_enough() -> None:
    def pair(depth: int | None) -> Workflow[Any]:
        there = subflow(lambda: two, name="there", reads="left", writes="done")
        back = subflow(lambda: one, name="back", reads="left", writes="done", depth=depth)
        one: Workflow[Any] = workflow("one", state=Tree, edges=[START >> there >> END])
        two: Workflow[Any] = workflow("two", state=Tree, edges=[START >> back >> END])
        return one

    assert codes(pair(None)) == [("W582", "there"), ("W582", "there/back")]
    assert codes(pair(3)) == []


def test_a_function_that_returns_no_workflow_is_a_finding() -> None:
    wrong: Any = subflow(lambda: 3, name="wrong")  # type: ignore[arg-type, return-value]
    assert codes(around(wrong)) == [("W581", "wrong")]
    with pytest.raises(DeclarationError, match="is given no workflow"):
        subflow(3)  # type: ignore[arg-type]
    with pytest.raises(DeclarationError, match="no name yet"):
        subflow(lambda: billing)
    with pytest.raises(DeclarationError, match="does not name fields"):
        subflow(billing, reads={"order": 1})  # type: ignore[dict-item]


def test_the_ceiling_counts_the_steps_within() -> None:
    assert str(ceiling(billing)) == "1 step between two answers"
    bill = subflow(billing, reads={"order": "cart"}, writes={"invoice": "total"})
    assert str(ceiling(around(bill))) == "2 steps between two answers"
    # less, deeper, and six times so at most: the last one's `deeper` is not entered any more.
    assert str(ceiling(tree(5))) == "12 steps between two answers"


def test_a_person_within_makes_the_ceiling_an_upper_bound() -> None:
    @human(writes="note")
    def ask(order: str) -> Question[str]:
        return Question("?")

    asking = workflow("asking", state=Bill, edges=[START >> charge >> ask >> END])
    assert str(ceiling(around(subflow(asking, reads={"order": "cart"})))) == "at most 3 steps between two answers"


def test_a_loop_counts_the_steps_within_each_time() -> None:
    bill = subflow(billing, reads={"order": "cart"}, writes={"invoice": "total"})

    loop = workflow("loop", state=Cart, edges=[START >> bill >> at_most(3, bill, then=FAIL("never"))])
    assert str(ceiling(loop)) == "8 steps between two answers"


def test_a_workflow_comes_back_from_its_document_with_those_within() -> None:
    bill = subflow(billing, reads={"order": "cart"}, writes={"invoice": "total"})
    for made in (around(bill), tree(5)):
        again = from_document(to_document(made))
        assert again.shape == made.shape
        assert to_document(again)["shape"]["nodes"] == to_document(made)["shape"]["nodes"]
    back = from_document(to_document(tree(5)))
    deeper = back.nodes["deeper"]
    assert isinstance(deeper, Subflow)
    assert deeper.workflow is back


def test_the_shape_changes_with_that_of_a_workflow_within() -> None:
    @function(name="charge", writes="total")
    def slower(order: str) -> int:
        return 2

    def order(inner: Workflow[Any]) -> Workflow[Any]:
        return around(subflow(inner, reads={"order": "cart"}, writes={"invoice": "total"}))

    same = workflow("billing", state=Bill, edges=[START >> slower >> END])
    longer = workflow("billing", state=Bill, edges=[START >> slower >> charge.named("again") >> END])
    assert order(billing).shape == order(same).shape != order(longer).shape
    assert set(nested(order(longer))) == {"billing"}


class Carts(State):
    carts: list[str]
    invoices: list[int | None] = []


def test_one_done_for_each_item_is_given_the_item_by_the_input_nobody_else_gives() -> None:
    bills = each("carts", writes="invoices")(subflow(billing, writes="total"))
    made = workflow("shop", state=Carts, edges=[START >> bills >> END])
    assert codes(made) == []
    assert set(nested(made)) == {"billing"}
    # Of many items the steps of one are counted: how many there will be nobody knows.
    assert str(ceiling(made)) == "2 steps between two answers"


def test_what_is_broken_in_the_workflow_of_an_item_is_told_with_the_way_to_it() -> None:
    @function(writes="total")
    def off(ordr: str) -> int:
        return 0

    inner = workflow("inner", state=Bill, edges=[START >> off >> END])
    bills = each("carts", writes="invoices")(subflow(inner, writes="total"))
    assert codes(workflow("shop", state=Carts, edges=[START >> bills >> END])) == [("W401", "inner/off")]


def test_one_done_for_each_item_comes_back_from_its_document() -> None:
    bills = each("carts", writes="invoices", on_error="skip")(subflow(billing, name="bill", writes="total"))
    made = workflow("shop", state=Carts, edges=[START >> bills >> END])
    back = from_document(to_document(made))
    assert back.shape == made.shape
    assert to_document(back)["shape"]["nodes"] == to_document(made)["shape"]["nodes"]
    node: Any = back.nodes["bill"]
    assert (node.kind, node.one.kind, node.one.workflow.name, node.on_error) == ("each", "subflow", "billing", "skip")


def test_the_shape_tells_what_is_done_for_an_item() -> None:
    def shop(writes: str, name: str = "billing") -> Workflow[Any]:
        inner = workflow(name, state=Bill, edges=[START >> charge >> END])
        bills = each("carts", writes="invoices")(subflow(inner, name="bill", writes=writes))
        return workflow("shop", state=Carts, edges=[START >> bills >> END])

    assert shop("total").shape == shop("total").shape
    assert len({shop("total").shape, shop("note").shape, shop("total", "other").shape}) == 3
