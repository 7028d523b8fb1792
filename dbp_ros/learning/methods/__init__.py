"""The methods: how an observation and noise become a chunk, and what is learned from one."""
