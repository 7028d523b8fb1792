"""Train policies from recorded episodes and export them as model bundles."""
