"""No key is in an error, in whatever form a provider quotes it."""

from __future__ import annotations

import traceback
from typing import Final
from urllib.parse import quote

import attrs
import pytest

from actors.chat import user
from actors.errors import AnswerFailed
from actors.providers import Model, Retry, open_provider
from actors.testing import FakeAnswer, error, open_fake_openai, raw

KEY: Final = "sk-proj/ABC+def=0123456789"
HELLO: Final = [user("Hello")]


async def what_is_said(given: FakeAnswer, key: str = KEY) -> str:
    """All that a log would show of the error."""
    async with open_fake_openai(given) as server:
        named = Model("openai-compatible:m", base_url=server.base_url, api_key=key)
        async with open_provider(attrs.evolve(named, retry=Retry(attempts=1))) as provider:
            with pytest.raises(AnswerFailed) as caught:
                await provider.complete(HELLO)
    return "".join(traceback.format_exception(caught.value)) + repr(caught.value)


@pytest.mark.parametrize(
    "quoted",
    [
        KEY,
        KEY.replace("/", "\\/"),
        quote(KEY, safe=""),
        f"{'x' * 585} {KEY}",  # what is said is cut there, inside the key
        f"{'x' * 100} {KEY}",  # so is an event that cannot be read
    ],
)
async def test_a_key_is_hidden_in_whatever_form_it_is_quoted(quoted: str) -> None:
    plain = attrs.evolve(error(401), message=None, body=quoted.encode())
    for given in (error(401, quoted), plain, raw(b"data: {" + quoted.encode() + b"\n\n")):
        said = await what_is_said(given)
        assert KEY[:8] not in said
        assert KEY[-8:] not in said


async def test_a_key_leaves_what_is_said_beside_it() -> None:
    said = await what_is_said(error(401, f"the key {KEY} is wrong, not {KEY[:-2]}xy"))

    assert "the key *** is wrong, not ***xy" in said


async def test_even_a_short_key_is_hidden() -> None:
    assert "it is ***, not key-2" in await what_is_said(
        error(401, "it is key-1, not key-2"), "key-1"
    )
