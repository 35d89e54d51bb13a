#![expect(clippy::expect_used, reason = "what is set up here cannot fail")]
//! What costs time and asks nobody: `make bench-pure`. Medians of one machine are compared with each other, not with others.

use std::{hint::black_box, time::Duration};

use async_graphql::{EmptyMutation, EmptySubscription, Object, Request, Schema};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use chrono::{DateTime, Utc};
use criterion::{Criterion, criterion_group, criterion_main};
use jsonwebtoken::{DecodingKey, EncodingKey};
use secrecy::ExposeSecret;
use sessiongraph::{
    crypto::{
        access_token::{Claims, SigningAlgorithm, SigningKey, Verifier, VerifyingKey, sign},
        keep_signing_keys,
        opaque_token::{RefreshToken, RefreshTokenMaker},
    },
    entity::session,
    graphql::{DocumentLimits, Documents, ErrorExtension},
    session::{Circumstances, decide},
};
use uuid::Uuid;

const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "example";
const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default()
}

fn claims() -> Claims {
    Claims {
        iss: ISSUER.into(),
        aud: AUDIENCE.into(),
        sub: Uuid::from_u128(1),
        sid: Uuid::from_u128(2),
        client_id: AUDIENCE.into(),
        jti: "kq3v8xn1m0.7".into(),
        iat: now().timestamp(),
        exp: now().timestamp() + 300,
        nbf: None,
        scope: "read write".into(),
        extra: serde_json::Map::new(),
    }
}

fn keys() -> (SigningKey, VerifyingKey) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a random key");
    let document = pair.to_pkcs8v1().expect("a key has a document");
    let (kid, algorithm) = ("bench".to_owned(), SigningAlgorithm::Es256);
    let signing = SigningKey {
        kid: kid.clone(),
        algorithm,
        key: EncodingKey::from_ec_der(document.as_ref()),
    };
    let verifying = VerifyingKey {
        kid,
        algorithm,
        key: DecodingKey::from_ec_der(pair.public_key().as_ref()),
    };
    (signing, verifying)
}

fn access_tokens(criterion: &mut Criterion) {
    let (signing, verifying) = keys();
    let mut group = criterion.benchmark_group("access token, ES256");
    let claims = claims();
    group.bench_function("sign, the key read anew", |bencher| {
        bencher.iter(|| sign(&signing, black_box(&claims)));
    });
    keep_signing_keys();
    group.bench_function("sign, the key kept", |bencher| {
        bencher.iter(|| sign(&signing, black_box(&claims)));
    });
    let token = sign(&signing, &claims).expect("a token");
    let find = |kid: &str| (kid == verifying.kid).then_some(&verifying);
    group.bench_function("verify, seen for the first time", |bencher| {
        bencher.iter_with_setup(
            || Verifier::new(ISSUER, AUDIENCE),
            |verifier| {
                verifier
                    .verify(black_box(token.expose_secret()), find)
                    .is_ok()
            },
        );
    });
    let verifier = Verifier::new(ISSUER, AUDIENCE);
    group.bench_function("verify, seen before", |bencher| {
        bencher.iter(|| {
            verifier
                .verify(black_box(token.expose_secret()), find)
                .is_ok()
        });
    });
    group.finish();
}

fn refresh_tokens(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("refresh token");
    let maker = RefreshTokenMaker::new(1, &[7; 32]);
    let token = RefreshToken {
        session_id: Uuid::from_u128(2),
        generation: 7,
    };
    let text = maker.make(token);
    group.bench_function("make", |bencher| {
        bencher.iter(|| maker.make(black_box(token)));
    });
    group.bench_function("parse and verify", |bencher| {
        bencher.iter(|| maker.verify(black_box(text.expose_secret())));
    });
    group.bench_function("refuse a forged one", |bencher| {
        let forged = format!(
            "{}A",
            &text.expose_secret()[..text.expose_secret().len() - 1]
        );
        bencher.iter(|| maker.verify(black_box(&forged)));
    });
    group.finish();
}

fn rotation(criterion: &mut Criterion) {
    let row = session::Model {
        id: Uuid::from_u128(2),
        account_id: Uuid::from_u128(1),
        generation: 7,
        parent: Some(6),
        seen_generation: 6,
        ip: "192.0.2.1".into(),
        user_agent: AGENT.into(),
        user_agent_family: Some("Firefox, Linux".into()),
        metadata: None,
        created_at: now(),
        refreshed_at: now(),
        last_seen_at: now(),
        expires_at: now() + Duration::from_hours(24),
        absolute_expires_at: now() + Duration::from_hours(48),
        invalidated_at: None,
        invalidation_reason: None,
        opened_in: None,
    };
    let circumstances = Circumstances {
        now: now(),
        grace: Duration::from_secs(35),
        recovery: true,
        agent_matches: true,
        seen_generation: 6,
    };
    let mut group = criterion.benchmark_group("rotation decision");
    for (name, presented) in [
        ("the current token", 7),
        ("the one before", 6),
        ("an old one", 3),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| decide(black_box(&row), presented, &circumstances));
        });
    }
    group.finish();
}

struct Query;

#[Object]
impl Query {
    async fn hello(&self) -> &str {
        "world"
    }
}

fn schema() -> async_graphql::SchemaBuilder<Query, EmptyMutation, EmptySubscription> {
    Schema::build(Query, EmptyMutation, EmptySubscription)
}

/// What our extensions add to a request, and what remembering its document takes away.
fn extensions(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let limits = DocumentLimits {
        depth: 12,
        complexity: 2_000,
        aliases: 30,
        introspection: true,
    };
    let mut group = criterion.benchmark_group("{ hello }");
    let schemas = [
        ("async-graphql alone", schema().finish()),
        (
            "with errors and limits",
            schema()
                .extension(ErrorExtension)
                .extension(limits)
                .finish(),
        ),
        (
            "with errors, limits and documents",
            schema()
                .extension(ErrorExtension)
                .extension(limits)
                .extension(Documents::default())
                .finish(),
        ),
    ];
    for (name, schema) in schemas {
        group.bench_function(name, |bencher| {
            bencher.iter(|| runtime.block_on(schema.execute(Request::new("{ hello }"))));
        });
    }
    group.finish();
}

criterion_group!(pure, access_tokens, refresh_tokens, rotation, extensions);
criterion_main!(pure);
