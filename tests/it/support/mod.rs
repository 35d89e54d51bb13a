//! What tests stand on: a fresh database each, and an engine over it whose clock the test moves.

pub(crate) mod app;
pub(crate) mod database;
pub(crate) mod engine;
pub(crate) mod forgery;
pub(crate) mod postgres;

/// Declares tests that run on each database, as `sqlite::name` and `postgres::name`.
///
/// ```ignore
/// on_each_database! {
///     async fn a_session_can_be_read(database: TestDatabase) { … }
/// }
/// ```
macro_rules! on_each_database {
    ($( $(#[$meta:meta])* async fn $name:ident($database:ident: TestDatabase) $body:block )+) => {
        mod behaviour {
            use super::*;
            $( $(#[$meta])* pub(super) async fn $name($database: crate::support::database::TestDatabase) $body )+
        }
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::behaviour::$name(crate::support::database::TestDatabase::sqlite().await).await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::behaviour::$name(crate::support::database::TestDatabase::postgres().await).await;
                }
            )+
        }
    };
}
pub(crate) use on_each_database;
