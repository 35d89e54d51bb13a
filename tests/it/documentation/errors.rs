//! The page about errors has every code, reason and action that the code has, and no other.

use std::{collections::BTreeSet, fs};

use sessiongraph::error::{Error, ErrorKind, InvalidSessionReason, UnauthenticatedReason};

use super::pages::{Page, root};

/// The texts in capitals that stand in a file of the source, before its tests.
fn capitals_in(file: &str) -> BTreeSet<String> {
    let source = fs::read_to_string(root().join(file)).unwrap();
    let (code, _) = source.split_once("#[cfg(test)]").unwrap_or((&source, ""));
    let is_name =
        |text: &&str| text.len() > 2 && text.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let quoted = code.split('"').skip(1).step_by(2);
    quoted.filter(is_name).map(str::to_owned).collect()
}

fn row<'p>(page: &'p Page, columns: usize, name: &str) -> &'p [String] {
    page.rows
        .iter()
        .find(|row| row.len() == columns && row[0] == name)
        .unwrap_or_else(|| panic!("{name} is not in a table of {columns} columns"))
}

/// The first cells of the tables with so many columns, their heads apart.
fn names(page: &Page, columns: usize) -> BTreeSet<String> {
    page.rows
        .iter()
        .filter(|row| row.len() == columns && row[0].chars().all(|c| !c.is_lowercase()))
        .map(|row| row[0].clone())
        .collect()
}

fn action(error: &Error) -> String {
    error
        .action()
        .map_or_else(String::new, |action| action.as_str().to_owned())
}

/// One error of each kind, with the action that it usually has.
fn all_kinds() -> Vec<Error> {
    let mut kinds: Vec<ErrorKind> = vec![
        ErrorKind::Unauthenticated(UnauthenticatedReason::MissingToken),
        ErrorKind::TokenVerificationFailed,
        ErrorKind::InvalidToken,
        ErrorKind::InvalidTokens,
        ErrorKind::SessionNotFound,
        ErrorKind::InvalidSession(InvalidSessionReason::Expired),
        ErrorKind::RefreshTokenReused,
        ErrorKind::UserNotFound,
        ErrorKind::UserDeactivated,
        ErrorKind::AuthenticationFailed,
        ErrorKind::Forbidden,
        ErrorKind::UsernameTaken,
        ErrorKind::EmailTaken,
        ErrorKind::SignUpDisabled,
        ErrorKind::RateLimited { retry_after: 1 },
        ErrorKind::InvalidLocationInfoIp,
        ErrorKind::InvalidLocationInfoUserAgent,
        ErrorKind::BadRequest("".into()),
        ErrorKind::GraphqlParseFailed,
        ErrorKind::GraphqlValidationFailed("".into()),
        ErrorKind::PersistedQueryNotFound,
        ErrorKind::ServiceUnavailable { retry_after: 1 },
        ErrorKind::Internal,
    ];
    kinds.push(ErrorKind::BadUserInput {
        field: "".into(),
        message: "".into(),
    });
    kinds.push(ErrorKind::QueryTooComplex {
        limit: "depth",
        value: 2,
        allowed: 1,
    });
    kinds.into_iter().map(Error::new).collect()
}

#[test]
fn it_has_every_code_with_its_action() {
    let page = Page::read("docs/errors.md");
    let mut codes = BTreeSet::new();
    for error in all_kinds() {
        let row = row(&page, 4, error.code());
        // What depends on the reason, or on the operation, is said in words.
        let depends = row[2].contains(' ');
        assert!(depends || row[2] == action(&error), "{row:?}");
        codes.insert(error.code().to_owned());
    }
    assert_eq!(names(&page, 4), codes);
    let in_source = capitals_in("src/error/mod.rs");
    assert!(in_source.is_subset(&codes), "{in_source:?}");
}

#[test]
fn it_has_every_reason_with_its_action() {
    let page = Page::read("docs/errors.md");
    let unauthenticated = [
        UnauthenticatedReason::MissingToken,
        UnauthenticatedReason::TokenExpired,
        UnauthenticatedReason::TokenVerificationFailed,
        UnauthenticatedReason::InvalidToken,
        UnauthenticatedReason::SessionNotFound,
        UnauthenticatedReason::InvalidSession,
        UnauthenticatedReason::UserNotFound,
        UnauthenticatedReason::UserDeactivated,
    ]
    .map(Error::unauthenticated);
    let invalid_session = [
        InvalidSessionReason::Invalidated,
        InvalidSessionReason::Expired,
        InvalidSessionReason::AgentChanged,
        InvalidSessionReason::RolledBack,
    ]
    .map(Error::invalid_session);
    let mut reasons = BTreeSet::new();
    let forbidden = [Error::new(ErrorKind::SignInTooOld { max_age: 1 })];
    let all = unauthenticated.iter().chain(&invalid_session);
    for error in all.chain(&forbidden) {
        let reason = error.reason().unwrap();
        let row = row(&page, 3, reason);
        assert!(row[1].starts_with(&action(error)), "{row:?}");
        reasons.insert(reason.to_owned());
    }
    assert_eq!(names(&page, 3), reasons);
    let actions = ["REFRESH", "SIGN_IN", "RETRY"].map(str::to_owned);
    let mut in_source = capitals_in("src/error/reason.rs");
    in_source.retain(|text| !actions.contains(text));
    assert_eq!(in_source, reasons);
}
