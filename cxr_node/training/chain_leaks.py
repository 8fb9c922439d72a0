"""What a chain of reasoning over a picture must not give away: that its author read the report.

A chain is mined from a report, a plan and an answer (arXiv 2504.20930). A model that is taught
"the report mentions no effusion" learns to speak of what it will not have. The filter is strict:
a sentence that only might leak is dropped, because another one costs nothing.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Leak(StrEnum):
    """Why a sentence is dropped."""

    REPORT = "speaks of the report or its author"
    OMISSION = "speaks of what is left unsaid"
    PLAN = "speaks of the plan, the task or the given answer"
    IMPRESSION = "speaks of the impression"
    EARLIER = "compares with what the picture does not show"
    HISTORY = "knows what no picture shows"
    BLANK = "holds a blank for what was removed"


_SAYERS = (
    r"(?:radiologist|radiology|clinician|physician|doctor|author|reader|technologist|resident"
    r"|attending|transcript\w*|dictat\w+|narrative|addendum|document(?:s|ation)?|record(?:s|ed)?"
    r"|write-?up|description|descriptor|statement|text|sentence|wording|passage|paragraph"
    r"|note(?=s? "
    r"(?:state|say|describe|mention|indicate))|notes? (?:that|how))"
)
_SAID = (
    r"(?:state[sd]?|stating|report(?:s|ed|ing|edly)?|mention(?:s|ed|ing)?|describe[sd]?|describing"
    r"|dictate[sd]|documented|documents|comment(?:s|ed)? (?:on|upon)|wrote|written|writes|quoted?"
    r"|listed|charted|characteri[sz]ed (?:as|in the)|referenced|commented)"
)

_PATTERNS: dict[Leak, str] = {
    Leak.BLANK: r"_{2,}|\[\*\*|\*\*\]|\bXXXX\b|\[(?:redacted|removed|name|date)\]",
    Leak.OMISSION: (
        rf"\b(?:no|not|never|without|lacks?|absence of|\w+n't|neither|nor"
        rf"|un)[ -]?(?:\w+ ){{0,4}}{_SAID}\b"
        r"|\bunmentioned\b|\bunreported\b|\bundescribed\b|\b(?:silent|silence) (?:on|about"
        r"|regarding)"
        r"|\bno (?:\w+ )?(?:mention|comment|word|remark|statement|description|reference)\b"
        r"|\b(?:makes?|making) no (?:mention|reference|comment)|\bgoes (?:unsaid|unremarked)"
        r"|\b(?:assum\w+|presum\w+|taken|deemed|considered|inferred)\s(?:\w+ ){0,3}(?:normal|absent"
        r"|unremarkable|clear)|\b(?:by|as a|in) default\b|\bomit(?:s|ted)?\b|\bomission\b"
        r"|\bleft (?:out|unsaid)\b|\bsince nothing (?:is|was) said"
    ),
    Leak.IMPRESSION: r"\bimpressions?\b(?! (?:on|upon) the\b)|\bconclusion section\b",
    Leak.REPORT: (
        rf"\breport(?:s|ed|edly|ing)?\b|\b{_SAYERS}\b|\b{_SAID}\b"
        r"|\b(?:per|according to|based on|as per|from) the (?:findings?|study|reading|section"
        r"|read)\b"
        r"|\bfindings? section\b|\bthe section\b|\bas (?:noted|stated|described|above|mentioned)\b"
        r"|\bwe are told\b|\b(?:i|we) (?:know|read|was told|were told|learn) (?:that|from|in)\b"
    ),
    Leak.PLAN: (
        r"\bplan(?:s|ned|ning)?\b|\bchecklist\b|\binstruct\w*\b|\bguidelines?\b|\bprompt(?:s|ed)?\b"
        r"|\bstep \d+\b|\bthe (?:next|first|last|previous) step\b|\bas (?:requested|asked"
        r"|required)\b"
        r"|\b(?:given|correct|reference|provided|expected|known|gold|right|true|final) (?:answer"
        r"|label"
        r"|diagnosis)s?\b|\bground[ -]truth\b|\banswer (?:key|is|was|given|provided|states?)\b"
        r"|\bthe (?:label|annotation|question|task|user|dataset|sample)s?\b|\bannotat\w+\b"
        r"|\bas an? (?:ai|language|assistant)\b|\bprovided (?:information|data|context|evidence)\b"
    ),
    Leak.HISTORY: (
        r"\bhistory\b|\bclinical(?:ly)?\b|\bsymptom\w*\b|\bpresent(?:s|ed|ing) with\b|\bcough\w*\b"
        r"|\bfever\w*\b|\bfebrile\b|\bdyspn\w+\b|\bshortness of breath\b|\bchest pain\b"
        r"|\bleukocyt\w+"
        r"|\bwhite (?:cell|count|blood)\b|\byear[- ]old\b|\bsmok(?:er|ing)\b|\bindication\b"
        r"|\bbiopsy\b"
        r"|\bdiagnosed\b|\b(?:ct|mri|pet|ultrasound|echo\w*|bronchoscop\w+|tomograph\w+)\b"
        r"|\blab\w*\b"
        r"|\bsurgery\b|\bstatus[- ]post\b|\bs/p\b|\bpost-?operative\w*\b|\bintubated (?:at|on"
        r"|for)\b"
        r"|\brecommend\w*\b|\bfollow-?up\b|\bcorrelat\w+\b|\bdiscuss(?:ed|ion)\b|\bnotified\b"
        r"|\b(?:dr|mr|mrs|ms)\.? [A-Z]|\btelephone\w*\b|\b\d{1,2}:\d{2}\b"
        r"|\b\d{1,4}[-/]\d{1,2}[-/]\d{1,4}\b"
        r"|\btreat(?:ed|ment)\b|\bantibiotics?\b|\bmedications?\b|\bknown\b|\breferr(?:ed|al|ing)\b"
    ),
    Leak.EARLIER: (
        r"\b(?:un)?changed\b|\bno change\b|\bchanges? (?:since|from|in the interval|over)\b"
        r"|\binterval(?:ly)?\b|\bprior\b|\bprevious(?:ly)?\b|\bearlier\b|\bpreced\w+\b"
        r"|\bcompar(?:ed|ison|ing|able|es)\b|\bsince the last\b|\b(?:last|old|older"
        r"|past) (?:study|film"
        r"|image|exam\w*|radiograph|x-?ray|picture)\b|\bstable\b|\bstability\b|\bagain (?:seen"
        r"|noted"
        r"|demonstrated|shown|visuali[sz]ed|identified|evident|is|are)\b|\bonce (?:again|more)\b"
        r"|\bre-?demonstrat\w+\b|\bpersist\w*\b|\bremains?\b|\bstill\b|\bno longer\b|\bno new\b"
        r"|\b(?:is|are|a|an|any|the|now) new(?:ly)?\b|\bnew(?:ly)? (?:\w+ )?(?:opacit\w+"
        r"|effusion|consolidation"
        r"|finding|line|tube|since|compared|pneumothorax|nodule|placed|appear\w+)\b"
        r"|\bresol(?:ved?|ving|ution)\b|\bimprov\w+\b|\bworsen\w*\b|\bprogress\w*\b|\bregress\w*\b"
        r"|\b(?:has|have) (?:increased|decreased|enlarged|grown|cleared|developed|appeared|been"
        r" (?:removed|placed|exchanged|advanced|withdrawn|inserted))\b|\bincreas(?:ed"
        r"|ing) (?:in (?:size|extent)"
        r"|since|from)\b|\bdecreas(?:ed|ing) (?:in (?:size|extent)|since|from)\b|\b(?:larger"
        r"|smaller|better|worse)"
        r" than (?:before|on)\b|\bfollowing removal\b|\bremoved\b|\byesterday\b|\btoday\b|\bago\b"
        r"|\bas before\b|\bbaseline\b|\bserial\b"
    ),
}
_COMPILED = {leak: re.compile(pattern, re.IGNORECASE) for leak, pattern in _PATTERNS.items()}


def leak(text: str, *, two_pictures: bool = False) -> Leak | None:
    """Why ``text`` may not stand in a chain, or None.

    ``two_pictures`` says that the earlier picture is shown too, so that comparing is allowed.
    """
    plain = text.replace("’", "'")
    for reason, pattern in _COMPILED.items():
        if reason is Leak.EARLIER and two_pictures:
            continue
        if pattern.search(plain):
            return reason
    return None
