"""File formats that others write: read as numpy arrays and nothing else."""
