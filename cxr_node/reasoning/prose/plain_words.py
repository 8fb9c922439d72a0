"""Words that leave a plain statement plain: function words, descriptions, anatomy, perception.

Every other word may be a verb, a cue or a noun that turns the statement round, so a sentence
with one is not held against the answers; see ``understood.py``. What is missing here costs
a contradiction at worst; what stands here wrongly costs a false alarm. Words stand alone:
nouns of another time, of a source or of likeness ("before", "overlap") do not belong here.
"""

from __future__ import annotations

import re
from functools import lru_cache

from cxr_node.reasoning.prose.word_forms import singular, stem

_LOOKING = """
    upon closer close careful further inspection review looking analysis assessment observation
    scrutiny examination glance observe inspecting reviewing examining regarding concerning
    respect regards turning medical current currently today' now support indicative diagnostic
    characteristic typical important importantly notably additionally moreover furthermore
    overall finally lastly first firstly secondly next incidentally incidental conclusion
    summary impression main key
    """
_TELLING = """
    discovered discover witnessed unveiled uncovered uncover manifest manifests manifesting
    occur occurs occurring resides standing stand out catch catches eye draw draws drawing drawn
    attention immediately obvious obviously salient foremost leading chief significant pathology
    include point points pointing appreciate highlight highlights depict depicts portray
    portrays reveals capture captures captured illustrate illustrates illustrated express
    expressed fact indeed unfortunately definite definitively convincingly unmistakable
    unmistakably undoubtedly unambiguous unambiguously convincing doubtless evidently visibly
    distinctly well presently moment now newly freshly pre existing preexisting coexist coexists
    concurrently simultaneously together alongside plus likewise similarly correspondingly
    accordingly thus hence therefore partly mostly entirely wholly fully largely tipped ending
    ends passes pass runs run crosses crossing reaches reaching enters entering lodged parked
    lying rest resting coiled looped threaded looking approached approach via route access
    insert introduced introduction good great nice fine okay fairly adequate safe secure stable
    intact functional collected accumulate accumulates accumulated pooling pooled trapped
    outline outlines
    """
_SPEAKING = """
    team doctor dr physician attending resident nurse ed er icu please correlate correlation
    period read wet final preliminary prelim straight
    away right bat obviously pretty quite really rather very truly came come comes arrived
    arriving gotten gets get getting go goes going gone put putting place placing up down off
    out back again me us my your their his him her you he she they bay trauma emergency
    screening procedural complicating bedside supine diuresis despite resuscitation ventilated
    intubated notice noticed noticing spot spotted person individual
    objectified objectify proof proved proven plate like known carrier carry evidences
    radiography radiographies superposed superimposed yes true ward unit room floor
    clinic ambulance ems crew transport transfer transferred arrival um uh
    er ok okay alright use used using ready start leave left keep kept hanging around bit lot
    """
_FUNCTION = """
    tonight' tonight seeing critical account accounts limit limitation technique normal clear
    patient' indwelling thing either life groundglass it its i we one which some any all also so
    as each every such same own them they their our itself who both only even just here therein
    throughout anywhere there' has having can most more out than key specifically namely about
    approximately around roughly nearly circa
    """
_NUMBERS = """
    two three four five six seven eight nine ten first second third fourth fifth sixth seventh
    eighth ninth tenth eleventh twelfth single multiple several few numerous number couple pair
    solitary isolated cm mm centimeter centimetre millimeter millimetre x degree percent
    """
_SEEN = """
    seen identified visible visualized visualised evident present noted note detected
    appreciated demonstrated apparent found observed shown recognized recognised discernible
    discerned documented confirmed depicted perceptible encountered detectable identifiable
    perceived made see identify visualize visualise detect appreciate find observe recognise
    recognize discern viewed imaged evidenced spotted delineated outlined revealed displayed
    exhibited redemonstrated indicated picked clearly plainly readily easily best well
    highlighted marked
    """
