//! What attackers make of access tokens (RFC 8725).

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::SecretString;
use serde_json::{Value, json};
use sessiongraph::{
    clock::ManualClock,
    crypto::access_token::{Claims, SigningKey},
    error::Action,
    scope::Scope,
    session::{LoginResult, Policy},
};

use crate::support::{
    database::TestDatabase,
    engine::{Engine, keyring_options, request, text, told},
    on_each_database,
};

const NOT_GENUINE: (&str, Option<&str>, Option<Action>) = (
    "UNAUTHENTICATED",
    Some("TOKEN_VERIFICATION_FAILED"),
    Some(Action::SignIn),
);
const UNKNOWN_KEY: (&str, Option<&str>, Option<Action>) = (
    "UNAUTHENTICATED",
    Some("TOKEN_VERIFICATION_FAILED"),
    Some(Action::Refresh),
);

/// An engine with an account, and what a thief of its signing key could do.
struct Forge {
    engine: Engine,
    login: LoginResult,
    key: SigningKey,
}

impl Forge {
    async fn new(database: &TestDatabase) -> Self {
        let engine = Engine::new(database).await;
        let login = engine.sign_up("ada").await;
        let key = engine.keyring.key_set().signing.clone();
        Self { engine, login, key }
    }

    fn header(&self) -> Header {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(self.key.kid.clone());
        header
    }

    fn claims(&self) -> Value {
        serde_json::to_value(&*self.login.claims).unwrap()
    }

    /// Signed with our own key.
    fn signed(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.key.key).unwrap()
    }

    /// With one claim changed, or taken away.
    fn with_claim(&self, name: &str, value: Option<Value>) -> String {
        let mut claims = self.claims();
        let members = claims.as_object_mut().unwrap();
        match value {
            Some(value) => members.insert(name.to_owned(), value),
            None => members.remove(name),
        };
        self.signed(&self.header(), &claims)
    }

    /// With texts of header and payload that no library would write.
    fn signed_texts(&self, header: &str, payload: &str) -> String {
        let message = format!("{}.{}", encoded(header), encoded(payload));
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &self.key.key, Algorithm::ES256);
        format!("{message}.{}", signature.unwrap())
    }

    async fn assert_told(
        &self,
        token: &str,
        expected: (&str, Option<&str>, Option<Action>),
        what: &str,
    ) {
        let token = SecretString::from(token.to_owned());
        let error = self.engine.session_of(&token).await.unwrap_err();
        assert_eq!(told(&error), expected, "{what}");
        // Nor does it log anybody out.
        let logout = self
            .engine
            .sessions
            .logout(&mut request(), Some(&token))
            .await;
        assert!(
            ["TOKEN_VERIFICATION_FAILED", "INVALID_TOKEN"].contains(&logout.unwrap_err().code()),
            "{what}"
        );
        assert_eq!(
            self.engine.ended_with(self.login.session.id).await,
            None,
            "{what}"
        );
    }
}

