//! What is issued is kept nowhere: not in the database, not in what is printed, not in the log.

use std::{
    fmt::Debug,
    fs, io,
    sync::{Arc, Mutex},
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use sea_orm::{ConnectionTrait, EntityTrait, Statement};
use secrecy::SecretString;
use sessiongraph::{
    account::{ChangePassword, NewAccount, SignIn, SignUp},
    crypto::password::Password,
    database::DatabaseOptions,
    entity::{account, secret_key, service_key, session, signing_key},
    request::CookieChange,
    scope::Scope,
    session::{LoginResult, Policy, RefreshTokensInput, TokenTransport},
};
use tracing::{Dispatch, Level, subscriber::NoSubscriber};
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{
    database::{TestDatabase, tables},
    engine::{Engine, PASSWORD, SAFARI, SECRET, keyring_options, request, request_of, text},
    on_each_database,
};

const NEW_PASSWORD: &str = "another correct horse battery";

/// What must be found nowhere.
struct Issued {
    texts: Vec<String>,
    bytes: Vec<Vec<u8>>,
    logins: Vec<LoginResult>,
    service_key: SecretString,
}

impl Issued {
    /// A life of sessions, recoveries and thefts included.
    async fn by(engine: &Engine) -> Self {
        let mut logins = vec![engine.sign_up("ada").await, engine.sign_in("ada").await];
        let token = |login: &LoginResult| login.tokens.refresh_token.clone();
        for _ in 0..3 {
            let next = engine
                .refresh_and_advance(&token(logins.last().unwrap()), 60)
                .await;
            engine.show(&next.tokens.access_token).await;
            logins.push(next);
        }
        engine
            .refresh_from(&request_of(SAFARI), &token(&logins[4]))
            .await
            .unwrap_err();
        let lost = engine.refresh_and_advance(&token(&logins[0]), 60).await;
        logins.extend([lost, engine.refresh(&token(&logins[0])).await.unwrap()]);
        engine.refresh(&token(&logins[1])).await.unwrap_err();
        engine
            .try_sign_in("ada", "a wrong password")
            .await
            .unwrap_err();
        engine
            .refresh(&SecretString::from("sgr_a_forged_token"))
            .await
            .unwrap_err();
        let change = ChangePassword {
            current: Password::new(PASSWORD),
            new: Password::new(NEW_PASSWORD),
            invalidate_other_sessions: false,
        };
        let signed_in = engine.show(&logins[6].tokens.access_token).await;
        engine
            .accounts
            .change_password(&signed_in, change)
            .await
            .unwrap();
        let service_key = engine
            .sessions
            .create_service_key("backend", Scope::ALL)
            .await
            .unwrap();
        engine.show(&service_key).await;
        engine.sessions.flush_activity().await.unwrap();
        Self::of(logins, service_key)
    }

    fn of(logins: Vec<LoginResult>, service_key: SecretString) -> Self {
        let mut texts = [
            PASSWORD,
            NEW_PASSWORD,
            SECRET,
            "a wrong password",
            "sgr_a_forged_token",
        ]
        .map(str::to_owned)
        .to_vec();
        let mut bytes = Vec::new();
        for password in [PASSWORD, NEW_PASSWORD] {
            let digest = digest(&SHA256, password.as_bytes()).as_ref().to_vec();
            texts.push(hex(&digest));
            bytes.push(digest);
        }
        let opaque = logins
            .iter()
            .map(|login| &login.tokens.refresh_token)
            .chain([&service_key]);
        for token in opaque {
            texts.push(text(token).to_owned());
            // The part that cannot be computed without the key.
            let decoded = BASE64_URL_SAFE_NO_PAD.decode(&text(token)[4..]).unwrap();
            bytes.push(decoded[decoded.len() - 32..].to_vec());
        }
        for login in &logins {
            let (_, signature) = text(&login.tokens.access_token).rsplit_once('.').unwrap();
            texts.push(signature.to_owned());
            bytes.push(BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap());
        }
        Self {
            texts,
            bytes,
            logins,
            service_key,
        }
    }

    fn assert_not_in(&self, what: &str, haystack: &[u8]) {
        let needles = self
            .texts
            .iter()
            .map(String::as_bytes)
            .chain(self.bytes.iter().map(Vec::as_slice));
        for needle in needles {
            // As it is, and as PostgreSQL writes a bytea.
            for form in [needle, hex(needle).as_bytes()] {
                let found = haystack.windows(form.len()).any(|window| window == form);
                assert!(!found, "{what} has {}", String::from_utf8_lossy(form));
            }
        }
    }

    fn assert_not_printed(&self, value: &impl Debug) {
        self.assert_not_in(
            "what is printed",
            format!("{value:?} {value:#?}").as_bytes(),
        );
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// Everything that the database keeps.
async fn dump(engine: &Engine, database: &TestDatabase) -> Vec<u8> {
    let mut dump = Vec::new();
    if let Some(directory) = database.sqlite_directory() {
        for file in fs::read_dir(directory).unwrap() {
            dump.extend(fs::read(file.unwrap().path()).unwrap());
        }
    } else {
        for table in tables(&engine.db).await {
            let sql = format!("SELECT CAST(t AS text) FROM {table} t");
            let statement = Statement::from_string(engine.db.get_database_backend(), sql);
            for row in engine.db.query_all_raw(statement).await.unwrap() {
                dump.extend(row.try_get_by_index::<String>(0).unwrap().into_bytes());
            }
        }
    }
    dump
}

/// Collects a log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

on_each_database! {
    async fn nothing_that_is_issued_is_in_the_database(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let issued = Issued::by(&engine).await;
        engine.keyring.rotate(true).await.unwrap();
        let dump = dump(&engine, &database).await;
        // It is the right place to look.
        let holds = |text: &str| dump.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(holds("$argon2id$") && holds("backend") && holds("192.0.2.1"));
        issued.assert_not_in("the database", &dump);
    }

    async fn nothing_that_is_issued_is_printed(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let issued = Issued::by(&engine).await;
        for login in &issued.logins {
            issued.assert_not_printed(login);
            issued.assert_not_printed(&login.tokens);
        }
        let login = &issued.logins[0];
        let mut request = engine.show(&issued.service_key).await;
        request.cookies.access = Some(login.tokens.access_token.clone());
        request.cookies.refresh = Some(login.tokens.refresh_token.clone());
        request.change_cookies(CookieChange::Set {
            access: login.tokens.access_token.clone(),
            access_max_age: std::time::Duration::ZERO,
            refresh: login.tokens.refresh_token.clone(),
            refresh_max_age: std::time::Duration::ZERO,
        });
        issued.assert_not_printed(&request);
        issued.assert_not_printed(&request.cookies);
        issued.assert_not_printed(&request.authentication);
        issued.assert_not_printed(&request.take_cookie_change().unwrap());

        issued.assert_not_printed(&engine.sessions);
        issued.assert_not_printed(&engine.sessions.activity());
        issued.assert_not_printed(&engine.accounts);
        issued.assert_not_printed(&engine.keyring);
        issued.assert_not_printed(&engine.keyring.key_set());
        issued.assert_not_printed(&engine.keyring.list());
        issued.assert_not_printed(&keyring_options(SECRET, &Policy::default()));
        let hash = account::Entity::find().one(&engine.db).await.unwrap().unwrap();
        issued.assert_not_printed(&hash);
        assert!(!format!("{hash:?}").contains("argon2"));
        issued.assert_not_printed(&session::Entity::find().all(&engine.db).await.unwrap());
        issued.assert_not_printed(&service_key::Entity::find().all(&engine.db).await.unwrap());
        let signing = signing_key::Entity::find().all(&engine.db).await.unwrap();
        issued.assert_not_printed(&signing);
        let secret = secret_key::Entity::find().all(&engine.db).await.unwrap();
        issued.assert_not_printed(&secret);

        let (password, transport) = (|| Password::new(PASSWORD), TokenTransport::Body);
        issued.assert_not_printed(&SignUp { username: None, email: None, password: password(), transport });
        issued.assert_not_printed(&SignIn { identifier: String::new(), password: password(), transport });
        issued.assert_not_printed(&NewAccount { password: Some(password()), ..NewAccount::default() });
        issued.assert_not_printed(&ChangePassword { current: password(), new: password(), invalidate_other_sessions: true });
        issued.assert_not_printed(&RefreshTokensInput { refresh_token: Some(login.tokens.refresh_token.clone()) });
        issued.assert_not_printed(&DatabaseOptions::new(format!("postgres://ada:{SECRET}@localhost/db")));
    }

    async fn no_error_repeats_what_was_sent(database: TestDatabase) {
        let engine = Engine::new(&database).await;
        let login = engine.sign_up("ada").await;
        let secret = "sgr_something_that_was_sent";
        let mut errors = vec![
            engine.refresh(&secret.into()).await.unwrap_err(),
            engine.try_sign_in("ada", secret).await.unwrap_err(),
            engine.try_sign_in(secret, secret).await.unwrap_err(),
            engine.sessions.logout(&mut request(), Some(&secret.into())).await.unwrap_err(),
            engine.show(&secret.into()).await.session_claims().unwrap_err(),
            engine.sessions.create_service_key(&format!("{secret}\n"), Scope::ALL).await.unwrap_err(),
        ];
        errors.push(engine.refresh(&login.tokens.access_token).await.unwrap_err());
        for error in errors {
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains(secret) && !shown.contains(text(&login.tokens.access_token)), "{shown}");
        }
    }

    async fn nothing_that_is_issued_is_in_the_log(database: TestDatabase) {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_max_level(Level::TRACE).with_writer(log.clone());
        // With two of them alive, what other tests log first is not switched off for this one.
        let _another = Dispatch::new(NoSubscriber::new());
        let logging = tracing::subscriber::set_default(subscriber.finish());
        let engine = Engine::new(&database).await;
        let issued = Issued::by(&engine).await;
        engine.keyring.rotate(true).await.unwrap();
        drop(logging);
        let log = log.0.lock().unwrap().clone();
        let logged = String::from_utf8(log.clone()).unwrap();
        for warning in ["was reused", "another user agent", "was recovered from"] {
            assert!(logged.contains(warning), "{warning}: {logged}");
        }
        issued.assert_not_in("the log", &log);
        // Nor where it is reached, which may say a password.
        assert!(!logged.contains(database.url.as_str()));
    }
}