_SEEING = """
    appreciable visible measurable demonstrable radiographic radiological radiologic
    radiographically radiologically sonographic gross focal discrete overall evidence sign
    feature trace hint finding indication appearance presence area region focus patch zone
    abnormality shadow density picture pattern amount degree certainly clear distinct
    unequivocal simple notable noticeable perceivable discernable identifiable detected at
    whatsoever further any single true recognizable recognisable hard
    """
_VERBS = """
    contain contains include includes comprise involve involves involving extend extends
    extending extended occupying occupied reach overlie overlies overlying overly underlying
    adjacent project projects projecting projected terminate terminates terminating ends ending
    measuring measured see shows showing demonstrating revealing exhibits display exhibit reside
    located centered centred situated sited positioned placed inserted lies lying rests resting
    sit sits sitting seated stands coursing courses course passing traversing tracking layering
    layers causing producing giving associated accompanied accompanying related representing
    represents reflecting reflect reflects consistent compatible keeping due secondary owing
    attributable surrounding abutting covering affecting affects affected filling fills filled
    replacing tracks obscuring obscures obscured silhouetting effacing compressing displacing
    displaced developed develop develops arises arising remains persisting continuing continues
    come came become becoming became get got grew advanced placement insertion gave given
    constitutes constitute features featuring harbors harbours carries carrying bears bearing
    houses hosting host hosts dominates dominating predominates noting note we
    """
_NOUNS = """
    finding abnormality feature appearance evidence sign area region focus foci patch zone
    aspect portion part segment side field level position location place site projection view
    frontal lateral pa ap radiograph image imaging film picture portable chest upright erect
    supine size shape contour outline margin border configuration extent degree amount volume
    pattern distribution density attenuation component collection quantity thickness width
    height depth caliber diameter length rim edge interface surface plane line band stripe situ
    situation interval development onset occasion today time demonstration redemonstration
    visualization visualisation representation sequela result manifestation combination addition
    association relation presence existence characteristic nature kind form element change loss
    shift tip lead wire end generator reservoir lumen drain tube catheter coil loop suture clip
    device hardware support stent valve complication kink kinking kinked misplacement standard
    usual expected good appropriate satisfactory ok correct adequate proper acceptable ideal
    optimal anatomical anatomically correctly appropriately satisfactorily properly adequately
    expectedly course trajectory
    """
_ANATOMY = """
    lung lobe lobar lobule segment segmental subsegmental multisegmental lobular hemithorax
    thorax thoracic thorace hemithorace haemothorace chest wall rib costal intercostal clavicle
    clavicular sternum sternal scapula scapular humerus humeral shoulder glenoid vertebra
    vertebral spine spinal mediastinum mediastinal paramediastinal hilum hilar perihilar
    suprahilar infrahilar parahilar juxtahilar hila heart cardiac pericardial retrocardiac aorta
    aortic arch knob svc vena cava caval cavoatrial junction atrium atrial ventricle ventricular
    superior inferior brachiocephalic innominate subclavian jugular internal external ij azygos
    carina carinal trachea tracheal paratracheal bronchus bronchial bronchi airway mainstem
    esophagus oesophagus esophageal oesophageal stomach gastric gastroesophageal fundus duodenum
    duodenal pylorus abdomen abdominal diaphragm diaphragmatic hemidiaphragm supradiaphragmatic
    costophrenic cardiophrenic sulcus recess angle fissure fissural interlobar major minor
    pleura pleural subpleural extrapleural costodiaphragmatic lingula lingular apical apex
    apicolateral apically base basal basally basilar posterobasal lateral laterally medial
    medially central centrally peripheral peripherally anterior anteriorly posterior posteriorly
    posterolateral anterolateral anteromedial posteromedial superiorly inferiorly dorsal ventral
    caudal cranial proximal distal mid middle upper lower bilateral unilateral ipsilateral
    axilla axillary neck cervical nipple breast skin subcutaneous soft tissue vein venous artery
    arterial vessel vascular vasculature parenchyma parenchymal space cavity alveolar
    interstitial airspace air gas fluid bone bony osseous cage skeleton pulmonary
    cardiopulmonary lumbar thoracolumbar left right midline pulmonic cutaneous
    """
