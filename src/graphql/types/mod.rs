//! The contract's types. Objects are views of rows: what a field shows, and to whom, is written out here.

pub(crate) use self::{
    connection::accounts as account_page,
    inputs::{id, id_or_nobodys},
};

mod account;
mod connection;
mod enums;
mod inputs;
mod login_result;
mod omittable;
mod session;
mod session_event;

pub use self::{
    account::Account,
    connection::{AccountConnection, SessionConnection, SessionEventConnection},
    enums::{
        DeviceKind, InvalidateSessionsMode, InvalidationReason, RefreshOutcome, SessionStatus,
        TokenTransport,
    },
    inputs::{
        AccountBy, ChangePasswordInput, ConnectionInfoInput, CreateAccountInput,
        CreateSessionInput, InvalidateSessionsInput, LogoutInput, RefreshTokensInput, SignInInput,
        SignUpInput, UpdateAccountInput,
    },
    login_result::{LoginResult, Tokens},
    session::{ConnectionInfo, Session},
    session_event::{SessionEvent, SessionEventKind},
};
