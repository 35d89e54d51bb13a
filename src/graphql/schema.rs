//! The server's own schema, and what any schema needs for ours.

use async_graphql::{
    MergedObject, MergedSubscription, ObjectType, SchemaBuilder, SubscriptionType,
};

use super::{
    DocumentLimits, Documents, ErrorExtension, SessionEntities, SessionExtension, SessionMutation,
    SessionQuery, SessionSubscription, Subgraph, loader,
    sdl::{ServiceSdl, federated},
    server_extension::ServerExtension,
};
use crate::account::Accounts;

/// The server's query root.
#[derive(MergedObject, Default)]
pub struct Query(SessionQuery, SessionEntities);

/// The server's mutation root.
#[derive(MergedObject, Default)]
pub struct Mutation(SessionMutation);

/// The server's subscription root.
#[derive(MergedSubscription, Default)]
pub struct Subscription(SessionSubscription);

/// The server's schema.
pub type Schema = async_graphql::Schema<Subgraph<Query>, Mutation, Subscription>;

/// What the server's schema allows.
#[derive(Debug, Clone, Copy)]
pub struct SchemaOptions {
    /// Whether gateways may read it, through `_service`.
    pub subgraph_sdl: bool,
    /// What documents may be, at most.
    pub limits: DocumentLimits,
}

/// Gives a schema what our objects need: the accounts and their engine, batching, the session hooks, and error codes.
/// Errors of your own resolvers keep their `extensions.code`; one without becomes `INTERNAL_SERVER_ERROR`, and only the
/// log says more.
#[must_use]
pub fn extend<Q, M, S>(
    builder: SchemaBuilder<Q, M, S>,
    accounts: Accounts,
) -> SchemaBuilder<Q, M, S>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    let sessions = SessionExtension::new(accounts.sessions().clone());
    data(builder, accounts)
        .extension(ErrorExtension)
        .extension(sessions)
}

fn data<Q, M, S>(builder: SchemaBuilder<Q, M, S>, accounts: Accounts) -> SchemaBuilder<Q, M, S> {
    builder
        .data(loader::loader(accounts.clone()))
        .data(accounts)
}

/// The server's schema over its accounts.
#[must_use]
pub fn schema(accounts: Accounts, documents: Documents, options: SchemaOptions) -> Schema {
    let extension = ServerExtension {
        sessions: SessionExtension::new(accounts.sessions().clone()),
        limits: options.limits,
        service_sdl: ServiceSdl(options.subgraph_sdl.then(|| sdl().into())),
        documents,
    };
    let mut builder = data(roots(), accounts).extension(extension);
    if !options.limits.introspection {
        // A suggestion names fields as well.
        builder = builder.disable_introspection().disable_suggestions();
    }
    builder.finish()
}

/// The schema's text.
#[must_use]
pub fn sdl() -> String {
    federated(&roots().finish())
}

fn roots() -> SchemaBuilder<Subgraph<Query>, Mutation, Subscription> {
    Schema::build(
        Subgraph::default(),
        Mutation::default(),
        Subscription::default(),
    )
    .enable_subscription_in_federation()
}