_DESCRIBING = """
    focal multifocal diffuse patchy hazy streaky linear bandlike band platelike plate discoid
    dense confluent ill well defined circumscribed rounded round oval ovoid nodular reticular
    reticulonodular spiculated lobulated smooth irregular poorly vague indistinct calcified
    noncalcified non uncalcified cavitary cavitating cavitated thick thin walled solid cystic
    part subsolid ground glass fluffy coarse fine geographic wedge shaped shape scattered
    widespread generalized generalised localized localised extensively asymmetric asymmetrical
    symmetric symmetrical homogeneous heterogeneous inhomogeneous partial partially complete
    completely total subtotal loculated layering free flowing subpulmonic subpulmonary encysted
    dependent compressive passive relaxation obstructive subsegmental spontaneous traumatic
    iatrogenic simple closed open tension occult primary secondary apical nondisplaced
    undisplaced displaced comminuted transverse oblique spiral minimally overriding angulated
    hairline greenstick pathological pathologic impacted compression healing recent acute
    subacute chronic bacterial viral fungal aspiration atypical lobar typical community acquired
    hospital bronchial necrotizing necrotising infective infectious inflammatory cardiogenic
    noncardiogenic hydrostatic interstitial alveolar pulmonary flash batwing bat wing florid
    frank early mature established developing evolving global biventricular left ventricular
    four chamber concentric widened enlarged prominent prominence tortuous tortuosity ectatic
    unfolded unfolding calcification expanded inflated aerated hyperinflated hyperexpanded
    hypoinflated underinflated lucent hyperlucent opaque radiopaque striking conspicuous sizable
    sizeable noticeable remarkable single lumen dual double triple lead tunneled tunnelled
    cuffed uncuffed peripherally inserted central venous permanent temporary implantable
    implanted cardiac transvenous automatic dialysis nasogastric orogastric feeding weighted
    nasoenteric large small bore surgical intercostal pigtail basal french tip tipped sided
    based predominant predominantly mainly mostly chiefly largely dominant main principal
    important approximately abnormal abnormally underlying intervening obliquely horizontal
    vertical horizontally vertically oriented orientated running tracking associated coexisting
    concomitant concurrent coexistent accompanying corresponding adjacent neighbouring
    neighboring contiguous residual visible obvious subtle evident distinct discrete definite
    definitely unequivocal readily clearly apparent plain somewhat rather quite fairly
    relatively slightly mildly moderately markedly severely significantly considerably
    substantially notably reticulation scarring scar fibrotic fibrosis cephalad caudad visceral
    low midlung hypoinflation hyperinflation hyperexpansion elevation elevated aeration
    superimposed emphysematous emphysema ectasia atherosclerotic atherosclerosis granulomatous
    degenerative kyphosis scoliosis dextroscoliosis levoscoliosis osteophyte spondylosis
    lymphadenopathy adenopathy bronchiectasis bronchiectatic hernia hiatal hiatus sternotomy
    arthritis arthroplasty deformity dislocation lucency crowding marking bronchovascular
    coronary fragment callus loculation predominance periphery through above below underneath
    beneath beside along alongside against toward towards behind between across around into onto
    over under within outside inside during diffusely appearing engorgement retraction
    eventration innumerable another largest greatest nonspecific triangular oblong narrowed
    crescentic meniscal bronchogram meniscus blunting tenting lenticular posttraumatic malignant
    """
