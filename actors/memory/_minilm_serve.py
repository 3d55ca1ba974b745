"""The child process that makes vectors; a script that stands alone, so that it starts fast.

It is run by its path and imports nothing of this project. Each line on stdin is a JSON list of
texts, and it answers with their vectors on stdout, little-endian 32-bit floats and nothing else.
It ends with its stdin, or when its parent is gone. All else that it writes goes to stderr.
"""

import importlib
import json
import os
import select
import signal
import sys
from typing import Any

_ORPHAN_CHECK_SECONDS = 1.0
_NICE = 5  # a stream goes before it


def main() -> None:
    """Answer until the parent lets go of our stdin, or is gone."""
    parent = os.getppid()
    # Ctrl-C is for the parent to act upon
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    os.nice(_NICE)
    answers = os.dup(1)
    os.dup2(2, 1)
    embed = _load(json.loads(sys.argv[1]))
    waiting = b""
    while True:
        line, newline, rest = waiting.partition(b"\n")
        if newline:
            waiting = rest
            _write(answers, embed(json.loads(line)))
        elif _is_readable():
            piece = os.read(0, 1 << 16)
            if not piece:
                return
            waiting += piece
        elif os.getppid() != parent:  # a fork of the parent may hold our stdin open
            return


def _is_readable() -> bool:
    readable, _, _ = select.select([0], [], [], _ORPHAN_CHECK_SECONDS)
    return bool(readable)


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _load(settings: dict[str, Any]) -> Any:
    # after the signals are set; and untyped, as two of them are
    np = importlib.import_module("numpy")
    onnxruntime = importlib.import_module("onnxruntime")
    tokenizers = importlib.import_module("tokenizers")

    options = onnxruntime.SessionOptions()
    # One thread: two of them beside a busy process are slower than one.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(
        settings["weights"], options, providers=["CPUExecutionProvider"]
    )
    tokenizer = tokenizers.Tokenizer.from_file(settings["tokenizer"])
    tokenizer.enable_truncation(settings["tokens"])
    tokenizer.enable_padding()
    wanted = {each.name for each in session.get_inputs()}

    def embed(texts: list[str]) -> bytes:
        """The mean of the tokens' vectors, of length 1, as the model was trained for it."""
        encoded = tokenizer.encode_batch(texts)
        mask = np.array([each.attention_mask for each in encoded], dtype=np.int64)
        inputs = {
            "input_ids": np.array([each.ids for each in encoded], dtype=np.int64),
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(mask),
        }
        (tokens, *_) = session.run(None, {name: inputs[name] for name in wanted})
        weights = mask[:, :, None].astype(np.float32)
        means = (tokens * weights).sum(axis=1) / weights.sum(axis=1)
        vectors = means / np.linalg.norm(means, axis=1, keepdims=True)
        return bytes(vectors.astype("<f4").tobytes())

    return embed


if __name__ == "__main__":
    main()
