"""Speed and memory, measured beside PyTorch and ONNX Runtime.

scripts/speed.py is the command. A benchmark, not a test: nothing here is judged
by a clock. PyTorch and ONNX Runtime are optional; importing this package needs
neither.
"""
