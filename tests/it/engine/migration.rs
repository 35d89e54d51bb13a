//! Migrating.

use sea_orm::ConnectionTrait;
use sessiongraph::{
    database::{DatabaseOptions, connect, ensure_migrated, migrate},
    entity::session_record::RecordKind,
    page::Page,
    session::RecordFilter,
};
use sessiongraph_migration::{Migrator, MigratorTrait};

use crate::support::{
    database::{TestDatabase, row_counts, scalar},
    engine::{Engine, request},
    on_each_database,
    postgres::server,
};

#[tokio::test]
async fn replicas_that_start_at_once_on_an_empty_database_all_start() {
    let server = server();
    let name = format!("empty_{}", uuid::Uuid::now_v7().simple());
    server.create_database(&name, None).await.unwrap();
    let options = DatabaseOptions::new(server.url(&name));
    let empty = connect(&options).await.unwrap();
    let refused = ensure_migrated(&empty).await.unwrap_err();
    let first = Migrator::migrations().swap_remove(0);
    assert!(refused.to_string().contains(first.name()), "{refused}");
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

#[tokio::test]
async fn tables_in_a_later_schema_of_the_search_path_are_found() {
    let database = TestDatabase::postgres().await;
    let db = database.connect().await;
    db.execute_unprepared("CREATE SCHEMA before_public")
        .await
        .unwrap();
    let path = "options=-c%20search_path%3Dbefore_public,public";
    let url = format!("{}&{path}", database.url);
    let db = connect(&DatabaseOptions::new(url)).await.unwrap();
    ensure_migrated(&db).await.unwrap();
}

/// How many migrations there are from the one of a name on.
fn migrations_since(name: &str) -> u32 {
    let migrations = Migrator::migrations();
    let before = migrations
        .iter()
        .take_while(|migration| !migration.name().ends_with(name));
    u32::try_from(migrations.len() - before.count()).unwrap()
}

on_each_database! {
    async fn migrating_again_changes_nothing(database: TestDatabase) {
        let db = database.connect().await;
        let applied = || scalar(&db, "SELECT COUNT(*) FROM seaql_migrations");
        let before = applied().await;
        migrate(&db).await.unwrap();
        assert_eq!(applied().await, before);
    }

    async fn a_database_that_a_newer_version_has_changed_is_left_alone(database: TestDatabase) {
        let db = database.connect().await;
        let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m20991231_000001_newer', 0)";
        db.execute_unprepared(newer).await.unwrap();
        let counts = row_counts(&db).await;
        let refused = migrate(&db).await.unwrap_err();
        assert_eq!((refused.code(), refused.field()), ("BAD_USER_INPUT", Some("database_url")));
        assert!(refused.to_string().contains("m20991231_000001_newer"), "{refused}");
        assert_eq!(row_counts(&db).await, counts);
        // A replica of this version, which changes nothing, may still start.
        ensure_migrated(&db).await.unwrap();
    }

    async fn a_database_that_lacks_a_migration_says_which(database: TestDatabase) {
        let db = database.connect().await;
        let [.., newest] = &Migrator::migrations()[..] else { panic!("there are none") };
        Migrator::down(&db, Some(1)).await.unwrap();
        let refused = ensure_migrated(&db).await.unwrap_err();
        assert!(refused.to_string().contains(newest.name()), "{refused}");
        migrate(&db).await.unwrap();
        ensure_migrated(&db).await.unwrap();
    }

    async fn a_database_without_records_gets_them_and_loses_nothing(database: TestDatabase) {
        let before = Engine::new(&database).await;
        let (ada, ended) = (before.sign_up("ada").await, before.sign_in("ada").await);
        before.sessions.logout(&mut request(), Some(&ended.tokens.refresh_token)).await.unwrap();
        // As the version before the log left it.
        let since = migrations_since("session_records");
        Migrator::down(&before.db, Some(since)).await.unwrap();
        let counts = row_counts(&before.db).await;
        assert!(counts.iter().all(|(table, _)| table != "session_records"), "{counts:?}");
        let rows = [before.row(ada.session.id).await, before.row(ended.session.id).await];

        migrate(&before.db).await.unwrap();
        let after = Engine::with(&database, before.clock.clone(), |_| {}).await;
        assert_eq!([after.row(ada.session.id).await, after.row(ended.session.id).await], rows);
        let mut expected = counts;
        expected.push(("session_records".to_owned(), 0));
        expected.iter_mut().filter(|(table, _)| table == "seaql_migrations").for_each(|(_, count)| *count += i64::from(since));
        expected.sort();
        let mut counts = row_counts(&after.db).await;
        counts.sort();
        assert_eq!(counts, expected);
        // A session that is older than the log goes on, and its end is the first that is recorded of it.
        let refreshed = after.refresh(&ada.tokens.refresh_token).await.unwrap();
        assert!(after.sessions.logout(&mut request(), Some(&refreshed.tokens.refresh_token)).await.unwrap());
        let page = Page::from_arguments(None, None, None, None).unwrap();
        let records = after.sessions.records(RecordFilter::default(), page).await.unwrap().rows;
        assert_eq!(records.len(), 1);
        assert_eq!((records[0].kind, records[0].session_id), (RecordKind::Invalidated, ada.session.id));
    }
}
