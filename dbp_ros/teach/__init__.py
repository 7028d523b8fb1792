"""Teaching a robot: demonstrations, their review, training, evaluation and deployment."""
