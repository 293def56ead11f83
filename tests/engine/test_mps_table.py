"""The checker of Metal kernels tells those that have one from those that do not."""

from __future__ import annotations

import pytest

from tests.engine.operator_table import runs_on_metal


@pytest.mark.parametrize(
    "operator",
    [
        "aten::add.Tensor",  # structured: by its delegate
        "aten::mm",
        "aten::convolution",  # composite, explicit
        "aten::_fft_r2c",  # by name in its own row
        "aten::narrow",  # composite, implicit
        "aten::slice.Tensor",
        "aten::index_select",
    ],
)
def test_operators_of_metal_are_known(operator: str) -> None:
    assert runs_on_metal(operator)


@pytest.mark.parametrize(
    "operator",
    [
        "aten::_linalg_svd",
        "aten::_thnn_fused_gru_cell",
        "aten::geqrf",
        "aten::no_such_operator",
        "mkldnn::_linear_pointwise",
    ],
)
def test_operators_that_metal_lacks_are_refused(operator: str) -> None:
    assert not runs_on_metal(operator)
