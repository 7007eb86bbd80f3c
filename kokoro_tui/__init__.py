"""kokoro-tui: squeeze the Kokoro-82M text-to-speech model (ONNX) by hand and by ear."""

__version__ = "0.1.0"
