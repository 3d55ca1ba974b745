"""Messages know whom they are for; an actor class that does not fit them is refused."""

# ruff: noqa: ARG001, ARG002 - what is refused need not use its arguments
# pyright: reportUnusedClass=false, reportUnknownMemberType=false
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs
import pytest

from runtime import Actor, Ask, Sink, Stream, Tell, open_system
from runtime._message import handlers_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

T = TypeVar("T")


class Account: ...


@attrs.frozen
class Deposit(Ask[Account, int]):
    amount: int


@attrs.frozen
class Note(Tell[Account]):
    text: str


class Savings(Actor, Account):
    @Deposit.handles
    async def deposit(self, message: Deposit) -> int:
        return message.amount

    @Note.handles
    async def note(self, message: Note) -> None: ...


async def test_a_subclass_inherits_handlers_and_overrides_one_by_its_name() -> None:
    class Doubling(Savings):
        async def deposit(self, message: Deposit) -> int:
            return 2 * await super().deposit(message)

    async with open_system() as system:
        account = await system.spawn(Doubling)
        assert await account.ask(Deposit(5)) == 10


async def test_a_subclass_may_handle_a_message_in_another_method() -> None:
    class Tripling(Savings):
        @Deposit.handles(concurrent=True)
        async def three_times(self, message: Deposit) -> int:
            return 3 * message.amount

    async with open_system() as system:
        account = await system.spawn(Tripling)
        assert await account.ask(Deposit(5)) == 15


async def test_a_handler_is_found_under_the_name_it_has_in_its_class() -> None:
    async def handle(self: object, message: Deposit) -> int:
        del self
        return message.amount

    class Assigned(Savings):
        deposit_here = Deposit.handles(handle)

    async with open_system() as system:
        account = await system.spawn(Assigned)
        assert await account.ask(Deposit(5)) == 5


async def test_a_mixin_may_bring_the_handlers() -> None:
    class Noting:
        @Note.handles
        async def note(self, message: Note) -> None: ...

    class Depositing:
        @Deposit.handles
        async def deposit(self, message: Deposit) -> int:
            return message.amount

    class Mixed(Noting, Depositing, Actor, Account): ...

    assert set(handlers_of(Mixed)) == {Note, Deposit}


async def test_messages_of_a_generic_interface_and_slotted_classes_are_handled() -> None:
    class Store(Generic[T]): ...

    @attrs.frozen
    class Get(Ask[Store[T], T]):
        key: str

    @attrs.define(slots=True, frozen=True)
    class Put(Tell[Store[T]]):
        value: T

    class Texts(Actor, Store[str]):
        @Get[str].handles
        async def get(self, message: Get[str]) -> str:
            return message.key

        @Put[str].handles
        async def put(self, message: Put[str]) -> None: ...

    async with open_system() as system:
        texts = await system.spawn(Texts)
        assert await texts.ask(Get[str]("a")) == "a"
        await texts.tell(Put("b"))


def test_an_interface_is_inherited_with_its_messages() -> None:
    class Joint(Account): ...

    with pytest.raises(TypeError, match="implements Account but has no handler for Deposit, Note"):

        class Nobodys(Actor, Joint): ...


def test_a_message_without_a_handler_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match=r"no handler for Note: add a method under `@Note.handles`"):

        class Half(Actor, Account):
            @Deposit.handles
            async def deposit(self, message: Deposit) -> int:
                return 0


def test_a_handler_for_an_interface_that_is_not_implemented_is_refused() -> None:
    with pytest.raises(TypeError, match=r"add that to the bases of .*Stranger"):

        class Stranger(Actor):
            @Note.handles
            async def note(self, message: Note) -> None: ...


def test_two_handlers_for_one_message_are_refused() -> None:
    with pytest.raises(TypeError, match="handles Note twice: in note and again"):

        class Twice(Savings):
            @Note.handles
            async def note(self, message: Note) -> None: ...

            @Note.handles
            async def again(self, message: Note) -> None: ...


def test_a_handler_that_hides_the_handler_of_another_message_is_refused() -> None:
    with pytest.raises(TypeError, match="handles Note and hides the handler of Deposit"):

        class Hiding(Savings):
            @Note.handles
            async def deposit(self, message: Note) -> None: ...  # type: ignore[override]


