"""Losses of a link, in integers.

A link that sends s microjoules loses

    ceil(s * loss_ppb / 1e9)  +  ceil(r * (s*1e-6)**2 * 1e6)

and never more than s. The first term is exact integer arithmetic; the second is float64 in
this order: f = s*1e-6; r*f; *f; *1e6; ceil. Both are monotone, and what is received never grows
by more than 1 when s grows by 1, so every amount up to the peak can be received exactly, as long
as the quadratic loss is below 2**52 microjoules. (With both losses it may fall by 1, where both
ceilings rise at once.) Spec: docs/spec/grid.md, G3.
"""

from __future__ import annotations

import math

from isojoule.kernels.compile import inline

PPB = 1_000_000_000
MOST_UJ = 2**62


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
        lost = loss_per_j * f * f * 1e6
        if not lost < sent_uj:  # before the cast, which may overflow
            return sent_uj
        loss += math.ceil(lost)
    return min(loss, sent_uj)


@inline
def sent_for(received_uj: int, loss_ppb: int, loss_per_j: float) -> int:
    """Amount to send so that exactly `received_uj` >= 0 arrives, microjoules.

    With one kind of loss it is the least such amount. Where so much cannot arrive, the amount
    beyond which a quadratic loss grows faster than what is sent.
    """
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
    # the estimate is off by rounding, near the peak by much more: bracket, then halve
    sent = int(s * 1e6)
    step = 1
    if sent - loss_of(sent, loss_ppb, loss_per_j) >= received_uj:
        high = sent
        low = sent - 1
        while low > 0 and low - loss_of(low, loss_ppb, loss_per_j) >= received_uj:
            high = low
            step *= 2
            low -= step
        low = max(low, 0)
    else:
        most = MOST_UJ
        if loss_per_j > 0.0:
            most = int(min(g / (2.0 * loss_per_j) * 1e6, MOST_UJ))
        low = sent
        high = sent + 1
        while high < most and high - loss_of(high, loss_ppb, loss_per_j) < received_uj:
            low = high
            step *= 2
            high += step
        high = min(high, most)
    while high - low > 1:
        middle = (low + high) // 2
        if middle - loss_of(middle, loss_ppb, loss_per_j) >= received_uj:
            high = middle
        else:
            low = middle
    return high