_STRUCTURAL = """
    both bilateral bilaterally well adequately normally fully symmetrically expanded inflated
    aerated size sized contour shape configuration appearance position caliber outline
    visualized visualised imaged included visible overall grossly essentially generally entirely
    completely symmetric symmetrical adequate limit range bony thoracic chest demonstrated and
    transverse diameter frontal lateral pa ap view projection radiograph intact today focal
    unremarkable detected seen identified present noted evident shown appreciated apparent it
    evidence sign radiographic radiographically radiologically radiological satisfactory
    pulmonary central vascular aortic hyperexpanded hyperinflated hyperinflation tortuous
    tortuosity sternotomy clip degenerative atherosclerotic calcification calcified marking
    bronchovascular crowding alignment parenchymal hilar place within border margin structure
    silhouette aeration expansion good smooth portable bedside supine upright erect mobile digital
    screening routine allowing accounting considering me remain remains pathological pathologic
    transparency norm regular
    """


def _set(*rows: str) -> frozenset[str]:
    return frozenset(singular(word) for row in rows for word in row.split())


PLAIN = _set(
    _LOOKING,
    _TELLING,
    _SPEAKING,
    _FUNCTION,
    _NUMBERS,
    _SEEN,
    _SEEING,
    _VERBS,
    _NOUNS,
    _ANATOMY,
    _DESCRIBING,
)
"""What may stand in a sentence that names a finding."""

SHOWING = _set(_SEEN, _VERBS)
"""Of these: verbs that say that what follows is there."""

ELSEWHERE = _set(
    """ago last yesterday week month year day earlier initially formerly clinically clinical per
    according report reported reportedly note noted request requested history ct mri ultrasound
    scan outside patient referrer referral team told say said allegedly once before then
    assume assuming suppose imagine given hypothetically theoretically question answer typically
    usually often sometimes commonly generally case child adult people textbook example"""
)
"""Words that take what is said to another time, source or patient."""

QUIET = _set(
    _LOOKING,
    _SEEN,
    _SPEAKING,
    _FUNCTION,
    _STRUCTURAL,
    "normal clear negative width volume healthy patient",
)
"""What may stand in a sentence that calls a structure normal or denies a group."""

DOUBTING = re.compile(
    r"(?:mis)?(?:suspect|suspic|susp|poss|prob(?!lem|e$)|presum|query|queri|question|doubt|fear"
    r"|worr|concern|wonder|consider|conceiv|hypoth|theor|specul|assum|suppos|suggest|favou?r"
    r"|differen(?:tial|ce)|ddx|dd$|exclu|evaluat|assess|confus|mistak|mimic|simulat|resembl"
    r"|pseudo|equivoc|indeterm|uncertain|unclear|ambig|plausib|potential|likel|unlike|disput"
    r"|debat|hesit|reluct|rumou?r|alleg|claim|belie[fv]|think|thought|guess|hint|raise|threat"
    r"|risk|prevent|avoid|await|pending|need|requir|plan|attempt|intend|order|propos|recommend"
    r"|advi[sc]|if$|whether|unless|artefact|artifact|dismiss|reject|refut|discredit|erron|false"
    r"|wrong|retract|overcall|correct(?:ed|ion)|instead|versus)"
)
"""Beginnings of words that doubt, wish or take back."""

_NO_MANNER = re.compile(
    r"(?:near|hard|bare|scarce|seeming|apparent|arguab|histor|former|previous|ear|clinical|initial|on|ostensib|virtual|practical|mere|partial|incomplete|insufficient|in?adequate|poor|hopeful|sad|ideal|usual|common|rare|frequent|typical|general|normal)ly$"
)
"""Adverbs that take something back, or put it elsewhere."""

AFTERWARDS = frozenset("after following since post until despite compared".split())  # noqa: SIM905
"""Behind a denied finding: what follows tells when, and takes nothing back."""


_SHORT = 4
_STEMS = frozenset(map(stem, PLAIN))


@lru_cache(maxsize=20_000)
def plain(word: str) -> bool:
    """Whether a word, in this or another inflection, leaves a plain statement plain."""
    if word in PLAIN or word[0].isdigit():
        return True
    if DOUBTING.match(word) or word in ELSEWHERE or _NO_MANNER.match(word):
        return False
    return stem(word) in _STEMS or (word.endswith("ly") and len(word) > _SHORT)
