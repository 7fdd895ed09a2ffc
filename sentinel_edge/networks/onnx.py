"""One ONNX Runtime session, opened the same way for every model."""

from pathlib import Path

import onnxruntime as ort

from sentinel_edge.errors import SentinelError


def open_session(content: bytes, model: Path, threads: int = 1) -> ort.InferenceSession:
    """Open a model from its verified bytes.

    Args:
        content: The ONNX file.
        model: Its path, for messages.
        threads: Of one call. With one thread per call and one call per core no thread waits on another.

    Raises:
        SentinelError: ONNX Runtime cannot load it.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # nothing spins when idle
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        for node in (*session.get_inputs(), *session.get_outputs()):
            str((node.name, node.type, node.shape))  # names that are no text raise only when they are looked at
    except Exception as error:  # ONNX Runtime raises its own unexported types
        raise SentinelError(
            f"model {model} cannot be loaded by ONNX Runtime ({first_line(error)}); export the model again"
        ) from error
    return session


def first_line(error: Exception) -> str:
    """What ONNX Runtime complains of, without the pages that follow."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
