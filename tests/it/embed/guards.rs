//! Guards of resolvers that are not ours.

use std::time::Duration;

use async_graphql::{Context, Object, Request, Response, Schema, Subscription};
use futures_util::stream::{Stream, StreamExt, iter};
use secrecy::SecretString;
use serde_json::{Value, json};
use sessiongraph::{
    account::AccountChanges,
    error::Result,
    graphql::{FreshSignIn, Permission, ServiceScope, SignedIn, extend, require_session},
    scope::Scope,
};

use crate::support::{
    database::TestDatabase,
    engine::{Engine, request},
    on_each_database,
};

struct Query;

#[Object]
impl Query {
    #[graphql(guard = "SignedIn")]
    async fn notes(&self) -> Option<i32> {
        Some(7)
    }

    #[graphql(guard = "SignedIn")]
    async fn name(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(require_session(ctx)
            .await?
            .account
            .username
            .clone()
            .unwrap_or_default())
    }

    #[graphql(guard = "FreshSignIn(Duration::from_mins(5))")]
    async fn danger(&self) -> Option<bool> {
        Some(true)
    }

    #[graphql(guard = "ServiceScope(Scope::AccountsRead)")]
    async fn import(&self) -> Option<bool> {
        Some(true)
    }

    #[graphql(guard = "Permission(\"reports:read\")")]
    async fn report(&self) -> Option<bool> {
        Some(true)
    }

    #[graphql(guard = "SignedIn.or(ServiceScope(Scope::SessionsRead))")]
    async fn either(&self) -> Option<bool> {
        Some(true)
    }

    async fn open(&self) -> bool {
        true
    }
}

struct Mutation;

#[Object]
impl Mutation {
    #[graphql(guard = "SignedIn")]
    async fn write(&self) -> bool {
        true
    }
}

struct Counting;

#[Subscription]
impl Counting {
    #[graphql(guard = "SignedIn")]
    async fn count(&self) -> impl Stream<Item = i32> {
        iter([1, 2])
    }
}

struct Own {
    engine: Engine,
    schema: Schema<Query, Mutation, Counting>,
}

impl Own {
    async fn new(database: &TestDatabase) -> Self {
        let engine = Engine::new(database).await;
        let builder = Schema::build(Query, Mutation, Counting);
        let schema = extend(builder, engine.accounts.clone()).finish();
        Self { engine, schema }
    }

    async fn ask(&self, document: &str, token: Option<&SecretString>) -> Response {
        let mut request = request();
        request.bearer = token.cloned();
        self.schema
            .execute(Request::new(document).data(request))
            .await
    }
}

/// Data, and of each error its path, code, reason and action.
fn told(response: &Response) -> (Value, Vec<Value>) {
    let answer = serde_json::to_value(response).unwrap();
    let errors = answer["errors"].as_array().cloned().unwrap_or_default();
    let errors = errors.iter().map(|error| {
        let extensions = &error["extensions"];
        json!([
            error["path"][0],
            extensions["code"],
            extensions["reason"],
            extensions["action"]
        ])
    });
    (answer["data"].clone(), errors.collect())
}

