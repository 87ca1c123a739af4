"""Which method cannot be built with which backbone: said once, so that no pair drops out of a test unseen."""

from __future__ import annotations

from benchmark import plugins

INCOMPATIBLE = {
    *(("parallel_dnn", backbone) for backbone in ("dnn", "finalmlp", "ipnn", "xdeepfm")),
    *(("orthogonal_reg", backbone) for backbone in plugins.names("backbones") if backbone != "dcnv2"),
}


def incompatible(method: str, backbone: str) -> bool:
    """A preset is as compatible as its file."""
    return (method.partition(":")[0], backbone) in INCOMPATIBLE
