"""What a finished or running experiment looks like to a person."""
