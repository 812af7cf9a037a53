"""jaxgan's networks and training step in PyTorch, by the names of jaxgan's models: what it is compared with."""
