"""The embedded model's tokenizer: one token a word, and bytes for everything else.

No text is unencodable: a word outside the list falls apart into known pieces and, at
the end, into bytes. Decoding gives the text back.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cxr_node.reasoning.chat import BRIEF_CHAT
from cxr_node.reasoning.prompts import NOT_ASSESSED, Wording, every_option, every_prompt

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PAD = "<|pad|>"
SPECIAL_TOKENS = (
    PAD,
    BRIEF_CHAT.question_prefix,
    BRIEF_CHAT.question_suffix,
    BRIEF_CHAT.answer_suffix,
    BRIEF_CHAT.picture_prefix,
    BRIEF_CHAT.picture_suffix,
    BRIEF_CHAT.picture_token,
    "<|video_pad|>",
)

# Words of short reports in the style of the phantoms, beside those of the prompts.
REPORT_WORDS = """
a an the is are was there no not and or of in on at to with without by for from than as be
this it its into over within above below near along both each more less one two some any
normal abnormal normally limits clear clearly seen visible visualised shown evidence sign signs
finding findings image radiograph chest view frontal projection PA AP lateral study exam reading
right left bilateral upper middle lower apical basal apex base bases zone zones side sided lobe
lung lungs heart cardiac mediastinal mediastinum hilar hilum pleural pleura costophrenic angle
angles diaphragm hemidiaphragm trachea carina aorta aortic rib ribs clavicle spine bone bones wall
silhouette contour border line lines tip ends lies projects courses through device devices support
tube tubes catheter port pacemaker leads lead electrode wire endotracheal enteric venous central
mild moderate severe small large minimal marked slight subtle extensive focal diffuse round patchy
dense faint linear blunting blunted shift shifted volume loss size enlarged widened increased
decreased reduced displaced fracture fractures lesion nodule mass opacity opacities consolidation
atelectasis effusion pneumothorax pneumonia edema congestion cardiomegaly thickening infection fluid
air interstitial alveolar vascular pulmonary collapse tension suspected likely possible probable
suggests suggesting consistent compatible representing due cause caused explains accompanies
obscures related relation unrelated compared comparison prior earlier previous new resolved improved
worsened stable unchanged change changed larger smaller expected improve stay worsen unclear course
outlook treatment drainage therapy follow up recommended advise advised review urgent clinical
correlation ct ultrasound radiograph repeat position positioned correct high low malpositioned
adequate limited inadequate positioning inspiration exposure rotation coverage rotated shallow
underexposed overexposed cut off field none nothing other otherwise only impression report present
absent uncertain assessed acute chronic old healing quality good poor reads which that may should
cardiothoracic ratio thorax thoracic percent phantom synthetic free under
""".split()  # noqa: SIM905 - a list of 300 words reads better as text

_PUNCTUATION = (".", ",", "?", "(", ")", "),", ":", ";", "-", "%", "/", "+", ").")


def vocabulary() -> dict[str, int]:
    """Token to id. Words carry the blank before them, as everywhere in this tokenizer."""
    from tokenizers.pre_tokenizers import ByteLevel

    blank = "Ġ"  # how a byte-level alphabet writes the blank
    bytes_ = sorted(ByteLevel.alphabet())
    numbers = [f"{blank}{n}" for n in range(101)]
    asked = [*every_prompt(Wording.BRIEF), *every_option(Wording.BRIEF), NOT_ASSESSED]
    words = sorted({w for text in asked for w in re.findall(r"[A-Za-z]+", text)} | {*REPORT_WORDS})
    spaced = [f"{blank}{word}" for word in words]
    capital = [f"{blank}{word.capitalize()}" for word in REPORT_WORDS if word.islower()]
    marks = [*_PUNCTUATION, f"{blank}("]
    tokens = dict.fromkeys([*SPECIAL_TOKENS, *bytes_, *marks, *numbers, *spaced, *capital])
    return {token: index for index, token in enumerate(tokens)}


def build_tokenizer() -> Tokenizer:
    """The tokenizer itself: longest known piece first, bytes at the end."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(
        models.WordPiece(
            vocab=vocabulary(),
            unk_token=PAD,
            continuing_subword_prefix="",
            max_input_chars_per_word=1_000_000,
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS]
    )
    return tokenizer