def test_an_override_that_cannot_be_a_handler_is_refused() -> None:
    with pytest.raises(TypeError, match="must be a coroutine function, too: write `async def`"):

        class Sync(Savings):
            def deposit(self, message: Deposit) -> int:  # type: ignore[override]
                return 0


def test_a_handler_that_is_no_coroutine_function_is_refused() -> None:
    with pytest.raises(TypeError, match="must be a coroutine function: write `async def`"):
        Note.handles(print)  # type: ignore[call-overload]


def test_a_stream_handler_that_yields_is_told_to_send() -> None:
    class Source: ...

    class Lines(Stream[Source, str]): ...

    async def lines(self: Any, message: Lines, out: Sink[str]) -> AsyncIterator[str]:
        yield ""

    with pytest.raises(TypeError, match=r"`await out.send\(item\)` instead of `yield`"):
        Lines.handles(lines)  # type: ignore[call-overload]


@pytest.mark.parametrize(("message", "wanted"), [(Note, "(self, message)")])
def test_a_handler_with_other_parameters_is_refused(message: Any, wanted: str) -> None:
    async def short(self: Any) -> None: ...

    with pytest.raises(TypeError, match="must take") as caught:
        message.handles(short)
    assert wanted in str(caught.value)


def test_a_message_of_nobody_is_refused() -> None:
    with pytest.raises(TypeError, match=r"not a message of anybody: derive one"):
        Tell.handles(concurrent=True)(print)  # type: ignore[arg-type, var-annotated]


def test_a_receiver_that_is_no_class_yet_is_refused() -> None:
    with pytest.raises(TypeError, match="name a class that is already defined"):

        class Early(Tell["Later"]): ...  # type: ignore[name-defined]


async def test_a_message_that_was_added_after_the_class_is_refused_at_spawn() -> None:
    class Growing: ...

    class Old(Actor, Growing): ...

    class New(Tell[Growing]): ...

    async with open_system() as system:
        with pytest.raises(TypeError, match=r"has no handler for .*New"):
            await system.spawn(Old)


async def test_a_message_that_was_added_is_refused_also_after_the_parent_was_spawned() -> None:
    class Growing: ...

    class Parent(Actor): ...

    class Child(Parent, Growing): ...

    class New(Tell[Growing]): ...

    async with open_system() as system:
        await system.spawn(Parent)
        with pytest.raises(TypeError, match="has no handler for"):
            await system.spawn(Child)


async def test_a_message_that_the_actor_does_not_know_is_refused_at_the_call() -> None:
    class Idle(Actor): ...

    async with open_system() as system:
        idle = await system.spawn(Idle)
        with pytest.raises(TypeError, match="has no handler for Deposit"):
            await idle.ask(Deposit(1))  # type: ignore[arg-type]


async def test_a_factory_that_makes_no_actor_is_refused() -> None:
    async with open_system() as system:
        with pytest.raises(TypeError, match="made int, which is no Actor"):
            await system.spawn(int)  # type: ignore[type-var]


async def test_what_is_no_message_of_anybody_is_refused_with_what_to_send() -> None:
    class Homeless(Ask): ...  # type: ignore[type-arg]

    wrong: Any
    async with open_system() as system:
        savings = await system.spawn(Savings)
        for wrong, said in (
            (Deposit, r"takes messages, no classes: write Deposit\(...\)"),
            ("5", r"for str, which is no message: send an instance of a class"),
            (
                Homeless(),
                r"does not say whom it is for: write for example `class .*Homeless\(Ask\[",
            ),
        ):
            with pytest.raises(TypeError, match=said):
                await savings.ask(wrong)
        assert await savings.ask(Deposit(5)) == 5


@pytest.mark.parametrize("wrong", [KeyError, "KeyError", [KeyError], ("KeyError",), (KeyError(),)])
def test_declared_errors_that_are_no_tuple_of_classes_are_refused_at_the_class(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"Take.raises is .*: write for example `raises = \("):

        class Take(Ask[Account, int]):
            raises = wrong
