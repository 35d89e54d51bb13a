//! Migrating.

use sessiongraph::database::{DatabaseOptions, connect, migrate};

use crate::support::{database::scalar, on_each_database, postgres::server};

#[tokio::test]
async fn replicas_that_start_at_once_on_an_empty_database_all_start() {
    let server = server();
    let name = format!("empty_{}", uuid::Uuid::now_v7().simple());
    server.create_database(&name, None).await.unwrap();
    let replicas = (0..4).map(|_| {
        let url = server.url(&name);
        tokio::spawn(
            async move { migrate(&connect(&DatabaseOptions::new(url)).await.unwrap()).await },
        )
    });
    for replica in replicas.collect::<Vec<_>>() {
        replica.await.unwrap().unwrap();
    }
}

on_each_database! {
    async fn migrating_again_changes_nothing(database: TestDatabase) {
        let db = database.connect().await;
        let applied = || scalar(&db, "SELECT COUNT(*) FROM seaql_migrations");
        let before = applied().await;
        migrate(&db).await.unwrap();
        assert_eq!(applied().await, before);
    }
}
