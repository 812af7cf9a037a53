"""Images of people made better by a generator of images from images."""
