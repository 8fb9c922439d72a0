"""``cxr-node amend``, ``cxr-node assess`` and ``cxr-node assessments export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cxr_node.domain.amendment import Person, PersonRole
from cxr_node.domain.priority import Priority
from cxr_node.entry.options import ConfigOption, configuration, console

assessments_app = typer.Typer(
    help="What persons think of single findings.",
    epilog="Example: cxr-node assessments export assessments.csv",
    no_args_is_help=True,
)

StudyArgument = Annotated[str, typer.Argument(help="Study Instance UID of a study that was read.")]
ByOption = Annotated[str, typer.Option("--by", help="Name of the person, as Family^Given.")]
AtOption = Annotated[str, typer.Option("--organisation", help="Their hospital or practice.")]
RoleOption = Annotated[PersonRole, typer.Option(help="Their role there.")]
RevisionOption = Annotated[
    int, typer.Option(min=0, help="The revision looked at; refused if there is a newer one.")
]


def add_to(app: typer.Typer) -> None:
    """Put the three verbs on the command line."""
    app.command(
        epilog="Examples: cxr-node amend 1.2.840.113619.2.1 --set findings.presence/pneumothorax="
        "absent --by Reader^Ruth --organisation 'General Hospital' --role attending "
        "--reason 'skin fold' --verify; cxr-node amend 1.2.840.113619.2.1 --verify --by "
        "Reader^Ruth --organisation 'General Hospital' --role attending --reason agreed"
    )(amend)
    app.command(
        epilog="Example: cxr-node assess 1.2.840.113619.2.1 pneumothorax=rejected --comment "
        "'skin fold' --by Reader^Ruth --organisation 'General Hospital' --role resident"
    )(assess)
    app.add_typer(assessments_app, name="assessments")


def amend(
    study: StudyArgument,
    by: ByOption,
    organisation: AtOption,
    role: RoleOption,
    reason: Annotated[str, typer.Option(help="Why; it stands in the report.")],
    corrections: Annotated[
        list[str] | None,
        typer.Option("--set", help="stage.question/subject=answer; may be repeated."),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="The person answers for the whole report.")
    ] = False,
    priority: Annotated[
        Priority | None, typer.Option(help="Set the reading priority, up or down.")
    ] = None,
    revision: RevisionOption = 0,
    config: ConfigOption = None,
) -> None:
    """Correct answers of a reading: what follows them is read again, a new report is made.

    The earlier report stays as it is; the new one names it as its predecessor.
    """
    from cxr_node.entry.review import amend_study
    from cxr_node.reasoning.given import parsed
    from cxr_node.services.amend import AmendmentWish

    wish = AmendmentWish(
        person=Person(by, organisation, role),
        reason=reason,
        corrections=tuple(parsed(written) for written in corrections or ()),
        verified=verify,
        priority=priority,
        revision=revision or None,
    )
    number = amend_study(configuration(config), study, wish)
    console.print(f"revision {number} is waiting to be read", highlight=False)


def assess(
    study: StudyArgument,
    findings: Annotated[
        list[str], typer.Argument(help="finding=accepted, =rejected or =supplemented.")
    ],
    by: ByOption,
    organisation: AtOption,
    role: RoleOption,
    comment: Annotated[
        str, typer.Option(help="What is missing or wrong; the same for all findings named.")
    ] = "",
    revision: RevisionOption = 0,
    config: ConfigOption = None,
) -> None:
    """Accept, reject or supplement findings of a reading. The reading is not changed."""
    from cxr_node.entry.review import assess_study, parsed_opinion

    opinions = [parsed_opinion(written, comment) for written in findings]
    number = assess_study(
        configuration(config), study, opinions, Person(by, organisation, role), revision or None
    )
    console.print(f"{len(opinions)} recorded for revision {number}", highlight=False)


@assessments_app.command(
    epilog="Example: cxr-node assessments export assessments.csv --config /etc/cxr-node.toml"
)
def export(
    out: Annotated[Path, typer.Argument(help="File to write: .csv or .json.")],
    comments: Annotated[
        bool, typer.Option("--comments", help="With what persons wrote; look through it first.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Write every assessment: studies, patients and persons as keyed digests only."""
    from cxr_node.entry.review import export_assessments

    count = export_assessments(configuration(config), out, comments=comments)
    words = f"{count} assessments in {out}"
    console.print(words, markup=False, highlight=False, soft_wrap=True)
