//! `signing-key`, `secret` and `service-key`.

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Subcommand;
use secrecy::ExposeSecret;
use sessiongraph::{keys::Rotation, scope::Scope, services::Services};

use super::{CommandResult, print, table};

#[derive(Subcommand)]
pub(super) enum SigningKeyTask {
    /// List all keys, oldest first
    List,
    /// Let the standby key sign as soon as it has been published for `signing_key_publish_ahead`
    Rotate {
        /// At once, though gateways may not know the key yet
        #[arg(long)]
        now: bool,
    },
    /// Take a leaked key out, on every replica within a second
    Revoke {
        /// Its id
        // One in 64 begins with a hyphen.
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
}

#[derive(Subcommand)]
pub(super) enum SecretTask {
    /// Seal all keys anew under `secret`; what they were sealed with belongs into `secret_previous` meanwhile
    Rotate {
        /// Make every refresh token void as well, after a leak
        #[arg(long)]
        revoke_sessions: bool,
    },
}

#[derive(Subcommand)]
pub(super) enum ServiceKeyTask {
    /// Make a key and print it, once
    Create {
        /// What to call it
        #[arg(long)]
        name: String,
        /// What it may do: accounts:read, accounts:write, sessions:read or sessions:write
        #[arg(long = "scope", required = true, value_name = "SCOPE")]
        scopes: Vec<String>,
    },
    /// List all keys, oldest first
    List,
    /// Revoke a key; the next request with it is refused
    Revoke {
        /// Its name
        name: String,
    },
}

pub(super) async fn signing_key(services: &Services, task: SigningKeyTask) -> CommandResult {
    let keyring = &services.keyring;
    match task {
        SigningKeyTask::List => {
            let rows: Vec<_> = keyring
                .list()
                .into_iter()
                .map(|key| {
                    let until = match (key.activates_at, key.verifies_until) {
                        (Some(at), _) => format!("signs from {}", instant(at)),
                        (None, Some(until)) => format!("verifies until {}", instant(until)),
                        (None, None) => String::new(),
                    };
                    let published = format!("published {}", instant(key.published_at));
                    vec![
                        key.kid,
                        key.algorithm,
                        key.state.as_str().to_owned(),
                        published,
                        until,
                    ]
                })
                .collect();
            print(&table(&rows))
        }
        SigningKeyTask::Rotate { now } => match keyring.rotate(now).await? {
            Rotation::Done { kid } => print(&format!("{kid} signs")),
            Rotation::Scheduled { kid, at } => print(&format!("{kid} signs from {}", instant(at))),
        },
        SigningKeyTask::Revoke { kid } => {
            keyring.revoke(&kid).await?;
            Ok(())
        }
    }
}

pub(super) async fn secret(services: &Services, task: &SecretTask) -> CommandResult {
    let SecretTask::Rotate { revoke_sessions } = task;
    services.keyring.rotate_secret(*revoke_sessions).await?;
    Ok(())
}

pub(super) async fn service_key(services: &Services, task: ServiceKeyTask) -> CommandResult {
    let sessions = &services.sessions;
    match task {
        ServiceKeyTask::Create { name, scopes } => {
            let scopes = scopes
                .iter()
                .map(|scope| scope.parse::<Scope>())
                .collect::<Result<Vec<_>, _>>()?;
            print(
                sessions
                    .create_service_key(&name, scopes)
                    .await?
                    .expose_secret(),
            )
        }
        ServiceKeyTask::List => {
            let rows: Vec<_> = sessions
                .list_service_keys()
                .await?
                .into_iter()
                .map(|key| {
                    let state = key.revoked_at.map_or_else(
                        || "live".to_owned(),
                        |at| format!("revoked {}", instant(at)),
                    );
                    vec![
                        key.name,
                        key.scopes.to_string(),
                        format!("created {}", instant(key.created_at)),
                        state,
                    ]
                })
                .collect();
            print(&table(&rows))
        }
        ServiceKeyTask::Revoke { name } => {
            sessions.revoke_service_key(&name).await?;
            Ok(())
        }
    }
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
