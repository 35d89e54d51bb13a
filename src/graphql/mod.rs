//! GraphQL: the contract over the engine. Resolvers parse, call and wrap; nothing is decided here but who may see what.
//!
//! A server of your own merges [`SessionQuery`], [`SessionMutation`] and [`SessionSubscription`] into its roots and passes its schema builder
//! through [`extend`]; see `examples/embed.rs`.

mod batching;
mod current;
pub(crate) mod document;
mod document_size;
mod documents;
mod empty_selections;
mod error_extension;
mod errors;
mod guards;
mod limits;
mod loader;
mod merged_root;
mod mutation;
mod query;
#[cfg(feature = "server")]
pub(crate) mod requested;
mod schema;
mod sdl;
mod server_extension;
mod session_extension;
mod subgraph;
mod subscription;
pub mod types;
mod variable_usages;
mod variables;

#[cfg(feature = "server")]
pub(crate) use self::subscription::Opened;
pub use self::{
    current::{current_session, require_session},
    documents::Documents,
    error_extension::ErrorExtension,
    errors::{RequestId, refusal},
    guards::{FreshSignIn, Permission, ServiceScope, SignedIn},
    limits::DocumentLimits,
    mutation::SessionMutation,
    query::{SessionEntities, SessionQuery},
    schema::{Mutation, Query, Schema, SchemaOptions, Subscription, extend, schema, sdl},
    session_extension::SessionExtension,
    subgraph::Subgraph,
    subscription::SessionSubscription,
};
