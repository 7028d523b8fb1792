"""What `dbp collect`, `evaluate`, `demo`, `demo-learn` and `trace` run."""
