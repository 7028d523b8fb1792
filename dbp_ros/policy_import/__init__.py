"""Import of ONNX policies that were trained elsewhere, as model bundles."""
