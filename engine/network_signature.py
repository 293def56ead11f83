"""What kind of network does a part's work: what was found of one says nothing of another."""

from __future__ import annotations

from engine.networks import Models
from engine.stages import Part

PARTS_OF_KINDS: frozenset[Part] = frozenset({"content", "pitch", "latent", "vocoder"})
"""Those that a network does; filter and retrieval are the same for every voice."""


def kinds_of(models: Models) -> dict[Part, str]:
    """The kind of each part's network, in words; no pitch for a voice without.

    What tells kinds apart are the operators that run and the main widths and rates of the tensors.
    """
    content, sizes = models.content.sizes, models.synthesizer.sizes
    depth = models.card.content_layer or content.num_hidden_layers
    rates = "x".join(str(rate) for rate in sizes.upsample_rates)
    pitch = "with" if sizes.pitch_guided else "without"
    kinds: dict[Part, str] = {
        "content": f"{content.hidden_size} wide, {depth} layers, {content.feat_extract_norm} norm",
        "latent": f"{sizes.feature_channels} to {sizes.hidden_channels} to {sizes.inter_channels} "
        f"wide, {sizes.layers} layers, {pitch} pitch",
        "vocoder": f"{sizes.vocoder.value}, {sizes.upsample_initial_channels} wide, {rates} times, "
        f"blocks of kind {sizes.resblock}, {sizes.sample_rate_hz} Hz",
    }
    if models.tracker is not None:
        kinds["pitch"] = models.pitch_method
    return kinds
