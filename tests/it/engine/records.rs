//! The log of sessions: each opening, recovery and end is one record, of whoever did it, and nothing else is one.

use std::time::Duration;

use sea_orm::{EntityTrait, QueryOrder};
use sessiongraph::{
    account::{AccountChanges, ChangePassword, CreateSession, SignIn},
    clock::{Clock, ManualClock},
    crypto::password::Password,
    entity::{
        session::InvalidationReason,
        session_record::{self, Model, RecordKind},
    },
    error::{Error, ErrorKind},
    page::Page,
    request::{Authentication, ConnectionInfo, SessionRequest},
    scope::Scope,
    session::{
        Caller, InvalidateSessions, LoginDraft, LoginResult, Policy, RecordFilter, RefreshOutcome,
        SessionSelector, TokenTransport,
    },
};
use uuid::Uuid;

use crate::support::{
    database::{row_counts, scalar},
    engine::{Engine, FIREFOX, PASSWORD, SAFARI, request},
    on_each_database,
};

const DAY: u64 = 24 * 60 * 60;
/// Past grace and clock skew.
const LATER: u64 = 36;
const COUNT: &str = "SELECT COUNT(*) FROM session_records";

/// Another place than that of [`request`].
fn elsewhere() -> SessionRequest {
    let mut elsewhere = request();
    elsewhere.ip = Some("::ffff:198.51.100.7".parse().unwrap());
    elsewhere.user_agent = Some(format!("  {FIREFOX} "));
    elsewhere
}

const ELSEWHERE: Option<(&str, &str)> = Some(("198.51.100.7", FIREFOX));
const HERE: Option<(&str, &str)> = Some(("192.0.2.1", FIREFOX));

/// What a record says of who did it: from where, by which session, by which service key.
fn who(record: &Model) -> (Option<(&str, &str)>, Option<Uuid>, Option<&str>) {
    let ip = record.ip.as_deref();
    (
        ip.zip(record.user_agent.as_deref()),
        record.by_session_id,
        record.by_service_key.as_deref(),
    )
}

/// The records of a session, oldest first.
async fn records(engine: &Engine, session_id: Uuid) -> Vec<Model> {
    let of_session = RecordFilter {
        session_id: Some(session_id),
        ..RecordFilter::default()
    };
    let page = Page::from_arguments(Some(100), None, None, None).unwrap();
    let mut rows = engine
        .sessions
        .records(of_session, page)
        .await
        .unwrap()
        .rows;
    rows.reverse();
    for record in &rows {
        assert_eq!(record.session_id, session_id);
    }
    rows
}

/// The record of a session's end, which has none but this and that of its opening.
async fn end_of(engine: &Engine, login: &LoginResult) -> Model {
    let [created, end] = <[Model; 2]>::try_from(records(engine, login.session.id).await).unwrap();
    assert_eq!((created.kind, created.reason), (RecordKind::Created, None));
    assert_eq!(end.kind, RecordKind::Invalidated);
    let row = engine.row(login.session.id).await;
    assert_eq!(
        (end.reason, Some(end.at)),
        (row.invalidation_reason, row.invalidated_at)
    );
    assert_eq!(end.account_id, row.account_id);
    end
}

async fn service(engine: &Engine, name: &str) -> SessionRequest {
    let key = engine.sessions.create_service_key(name, Scope::ALL).await;
    let mut request = elsewhere();
    request.bearer = Some(key.unwrap());
    engine.sessions.handle_request(request).await.unwrap()
}

/// A request elsewhere with the access token of a login.
async fn signed_in(engine: &Engine, login: &LoginResult) -> SessionRequest {
    let mut request = elsewhere();
    request.bearer = Some(login.tokens.access_token.clone());
    engine.sessions.handle_request(request).await.unwrap()
}

fn caller(request: &SessionRequest) -> Caller {
    Caller::Session(request.session_claims().unwrap().clone())
}

fn new_session(account_id: Uuid, transport: TokenTransport) -> CreateSession {
    let connection_info = ConnectionInfo {
        ip: [203, 0, 113, 5].into(),
        user_agent: SAFARI.to_owned(),
    };
    CreateSession {
        account_id,
        connection_info,
        metadata: None,
        transport,
    }
}

