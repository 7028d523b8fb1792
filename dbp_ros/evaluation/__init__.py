"""Collection, evaluation and demos: the code of `dbp collect`, `evaluate`, `demo` and `trace`."""
