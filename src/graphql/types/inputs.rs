//! Input objects. What they hold is checked by the engine, which names the field that is at fault.

use async_graphql::{ID, InputObject, Json, OneofObject};
use uuid::Uuid;

use super::{InvalidateSessionsMode, TokenTransport, omittable::Omittable};

/// The id that a text names, in the one spelling that ids have. Ids are opaque: any other text names nothing.
#[must_use]
pub(crate) fn id(id: &str) -> Option<Uuid> {
    let parsed = Uuid::try_parse(id).ok()?;
    let mut written = Uuid::encode_buffer();
    (parsed.hyphenated().encode_lower(&mut written) == id).then_some(parsed)
}

/// The id that a text names, or one that nobody has.
#[must_use]
pub(crate) fn id_or_nobodys(text: &ID) -> Uuid {
    id(text).unwrap_or(Uuid::nil())
}

fn body() -> Omittable<TokenTransport> {
    Omittable::default_of(TokenTransport::Body)
}

/// Names one account.
#[derive(OneofObject)]
pub enum AccountBy {
    /// By its id.
    Id(ID),
    /// By its user name, whatever its case.
    Username(String),
    /// By its e-mail address, whatever its case.
    Email(String),
}

/// What somebody signs up with.
#[derive(InputObject)]
pub struct SignUpInput {
    /// 3 to 32 characters of a-z, 0-9 and _; case-insensitive; reserved names are refused. At least one of username and
    /// email.
    pub username: Option<String>,
    /// Stored in lower case; 254 characters at most, as HTML's e-mail inputs take it.
    pub email: Option<String>,
    /// 8 to 256 characters (Unicode, NFKC-normalised).
    pub password: String,
    /// How the tokens reach the client.
    #[graphql(default_with = "body()")]
    pub transport: Omittable<TokenTransport>,
}

/// What somebody signs in with.
#[derive(InputObject)]
pub struct SignInInput {
    /// A username or an e-mail address.
    pub identifier: String,
    /// The password.
    pub password: String,
    /// How the tokens reach the client.
    #[graphql(default_with = "body()")]
    pub transport: Omittable<TokenTransport>,
}

/// Which refresh token to exchange.
#[derive(InputObject)]
pub struct RefreshTokensInput {
    /// Where absent: the refresh cookie.
    pub refresh_token: Option<String>,
    /// Where absent: COOKIE if the token came from the cookie, else BODY. A token that came from the cookie only goes
    /// back into cookies: BODY then is BAD_USER_INPUT.
    pub transport: Option<TokenTransport>,
}

/// Which session to end.
#[derive(InputObject)]
pub struct LogoutInput {
    /// An access or refresh token of the session. Where absent: the request's own.
    pub token: Option<String>,
}

/// Which sessions to end.
#[derive(InputObject)]
pub struct InvalidateSessionsInput {
    /// Which of the account's sessions.
    pub mode: InvalidateSessionsMode,
    /// With ONE: the session to end. SESSION_NOT_FOUND when it does not exist or is another account's. One that is over
    /// already is no error: the answer is 0.
    pub session_id: Option<ID>,
    /// With ONE, instead of sessionId: any token of the session, expired or superseded ones too.
    pub token: Option<String>,
    /// The account. Users leave it out or name their own; service keys with sessions:write name any, and have to, except
    /// with ONE, where the session tells.
    pub account_id: Option<ID>,
}

/// What the password is changed with.
#[derive(InputObject)]
pub struct ChangePasswordInput {
    /// The present password.
    pub current_password: String,
    /// 8 to 256 characters (Unicode, NFKC-normalised).
    pub new_password: String,
    /// Whether the account's other sessions end.
    #[graphql(default_with = "Omittable::default_of(true)")]
    pub invalidate_other_sessions: Omittable<bool>,
}

/// What a backend opens a session with.
#[derive(InputObject)]
pub struct CreateSessionInput {
    /// Whose.
    pub account_id: ID,
    /// Of the end user, not of the calling service.
    pub connection_info: ConnectionInfoInput,
    /// Anything the application wants to find again on Session.metadata; 4 KiB at most.
    pub metadata: Option<Json<serde_json::Value>>,
    /// How the tokens reach the client.
    #[graphql(default_with = "body()")]
    pub transport: Omittable<TokenTransport>,
}

/// Where an end user's request came from.
#[derive(InputObject)]
pub struct ConnectionInfoInput {
    /// An IPv4 or IPv6 address.
    pub ip: String,
    /// The User-Agent header.
    pub user_agent: String,
}

/// What an account is made of.
#[derive(InputObject)]
pub struct CreateAccountInput {
    /// As in SignUpInput.
    pub username: Option<String>,
    /// As in SignUpInput.
    pub email: Option<String>,
    /// Absent: the account cannot sign in with a password.
    pub password: Option<String>,
    /// RFC 6749 scope tokens: no spaces.
    #[graphql(default_with = "Omittable::default_of(Vec::new())")]
    pub permissions: Omittable<Vec<String>>,
    /// The application has verified the address itself.
    #[graphql(default_with = "Omittable::default_of(false)")]
    pub email_verified: Omittable<bool>,
}

/// What is to change of an account.
#[derive(InputObject)]
pub struct UpdateAccountInput {
    /// Which one.
    pub id: ID,
    /// As in SignUpInput.
    pub username: Option<String>,
    /// A new address is not verified unless the call says so.
    pub email: Option<String>,
    /// A new password ends every session of the account.
    pub password: Option<String>,
    /// All of them, not only new ones.
    pub permissions: Option<Vec<String>>,
    /// The application has verified the address itself.
    pub email_verified: Option<bool>,
    /// True ends every session of the account and refuses new ones; false brings none of them back.
    pub deactivated: Option<bool>,
}
