"""A mailbox against a simple model: what is queued, who stands in line, who is evicted."""

from __future__ import annotations

from itertools import chain

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
    """Four lists say what a mailbox does; every policy, any order of operations."""

    @initialize(capacity=st.integers(1, 3), overflow=st.sampled_from([*Overflow, BY_MESSAGE]))
    def open(self, capacity: int, overflow: Overflow | Conflate) -> None:
        self.capacity, self.overflow = capacity, overflow
        self.mailbox = mailbox(overflow, capacity)
        self.notices = list[Letter]()
        self.put_back_before = list[Letter]()
        self.queue = list[Letter]()
        self.line = list[Letter]()
        self.letters = list[Letter]()
        self.taken = list[Letter]()

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
        place = next((p for p in self.places() if p), None)
        taken = self.mailbox.take()
        assert taken is (place.pop(0) if place else None)
        if taken is not None:
            self.taken.append(taken)
        self.move_up()

    def places(self) -> tuple[list[Letter], ...]:
        """In the order in which letters are taken; nobody is in line while there is room."""
        return self.notices, self.put_back_before, self.queue, self.line

    @rule(key=st.sampled_from(["a", "b", "c", None]))
    def notify(self, key: str | None) -> None:
        letter = Letter(key)
        self.mailbox.notify(letter)
        self.notices.append(letter)
        self.letters.append(letter)

    @rule(data=st.data())
    def put_back(self, data: st.DataObject) -> None:
        """Some of those that were taken, in any order."""
        letters = data.draw(st.permutations(self.taken))[: data.draw(st.integers(0, 3))]
        self.mailbox.put_back(letters)
        self.put_back_before[:0] = letters
        self.taken = [letter for letter in self.taken if letter not in letters]

    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        if not self.letters:
            return
        letter = data.draw(st.sampled_from(self.letters))
        place = next((p for p in self.places() if letter in p), None)
        assert self.mailbox.withdraw(letter) == (place is not None)
        if place is not None:
            place.remove(letter)
            self.move_up()

    @rule()
    def drain(self) -> None:
        assert list(self.mailbox.drain()) == list(chain(*self.places()))
        for place in self.places():
            place.clear()

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "mailbox"):
            return
        *held, line = self.places()
        assert list(self.mailbox) == list(chain(*self.places()))
        assert (len(self.mailbox), self.mailbox.in_line) == (sum(map(len, held)), len(line))
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


def test_a_conflated_letter_takes_the_place_of_one_in_line() -> None:
    box = mailbox(BY_MESSAGE, capacity=1)
    queued, waiting, newer = Letter("a"), Letter("b"), Letter("b")
    box.offer(queued)
    box.offer(waiting)

    offer = box.offer(newer)

    assert (offer.queued, offer.evicted) == (False, waiting)
    assert list(box) == [queued, newer]


def test_a_key_that_fails_leaves_no_trace() -> None:
    letter = Letter("a")
    box = mailbox(Conflate({"a": 1}.__getitem__))
    box.offer(letter)
    with pytest.raises(KeyError):
        box.offer(Letter("b"))

    assert list(box) == [letter]


def test_notices_need_no_room_and_come_before_what_was_put_back_and_that_before_the_queue() -> None:
    box = mailbox(Overflow.FAIL, capacity=1)
    queued, first, second, back, further = (Letter(name) for name in "qabcd")
    box.offer(queued)
    box.put_back([back, further])
    box.notify(first)
    box.notify(second)

    assert [box.take() for _ in range(6)] == [first, second, back, further, queued, None]


def test_a_notice_that_is_taken_back_leaves_the_others_in_their_order() -> None:
    box = mailbox(Overflow.BLOCK)
    first, second, third, back = (Letter(name) for name in "abcd")
    box.put_back([back])
    box.notify(first)
    box.notify(second)
    box.withdraw(first)
    box.notify(third)

    assert list(box) == [second, third, back]


def test_what_was_put_back_is_not_conflated_with_what_comes() -> None:
    box = mailbox(BY_MESSAGE)
    old, new = Letter("a"), Letter("a")
    box.put_back([old])

    assert box.offer(new).evicted is None
    assert list(box) == [old, new]


@given(capacity=st.integers(max_value=0))
def test_a_mailbox_without_room_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match="capacity must be 1 or more"):
        MailboxOptions(capacity)
