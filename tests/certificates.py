"""Authorities and certificates made for a test, as PEM files."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cxr_node.config_security import TlsSection

_PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Identity:
    """A certificate and its key on disk."""

    certificate: Path
    key: Path
    serial: int


@dataclass
class Authority:
    """Signs certificates and keeps their files in ``folder``."""

    folder: Path
    name: str = "authority"
    _key: ec.EllipticCurvePrivateKey = field(init=False)

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = self.folder / f"{self.name}.pem"
        made = _builder(self.name, self.name, self._key.public_key(), 10)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.file.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(_PEM))

    def issue(self, subject: str, *, days: int = 1, password: bytes = b"") -> Identity:
        """A certificate of ``subject`` that ends in ``days``; negative ones have expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName(subject)]
        made = _builder(subject, self.name, key.public_key(), days)
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        signed = made.sign(self._key, hashes.SHA256())
        stem = f"{self.name}-{subject}-{days}"
        files = self.folder / f"{stem}.crt", self.folder / f"{stem}.key"
        files[0].write_bytes(signed.public_bytes(_PEM))
        files[1].write_bytes(_private(key, password))
        files[1].chmod(0o600)
        return Identity(*files, signed.serial_number)

    def revoke(self, *revoked: Identity) -> Path:
        """A list of revoked certificates."""
        now = datetime.now(UTC)
        made = x509.CertificateRevocationListBuilder().issuer_name(_name(self.name))
        made = made.last_update(now - timedelta(days=1)).next_update(now + timedelta(days=1))
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(one.serial)
            made = made.add_revoked_certificate(entry.revocation_date(now).build())
        path = self.folder / f"{self.name}.crl"
        path.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(_PEM))
        return path

    def section(self, identity: Identity, **more: object) -> TlsSection:
        """The table ``[tls]`` of a node that is ``identity`` and trusts this authority."""
        values: dict[str, object] = {
            "certificate_file": str(identity.certificate),
            "key_file": str(identity.key),
            "ca_file": str(self.file),
        }
        return TlsSection.model_validate(values | more)


def _private(key: ec.EllipticCurvePrivateKey, password: bytes) -> bytes:
    locked: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        locked = serialization.BestAvailableEncryption(password)
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, locked)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: str, issuer: str, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer))
    made = made.public_key(key).serial_number(x509.random_serial_number())
    return made.not_valid_before(now - timedelta(days=10)).not_valid_after(
        now + timedelta(days=days)
    )
