"""The codec of Anthropic Messages."""

from ._codec import AnthropicMessages

__all__ = ["AnthropicMessages"]