on_each_database! {
    async fn nobody_is_told_to_sign_in_and_the_rest_is_answered(database: TestDatabase) {
        let own = Own::new(&database).await;
        for field in ["notes", "danger", "import", "report"] {
            let (data, errors) = told(&own.ask(&format!("{{ {field} open }}"), None).await);
            assert_eq!(data, json!({ field: null, "open": true }));
            assert_eq!(errors, [json!([field, "UNAUTHENTICATED", "MISSING_TOKEN", "SIGN_IN"])]);
        }
        let (data, errors) = told(&own.ask("mutation { write }", None).await);
        assert_eq!(data, Value::Null);
        assert_eq!(errors, [json!(["write", "UNAUTHENTICATED", "MISSING_TOKEN", "SIGN_IN"])]);
        // A field that is not nullable takes its parent with it.
        let (data, errors) = told(&own.ask("{ name open }", None).await);
        assert_eq!((data, errors.len()), (Value::Null, 1));
    }

    async fn a_subscription_is_guarded_as_well(database: TestDatabase) {
        let own = Own::new(&database).await;
        let login = own.engine.sign_up("ada").await;
        let subscribe = async |token: Option<&SecretString>| {
            let mut request = request();
            request.bearer = token.cloned();
            let request = Request::new("subscription { count }").data(request);
            own.schema.execute_stream(request).collect::<Vec<_>>().await
        };
        let refused = subscribe(None).await;
        let (data, errors) = told(&refused[0]);
        assert_eq!((data, refused.len()), (Value::Null, 1));
        assert_eq!(errors, [json!(["count", "UNAUTHENTICATED", "MISSING_TOKEN", "SIGN_IN"])]);
        let counted = subscribe(Some(&login.tokens.access_token)).await;
        let counted: Vec<_> = counted.iter().map(|response| told(response).0).collect();
        assert_eq!(counted, [json!({ "count": 1 }), json!({ "count": 2 })]);
    }

    async fn who_is_signed_in_passes_by_one_reading_of_the_session(database: TestDatabase) {
        let own = Own::new(&database).await;
        let login = own.engine.sign_up("ada").await;
        own.engine.statements.take();
        let token = Some(&login.tokens.access_token);
        let (data, errors) = told(&own.ask("{ notes name danger either }", token).await);
        assert_eq!(data, json!({ "notes": 7, "name": "ada", "danger": true, "either": true }));
        assert!(errors.is_empty());
        assert_eq!(own.engine.statements.take().len(), 1);
        let (data, _) = told(&own.ask("mutation { write }", token).await);
        assert_eq!(data, json!({ "write": true }));
    }

    async fn a_token_that_does_not_hold_opens_nothing(database: TestDatabase) {
        let own = Own::new(&database).await;
        let login = own.engine.sign_up("ada").await;
        let token = &login.tokens.access_token;
        own.engine.advance(400);
        let (_, errors) = told(&own.ask("{ notes }", Some(token)).await);
        assert_eq!(errors, [json!(["notes", "UNAUTHENTICATED", "TOKEN_EXPIRED", "REFRESH"])]);
        let refreshed = own.engine.refresh(&login.tokens.refresh_token).await.unwrap();
        own.engine.sessions.logout(&mut request(), Some(&refreshed.tokens.access_token)).await.unwrap();
        let (data, errors) = told(&own.ask("{ notes open }", Some(&refreshed.tokens.access_token)).await);
        assert_eq!(data, json!({ "notes": null, "open": true }));
        assert_eq!(errors, [json!(["notes", "UNAUTHENTICATED", "INVALID_SESSION", "SIGN_IN"])]);
        let (data, _) = told(&own.ask("mutation { write }", Some(&refreshed.tokens.access_token)).await);
        assert_eq!(data, Value::Null);
    }

    async fn a_sign_in_is_fresh_for_as_long_as_the_field_says_however_often_it_is_refreshed(database: TestDatabase) {
        let own = Own::new(&database).await;
        let login = own.engine.sign_up("ada").await;
        own.engine.advance(299);
        let (data, _) = told(&own.ask("{ danger }", Some(&login.tokens.access_token)).await);
        assert_eq!(data, json!({ "danger": true }));
        own.engine.advance(2);
        let refreshed = own.engine.refresh(&login.tokens.refresh_token).await.unwrap();
        let token = Some(&refreshed.tokens.access_token);
        let (data, errors) = told(&own.ask("{ danger notes }", token).await);
        assert_eq!(data, json!({ "danger": null, "notes": 7 }));
        assert_eq!(errors, [json!(["danger", "FORBIDDEN", "SIGN_IN_TOO_OLD", "SIGN_IN"])]);
        let again = own.engine.sign_in("ada").await;
        let (data, _) = told(&own.ask("{ danger }", Some(&again.tokens.access_token)).await);
        assert_eq!(data, json!({ "danger": true }));
    }

    async fn a_service_key_is_a_backends_and_no_users(database: TestDatabase) {
        let own = Own::new(&database).await;
        let key = |name: &'static str, scope| own.engine.sessions.create_service_key(name, [scope]);
        let reader = key("reader", Scope::AccountsRead).await.unwrap();
        let other = key("other", Scope::SessionsRead).await.unwrap();
        let document = "{ import notes danger report }";
        let (data, errors) = told(&own.ask(document, Some(&reader)).await);
        assert_eq!(data, json!({ "import": true, "notes": null, "danger": null, "report": null }));
        assert!(errors.iter().all(|error| error[1] == "FORBIDDEN" && error[2] == Value::Null), "{errors:?}");
        let (data, errors) = told(&own.ask("{ import either }", Some(&other)).await);
        assert_eq!(data, json!({ "import": null, "either": true }));
        assert_eq!(errors, [json!(["import", "FORBIDDEN", null, null])]);
        let ada = own.engine.sign_up("ada").await;
        let (_, errors) = told(&own.ask("{ import }", Some(&ada.tokens.access_token)).await);
        assert_eq!(errors, [json!(["import", "FORBIDDEN", null, null])]);
    }

    async fn a_permission_is_what_the_account_has_now(database: TestDatabase) {
        let own = Own::new(&database).await;
        let login = own.engine.sign_up("ada").await;
        let token = Some(&login.tokens.access_token);
        let (_, errors) = told(&own.ask("{ report }", token).await);
        assert_eq!(errors, [json!(["report", "FORBIDDEN", null, null])]);
        for (permissions, allowed) in [(&["reports:read"][..], true), (&["reports:read:all"], false), (&["x", "reports:read"], true), (&[], false)] {
            let permissions = permissions.iter().map(ToString::to_string).collect();
            let changes = AccountChanges { permissions: Some(permissions), ..AccountChanges::default() };
            own.engine.accounts.update(&request(), login.account.id, changes).await.unwrap();
            let (data, errors) = told(&own.ask("{ report }", token).await);
            assert_eq!((data["report"] == true, errors.is_empty()), (allowed, allowed));
        }
    }
}
