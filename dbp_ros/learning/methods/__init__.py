"""Methods: training objectives and samplers of action chunks."""
