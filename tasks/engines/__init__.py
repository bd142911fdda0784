"""What turns requests into completions: onnx, openai and replay, behind one protocol."""
