"""Layers that the models share. No convolution is made anywhere but in `convolution`."""
