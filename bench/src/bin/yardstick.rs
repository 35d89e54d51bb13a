//! The least that a server on this stack can do: the rates that sessiongraph is measured against.

use async_graphql::{Context, EmptySubscription, Error, Object, Schema};
use async_graphql_axum::GraphQL;
use axum::{Router, routing::post_service};
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DbBackend, EntityTrait, FromQueryResult,
    Statement, sqlx::sqlite::SqliteSynchronous,
};

mod row {
    use sea_orm::entity::prelude::*;

    /// A row as wide as a session's.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "yardstick")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: i64,
        pub(crate) generation: i64,
        pub(crate) user_agent: String,
        pub(crate) ip: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

struct Query;

#[Object]
impl Query {
    async fn hello(&self) -> &str {
        "world"
    }

    /// One SELECT by primary key.
    async fn row(&self, ctx: &Context<'_>, id: i64) -> Result<i64, Error> {
        let row = row::Entity::find_by_id(id)
            .one(ctx.data::<DatabaseConnection>()?)
            .await?;
        Ok(row.ok_or("no row")?.id)
    }
}

struct Mutation;

#[derive(FromQueryResult)]
struct Touched {
    generation: i64,
}

#[Object]
impl Mutation {
    /// One single-row UPDATE … RETURNING.
    async fn touch(&self, ctx: &Context<'_>, id: i64) -> Result<i64, Error> {
        let db = ctx.data::<DatabaseConnection>()?;
        let sql =
            "UPDATE yardstick SET generation = generation + 1 WHERE id = $1 RETURNING generation";
        let statement = Statement::from_sql_and_values(
            sea_orm::ConnectionTrait::get_database_backend(db),
            sql,
            [id.into()],
        );
        let row = Touched::find_by_statement(statement).one(db).await?;
        Ok(row.ok_or("no row")?.generation)
    }

    /// One Argon2id verification.
    async fn verify(&self, ctx: &Context<'_>, password: String) -> Result<bool, Error> {
        let hash = ctx.data::<Hash>()?.0.clone();
        Ok(tokio::task::spawn_blocking(move || verifies(&hash, &password)).await?)
    }
}

#[derive(Clone)]
struct Hash(String);

fn argon2() -> Result<argon2::Argon2<'static>, argon2::Error> {
    let params = argon2::Params::new(19_456, 2, 1, None)?;
    Ok(argon2::Argon2::new(
        argon2::Algorithm::Argon2id,
        argon2::Version::V0x13,
        params,
    ))
}

fn verifies(hash: &str, password: &str) -> bool {
    use argon2::{PasswordVerifier, password_hash::phc::PasswordHash};
    let Ok(hash) = PasswordHash::new(hash) else {
        return false;
    };
    argon2().is_ok_and(|argon2| argon2.verify_password(password.as_bytes(), &hash).is_ok())
}

fn hash() -> Result<Hash, Box<dyn std::error::Error>> {
    use argon2::PasswordHasher;
    let hash = argon2()?
        .hash_password_with_salt(b"correct horse", b"a salt of the bench")
        .map_err(|error| error.to_string())?;
    Ok(Hash(hash.to_string()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(listen), Some(url)) = (arguments.next(), arguments.next()) else {
        return Err("usage: yardstick ADDRESS DATABASE_URL".into());
    };
    let mut options = ConnectOptions::new(url.as_str());
    options
        .max_connections(if url.starts_with("sqlite:") { 1 } else { 20 })
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .create_if_missing(true)
                .journal_mode(sea_orm::sqlx::sqlite::SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
        });
    let db = Database::connect(options).await?;
    prepare(&db).await?;
    let schema = Schema::build(Query, Mutation, EmptySubscription)
        .data(db)
        .data(hash()?)
        .finish();
    let router = Router::new().route("/graphql", post_service(GraphQL::new(schema)));
    let listener = tokio::net::TcpListener::bind(&listen).await?;
    Ok(axum::serve(listener, router).await?)
}

async fn prepare(db: &DatabaseConnection) -> Result<(), sea_orm::DbErr> {
    use sea_orm::ConnectionTrait;
    db.execute_unprepared(
        "CREATE TABLE IF NOT EXISTS yardstick (id BIGINT PRIMARY KEY, generation BIGINT NOT NULL, user_agent TEXT NOT NULL, ip TEXT NOT NULL)",
    )
    .await?;
    let agent =
        "'Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0', '127.0.0.1'";
    let rows = if db.get_database_backend() == DbBackend::Postgres {
        format!("SELECT n, 0, {agent} FROM generate_series(1, 1000) n")
    } else {
        format!(
            "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 1000) SELECT n, 0, {agent} FROM t WHERE true"
        )
    };
    db.execute_unprepared(&format!(
        "INSERT INTO yardstick {rows} ON CONFLICT DO NOTHING"
    ))
    .await?;
    Ok(())
}