/// A login, and a moment later.
async fn sign_in(engine: &Engine) -> LoginResult {
    let login = engine.sign_in("ada").await;
    engine.advance(1);
    login
}

on_each_database! {
    async fn opening_is_recorded(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let ada = engine.sign_up("ada").await;
        engine.advance(1);
        let signed_in = signed_in(&engine, &ada).await;
        let input = SignIn { identifier: "ada".to_owned(), password: Password::new(PASSWORD), transport: TokenTransport::Body };
        let second = engine.accounts.sign_in(&signed_in, input).await.unwrap();
        let backend = service(&engine, "backend").await;
        let third = engine.accounts.create_session(&backend, new_session(ada.account.id, TokenTransport::Body)).await.unwrap();
        for (login, expected) in [
            (&ada, (HERE, None, None)),
            // The session that came with it has not opened it.
            (&second, (ELSEWHERE, None, None)),
            // The end user, by the word of the key.
            (&third, (Some(("203.0.113.5", SAFARI)), None, Some("backend"))),
        ] {
            let [record] = <[Model; 1]>::try_from(records(&engine, login.session.id).await).unwrap();
            assert_eq!((record.kind, record.reason, record.at), (RecordKind::Created, None, login.session.created_at));
            assert_eq!(record.account_id, ada.account.id);
            assert_eq!(who(&record), expected);
        }
        assert_eq!(scalar(&engine.db, COUNT).await, 3);
    }

    async fn each_way_of_ending_is_recorded_once_with_who_did_it(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let ada = engine.sign_up("ada").await;
        engine.advance(1);
        let mine = signed_in(&engine, &ada).await;
        let by_mine = (ELSEWHERE, Some(ada.session.id), None);
        let backend = service(&engine, "backend").await;
        let by_backend = (ELSEWHERE, None, Some("backend"));
        let Authentication::Service(key) = &backend.authentication else { panic!("{backend:?}") };

        // Logging out: whichever token is handed over does it, whoever the request is from.
        let login = sign_in(&engine).await;
        engine.sessions.logout(&mut mine.clone(), Some(&login.tokens.refresh_token)).await.unwrap();
        assert_eq!(who(&end_of(&engine, &login).await), (ELSEWHERE, Some(login.session.id), None));
        let login = sign_in(&engine).await;
        engine.sessions.logout(&mut backend.clone(), Some(&login.tokens.access_token)).await.unwrap();
        assert_eq!(who(&end_of(&engine, &login).await), (ELSEWHERE, Some(login.session.id), Some("backend")));

        // On request.
        let login = sign_in(&engine).await;
        let one = InvalidateSessions::One(SessionSelector::Id(login.session.id));
        engine.sessions.invalidate_sessions(&mine, &caller(&mine), None, one).await.unwrap();
        assert_eq!(who(&end_of(&engine, &login).await), by_mine);
        let login = sign_in(&engine).await;
        let one = InvalidateSessions::One(SessionSelector::Token(login.tokens.refresh_token.clone()));
        engine.sessions.invalidate_sessions(&backend, &Caller::Service(key.clone()), None, one).await.unwrap();
        assert_eq!(who(&end_of(&engine, &login).await), by_backend);
        let both = [sign_in(&engine).await, sign_in(&engine).await];
        engine.sessions.invalidate_sessions(&mine, &caller(&mine), None, InvalidateSessions::Others).await.unwrap();
        for login in &both {
            assert_eq!(who(&end_of(&engine, login).await), by_mine);
        }

        // With the password, by the account and by a backend.
        let login = sign_in(&engine).await;
        let change = ChangePassword { current: Password::new(PASSWORD), new: Password::new("a new password"), invalidate_other_sessions: true };
        engine.accounts.change_password(&mine, change).await.unwrap();
        let end = end_of(&engine, &login).await;
        assert_eq!((who(&end), end.reason), (by_mine, Some(InvalidationReason::PasswordChanged)));
        let set = AccountChanges { password: Some(Password::new(PASSWORD)), ..AccountChanges::default() };
        engine.accounts.update(&backend, ada.account.id, set).await.unwrap();
        let end = end_of(&engine, &ada).await;
        assert_eq!((who(&end), end.reason), (by_backend, Some(InvalidationReason::PasswordChanged)));

        // A sign-in with cookies takes the place of the session whose cookies came.
        let login = sign_in(&engine).await;
        let mut with_cookies = elsewhere();
        with_cookies.accepts_cookies = true;
        with_cookies.cookies.present = true;
        with_cookies.cookies.refresh = Some(login.tokens.refresh_token.clone());
        let input = SignIn { identifier: "ada".to_owned(), password: Password::new(PASSWORD), transport: TokenTransport::Cookie };
        let next = engine.accounts.sign_in(&with_cookies, input).await.unwrap();
        engine.advance(1);
        let end = end_of(&engine, &login).await;
        assert_eq!((who(&end), end.reason), ((ELSEWHERE, Some(login.session.id), None), Some(InvalidationReason::Logout)));

        // With the account; whoever does it has no request.
        let deactivate = AccountChanges { deactivated: Some(true), ..AccountChanges::default() };
        engine.accounts.update(&SessionRequest::new(), ada.account.id, deactivate).await.unwrap();
        let end = end_of(&engine, &next).await;
        assert_eq!((who(&end), end.reason), ((None, None, None), Some(InvalidationReason::AccountDeactivated)));

        // Each session once opened and once ended.
        assert_eq!(scalar(&engine.db, COUNT).await, 2 * scalar(&engine.db, "SELECT COUNT(*) FROM sessions").await);
    }

    async fn an_eviction_is_recorded_with_the_session_that_took_the_place(database: TestDatabase) {
        let limit = |policy: &mut Policy| policy.max_sessions_per_account = 1;
        let engine = Engine::with(&database, ManualClock::default(), limit).await;
        let first = engine.sign_up("ada").await;
        engine.advance(1);
        let second = sign_in(&engine).await;
        let end = end_of(&engine, &first).await;
        assert_eq!((who(&end), end.reason), ((HERE, Some(second.session.id), None), Some(InvalidationReason::SessionLimit)));
        let backend = service(&engine, "backend").await;
        let third = engine.accounts.create_session(&backend, new_session(first.account.id, TokenTransport::Body)).await.unwrap();
        let end = end_of(&engine, &second).await;
        assert_eq!(who(&end), (Some(("203.0.113.5", SAFARI)), Some(third.session.id), Some("backend")));
    }

    async fn a_session_whose_tokens_reach_nobody_is_recorded_as_opened_and_ended(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let ada = engine.sign_up("ada").await;
        engine.advance(1);
        // An access token that is too long for a cookie.
        engine.sessions.hooks().on_refresh_tokens(|mut draft: LoginDraft, _| async {
            draft.claims.insert("long".to_owned(), "x".repeat(4_000).into());
            Ok(draft)
        });
        let backend = service(&engine, "backend").await;
        engine.accounts.create_session(&backend, new_session(ada.account.id, TokenTransport::Cookie)).await.unwrap_err();
        // Tokens that cannot be issued.
        let broken = || Error::new(ErrorKind::Custom { code: "BROKEN".into(), message: "broken".into() });
        engine.sessions.hooks().on_refresh_tokens(move |_, _| { let error = broken(); async { Err(error) } });
        engine.advance(1);
        engine.try_sign_in("ada", PASSWORD).await.unwrap_err();
        let all = session_record::Entity::find().order_by_asc(session_record::Column::Id).all(&engine.db).await.unwrap();
        let ends: Vec<_> = all.iter().filter(|record| record.reason == Some(InvalidationReason::Logout)).map(who).collect();
        assert_eq!(ends, [(ELSEWHERE, None, Some("backend")), (HERE, None, None)]);
        assert_eq!(all.len(), 5, "{all:#?}");
    }

    async fn a_reuse_is_recorded_with_the_address_that_presented_the_token(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let stolen = engine.sign_up("ada").await;
        engine.advance(1);
        let next = engine.refresh(&stolen.tokens.refresh_token).await.unwrap();
        engine.refresh(&next.tokens.refresh_token).await.unwrap();
        let error = engine.refresh_from(&elsewhere(), &stolen.tokens.refresh_token).await.unwrap_err();
        assert_eq!(error.code(), "REFRESH_TOKEN_REUSED");
        let end = end_of(&engine, &stolen).await;
        assert_eq!((who(&end), end.reason), ((ELSEWHERE, Some(stolen.session.id), None), Some(InvalidationReason::RefreshTokenReused)));
        // The row has where it was last refreshed from.
        assert_eq!(engine.row(stolen.session.id).await.ip, "192.0.2.1");
    }

    async fn so_is_a_void_access_token_and_a_recovery_before_it(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        engine.advance(1);
        let lost = engine.refresh_and_advance(&login.tokens.refresh_token, LATER).await;
        let recovered = engine.refresh_from(&elsewhere(), &login.tokens.refresh_token).await.unwrap();
        assert_eq!(recovered.outcome, Some(RefreshOutcome::Recovered));
        engine.advance(1);
        let mut shown = elsewhere();
        shown.ip = Some([203, 0, 113, 66].into());
        shown.bearer = Some(lost.tokens.access_token.clone());
        let shown = engine.sessions.handle_request(shown).await.unwrap();
        engine.sessions.require_session(&shown).await.unwrap_err();

        let [_, recovery, end] = <[Model; 3]>::try_from(records(&engine, login.session.id).await).unwrap();
        assert_eq!((recovery.kind, recovery.reason, recovery.at), (RecordKind::Recovered, None, recovered.session.refreshed_at));
        assert_eq!(who(&recovery), (ELSEWHERE, Some(login.session.id), None));
        assert_eq!((end.kind, end.reason), (RecordKind::Invalidated, Some(InvalidationReason::RefreshTokenReused)));
        assert_eq!(who(&end), (Some(("203.0.113.66", FIREFOX)), Some(login.session.id), None));
    }

    async fn what_changes_nothing_is_not_recorded(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let over = engine.sign_in("ada").await;
        engine.sessions.logout(&mut request(), Some(&over.tokens.refresh_token)).await.unwrap();
        let counts = row_counts(&engine.db).await;
        engine.refresh(&login.tokens.refresh_token).await.unwrap();
        let converged = engine.refresh(&login.tokens.refresh_token).await.unwrap();
        assert_eq!(converged.outcome, Some(RefreshOutcome::Converged));
        assert!(!engine.sessions.logout(&mut request(), Some(&over.tokens.refresh_token)).await.unwrap());
        engine.refresh(&over.tokens.refresh_token).await.unwrap_err();
        engine.try_sign_in("ada", "a wrong password").await.unwrap_err();
        engine.show(&login.tokens.access_token).await;
        assert_eq!(row_counts(&engine.db).await, counts);
    }

    async fn what_happens_to_a_session_many_times_at_once_is_recorded_once(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let replica = engine.replica(&database).await;
        let login = engine.sign_up("ada").await;
        engine.refresh_and_advance(&login.tokens.refresh_token, LATER).await;
        let recoveries: Vec<_> = (0..20).map(|n| {
            let replica = if n % 2 == 0 { engine.clone() } else { replica.clone() };
            let token = login.tokens.refresh_token.clone();
            tokio::spawn(async move { replica.refresh(&token).await.unwrap() })
        }).collect();
        for recovery in recoveries {
            recovery.await.unwrap();
        }
        engine.advance(1);
        let logouts: Vec<_> = (0..100).map(|n| {
            let replica = if n % 2 == 0 { engine.clone() } else { replica.clone() };
            let token = login.tokens.refresh_token.clone();
            tokio::spawn(async move { replica.sessions.logout(&mut request(), Some(&token)).await.unwrap() })
        }).collect();
        let mut ended = 0;
        for logout in logouts {
            ended += u32::from(logout.await.unwrap());
        }
        assert_eq!(ended, 1);
        let kinds: Vec<_> = records(&engine, login.session.id).await.iter().map(|record| record.kind).collect();
        assert_eq!(kinds, [RecordKind::Created, RecordKind::Recovered, RecordKind::Invalidated]);
    }

    async fn thousands_that_end_together_are_recorded_each(database: TestDatabase) {
        let limit = |policy: &mut Policy| policy.max_sessions_per_account = 10_000;
        let engine = Engine::with(&database, ManualClock::default(), limit).await;
        let ada = engine.sign_up("ada").await;
        engine.copy_sessions(2_500).await;
        let mine = signed_in(&engine, &ada).await;
        let ended = engine.sessions.invalidate_sessions(&mine, &caller(&mine), None, InvalidateSessions::All).await.unwrap();
        assert_eq!(ended.len(), 2_501);
        let distinct = "SELECT COUNT(DISTINCT session_id) FROM session_records WHERE kind = 'INVALIDATED'";
        assert_eq!((scalar(&engine.db, distinct).await, scalar(&engine.db, COUNT).await), (2_501, 2_502));
    }

    async fn records_go_when_they_are_old_whether_the_session_is_there_or_not(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let retention = Duration::from_secs(90 * DAY);
        assert_eq!(engine.sessions.policy().audit_retention, retention);
        let ended = engine.sign_up("ada").await;
        engine.advance(1);
        engine.sessions.logout(&mut request(), Some(&ended.tokens.refresh_token)).await.unwrap();
        engine.advance(31 * DAY);
        let live = engine.sign_in("ada").await;
        // The session is gone, its records are not.
        assert_eq!(engine.sessions.prune(Duration::from_secs(30 * DAY)).await.unwrap(), 1);
        assert_eq!(records(&engine, ended.session.id).await.len(), 2);
        assert_eq!(engine.sessions.prune_records(retention).await.unwrap(), 0);
        engine.advance(59 * DAY - 1);
        assert_eq!(engine.sessions.prune_records(retention).await.unwrap(), 0, "not a moment too early");
        engine.clock.advance(Duration::from_micros(1));
        assert_eq!(engine.sessions.prune_records(retention).await.unwrap(), 1, "the opening, which is older than the end");
        engine.advance(1);
        assert_eq!(engine.sessions.prune_records(retention).await.unwrap(), 1);
        assert_eq!(records(&engine, ended.session.id).await, []);
        assert_eq!(records(&engine, live.session.id).await.len(), 1);
        assert_eq!(engine.sessions.prune_records(Duration::ZERO).await.unwrap(), 1);
    }

    async fn more_than_one_batch_of_records_is_deleted(database: TestDatabase) {
        let limit = |policy: &mut Policy| policy.max_sessions_per_account = 10_000;
        let engine = Engine::with(&database, ManualClock::default(), limit).await;
        let ada = engine.sign_up("ada").await;
        engine.copy_sessions(2_500).await;
        let mine = signed_in(&engine, &ada).await;
        engine.sessions.invalidate_sessions(&mine, &caller(&mine), None, InvalidateSessions::All).await.unwrap();
        engine.advance(1);
        let young = engine.sign_in("ada").await;
        assert_eq!(engine.sessions.prune_records(Duration::from_secs(1)).await.unwrap(), 0);
        engine.clock.advance(Duration::from_micros(1));
        assert_eq!(engine.sessions.prune_records(Duration::from_secs(1)).await.unwrap(), 2_502);
        assert_eq!(records(&engine, young.session.id).await.len(), 1);
    }

    async fn records_are_read_by_account_and_since_an_instant(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let ada = engine.sign_up("ada").await;
        engine.advance(1);
        let since = engine.clock.now();
        let second = engine.sign_in("ada").await;
        engine.sign_up("bob").await;
        let page = Page::from_arguments(None, None, None, None).unwrap();
        let found = async |which: RecordFilter| {
            let rows = engine.sessions.records(which, page).await.unwrap().rows;
            rows.iter().map(|record| record.session_id).collect::<Vec<_>>()
        };
        let of_ada = RecordFilter { account_id: Some(ada.account.id), ..RecordFilter::default() };
        assert_eq!(found(of_ada).await, [second.session.id, ada.session.id]);
        assert_eq!(found(RecordFilter { since: Some(since), ..of_ada }).await, [second.session.id]);
        assert_eq!(found(RecordFilter { since: Some(since), ..RecordFilter::default() }).await.len(), 2);
        assert!(found(RecordFilter { session_id: Some(ada.session.id), since: Some(since), ..RecordFilter::default() }).await.is_empty());
    }
}
