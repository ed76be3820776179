"""Settings: all faults at once, no secret shown."""

from __future__ import annotations

import pytest

from workflow.errors import SettingsError
from workflow.settings import MasterKey, Settings, development_keys, new_key

KEY = MasterKey(kid="k1", secret=b"s3cr3t-s3cr3t-s3cr3t-s3cr3t-s3cr").write()
GOOD = {
    "WORKFLOW_DATABASE_URL": "postgresql+psycopg://user:hidden@db/name",
    "WORKFLOW_KEYS": KEY,
    "WORKFLOW_BASE_URL": "https://access.example.org/",
    "WORKFLOW_SMTP_HOST": "mail.example.org",
    "WORKFLOW_SMTP_FROM": "CPMS <no-reply@example.org>",
    "WORKFLOW_SMTP_PASSWORD": "hidden",
    "WORKFLOW_SMS_TOKEN": "hidden",
}


def test_reads_all():
    """What is set is read; what is not has its default."""
    settings = Settings.read(GOOD)
    assert settings.needed_base_url() == "https://access.example.org"
    assert (settings.needed_smtp().host, settings.needed_smtp().port, settings.needed_smtp().security) == (
        "mail.example.org",
        587,
        "starttls",
    )
    assert (settings.prefix, settings.schema, settings.sms.gateway, settings.is_production) == ("workflow_", None, "console", True)


def test_repr_shows_no_secret():
    """No key, password or token is part of a repr."""
    shown = repr(Settings.read(GOOD))
    assert "hidden" not in shown
    assert "s3cr3t" not in shown
    assert KEY.partition(":")[2] not in shown


def test_all_faults_at_once():
    """Every wrong or missing variable is named, with what to do, and no value of a key is repeated."""
    wrong = {
        "WORKFLOW_KEYS": "k1:notbase64!",
        "WORKFLOW_BASE_URL": "http://access.example.org",
        "WORKFLOW_SMTP_HOST": "mail.example.org",
        "WORKFLOW_SMTP_PORT": "many",
        "WORKFLOW_SMS_GATEWAY": "pigeon",
        "WORKFLOW_PREFIX": "x; drop",
        "WORKFLOW_LIMIT_BATCH": "0",
    }
    with pytest.raises(SettingsError) as caught:
        Settings.read(wrong)
    told = caught.value.explain()
    names = ("DATABASE_URL", "KEYS", "BASE_URL", "SMTP_PORT", "SMTP_FROM", "SMS_GATEWAY", "PREFIX", "LIMIT_BATCH")
    assert [name for name in names if f"WORKFLOW_{name} " not in told] == []
    assert "workflow keys new" in told
    assert "notbase64" not in told


@pytest.mark.parametrize("text", ["nokid", ":YQ==", "K1:YQ==", "k1:YQ==", "k1:" + "A" * 43])
def test_wrong_keys(text):
    """A key that is not kid:base64 of 32 bytes is refused."""
    with pytest.raises(SettingsError):
        MasterKey.read(text)


def test_keys_newest_first():
    """Several keys are read in their order; a kid may not come twice."""
    first, second = new_key("k2"), new_key("k1")
    settings = Settings.read({**GOOD, "WORKFLOW_KEYS": f"{first.write()} {second.write()}", "WORKFLOW_BLIND_KEY": "k1"})
    assert (first, second) == settings.keys
    assert settings.blind_kid == "k1"
    with pytest.raises(SettingsError, match="same kid twice"):
        Settings.read({**GOOD, "WORKFLOW_KEYS": f"{first.write()} {first.write()}"})
    with pytest.raises(SettingsError, match="BLIND_KEY"):
        Settings.read({**GOOD, "WORKFLOW_BLIND_KEY": "k9"})


def test_development_key_is_refused_in_production():
    """The key that everybody knows opens nothing in production; development needs no variable but one."""
    with pytest.raises(SettingsError, match="development key"):
        Settings.read({**GOOD, "WORKFLOW_KEYS": development_keys()[0].write()})
    assert development_keys() == Settings.read({"WORKFLOW_ENVIRONMENT": "development"}).keys


