"""Builds every part of the node from the configuration, each when it is first needed."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from cxr_node.config import Configuration, PeerSection
from cxr_node.dicom.destination import DimseDestination
from cxr_node.dicom.listener import Handlers, Listener
from cxr_node.dicom.peers import Peers
from cxr_node.dicom.store_scu import DimseSender
from cxr_node.dicom.tls_acceptance import TlsAcceptance
from cxr_node.domain.delivery import Destination
from cxr_node.domain.eligibility import EligibilityPolicy
from cxr_node.domain.errors import ConfigurationError, ModelRefused
from cxr_node.domain.findings import ModelIdentity
from cxr_node.domain.ports import Clock, Doorbell, SystemClock, VisionModel
from cxr_node.domain.worklist import WorklistEntry
from cxr_node.entry import commitment_wiring
from cxr_node.entry.canary_picture import canary_picture
from cxr_node.entry.messaging_wiring import message_destinations
from cxr_node.entry.prior_archives import prior_archives
from cxr_node.entry.workitem_wiring import WorkitemParts
from cxr_node.imaging.reader import PixelReader
from cxr_node.reasoning.open_model import open_model, read_identity
from cxr_node.reasoning.profiles import ProfiledModel
from cxr_node.reporting.templates import Templates, load_templates
from cxr_node.services.amend import Amendments
from cxr_node.services.announce import Announcer
from cxr_node.services.canary import Canary
from cxr_node.services.claims import Claims
from cxr_node.services.commitment import Commitment
from cxr_node.services.confirmation import Confirmation
from cxr_node.services.delivery import Delivery
from cxr_node.services.follow_up import FollowUps
from cxr_node.services.inference import Inference
from cxr_node.services.intake import Intake
from cxr_node.services.prior_fetch import PriorFetch
from cxr_node.services.publish import Publish
from cxr_node.services.reading_desk import ReadingDesk
from cxr_node.services.retention import Retention
from cxr_node.services.shadow import Shadow
from cxr_node.services.switches import Switches
from cxr_node.spool.files import FileSpool
from cxr_node.store import canary
from cxr_node.store.database import Database
from cxr_node.store.reading_order import ListView
from cxr_node.store.worklist import worklist
from cxr_node.transport_security import accepting_context


class Node:
    """One process's view of the node. Parts that a role does not need are never built."""

    def __init__(self, config: Configuration, bell: Doorbell) -> None:
        self.config = config
        self.bell = bell
        self.clock: Clock = SystemClock()

    @cached_property
    def db(self) -> Database:
        self.config.node.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Database(self.config.database_url)

    @cached_property
    def spool(self) -> FileSpool:
        return FileSpool(self.config.spool_dir, self.config.spool.reserve_bytes)

    def check_room(self) -> None:
        """Raise :class:`SpoolFull` where no image may come: no room, or intake is suspended."""
        self.switches.require_intake()
        self.spool.check_room()

    @cached_property
    def switches(self) -> Switches:
        return Switches(self.db, self.clock)

    @cached_property
    def images(self) -> PixelReader:
        return PixelReader(self.config.imaging)

    @cached_property
    def templates(self) -> Templates:
        chosen = self.config.templates
        return load_templates(Path(chosen.path) if chosen.path else None, chosen.language)

    @cached_property
    def identity(self) -> ModelIdentity:
        return read_identity(self.config.model.path, cache=self.config.models_dir)

    @cached_property
    def model(self) -> VisionModel:
        chosen = self.config.model
        return open_model(
            chosen.path,
            threads=chosen.threads,
            device=chosen.device,
            cache=self.config.models_dir,
            engine=self.config.engine,
        )

    @cached_property
    def eligibility(self) -> EligibilityPolicy:
        chosen = self.config.eligibility
        return EligibilityPolicy(
            minimum_age_years=chosen.minimum_age_years,
            accept_unknown_age=chosen.accept_unknown_age,
            accept_unknown_body_part=chosen.accept_unknown_body_part,
        )

    @cached_property
    def intake(self) -> Intake:
        return Intake(
            db=self.db,
            spool=self.spool,
            clock=self.clock,
            policy=self.eligibility,
            images=self.images,
            own_device_uids=lambda: (self.identity.device_uid.text,),
            ring=self.bell,
            own_ae=self.config.node.ae_title,
            wants_priors=bool(self.config.priors.source),
        )

    @cached_property
    def prior_fetch(self) -> PriorFetch:
        return PriorFetch(
            db=self.db,
            clock=self.clock,
            archives=prior_archives(self.config),
            keep=self.intake.receive,
            folder=self.spool.partial_folder(),
            seconds=self.config.priors.seconds,
            bell=self.bell,
        )

    @cached_property
    def claims(self) -> Claims:
        owner = f"{socket.gethostname()[:40]}:{os.getpid()}"
        return Claims(self.db, self.clock, self.config.jobs, owner)

    @cached_property
    def inference(self) -> Inference:
        return Inference(
            db=self.db,
            clock=self.clock,
            claims=self.claims,
            model=self.model,
            images=self.images,
            templates=self.templates,
            bell=self.bell,
            shadow=bool(self.config.shadow.path),
            announcer=self.announcer,
        )

    @cached_property
    def shadow_model(self) -> VisionModel:
        chosen = self.config.shadow
        return open_model(
            chosen.path,
            threads=self.config.model.threads,
            device=chosen.device,
            cache=self.config.models_dir,
            engine=self.config.engine,
        )

    @cached_property
    def shadow(self) -> Shadow:
        if not self.config.shadow.path:
            raise ConfigurationError("shadow.path names no second model")
        return Shadow(
            db=self.db,
            clock=self.clock,
            claims=self.claims,
            model=self.shadow_model,
            images=self.images,
        )

    @cached_property
    def canary(self) -> Canary:
        chosen = self.config.canary
        folder = self.config.node.data_dir / "canary"
        return Canary(
            db=self.db,
            clock=self.clock,
            model=self.model,
            images=self.images,
            picture=lambda: canary_picture(folder, chosen.seed),
            tolerance=chosen.tolerance,
        )

    @cached_property
    def follow_ups(self) -> FollowUps:
        model = self.model
        if not isinstance(model, ProfiledModel):
            raise ModelRefused("this model has no profile to ask it by")
        return FollowUps(db=self.db, clock=self.clock, images=self.images, model=model)

    @cached_property
    def amendments(self) -> Amendments:
        return Amendments(
            db=self.db,
            clock=self.clock,
            bell=self.bell,
            templates=self.templates,
            model=lambda: self.identity,
        )

    @cached_property
    def publish(self) -> Publish:
        return Publish(
            db=self.db,
            spool=self.spool,
            clock=self.clock,
            images=self.images,
            templates=self.templates,
            sr_class=self.config.delivery.sr_class,
            station_name=self.config.node.station_name,
            site_key=self.config.site_key,
            destinations=self.config.destinations,
            ring=self.bell,
            announcer=self.announcer,
        )

    @cached_property
    def sender(self) -> DimseSender:
        return DimseSender(
            own_ae=self.config.node.ae_title,
            destinations=self.config.destinations,
            timeout_seconds=self.config.delivery.timeout_seconds,
            max_pdu=self.config.listener.max_pdu_bytes,
            tls=self.config.tls,
        )

    @cached_property
    def destinations(self) -> Mapping[str, Destination]:
        """Everywhere results go, by name."""
        peers = {peer.name: DimseDestination(self.sender) for peer in self.config.destinations}
        return {**peers, **message_destinations(self.config, self.clock)}

    @cached_property
    def announcer(self) -> Announcer:
        return Announcer(
            db=self.db,
            spool=self.spool,
            clock=self.clock,
            templates=self.templates,
            station_name=self.config.node.station_name,
            site_key=self.config.site_key,
            told=self.config.told,
        )

    @cached_property
    def delivery(self) -> Delivery:
        return Delivery(
            db=self.db,
            clock=self.clock,
            destinations=self.destinations,
            spool=self.spool,
            limits=self.config.delivery,
            confirmation=self.confirmation,
        )

    @cached_property
    def confirmation(self) -> Confirmation:
        return commitment_wiring.confirmation(self.config, self.db, self.clock)

    @cached_property
    def commitment(self) -> Commitment:
        return commitment_wiring.commitment(self.config, self.db, self.clock)

    @cached_property
    def retention(self) -> Retention:
        return Retention(
            db=self.db,
            clock=self.clock,
            root=self.spool.root,
            section=self.config.retention,
        )

    @cached_property
    def workitem_parts(self) -> WorkitemParts:
        return WorkitemParts(self.config, self.db, self.clock)

    @cached_property
    def listener(self) -> Listener:
        handlers = Handlers(
            on_instance=self.intake.receive,
            on_progress=self.intake.progress,
            check_room=self.check_room,
            partial_folder=self.spool.partial_folder(),
            worklist=self.worklist,
            commitment=commitment_wiring.service(self.commitment, self.confirmation),
            workitems=self.workitem_parts.ups_service(),
            exams=self.workitem_parts.mpps_service(),
        )
        own_ae = self.config.node.ae_title
        # The doctor speaks to the node under the node's own title, from this machine only.
        itself = PeerSection(name="itself", ae_title=own_ae, host="127.0.0.1")
        peers = Peers((*self.config.peer, itself))
        return Listener(self.config.listener, own_ae, peers, handlers, self._tls())

    def _tls(self) -> TlsAcceptance | None:
        if not self.config.listener.tls:
            return None
        chosen = self.config.tls
        return TlsAcceptance(accepting_context(chosen), chosen.handshake_seconds)

    @cached_property
    def reading_desk(self) -> ReadingDesk:
        rules = self.templates
        minutes = rules.order.claim_minutes
        return ReadingDesk(self.db, self.clock, claim_minutes=minutes, policy=rules.critical)

    def list_view(self) -> ListView:
        """The list as the site's rules order it now."""
        now, rules = self.clock.now(), self.templates.order
        return ListView(rules.reading_order(), now, now - timedelta(hours=rules.open_hours))

    def worklist(self) -> list[WorklistEntry]:
        """The reading worklist as it stands now."""
        with self.db.read() as session:
            return worklist(session, self.list_view())

    def canary_alarm(self) -> str:
        """Why a person must look at the canary; empty when it held."""
        with self.db.read() as session:
            return canary.alarm(session)

    def close(self) -> None:
        """Release what was built; parts never used are left alone."""
        built = self.__dict__
        if "images" in built:
            self.images.close()
        if "db" in built:
            self.db.dispose()


def open_bell(config: Configuration) -> Doorbell:
    """The bell that the configuration names, for processes that only ring."""
    if config.doorbell.kind == "celery":
        from cxr_node.entry.celery_bell import CeleryBell  # an optional dependency

        return CeleryBell(config.broker_url)
    from cxr_node.entry.bells import LocalBell

    return LocalBell()
