//! What is measured.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    load::Failure,
    postgres::Cluster,
    process::{Server, cpu_of_family},
    site::{Site, sqlite_url},
};

/// CPU time that server and database have used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) server: Duration,
    pub(crate) database: Duration,
}

impl Cpu {
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            server: self.server.saturating_sub(before.server),
            database: self.database.saturating_sub(before.database),
        }
    }
}

/// A server and a yardstick over one kind of database.
pub(crate) struct Setting {
    pub(crate) ours: Site,
    /// Another server of ours, where one is measured beside the first one.
    pub(crate) other: Option<Site>,
    pub(crate) yardstick: Server,
    cluster: Option<Cluster>,
    remarks: Vec<String>,
    _folder: TempDir,
}

impl Setting {
    pub(crate) async fn start(
        binaries: &Path,
        database: &str,
        connections: usize,
    ) -> Result<Self, Failure> {
        let cluster = (database == "postgres").then(Cluster::durable);
        let url = new_database(cluster.as_ref(), "ours").await?;
        let mut ours = Site::start(&program(binaries)?, url).await?;
        let remarks = vec![
            format!(
                "start to first answer {} ms",
                ours.server.started_in.as_millis()
            ),
            format!("memory idle {:.1} MiB", ours.server.memory()),
        ];
        ours.fill(connections).await?;
        let folder = TempDir::new()?;
        let url = new_database(cluster.as_ref(), "theirs").await?;
        let url = url.unwrap_or_else(|| sqlite_url(folder.path()));
        let yardstick = Server::start(
            &binaries.join("yardstick").canonicalize()?,
            folder.path(),
            |listen| vec![listen.to_owned(), url],
        )
        .await?;
        Ok(Self {
            ours,
            other: None,
            yardstick,
            cluster,
            remarks,
            _folder: folder,
        })
    }

    /// Starts another server of ours.
    pub(crate) async fn start_other(
        &mut self,
        binaries: &Path,
        connections: usize,
    ) -> Result<&mut Site, Failure> {
        let url = new_database(self.cluster.as_ref(), "other").await?;
        let mut site = Site::start(&program(binaries)?, url).await?;
        site.fill(connections).await?;
        Ok(self.other.insert(site))
    }

    /// The CPU time of a server, and of the database that all of them share.
    pub(crate) fn cpu(&self, server: &Server) -> Cpu {
        Cpu {
            server: server.cpu(),
            database: self.database_pid().map(cpu_of_family).unwrap_or_default(),
        }
    }

    fn database_pid(&self) -> Option<u32> {
        let folder = self.cluster.as_ref()?.data_dir()?;
        let text = fs::read_to_string(folder.join("postmaster.pid")).ok()?;
        text.lines().next()?.parse().ok()
    }

    pub(crate) fn note_memory(&mut self, when: &str) {
        self.remarks.push(format!(
            "memory {when} {:.1} MiB",
            self.ours.server.memory()
        ));
    }

    pub(crate) fn remarks(&self) -> String {
        self.remarks.join("; ")
    }
}

/// The servers are started in folders of their own.
fn program(binaries: &Path) -> Result<PathBuf, Failure> {
    Ok(binaries.join("sessiongraph").canonicalize()?)
}

async fn new_database(cluster: Option<&Cluster>, name: &str) -> Result<Option<String>, Failure> {
    let Some(cluster) = cluster else {
        return Ok(None);
    };
    cluster.create_database(name, None).await?;
    Ok(Some(cluster.url(name)))
}
