"""Models behind one interface: a codec per wire format, one `Provider` actor, scripted models."""

from typing import TYPE_CHECKING, Final

from actors.http import Limits

from . import codecs
from ._api import (
    Clock,
    Embed,
    EmbedderApi,
    Embeddings,
    Generate,
    ProviderApi,
    Requests,
    ScriptedApi,
)
from ._capabilities import Capabilities
from ._embedder import Embedder, EmbedderHandle, open_embedder, start_embedder
from ._fallback import FallbackProvider
from ._handle import ProviderHandle, open_provider
from ._model import Model, Route, resolve
from ._opening import Candidate
from ._policies import Breaker, Rate, Retry
from ._provider import Provider
from ._race import RaceProvider
from ._reading import ProviderStream, Structured, StructuredStream
from ._recorded import Recording, Replay
from ._script import (
    Fail,
    Happening,
    Playback,
    Reset,
    Script,
    ScriptedPause,
    Stall,
    Step,
    call,
    call_text,
    crash,
    echo,
    fail,
    finish,
    opaque,
    pause,
    play,
    reset,
    say,
    script,
    stall,
    think,
    together,
    truncate,
    usage,
)
from ._scripted import Scripted
from ._several import (
    AnyModel,
    Fallback,
    Hedge,
    Race,
    RoundRobin,
    Several,
    capabilities_of,
    looked_up,
)
from ._start import StartedProvider, start_provider
from ._tape import Tape
from .codecs import (
    COMPATIBLE,
    DIALECTS,
    OPENAI,
    Codec,
    Decoder,
    Dialect,
    WireRequest,
    azure_deployment,
)

if TYPE_CHECKING:
    from .codecs import AnthropicMessages, Gemini, Ollama, OpenAIChat, OpenAIResponses

__all__ = [
    "COMPATIBLE",
    "DIALECTS",
    "OPENAI",
    "AnthropicMessages",
    "AnyModel",
    "Breaker",
    "Candidate",
    "Capabilities",
    "Clock",
    "Codec",
    "Decoder",
    "Dialect",
    "Embed",
    "Embedder",
    "EmbedderApi",
    "EmbedderHandle",
    "Embeddings",
    "Fail",
    "Fallback",
    "FallbackProvider",
    "Gemini",
    "Generate",
    "Happening",
    "Hedge",
    "Limits",
    "Model",
    "Ollama",
    "OpenAIChat",
    "OpenAIResponses",
    "Playback",
    "Provider",
    "ProviderApi",
    "ProviderHandle",
    "ProviderStream",
    "Race",
    "RaceProvider",
    "Rate",
    "Recording",
    "Replay",
    "Requests",
    "Reset",
    "Retry",
    "RoundRobin",
    "Route",
    "Script",
    "Scripted",
    "ScriptedApi",
    "ScriptedPause",
    "Several",
    "Stall",
    "StartedProvider",
    "Step",
    "Structured",
    "StructuredStream",
    "Tape",
    "WireRequest",
    "azure_deployment",
    "call",
    "call_text",
    "capabilities_of",
    "crash",
    "echo",
    "fail",
    "finish",
    "looked_up",
    "opaque",
    "open_embedder",
    "open_provider",
    "pause",
    "play",
    "reset",
    "resolve",
    "say",
    "script",
    "stall",
    "start_embedder",
    "start_provider",
    "think",
    "together",
    "truncate",
    "usage",
]

_CODECS: Final = {"AnthropicMessages", "Gemini", "Ollama", "OpenAIChat", "OpenAIResponses"}


def __getattr__(name: str) -> object:
    if name in _CODECS:  # imported when first asked for; see the package
        return getattr(codecs, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