def test_unset_is_said_when_needed():
    """A command that needs no mail server runs without one; one that does is told what to set."""
    settings = Settings.read({name: GOOD[name] for name in ("WORKFLOW_DATABASE_URL", "WORKFLOW_KEYS")})
    with pytest.raises(SettingsError, match="WORKFLOW_SMTP_HOST"):
        settings.needed_smtp()
    with pytest.raises(SettingsError, match="WORKFLOW_BASE_URL"):
        settings.needed_base_url()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"WORKFLOW_DATABASE_URL": "mysql://db/name"}, "DATABASE_URL must begin with postgresql:// or sqlite://"),
        ({"WORKFLOW_BASE_URL": "access.example.org"}, "BASE_URL must be a plain address"),
        ({"WORKFLOW_BASE_URL": "https://user@access.example.org"}, "BASE_URL must be a plain address"),
        ({"WORKFLOW_SMTP_FROM": "nobody"}, "SMTP_FROM must be one e-mail address"),
        ({"WORKFLOW_SMTP_USER": "robot", "WORKFLOW_SMTP_SECURITY": "none"}, "SMTP_SECURITY must be starttls or tls"),
        ({"WORKFLOW_SMS_GATEWAY": "http"}, "SMS_URL is not set"),
        ({"WORKFLOW_SMS_GATEWAY": "file"}, "SMS_URL is not set"),
        ({"WORKFLOW_SMS_GATEWAY": "http", "WORKFLOW_SMS_URL": "http://sms.example.org"}, "SMS_URL must begin with https://"),
        ({"WORKFLOW_ZONE": "Europe/Brussel"}, "ZONE must be the name of a time zone"),
        ({"WORKFLOW_TRUSTED_PROXIES": "10.0.0.5 everybody"}, "TRUSTED_PROXIES has 'everybody'"),
        ({"WORKFLOW_TRUSTED_PROXIES": "0.0.0.0/0"}, "TRUSTED_PROXIES has '0.0.0.0/0'"),
        ({"WORKFLOW_OIDC_ISSUER": "https://login.example.org"}, "OIDC_CLIENT_ID is not set"),
        (
            {
                "WORKFLOW_OIDC_ISSUER": "http://login.example.org",
                "WORKFLOW_OIDC_CLIENT_ID": "cpms",
                "WORKFLOW_OIDC_CLIENT_SECRET": "hidden",
            },
            "OIDC_ISSUER must begin with https://",
        ),
    ],
)
def test_what_would_be_unsafe_or_cannot_work_is_refused(given, said):
    """In production every variable that cannot work, or would send a secret in the clear, is refused by its name with what to do."""
    with pytest.raises(SettingsError) as caught:
        Settings.read(GOOD | given)
    assert f"WORKFLOW_{said}" in caught.value.explain()
    assert "hidden" not in caught.value.explain()


def test_what_only_production_forbids_is_fine_in_development():
    """A gateway and a provider of identities on the developer's own machine need no certificates."""
    settings = Settings.read(
        {
            "WORKFLOW_ENVIRONMENT": "development",
            "WORKFLOW_SMS_GATEWAY": "http",
            "WORKFLOW_SMS_URL": "http://127.0.0.1:9000",
            "WORKFLOW_OIDC_ISSUER": "http://127.0.0.1:9001/",
            "WORKFLOW_OIDC_CLIENT_ID": "cpms",
            "WORKFLOW_OIDC_CLIENT_SECRET": "secret",
            "WORKFLOW_TRUSTED_PROXIES": "10.0.0.5, 10.1.0.0/24",
        }
    )
    assert settings.sms.url == "http://127.0.0.1:9000"
    assert settings.oidc is not None
    assert (settings.oidc.issuer, settings.oidc.claim) == ("http://127.0.0.1:9001", "sub")
    assert settings.trusted_proxies == ("10.0.0.5", "10.1.0.0/24")
