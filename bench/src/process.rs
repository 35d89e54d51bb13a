//! The servers that are measured, and what the kernel says of them.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::load::{Connection, Failure};

/// A server, ended when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// From its start to its first answer.
    pub(crate) started_in: Duration,
}

impl Server {
    /// Starts a program; `arguments` are made of the address that it shall listen on.
    pub(crate) async fn start(
        program: &Path,
        folder: &Path,
        arguments: impl FnOnce(&str) -> Vec<String>,
    ) -> Result<Self, Failure> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let started = Instant::now();
        let child = Command::new(program)
            .args(arguments(&address.to_string()))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log"))?)
            .spawn()?;
        let mut server = Self {
            child,
            address,
            started_in: Duration::ZERO,
        };
        loop {
            if let Ok(mut connection) = Connection::open(address).await {
                let body = r#"{"query":"{__typename}"}"#.into();
                if connection.post(body, None).await.is_ok() {
                    server.started_in = started.elapsed();
                    return Ok(server);
                }
            }
            if let Some(status) = server.child.try_wait()? {
                let log = fs::read_to_string(folder.join("log"))?;
                return Err(format!("{} ended with {status}: {log}", program.display()).into());
            }
            if started.elapsed() > Duration::from_secs(30) {
                return Err(format!("{} did not answer", program.display()).into());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// CPU time that it has used.
    pub(crate) fn cpu(&self) -> Duration {
        cpu_of(self.child.id())
    }

    /// Resident memory, in MiB.
    pub(crate) fn memory(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let kib = status.ok().and_then(|status| {
            let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
            line.split_whitespace().nth(1)?.parse::<f64>().ok()
        });
        kib.unwrap_or_default() / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time of a process and of those that it has started: PostgreSQL has one for each connection.
pub(crate) fn cpu_of_family(parent: u32) -> Duration {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Duration::ZERO;
    };
    let children = processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| stat(*pid).is_some_and(|stat| stat.parent == parent));
    cpu_of(parent) + children.map(cpu_of).sum::<Duration>()
}

fn cpu_of(pid: u32) -> Duration {
    stat(pid).map(|stat| stat.cpu).unwrap_or_default()
}

struct Stat {
    parent: u32,
    cpu: Duration,
}

/// `/proc/PID/stat`: see proc_pid_stat(5). A tick is 10 ms on every Linux that there is.
fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name, in parentheses, may contain anything.
    let fields: Vec<_> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        cpu: Duration::from_millis(ticks * 10),
    })
}
