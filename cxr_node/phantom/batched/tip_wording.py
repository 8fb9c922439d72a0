"""What reports say of where a device lies: at least five ways for each place."""

from __future__ import annotations

from cxr_node.domain.findings import DevicePosition
from cxr_node.phantom.batched.signs import Sign

_CORRECT = (
    " in correct position",
    " in satisfactory position",
    " in standard position",
    " in appropriate position",
    " in good position",
)
TIPS: dict[tuple[Sign, DevicePosition], tuple[str, ...]] = {
    (Sign.ENDOTRACHEAL_TUBE, DevicePosition.TOO_LOW): (
        " with its tip at the carina",
        " with its tip too low",
        " with the tip too close to the carina",
        " with a low tip that should be withdrawn",
        " with its tip just above the carina, too low",
    ),
    (Sign.ENDOTRACHEAL_TUBE, DevicePosition.MALPOSITIONED): (
        " with its tip in the right main bronchus",
        " with the tip in the right mainstem bronchus",
        ", malpositioned in the right main bronchus",
        " with right main bronchus intubation",
        " with its tip beyond the carina in the right bronchus",
    ),
    (Sign.ENTERIC_TUBE, DevicePosition.TOO_HIGH): (
        " with its tip in the esophagus",
        " with its tip too high",
        " with the tip above the diaphragm",
        " with a tip short of the stomach",
        " with its tip projecting over the lower esophagus",
    ),
    (Sign.ENTERIC_TUBE, DevicePosition.MALPOSITIONED): (
        " malpositioned in the right lower lobe bronchus",
        " with its tip in the right bronchus",
        " that enters the right main bronchus",
        ", malpositioned in the airway",
        " with its course in the airway on the right",
    ),
    (Sign.CENTRAL_VENOUS_CATHETER, DevicePosition.TOO_LOW): (
        " with its tip in the right atrium",
        " with its tip too low",
        " with a low tip in the atrium",
        " with the tip deep in the right atrium",
        " with the tip beyond the cavoatrial junction",
    ),
    (Sign.CENTRAL_VENOUS_CATHETER, DevicePosition.MALPOSITIONED): (
        " malpositioned across the midline",
        " with its tip in the opposite subclavian vein",
        ", malpositioned in the opposite subclavian vein",
        " that crosses to the opposite side",
        " with its tip across the midline",
    ),
    (Sign.CHEST_TUBE, DevicePosition.MALPOSITIONED): (
        " malpositioned in the chest wall",
        " with its tip outside the pleural space",
        ", malpositioned outside the ribs",
        " that lies outside the pleural space",
        " with its tip in the soft tissues of the chest wall",
    ),
}
_HIGH = (
    " with its tip too high",
    " with a high tip",
    " with the tip too high",
    " that lies too high",
    " with its tip in a high position",
)
_TIP_DEFAULTS = {DevicePosition.CORRECT: _CORRECT, DevicePosition.TOO_HIGH: _HIGH}


def tips(sign: Sign, position: DevicePosition) -> tuple[str, ...]:
    """What may be said of a device's place."""
    return TIPS.get((sign, position)) or _TIP_DEFAULTS[position]
