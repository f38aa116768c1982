"""Losses of a link, in integers.

A link that sends s microjoules loses

    ceil(s * loss_ppb / 1e9)  +  ceil(r * (s*1e-6)**2 * 1e6)

and never more than s. The first term is exact integer arithmetic; the second is float64 in
this order: f = s*1e-6; r*f; *f; *1e6; ceil. Both are monotone, and what is received grows by 0
or 1 when s grows by 1 (as long as the marginal loss is below 1), so every amount can be
received exactly. Spec: docs/spec/grid.md, G3.
"""

from __future__ import annotations

import math

from isojoule.kernels.compile import inline

PPB = 1_000_000_000


@inline
def loss_of(sent_uj: int, loss_ppb: int, loss_per_j: float) -> int:
    """Energy lost when `sent_uj` >= 0 is sent, microjoules."""
    loss = 0
    if loss_ppb > 0:
        whole = sent_uj // PPB
        rest = sent_uj - whole * PPB
        loss = whole * loss_ppb + (rest * loss_ppb + PPB - 1) // PPB
    if loss_per_j > 0.0:
        f = sent_uj * 1e-6
        loss += int(math.ceil(loss_per_j * f * f * 1e6))
    return min(loss, sent_uj)


@inline
def sent_for(received_uj: int, loss_ppb: int, loss_per_j: float) -> int:
    """Least amount to send so that at least `received_uj` >= 0 arrives, microjoules."""
    if received_uj <= 0:
        return 0
    if loss_ppb == 0 and loss_per_j == 0.0:
        return received_uj
    g = 1.0 - loss_ppb * 1e-9
    y = received_uj * 1e-6
    if loss_per_j > 0.0:
        root = g * g - 4.0 * loss_per_j * y
        if root < 0.0:
            root = 0.0
        s = 2.0 * y / (g + math.sqrt(root))
    else:
        s = y / g
    sent = int(s * 1e6)
    for _ in range(64):
        missing = received_uj - (sent - loss_of(sent, loss_ppb, loss_per_j))
        if missing <= 0:
            break
        sent += missing
    while sent > 0 and (sent - 1) - loss_of(sent - 1, loss_ppb, loss_per_j) >= received_uj:
        sent -= 1
    return sent
