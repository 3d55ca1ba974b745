"""Models behind one interface: a codec per wire format, one `Provider` actor, scripted models."""

from actors.http import Limits

from ._api import Clock, Generate, ProviderApi, Requests, ScriptedApi
from ._codec import Codec, Decoder, WireRequest
from ._handle import ProviderHandle, ProviderStream, open_provider, start_provider
from ._model import Model, Route, resolve
from ._openai_chat import OpenAIChat
from ._openai_wire import COMPATIBLE, OPENAI, Dialect
from ._policies import Breaker, Rate, Retry
from ._provider import Provider
from ._script import (
    Fail,
    Happening,
    Pause,
    Playback,
    Reset,
    Script,
    Stall,
    Step,
    call,
    call_text,
    crash,
    echo,
    fail,
    finish,
    pause,
    play,
    reset,
    say,
    script,
    stall,
    think,
    truncate,
    usage,
)
from ._scripted import Scripted

__all__ = [
    "COMPATIBLE",
    "OPENAI",
    "Breaker",
    "Clock",
    "Codec",
    "Decoder",
    "Dialect",
    "Fail",
    "Generate",
    "Happening",
    "Limits",
    "Model",
    "OpenAIChat",
    "Pause",
    "Playback",
    "Provider",
    "ProviderApi",
    "ProviderHandle",
    "ProviderStream",
    "Rate",
    "Requests",
    "Reset",
    "Retry",
    "Route",
    "Script",
    "Scripted",
    "ScriptedApi",
    "Stall",
    "Step",
    "WireRequest",
    "call",
    "call_text",
    "crash",
    "echo",
    "fail",
    "finish",
    "open_provider",
    "pause",
    "play",
    "reset",
    "resolve",
    "say",
    "script",
    "stall",
    "start_provider",
    "think",
    "truncate",
    "usage",
]
