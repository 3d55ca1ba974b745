"""The real model on this machine, asked for classes: a small one, held to the schema."""

from __future__ import annotations

import enum
import os

import attrs
import pytest

from actors import AgentOptions, open_agent
from actors.chat import Settings, user
from actors.errors import LimitReached, OutputInvalid
from actors.local import is_pulled, pull
from actors.providers import Model, open_provider
from actors.tools import tool

pytestmark = pytest.mark.model

BRIEF = Model("local:smollm2", settings=Settings(temperature=0.0, max_tokens=200))


@pytest.fixture(scope="module", autouse=True)
def pulled() -> None:
    if os.environ.get("TROUPE_PULL") == "1":
        pull("smollm2")
    elif not is_pulled("smollm2"):
        pytest.skip("the model is not here: `runtime pull smollm2`, or TROUPE_PULL=1")


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


@attrs.frozen
class Owner:
    name: str
    age: int


@attrs.frozen
class Cat:
    """A cat.

    Attributes:
        name: What it is called.
    """

    name: str
    size: Size
    owner: Owner | None
    likes_fish: bool


async def test_a_small_model_gives_an_instance_and_partials_on_the_way() -> None:
    asked = [user("Describe a cat named Tom, owned by Ann, who is 30. Answer in JSON.")]
    async with open_provider(BRIEF) as provider:
        found = await provider.complete_as(Cat, asked)
        async with provider.stream_as(Cat, asked) as stream:
            partials = [dict(partial) async for partial in stream]

    assert isinstance(found.value, Cat)
    assert found.attempts == 1
    assert isinstance(found.value.size, Size)
    assert isinstance(stream.value, Cat)
    assert len(partials) > 4
    assert set(partials[-1]) == {"name", "size", "owner", "likes_fish"}


async def test_an_agent_on_a_small_model_ends_with_an_instance() -> None:
    options = AgentOptions(output=Owner)
    async with open_agent(BRIEF, options=options) as agent:
        answer = await agent.run("Ann is 30 years old. Describe her in JSON.")

    assert isinstance(answer.value, Owner)


@tool(isolation="inline")
def age_of(name: str) -> int:
    """Say how old somebody is."""
    return 30 if name == "Ann" else 0


async def test_tools_and_a_schema_are_never_refused_by_the_server() -> None:
    """What so small a model makes of both is its own affair; `OutputInvalid` says so."""
    options = AgentOptions(output=Owner)
    async with open_agent(BRIEF, tools=[age_of], options=options) as agent:
        try:
            answer = await agent.run("How old is Ann? Answer in JSON.")
        except (OutputInvalid, LimitReached):
            return
    assert isinstance(answer.value, Owner)
