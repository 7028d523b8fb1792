"""`dbp bench infer`."""
