"""What kind of network does a part's work: what was found of one says nothing of another."""

from __future__ import annotations

from engine.loaded import Models
from engine.placement import Part


def kinds_of(models: Models) -> dict[Part, str]:
    """The kind of each part's network, in words; none for parts that have no network.

    Two networks are of one kind if they run the same operators with tensors of the same widths.
    """
    content, sizes = models.content.sizes, models.synthesizer.sizes
    depth = models.card.content_layer or content.num_hidden_layers
    kinds: dict[Part, str] = {
        "content": f"{content.hidden_size} wide, {depth} layers, {content.feat_extract_norm} norm",
        "latent": f"{sizes.feature_channels} to {sizes.inter_channels} wide",
        "vocoder": f"{sizes.vocoder.value}, {sizes.upsample_initial_channels} wide, "
        f"{sizes.sample_rate_hz} Hz",
    }
    if models.tracker is not None:
        kinds["pitch"] = models.pitch_method
    return kinds
