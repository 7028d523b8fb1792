"""Model bundle: a folder with ONNX graphs, a manifest and golden cases."""
