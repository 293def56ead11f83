"""FCPE: a stack of convolutions over the mel spectrogram gives each frame's pitch salience.

Network: Luo et al. 2025, "FCPE: A Fast Context-based Pitch Estimation Model" (torchfcpe, MIT). Its
published weights are of the kind without attention. Attribute names are the keys of the file, so
that loading is strict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.models.mel import (
    FFT_SAMPLES,
    FRAMES_AT_ONCE,
    HOP_SAMPLES,
    N_MELS,
    SAMPLE_RATE_HZ,
    mel_filter_bank,
    reflect,
)

N_BINS = 360
WIDTH = 512
INNER_WIDTH = 1024
LAYERS = 6
KERNEL_FRAMES = 31
GROUPS = 4

PIECE_FRAMES = 1000
CONTEXT_FRAMES = 92
"""Ten seconds go through the network at once, with what its convolutions reach on both sides.

Its group norm spans all frames that it is given, so the cut is part of the result: pieces of one
fixed length keep the pitch of a frame independent of what comes minutes later.
"""

BEFORE_SAMPLES, AFTER_SAMPLES = 432, 592
"""Frame j hears samples 160 j - 432 to 160 j + 592; the network has learnt to answer for 160 j."""

_SMALLEST_ENERGY = 1e-9
_SMALLEST_MAGNITUDE = 1e-5


class _Depthwise(nn.Module):
    """[1, 1024, T] -> the same shape; a module of its own for its key in the file."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(
            INNER_WIDTH,
            INNER_WIDTH,
            KERNEL_FRAMES,
            padding=KERNEL_FRAMES // 2,
            groups=INNER_WIDTH,
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.conv(x))


class _Conformer(nn.Module):
    """The convolutional half of a conformer, [1, 512, T] -> the same shape."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.ModuleDict(
            {
                "0": nn.LayerNorm(WIDTH),
                "2": nn.Conv1d(WIDTH, 2 * INNER_WIDTH, 1),
                "4": _Depthwise(),
                "6": nn.Conv1d(INNER_WIDTH, WIDTH, 1),
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.net["0"](x.transpose(1, 2)).transpose(1, 2)
        y = F.silu(self.net["4"](F.glu(self.net["2"](y), dim=1)))
        return torch.as_tensor(self.net["6"](y))


class _Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conformer = _Conformer()

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(x + self.conformer(x))


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder_layers = nn.ModuleList(_Layer() for _ in range(LAYERS))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.encoder_layers:
            x = layer(x)
        return x


class FcpeNetwork(nn.Module):
    """The network whose weights ``fcpe.pt`` holds, with folded weight norm."""

    cent_table: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("cent_table", torch.zeros(N_BINS))
        self.input_stack = nn.Sequential(
            nn.Conv1d(N_MELS, WIDTH, 3, padding=1),
            nn.GroupNorm(GROUPS, WIDTH),
            nn.LeakyReLU(),
            nn.Conv1d(WIDTH, WIDTH, 3, padding=1),
        )
        self.net = _Net()
        self.norm = nn.LayerNorm(WIDTH)
        self.output_proj = nn.Linear(WIDTH, N_BINS)

    def forward(self, mel: Tensor) -> Tensor:
        """Log mel [128, T] -> salience [T, 360], 0..1."""
        x = self.net(self.input_stack(mel[None]))
        return torch.sigmoid(self.output_proj(self.norm(x.transpose(1, 2))))[0]


class FcpeMel(nn.Module):
    """Log mel of frames of 1024 samples every 160 (Slaney's scale); without weights in the file."""

    window: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        filters = mel_filter_bank(
            SAMPLE_RATE_HZ, FFT_SAMPLES, N_MELS, 0.0, SAMPLE_RATE_HZ / 2, scale="slaney"
        )
        self.register_buffer("window", torch.hann_window(FFT_SAMPLES), persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """Samples [N] -> [128, (N - 1024) // 160 + 1]; frames are not padded."""
        bands = []
        for part in torch.split(audio.unfold(0, FFT_SAMPLES, HOP_SAMPLES), FRAMES_AT_ONCE):
            spectrum = torch.view_as_real(torch.fft.rfft(part * self.window))
            magnitudes = (spectrum.square().sum(-1) + _SMALLEST_ENERGY).sqrt()
            bands.append(self.filters @ magnitudes.T)
        return torch.log(torch.cat(bands, dim=1).clamp(min=_SMALLEST_MAGNITUDE))


class Fcpe(nn.Module):
    """From samples to pitch salience, ten seconds at a time."""

    def __init__(self, network: FcpeNetwork) -> None:
        super().__init__()
        self.network = network
        self.log_mel = FcpeMel()

    @torch.no_grad()
    def salience_pieces(
        self,
        audio: Tensor,
        *,
        piece_frames: int = PIECE_FRAMES,
        pause: Callable[[float], None] | None = None,
    ) -> Iterator[Tensor]:
        """Salience of samples float32 [N], mono 16 kHz: [n, 360] of one piece after another.

        Together N // 160 + 1 frames, 100 a second.

        Parameters
        ----------
        piece_frames : how many are computed together, without context
        pause : called before each piece with the fraction that is done; may raise to stop
        """
        n_frames = audio.shape[-1] // HOP_SAMPLES + 1
        for start in range(0, n_frames, piece_frames):
            if pause is not None:
                pause(start / n_frames)
            stop = min(start + piece_frames, n_frames)
            low, high = max(start - CONTEXT_FRAMES, 0), min(stop + CONTEXT_FRAMES, n_frames)
            salience = self.network(self._mel(audio, low, high))
            yield salience[start - low : stop - low]

    def _mel(self, audio: Tensor, start: int, stop: int) -> Tensor:
        """Log mel [128, stop - start] of these frames.

        Samples give one frame less than there are answers: the last frame is there twice.
        """
        n = audio.shape[-1]
        known = max(n // HOP_SAMPLES, 1)
        first, last = min(start, known - 1), min(stop, known) - 1
        low, high = first * HOP_SAMPLES - BEFORE_SAMPLES, last * HOP_SAMPLES + AFTER_SAMPLES
        part = audio[max(low, 0) : min(high, n)].to(self.log_mel.window)
        before, after = max(-low, 0), max(high - n, 0)
        whole_side = AFTER_SAMPLES - HOP_SAMPLES
        # As the original: sounds too short to be mirrored have silence around them.
        padded = F.pad(part, (before, after)) if n <= whole_side else reflect(part, before, after)
        mel = self.log_mel(padded)
        return F.pad(mel[None], (0, stop - start - mel.shape[1]), mode="replicate")[0]