fn encoded(text: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

/// A keyring of the attacker's own.
async fn elsewhere() -> Engine {
    let policy = Policy::default();
    let options = keyring_options("the master secret of another deployment", &policy);
    let database = TestDatabase::sqlite().await;
    Engine::with_keys(&database, ManualClock::default(), policy, options).await
}

/// A key of the attacker's own, with its public JWK.
async fn foreign_key() -> (EncodingKey, Value) {
    let keyring = elsewhere().await.keyring;
    let signing = keyring.key_set().signing.clone();
    let jwks: Value = serde_json::from_str(&keyring.jwks()).unwrap();
    (signing.key, jwk_of(&jwks, &signing.kid))
}

fn jwk_of(jwks: &Value, kid: &str) -> Value {
    let keys = jwks["keys"].as_array().unwrap();
    keys.iter().find(|key| key["kid"] == kid).unwrap().clone()
}

on_each_database! {
    async fn what_is_signed_with_our_key_and_nothing_changed_is_taken(database: TestDatabase) {
        let forge = Forge::new(&database).await;
        let token = forge.signed(&forge.header(), &forge.claims());
        assert!(forge.engine.session_of(&token.into()).await.is_ok(), "else the other tests would prove nothing");
        let claims = serde_json::to_string(&forge.claims()).unwrap();
        let token = forge.signed_texts(&serde_json::to_string(&forge.header()).unwrap(), &claims);
        assert!(forge.engine.session_of(&token.into()).await.is_ok());
    }

    // RFC 8725 sections 2.1 and 3.1.
    async fn the_key_says_which_algorithm(database: TestDatabase) {
        let forge = Forge::new(&database).await;
        let claims = serde_json::to_string(&forge.claims()).unwrap();
        for alg in ["none", "None", "NONE", "nOnE", ""] {
            let header = json!({ "alg": alg, "typ": "at+jwt", "kid": forge.key.kid }).to_string();
            let unsigned = format!("{}.{}.", encoded(&header), encoded(&claims));
            forge.assert_told(&unsigned, NOT_GENUINE, alg).await;
            forge.assert_told(unsigned.trim_end_matches('.'), NOT_GENUINE, alg).await;
        }
        let public: Value = serde_json::from_str(&forge.engine.keyring.jwks()).unwrap();
        let public = jwk_of(&public, &forge.key.kid);
        let point = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(public[name].as_str().unwrap()).unwrap();
        let uncompressed = [vec![4], point("x"), point("y")].concat();
        for secret in [public.to_string().into_bytes(), uncompressed, point("x"), Vec::new()] {
            let mut header = forge.header();
            header.alg = Algorithm::HS256;
            let token = jsonwebtoken::encode(&header, &forge.claims(), &EncodingKey::from_secret(&secret)).unwrap();
            forge.assert_told(&token, NOT_GENUINE, "HS256 with the public key").await;
        }
    }

    // RFC 8725 sections 2.6, 3.10: keys come from the keyring alone.
    async fn no_header_brings_a_key_along(database: TestDatabase) {
        let forge = Forge::new(&database).await;
        let (foreign, jwk) = foreign_key().await;
        let evil = "https://attacker.example/keys.json".to_owned();
        let variants: [fn(&mut Header, &Value, String); 4] = [
            |header, jwk, _| header.jwk = Some(serde_json::from_value(jwk.clone()).unwrap()),
            |header, _, evil| header.jku = Some(evil),
            |header, _, evil| header.x5u = Some(evil),
            |header, _, _| header.x5c = Some(vec!["MIIB".to_owned()]),
        ];
        for (n, bring) in variants.into_iter().enumerate() {
            let mut header = forge.header();
            bring(&mut header, &jwk, evil.clone());
            let token = jsonwebtoken::encode(&header, &forge.claims(), &foreign).unwrap();
            forge.assert_told(&token, NOT_GENUINE, &format!("variant {n}, our kid")).await;
            header.kid = Some(jwk["kid"].as_str().unwrap().to_owned());
            let token = jsonwebtoken::encode(&header, &forge.claims(), &foreign).unwrap();
            forge.assert_told(&token, UNKNOWN_KEY, &format!("variant {n}, its kid")).await;
        }
    }

    async fn a_kid_is_looked_up_and_nothing_else(database: TestDatabase) {
        let forge = Forge::new(&database).await;
        let (foreign, _) = foreign_key().await;
        let long = "k".repeat(10_000);
        for kid in ["../../../../dev/null", "' OR '1'='1", "'; DROP TABLE signing_keys; --", "https://attacker.example/key", "\0", "", "%", &long] {
            let mut header = forge.header();
            header.kid = Some(kid.to_owned());
            let token = jsonwebtoken::encode(&header, &forge.claims(), &foreign).unwrap();
            forge.assert_told(&token, UNKNOWN_KEY, kid).await;
        }
        let mut header = forge.header();
        header.kid = None;
        let token = forge.signed(&header, &forge.claims());
        forge.assert_told(&token, NOT_GENUINE, "no kid").await;
        assert_eq!(forge.engine.keyring.list().len(), 2, "the keys are all there");
    }

    // RFC 8725 section 3.11, RFC 9068 section 4.
    async fn the_type_is_an_access_tokens(database: TestDatabase) {
        let forge = Forge::new(&database).await;
        for typ in [None, Some("JWT"), Some("logout+jwt"), Some("at+jwt2"), Some("application/jwt")] {
            let mut header = forge.header();
            header.typ = typ.map(str::to_owned);
            let token = forge.signed(&header, &forge.claims());
            let wrong_kind = ("UNAUTHENTICATED", Some("INVALID_TOKEN"), Some(Action::SignIn));
            forge.assert_told(&token, wrong_kind, typ.unwrap_or("none")).await;
        }
        for typ in ["AT+JWT", "application/at+jwt"] {
            let mut header = forge.header();
            header.typ = Some(typ.to_owned());
            let token = forge.signed(&header, &forge.claims());
            assert!(forge.engine.session_of(&token.into()).await.is_ok(), "{typ}");
        }
    }

    // RFC 8725 sections 3.8 and 3.9.
    async fn issuer_audience_subject_and_times_are_required_and_ours(database: TestDatabase) {
        let forge = Forge::new(&database).await;
        for claim in ["iss", "aud", "sub", "sid", "exp", "jti"] {
            forge.assert_told(&forge.with_claim(claim, None), NOT_GENUINE, claim).await;
            for value in [json!(null), json!(""), json!("another"), json!({}), json!([])] {
                let token = forge.with_claim(claim, Some(value.clone()));
                forge.assert_told(&token, NOT_GENUINE, &format!("{claim}: {value}")).await;
            }
        }
        let several = json!([forge.login.claims.aud, "another"]);
        forge.assert_told(&forge.with_claim("aud", Some(several)), NOT_GENUINE, "two audiences").await;
        let longer = json!(format!("{}/", forge.login.claims.iss));
        forge.assert_told(&forge.with_claim("iss", Some(longer)), NOT_GENUINE, "a longer issuer").await;
        for generation in ["x", "x.", "x.-1", "x.4294967296", "x.1e3"] {
            let token = forge.with_claim("jti", Some(json!(generation)));
            forge.assert_told(&token, NOT_GENUINE, generation).await;
        }
    }

    async fn a_token_has_its_time(database: TestDatabase) {
        let forge = Forge::new(&database).await;
        let now = forge.login.claims.iat;
        let early = forge.with_claim("nbf", Some(json!(now + 60)));
        forge.assert_told(&early, NOT_GENUINE, "not yet").await;
        forge.engine.advance(55);
        assert!(forge.engine.session_of(&early.into()).await.is_ok(), "now it is, clock skew allowed for");
        for exp in [0, now - 6, i64::MAX] {
            let expired = forge.with_claim("exp", Some(json!(exp)));
            let error = forge.engine.session_of(&expired.into()).await.unwrap_err();
            assert_eq!(error.reason(), Some("TOKEN_EXPIRED"), "{exp}");
        }
        for exp in [json!("1e9"), json!(1.5), json!(1e30), json!(-1), json!(i64::MIN)] {
            forge.assert_told(&forge.with_claim("exp", Some(exp.clone())), NOT_GENUINE, &exp.to_string()).await;
        }
        // The last second that there is: nothing overflows.
        let last = chrono::DateTime::<chrono::Utc>::MAX_UTC.timestamp();
        let token = forge.with_claim("exp", Some(json!(last)));
        assert!(forge.engine.session_of(&token.into()).await.is_ok());
    }

    async fn a_claim_is_there_once(database: TestDatabase) {
        let forge = Forge::new(&database).await;
        let header = serde_json::to_string(&forge.header()).unwrap();
        let claims = forge.claims();
        for name in ["sub", "sid", "exp", "iss", "aud"] {
            let twice = format!("{{\"{name}\":{},{}", claims[name], &claims.to_string()[1..]);
            forge.assert_told(&forge.signed_texts(&header, &twice), NOT_GENUINE, name).await;
        }
    }

    // RFC 7515 section 4.1.11.
    async fn what_a_header_calls_critical_is_understood_or_refused(database: TestDatabase) {
        let forge = Forge::new(&database).await;
        let claims = forge.claims().to_string();
        for crit in [json!(["exp"]), json!(["b64"]), json!([]), json!(["https://attacker.example/ext"]), json!("exp")] {
            let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": forge.key.kid, "crit": crit, "b64": true });
            let token = forge.signed_texts(&header.to_string(), &claims);
            forge.assert_told(&token, NOT_GENUINE, &crit.to_string()).await;
        }
    }

    async fn a_text_of_another_shape_is_refused(database: TestDatabase) {
        let forge = Forge::new(&database).await;
        let token = text(&forge.login.tokens.access_token);
        let (header, rest) = token.split_once('.').unwrap();
        let (payload, signature) = rest.split_once('.').unwrap();
        let too_long = forge.with_claim("padding", Some(json!("p".repeat(20_000))));
        let shapes = [
            too_long,
            format!("{token}.{signature}"),
            format!("{header}.{payload}.{payload}.{payload}.{signature}"),
            format!("{header}..{signature}"),
            format!("{token}="),
            format!("{token} "),
            format!("{header}.{payload}.{signature}\n"),
            format!("{}.{payload}.{signature}", encoded("{")),
            format!("{}.{payload}.{signature}", encoded(&"[".repeat(5_000))),
            json!({ "protected": header, "payload": payload, "signature": signature }).to_string(),
            ".".repeat(1_000),
            "é.é.é".to_owned(),
            "\u{0}".to_owned(),
        ];
        for (n, shape) in shapes.iter().enumerate() {
            forge.assert_told(shape, NOT_GENUINE, &format!("shape {n}")).await;
        }
    }

    async fn another_deployments_tokens_are_none_of_ours(database: TestDatabase) {
        let forge = Forge::new(&database).await;
        let other = elsewhere().await;
        let login = other.sign_up("ada").await;
        forge.assert_told(text(&login.tokens.access_token), UNKNOWN_KEY, "access token").await;
        let refused = forge.engine.refresh(&login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(refused.code(), "TOKEN_VERIFICATION_FAILED");
        let key = other.sessions.create_service_key("backend", Scope::ALL).await.unwrap();
        forge.assert_told(text(&key), NOT_GENUINE, "service key").await;
    }

    async fn a_token_is_used_for_what_it_is(database: TestDatabase) {
        let forge = Forge::new(&database).await;
        let engine = &forge.engine;
        let wrong_kind = ("UNAUTHENTICATED", Some("INVALID_TOKEN"), Some(Action::SignIn));
        let refresh = engine.session_of(&forge.login.tokens.refresh_token).await.unwrap_err();
        assert_eq!(told(&refresh), wrong_kind);
        let key = engine.sessions.create_service_key("backend", Scope::ALL).await.unwrap();
        for token in [&forge.login.tokens.access_token, &key] {
            let refused = engine.refresh(token).await.unwrap_err();
            assert_eq!(told(&refused), ("INVALID_TOKEN", None, Some(Action::SignIn)));
        }
        assert_eq!(engine.session_of(&key).await.unwrap_err().code(), "FORBIDDEN");
        let mut in_cookies = request();
        in_cookies.cookies.access = Some(key.clone());
        let seen = engine.sessions.handle_request(in_cookies).await.unwrap();
        let refused = engine.sessions.require_session(&seen).await.unwrap_err();
        assert_eq!(told(&refused), wrong_kind);
    }
}

#[test]
fn a_claim_that_nobody_knows_is_kept() {
    let claims: Claims = serde_json::from_value(json!({
        "iss": "i", "aud": "a", "sub": uuid::Uuid::nil(), "sid": uuid::Uuid::nil(), "client_id": "a",
        "jti": "j.0", "iat": 0, "exp": 0, "scope": "", "department": "x",
    }))
    .unwrap();
    assert_eq!(claims.extra["department"], "x");
}
