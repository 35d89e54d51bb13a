//! `import` and `export`.

mod collisions;
mod documentation;
mod hashes;
mod interrupted;
mod lines;
mod round_trip;

use std::process::Command;

use sea_orm::{EntityTrait, QueryOrder};
use serde_json::Value;
use sessiongraph::entity::account;

use super::support::{Finished, Folder, Server};
use crate::support::{database::TestDatabase, engine::SECRET};

/// Of the password "correct horse".
const BCRYPT: &str = "$2b$04$X9DIgVLGS9AFX9QeMG6LUurNdOMkmpu6EYZWr3fVBI/Ho2XTEOKLG";

/// A folder whose commands work on a database.
struct Destination {
    folder: Folder,
    database: TestDatabase,
}

impl Destination {
    fn of(database: &TestDatabase) -> Self {
        let folder = Folder::new();
        let configuration = format!(
            "database_url = \"{}\"\nsecret = \"{SECRET}\"\nargon2_memory_kib = 64\nargon2_iterations = 1\n",
            database.url
        );
        folder.write("sessiongraph.toml", &configuration);
        let database = database.clone();
        Self { folder, database }
    }

    /// Beside a database, an empty one of its kind.
    async fn another(database: &TestDatabase) -> Self {
        Self::of(&if database.is_postgres() {
            TestDatabase::postgres().await
        } else {
            TestDatabase::sqlite().await
        })
    }

    /// Imports a file.
    fn import(&self, file: &str, content: impl AsRef<[u8]>) -> Import {
        std::fs::write(self.folder.path().join(file), content).unwrap();
        self.import_again(file)
    }

    /// Imports a file that is there.
    fn import_again(&self, file: &str) -> Import {
        Import(self.folder.run(&["import", file]))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.folder.command(arguments)
    }

    fn serve(&self) -> Server {
        self.folder.serve(&[])
    }

    /// All accounts, in the order of their ids.
    async fn rows(&self) -> Vec<account::Model> {
        let select = account::Entity::find().order_by_asc(account::Column::Id);
        let db = self.database.connect().await;
        let rows = select.all(&db).await.unwrap();
        db.close().await.unwrap();
        rows
    }

    async fn row(&self, username: &str) -> account::Model {
        let mut rows = self.rows().await;
        rows.retain(|row| row.username.as_deref() == Some(username));
        assert_eq!(rows.len(), 1, "{username}");
        rows.remove(0)
    }
}

/// An import that has ended.
struct Import(Finished);

impl Import {
    /// What the last line says: how many were imported, how many were there, and how many were rejected; in this order, and
    /// with the exit status that goes with it.
    #[track_caller]
    fn counts(&self) -> [u64; 3] {
        let words: Vec<&str> = self.0.stdout.split_whitespace().collect();
        assert!(words.len() > 6, "{}{}", self.0.stdout, self.0.stderr);
        let counts = [words[0], words[2], words[5]].map(|word| word.parse().unwrap());
        let status = if counts[2] > 0 { 3 } else { 0 };
        assert_eq!(self.0.status.code(), Some(status), "{}", self.0.stderr);
        counts
    }

    /// What is said about lines, one after the other.
    fn complaints(&self) -> Vec<&str> {
        let lines = self.0.stderr.lines();
        lines.filter(|line| line.starts_with("line ")).collect()
    }
}

async fn sign_in(server: &Server, identifier: &str, password: &str) -> Value {
    let document = format!(
        "mutation {{ signIn(input: {{ identifier: {}, password: {} }}) {{ account {{ id username }} }} }}",
        Value::from(identifier),
        Value::from(password)
    );
    server.query(&document, None).await
}
