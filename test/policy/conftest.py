"""The toy bundle as fixtures."""

from bundle_fixtures import make_bundle, model

__all__ = ["make_bundle", "model"]
