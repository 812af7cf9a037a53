"""The adversarial method: phases, the update, and the loop around it. Names no particular GAN."""
