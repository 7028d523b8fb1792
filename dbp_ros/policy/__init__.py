"""Run a policy: model bundles, ONNX Runtime sessions, observation history, refusal."""
