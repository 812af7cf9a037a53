"""Network families: each module has a `Generator` and a `Discriminator` for any image shape and label count.

Generator(image_shape=(H, W, C), num_classes=0, ...)(z [B, z_dim], label=None, *, train) -> image float32 [B, H, W, C]
in [-1, 1], or at large where the last layer is linear (r3gan, srgan, stylegan2, stylegan3, vit; mlp if asked);
Discriminator(...)(image, label=None, *, train) -> DiscriminatorOutput, its arrays float32. Labels are int32 [B] or
float32 [B, num_classes], and ignored when num_classes is 0; to networks with the field `label_shape`, float32 images
[B, *label_shape]. Generators that take such of any size say how far a pixel looks (`reach`) and how much larger they
make it (`scale`); those that make the upper half of an image from the lower one of its label, and the lower from the
upper, that they do so (`two_way`). Parameters are float32 whatever the field `dtype`, in which the network computes. A
generator may offer `mapping` (z, label) -> w and `synthesis` w -> image as methods.
"""

from types import ModuleType

from jaxgan.models import (
    biggan,
    biggan_deep,
    cyclegan,
    dcgan,
    mlp,
    pix2pix,
    r3gan,
    resnet,
    srgan,
    stylegan2,
    stylegan3,
    vit,
)

FAMILIES: dict[str, ModuleType] = {
    "mlp": mlp,
    "dcgan": dcgan,
    "resnet": resnet,
    "biggan": biggan,
    "biggan_deep": biggan_deep,
    "r3gan": r3gan,
    "stylegan2": stylegan2,
    "stylegan3": stylegan3,
    "vit": vit,
    "srgan": srgan,
    "pix2pix": pix2pix,
    "cyclegan": cyclegan,
}
