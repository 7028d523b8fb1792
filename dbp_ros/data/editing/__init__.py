"""New data sets from others."""
