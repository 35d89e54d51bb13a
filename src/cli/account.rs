//! `account create`.

use std::io::{self, Read};

use clap::Args;
use sessiongraph::{
    account::NewAccount, crypto::password::Password, request::SessionRequest, services::Services,
};
use zeroize::Zeroizing;

use super::{CommandResult, print};

#[derive(Args)]
pub(super) struct Create {
    /// 3 to 32 characters of a-z, 0-9 and _
    #[arg(long)]
    username: Option<String>,
    /// An e-mail address
    #[arg(long)]
    email: Option<String>,
    /// A permission, carried in the access token's scope claim
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<String>,
    /// Read the password from standard input; without it the account cannot sign in with one
    #[arg(long)]
    password_stdin: bool,
}

pub(super) async fn create(services: &Services, create: Create) -> CommandResult {
    let new = NewAccount {
        username: create.username,
        email: create.email,
        email_verified: false,
        password: if create.password_stdin {
            Some(password()?)
        } else {
            None
        },
        permissions: create.permissions,
    };
    let account = services
        .accounts
        .create(&SessionRequest::new(), new)
        .await?;
    print(&account.id.to_string())
}

/// What standard input holds, but for one final line end: `echo` writes one.
fn password() -> io::Result<Password> {
    let mut text = Zeroizing::new(String::new());
    io::stdin().read_to_string(&mut text)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(Password::new(line.strip_suffix('\r').unwrap_or(line)))
}
