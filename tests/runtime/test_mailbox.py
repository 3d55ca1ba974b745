"""A mailbox against a simple model: what is queued, who stands in line, who is evicted."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from runtime import Conflate, MailboxFull, MailboxOptions, Overflow
from runtime._mailbox import Mailbox


@attrs.define(eq=False)
class Letter:
    """Its message is its key."""

    message: str | None
    was_in_line: bool = False
    moved_up: int = 0

    def accepted(self) -> None:
        self.moved_up += 1


def mailbox(overflow: Overflow | Conflate, capacity: int = 2) -> Mailbox[Letter]:
    return Mailbox(MailboxOptions(capacity, overflow))


BY_MESSAGE = Conflate(lambda message: message)


class Model(RuleBasedStateMachine):
    """Two lists say what a mailbox does; every policy, any order of operations."""

    @initialize(capacity=st.integers(1, 3), overflow=st.sampled_from([*Overflow, BY_MESSAGE]))
    def open(self, capacity: int, overflow: Overflow | Conflate) -> None:
        self.capacity, self.overflow = capacity, overflow
        self.mailbox = mailbox(overflow, capacity)
        self.queue = list[Letter]()
        self.line = list[Letter]()
        self.letters = list[Letter]()

    @rule(key=st.sampled_from(["a", "b", "c", None]))
    def offer(self, key: str | None) -> None:
        letter = Letter(key)
        if self.overflow is Overflow.FAIL and len(self.queue) == self.capacity:
            with pytest.raises(MailboxFull) as caught:
                self.mailbox.offer(letter)
            assert caught.value.message == key
            return
        offer = self.mailbox.offer(letter)
        queued, evicted = self.expected(letter)
        assert (offer.queued, offer.evicted) == (queued, evicted)
        self.letters.append(letter)

    def expected(self, letter: Letter) -> tuple[bool, Letter | None]:
        if self.overflow is BY_MESSAGE and letter.message is not None:
            for place in (self.queue, self.line):
                for index, other in enumerate(place):
                    if other.message == letter.message:
                        place[index] = letter
                        letter.was_in_line = place is self.line
                        return place is self.queue, other
        if len(self.queue) < self.capacity:
            self.queue.append(letter)
            return True, None
        if self.overflow is Overflow.DROP_NEWEST:
            return False, letter
        if self.overflow is Overflow.DROP_OLDEST:
            self.queue.append(letter)
            return True, self.queue.pop(0)
        assert self.overflow is not Overflow.FAIL
        letter.was_in_line = True
        self.line.append(letter)
        return False, None

    def move_up(self) -> None:
        while self.line and len(self.queue) < self.capacity:
            self.queue.append(self.line.pop(0))

    @rule()
    def take(self) -> None:
        assert self.mailbox.take() is (self.queue.pop(0) if self.queue else None)
        self.move_up()

    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        if not self.letters:
            return
        letter = data.draw(st.sampled_from(self.letters))
        place = next((p for p in (self.queue, self.line) if letter in p), None)
        assert self.mailbox.withdraw(letter) == (place is not None)
        if place is not None:
            place.remove(letter)
            self.move_up()

    @rule()
    def drain(self) -> None:
        assert list(self.mailbox.drain()) == self.queue + self.line
        self.queue, self.line = [], []

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "mailbox"):
            return
        assert list(self.mailbox) == self.queue + self.line
        assert (len(self.mailbox), self.mailbox.in_line) == (len(self.queue), len(self.line))
        assert len(self.queue) <= self.capacity
        assert not self.line or len(self.queue) == self.capacity
        for letter in self.queue:
            assert letter.moved_up == int(letter.was_in_line)


TestAMailboxIsWhatItsModelIs = Model.TestCase


def test_drop_newest_evicts_the_letter_that_is_offered() -> None:
    box = mailbox(Overflow.DROP_NEWEST, capacity=1)
    box.offer(Letter("a"))
    letter = Letter("b")

    assert box.offer(letter).evicted is letter


def test_a_conflated_letter_takes_the_place_of_the_waiting_one() -> None:
    box = mailbox(BY_MESSAGE)
    old, other, new = Letter("a"), Letter("b"), Letter("a")
    box.offer(old)
    box.offer(other)

    assert box.offer(new).evicted is old
    assert list(box) == [new, other]


def test_a_key_that_fails_leaves_no_trace() -> None:
    letter = Letter("a")
    box = mailbox(Conflate({"a": 1}.__getitem__))
    box.offer(letter)
    with pytest.raises(KeyError):
        box.offer(Letter("b"))

    assert list(box) == [letter]


@given(capacity=st.integers(max_value=0))
def test_a_mailbox_without_room_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match="capacity must be 1 or more"):
        MailboxOptions(capacity)
