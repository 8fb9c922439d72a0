"""The vocabulary of radiology English beside the names of findings, as data.

Cues of negation, doubt and history in the manner of NegEx (Chapman 2001) and ConText
(Harkema 2009), and the words for side, zone, size and change. Matched as whole phrases,
longest first, plural endings dropped; see ``phrases.py``.
"""

from __future__ import annotations

from cxr_node.reasoning.prose.phrase_families import (
    AGO,
    BOTH_NAMES,
    CARDIAC_NAMES,
    GONE,
    MIDDLE_NAMES,
    NOT_THEN,
    NOT_THEN_STUDY,
    SINCE,
    THEN,
    TYPICAL,
)
from cxr_node.reasoning.prose.report_words import (
    ALL,
    ANGLE,
    BLUNTED,
    BONE,
    BOTH_MIDDLE,
    DEVICE,
    ELSE,
    HEART,
    LUNG,
    MIDDLE,
    PLEURA,
    TUBE,
    Tag,
)

_NOUNS = ("abnormality", "disease", "process", "finding", "pathology", "change", "condition")


def _with(adjectives: str, nouns: tuple[str, ...] = _NOUNS) -> str:
    return " | ".join(f"{a.strip()} {n}" for a in adjectives.split("|") for n in nouns)


PHRASES: dict[Tag, dict[str, str]] = {
    Tag.GROUP: {
        ALL: "abnormality | finding | disease | pathology | process | disease process"
        " | cardiopulmonary | pathologic process | pathological finding | problem | "
        + _with(
            "cardiopulmonary | intrathoracic | chest | thoracic | cardiothoracic | radiographic"
            " | cardio pulmonary | radiologic | imaging | cardiopulmonary disease"
        ),
        LUNG: _with("pulmonary | lung | parenchymal | lung parenchymal") + " | airspace process",
        PLEURA: _with("pleural"),
        BONE: _with("osseous | bony | skeletal | bone | rib") + " | bony injury | osseous injury",
        BOTH_MIDDLE: _with("cardiac | cardiovascular | mediastinal | cardiomediastinal"),
        DEVICE: "support device | medical device | indwelling device | device | hardware"
        " | support apparatus | implanted device | foreign body",
        TUBE: "line or tube | tube or line | line and tube | tube and line | support line"
        " | indwelling line | tube | line | catheter",
    },
    Tag.STRUCTURE: {
        ALL: "chest | thorax | radiograph | study | exam | examination | film | x ray"
        " | chest x ray | cxr | chest radiograph | chest film | chest examination | image"
        " | chest study",
        LUNG: "lung | lung field | lung parenchyma | pulmonary parenchyma | airspace"
        " | hemithorax | pulmonary field | lung zone",
        PLEURA: "pleura | pleural space | pleural surface | pleural cavity",
        BONE: "bone | osseous structure | bony structure | bony thorax | skeletal structure"
        " | rib | skeleton | thoracic cage | rib cage | ribcage | visualized bone"
        " | osseous thorax | osseous | bony cage | clavicle | thoracic skeleton | bony skeleton",
        HEART: CARDIAC_NAMES,
        MIDDLE: MIDDLE_NAMES,
        BOTH_MIDDLE: BOTH_NAMES,
        ANGLE: "costophrenic angle | costophrenic sulcus | cp angle | costophrenic recess"
        " | pleural angle | cardiophrenic and costophrenic angle | costophrenic",
        ELSE: "diaphragm | hemidiaphragm | trachea | airway | hilum | aorta | soft tissue"
        " | abdomen | upper abdomen | pulmonary vasculature | pulmonary vascularity"
        " | vascularity | spine | pulmonary vessel | vasculature | bowel gas pattern"
        " | lung volume | hilar contour | carina | hilar structure | vascular pedicle"
        " | pulmonary artery | aortic arch | inspiration | aortic contour | thoracic aorta"
        " | thoracic spine | cardiophrenic angle",
    },
    Tag.NORMAL: {
        "negative": "negative",
        "normal": "normal | unremarkable | look fine | look ok | look okay | look good"
        " | within normal limit | in normal limit"
        " | normal in size | of normal size | normal size | not remarkable | within normal range"
        " | nl | wnl | grossly normal | essentially normal | normal in appearance"
        " | normal in size and contour | not suspicious | within norm | within the norm",
        "clear": "clear | sharp | intact | preserved | well aerated | fully aerated | clean",
    },
    Tag.LARGE: {
        "large": "enlarged | enlargement | widened | widening | increased in size | dilated"
        " | bigger | broadened | globular | increased in transverse diameter",
        BLUNTED: "blunted | blunting | obliterated | effaced",
    },
    Tag.NOT: {
        "without": "without | w/o",
        "no": "no | not | neg for | negative study for | negative exam for"
        " | no evidence of | no sign of | negative for | free of"
        " | clear of | absence of | lack of | neither | nor | no radiographic evidence of"
        " | none of | nil | no evidence for | no indication of | not have | devoid of"
        " | free from | never | no finding to suggest | no finding of | no suggestion of"
        " | fail to | cannot see | no radiographic finding of | no finding suggestive of"
        " | no evidence to suggest | no indication for | no proof of | no proof for"
        " | no radiographic sign of | no longer"
        " | no convincing evidence of | lacks | nothing | no longer any | no feature of"
        " | no visible sign of | no trace of | unable to | inability to | no suspicion of"
        " | without evidence of | no abnormality to suggest | nothing to suggest"
        " | nothing suggestive of",
    },
    Tag.GONE: {
        "resolved": "resolution of | interval resolution of | clearing of"
        " | disappearance of | clearance of | interval clearing of | " + GONE,
        "removed": "removal of | interval removal of | extraction of | explantation of"
        " | status post removal of | withdrawal of",
    },
    Tag.DOUBT: {
        "doubt": "exclude | question | simulating | excluding | considered | unclear"
        " | possibility | suspicion | possible | possibly | probable | probably | likely"
        " | suspicious for | suspicion of | concerning for | concern for | may"
        " | might | could | question of | questionable | cannot exclude | can not exclude"
        " | not exclude | rule out"
        " | differential | consider | evaluate for | assess for | evaluation for | evaluation of"
        " | would | risk | suspicious of | equivocal | borderline | cannot rule out"
        " | can not rule out | not excluding | potential | potentially | worrisome for"
        " | presumed | presumably | perhaps | unlikely | less likely | to exclude | questioned"
        " | suspect | query | looking for | not entirely excluding | cannot be certain"
        " | difficult to exclude | consideration | doubt | differential diagnosis | to rule out"
        " | clinical concern for | clinical suspicion of | hypothetical | wait | maybe | seem to"
        " | susceptible to | cannot definitively exclude | rather than | not entirely exclude"
        " | cannot completely exclude | cannot entirely exclude | instead of | as opposed to"
        " | more likely than | mimic | mimicking | simulate",
        "suggests": "suspected | suggestive of | suggesting | suggest | suggestion of | to suggest"
        " | to indicate | to support | indicating | supporting | " + TYPICAL,
        "wish": "if | whether | should | recommend | recommended | advise | advised | unless"
        " | monitor for | will | in case of | indication | expected to | to evaluate | to assess"
        " | reason for",
        "asks": "?",
    },
    Tag.PAST: {
        "past": "history | had | history of | prior | previous | previously | past | h/o"
        " | formerly | remote history | previously seen | previously noted"
        " | previously described | earlier | known history of | status post | s/p | old | healed"
        " | remote",
    },
    Tag.NOT_AFTER: {
        "no": "not seen | not identified | not present | not visible | not visualized | absent"
        " | not evident | not demonstrated | not detected | not noted | not appreciated | none"
        " | not observed | not apparent | excluded | ruled out | not found | none seen"
        " | not visualised | not shown | not there | cannot be seen | nowhere seen"
        " | not in place | can not be seen | cannot be identified | not recognised"
        " | not recognized | none identified | has been excluded | not recognizable"
        " | not discernible | not discerned | none present | not any longer visible"
        " | not confirmed | not depicted | none visible | not suspected",
    },
    Tag.GONE_AFTER: {
        "resolved": "resolved | cleared | no longer seen | no longer visible | no longer present"
        " | no longer evident | no longer identified | disappeared | completely resolved | gone"
        " | no longer visualized | no longer appreciated | has resolution"
        " | no longer demonstrated | no longer visualised | no longer detected"
        " | no longer apparent | resolved completely | in complete resolution | no more seen"
        " | no more visible | not visible any more | not seen any more | not present any more"
        " | gone away | no more present | in complete regression",
        "removed": "removed | extracted | explanted | taken out | no longer in place | removal"
        " | discontinued | pulled",
    },
    Tag.DOUBT_AFTER: {
        "doubt": "cannot be excluded | not excluded | can not be excluded | not ruled out"
        " | remains possible | cannot be ruled out | may be present | could be present"
        " | might be present | not entirely excluded | not well seen | not optimally seen"
        " | incompletely seen | not clearly seen | not fully seen | not completely excluded"
        " | would be possible | not fully evaluated | not reliably excluded"
        " | not definitely seen | uncertain | cannot be entirely excluded"
        " | cannot be completely excluded | cannot be definitively excluded"
        " | not definitively excluded | is a consideration | not confidently excluded"
        " | not included | doubtful | partially resolved | nearly resolved | almost resolved"
        " | not resolved | near resolved | not completely resolved | nearly completely resolved"
        " | not yet resolved | largely resolved | almost completely resolved | partly resolved"
        " | mostly resolved | not fully resolved | cannot be confirmed | not assessed"
        " | not assessable | indeterminate | limited",
    },
    Tag.STOP: {
        "stop": "but | however | although | though | whereas | while | yet | nevertheless"
        " | because | since | instead | still | also | otherwise unremarkable"
        " | there is | there are | there has | there have | there remain | there remains",
    },
    Tag.EXCEPT: {
        "except": "except | except for | apart from | aside from | other than | otherwise"
        " | elsewhere | remainder | rest of | remaining | other | additional | further | more"
        " | rest | with exception of | with the exception of | besides | beyond",
    },
    Tag.OR: {"or": "or | and or | versus | vs"},
    Tag.AND: {"and": "and | as well as | plus"},
    Tag.ARTICLE: {
        "a": "a | an | the | this | these | that | those | again | there | persistent"
        " | redemonstrated | noted is | patient has | positive for | remarkable for | notable for"
        " | significant for",
    },
    Tag.PREPOSITION: {
        "of": "of | to",
        "for": "for",
        "in": "on | in | at | within | over | along | with | near | into | by | from",
    },
    Tag.VERB: {
        "one": "is | was | has",
        "many": "are | were | have",
        "shows": "show | showed | demonstrate | demonstrated | reveal | depict | indicate"
        " | confirm",
        "any": "appear | appeared | remain | exist | lie | terminate | do | does | consist"
        " | project | look | measure | occupy | explain | obscure | accompany | represent"
        " | continue | persist",
    },
    Tag.PART: {
        "part": "tip | side port | side hole | distal end | sidehole | sideport | end hole"
        " | distal tip | cause | etiology | margin | course | end | distal portion | component"
        " | relationship | relation | edge | border",
    },
    Tag.SIDE: {
        "right": "right | rt | right side | right sided | r",
        "left": "left | lt | left side | left sided | l",
        "bilateral": "bilateral | bilaterally | both | both side | either side | on both sides"
        " | right greater than left | left greater than right | right more than left"
        " | left more than right | right larger than left | bilat | left larger than right"
        " | right worse than left | left worse than right | each side",
        "right lower": "rll | right base | right lung base",
        "left lower": "lll | left base | left lung base",
        "right upper": "rul",
        "left upper": "lul",
        "right middle": "rml | right middle lobe",
        "right apex": "right apex | right lung apex",
        "left apex": "left apex | left lung apex",
        "left middle": "lingula | lingular",
        "bilateral lower": "bibasilar | bibasal | both base | both lung base | bibasally",
        "bilateral apex": "biapical | both apex | both lung apex",
    },
    Tag.ZONE: {
        "upper": "upper lobe | upper zone | upper lung | upper lung zone | upper lung field"
        " | upper",
        "middle": "mid | middle | middle lobe | mid zone | mid lung | middle zone"
        " | mid lung zone | perihilar | hilar | parahilar | middle lung zone | mid lung field",
        "lower": "lower lobe | lower zone | lower lung | base | basal | basilar | lung base"
        " | lower | lower lung zone | retrocardiac | infrahilar | lower lung field | basally"
        " | inferior",
        "apex": "apex | apical | lung apex | apicolateral | apically",
    },
    Tag.SIZE: {
        "mild": "small | tiny | trace | minimal | mild | slight | subtle | minor | minimally"
        " | mildly | slightly | faint | minute | little | low grade | discrete | small volume",
        "moderate": "moderate | moderately | medium | moderate sized | mild to moderate"
        " | small to moderate | moderate to large | moderate to severe | mildly to moderately",
        "severe": "large | big | severe | massive | extensive | marked | markedly | severely | huge"
        " | gross | grossly | substantial | considerable | very large | giant"
        " | pronounced | high grade | whiteout",
    },
    Tag.CHANGE: {
        "improved": "improved | improving | improvement | decreased | decreasing | decrease"
        " | smaller | reduced | diminished | resolving | regressed | partial resolution | better"
        " | regression | reduction | slight decrease | interval decrease | interval improvement"
        " | lessened | diminishing | shrunk | partial clearing | shrinking | shrank"
        " | receding | receded"
        " | thinner | fainter | less extensive | less pronounced | less prominent "
        " | less conspicuous"
        " | abated | abating | lessening | less dense | less marked | ameliorated | regressing",
        "worsened": "worsened | worsening | increased | increasing | increase | larger"
        " | progressed | progression | progressive | enlarging | worse | growth"
        " | interval increase | grown | interval worsening | more extensive | more pronounced"
        " | deteriorated | more prominent | deterioration | progressing | denser | thicker | wider"
        " | grew | growing | expanding | escalated | more conspicuous | more marked | more severe"
        " | intensified | deteriorating | exacerbated | exacerbation | expanded",
        "stable": "stable | unchanged | no change | not changed | not significantly changed"
        " | unaltered | no significant change | no interval change | constant | similar to prior"
        " | similar in appearance | similar in size | not substantially changed | change"
        " | no significant interval change | no relevant change | interval change"
        " | without change | without significant change | without interval change"
        " | not altered | alteration"
        " | no substantial change | static | not appreciably changed | difference | not worsened"
        " | not increased | not progressed | no appreciable change | no definite change"
        " | no noticeable change | chronic | as before | longstanding | same as before"
        " | about the same"
        " | look the same | the same as before"
        " | is the same | are the same | little changed | steady"
        " | hardly changed | barely changed | much the same | same as prior | not gotten worse"
        " | no better and no worse | not gone | not gone away | not cleared | still there"
        " | still present | still visible | still seen",
        "new": "new | newly | interval development of | interval appearance of | newly developed"
        " | has developed | have developed | has appeared | have appeared | developing | "
        + NOT_THEN
        + " | "
        + NOT_THEN_STUDY,
    },
    Tag.LIMIT: {
        "acute": "acute | active | acutely | significant | suspicious | definite | major"
        " | obvious | focal acute | relevant | clinically significant | gross acute | convincing"
        " | specific",
        "large": "tension | sizable | sizeable | overt | frank | displaced | loculated | florid"
        " | drainable",
    },
    Tag.WORD: {
        "word": "interstitial lung disease | chronic lung disease | obstructive lung disease"
        " | mass effect | once more | uncertain age | uncertain significance"
        " | account for | than before"
        " | uncertain etiology | unknown age | obstructive pulmonary disease"
        " | chronic obstructive pulmonary disease | metastatic disease | granulomatous disease"
        " | degenerative disease | breast mass | soft tissue edema | subcutaneous edema"
        " | skin fold | pericardial effusion | joint effusion | lead fracture | fractured wire"
        " | fracture line | fractured lead | bone lesion | osseous lesion | lytic lesion"
        " | sclerotic lesion | blastic lesion | bony lesion | tracheostomy tube | pleural line"
        " | right atrium | left atrium | right ventricle | left ventricle | right atrial"
        " | right ventricular | left ventricular | right heart border | left heart border"
        " | right cardiac border | left cardiac border | right main bronchus"
        " | left main bronchus | right mainstem bronchus | left atrial | left mainstem bronchus"
        " | right mainstem | left mainstem | right main stem | left main stem"
        " | right main stem bronchus | left main stem bronchus | shift to right | shift to left"
        " | shift to the right | shift to the left | deviated to the right"
        " | deviated to the left | deviation to the right | deviation to the left"
        " | displaced to the right | to right of | displaced to the left | shifted to the right"
        " | shifted to the left | towards the right | towards the left | toward the right"
        " | toward the left | left brachiocephalic vein | right brachiocephalic vein"
        " | left brachiocephalic | right brachiocephalic | left innominate vein"
        " | right upper quadrant | left upper quadrant | left upper abdomen"
        " | right upper abdomen | right lateral decubitus | left lateral decubitus"
        " | left lateral view | prior study | prior exam | prior examination | prior radiograph"
        " | prior film | prior image | previous study | previous exam | previous examination"
        " | previous radiograph | prior ct | previous film | earlier study | earlier exam"
        " | earlier radiograph | earlier image | compared to prior | compared with prior"
        " | from prior | since prior | prior chest radiograph | the prior | to previous"
        " | with previous | since previous | upper limit of normal | upper normal | top normal"
        " | high normal | normal position | normal course | normal variant"
        " | at the upper limit of normal | limit of normal | upper limits of the normal"
        " | normal location | right anterior oblique | pneumonia protocol | upright"
        " | heart failure | left anterior oblique | right lower quadrant | right heart"
        " | left heart | prior chest x ray | normal saline | previous image | mediastinal mass"
        " | compared with the prior | compared to the prior | post operative | post surgical"
        " | not only | lower neck | upper arm | upper extremity | old study | line of"
        " | in line with | disease free | free air | free intraperitoneal air | free gas"
        " | free subdiaphragmatic air | clear cut | clearly | upper mediastinal | body habitus"
        " | chest pain | chest wall | left ventricle lead | fat pad | than previously"
        " | than last time"
        " | could be seen | could be found | could be identified | could be detected"
        " | than yesterday | as previously | since yesterday | since admission | from yesterday | "
        + SINCE,
        "then": THEN,
        "ago": AGO,
    },
}
