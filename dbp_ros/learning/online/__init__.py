"""Online learning: a policy that was imitated gets better by doing (DBPO, arXiv 2604.03540)."""
