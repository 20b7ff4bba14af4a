//! Servers as child processes: started on a free port, watched through `/proc`, stopped with SIGTERM.
//!
//! Linux only, as `/proc` is.
//!
//! Must never: leave a child behind, or take a child that ended badly for one that stopped.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::Outcome;

/// Linux counts process time in hundredths of a second for user space, whatever the kernel's own tick.
const TICKS_A_SECOND: u64 = 100;
/// How long a server may take to listen, and to stop.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time, user and system, of all its threads.
    pub cpu: Duration,
    /// Resident memory now, in bytes (VmRSS).
    pub resident: u64,
    /// What of it is no file's, in bytes (RssAnon): a database that is mapped does not count.
    pub anonymous: u64,
    /// Resident memory at its highest, in bytes (VmHWM).
    pub peak: u64,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    name: String,
    errors: PathBuf,
    /// When it was started.
    pub spawned: Instant,
}

impl Server {
    /// Starts `command` and waits until `address` takes connections. Its stderr goes to a file in `folder`.
    pub fn start(name: &str, mut command: Command, address: SocketAddr, folder: &Path) -> Outcome<Self> {
        let errors = folder.join(format!("{}.stderr", name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")));
        let spawned = Instant::now();
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&errors)?).spawn().map_err(
                |error| format!("cannot start {name} ({}): {error}", command.get_program().to_string_lossy()),
            )?;
        let mut server = Self { child, name: name.to_owned(), errors, spawned };
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.child.try_wait()? {
                return Err(server.told(&format!("ended with {status} before it listened")).into());
            }
            if spawned.elapsed() > PATIENCE {
                return Err(server.told("does not listen").into());
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(server)
    }

    /// What it has used so far.
    pub fn usage(&self) -> Outcome<Usage> {
        usage(&self.child.id().to_string())
    }

    /// Sends SIGTERM and waits for exit code 0. The wait is no pause of this thread: connections have to close on it.
    pub async fn stop(mut self) -> Outcome<()> {
        // The shell has `kill` built in, and calling the system's own would need unsafe code or one more crate.
        let sent = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status()?;
        if !sent.success() {
            return Err(self.told("cannot be sent SIGTERM").into());
        }
        let began = Instant::now();
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(self.told(&format!("ended with {status} after SIGTERM")).into()),
                None if began.elapsed() > PATIENCE => return Err(self.told("does not stop").into()),
                None => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }

    fn told(&self, what: &str) -> String {
        let errors = fs::read_to_string(&self.errors).unwrap_or_default();
        let lines: Vec<&str> = errors.lines().collect();
        let last = lines[lines.len().saturating_sub(20)..].join("\n  ");
        format!("{} {what}; its last words:\n  {last}", self.name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail for a child that was waited for, and that is the usual way here.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What the process with this id (or `self`) has used so far.
pub fn usage(pid: &str) -> Outcome<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok(Usage {
        cpu: cpu_time(&stat).ok_or("cannot read /proc/<pid>/stat")?,
        resident: memory(&status, "VmRSS:").ok_or("no VmRSS in /proc/<pid>/status")?,
        anonymous: memory(&status, "RssAnon:").ok_or("no RssAnon in /proc/<pid>/status")?,
        peak: memory(&status, "VmHWM:").ok_or("no VmHWM in /proc/<pid>/status")?,
    })
}

/// utime + stime of a line of `/proc/<pid>/stat` (proc(5), fields 14 and 15). The name, field 2, may hold anything.
fn cpu_time(stat: &str) -> Option<Duration> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 1000 / TICKS_A_SECOND))
}

/// The bytes of a `Name:  123 kB` line.
fn memory(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// A loopback address nobody listens on just now.
pub fn free_address() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_any_name() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194304 100 0 0 0 150 25 0 0 20 0 3 0 100 1000 10";
        assert_eq!(cpu_time(stat), Some(Duration::from_millis(1750)));
        assert_eq!(cpu_time("42 (short) S 1"), None);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(memory(status, "VmRSS:"), Some(1 << 20));
        assert_eq!(memory(status, "VmHWM:"), Some(2 << 20));
        assert_eq!(memory(status, "VmSwap:"), None);
    }

    #[test]
    fn this_process_uses_memory() {
        let usage = usage("self").unwrap();
        assert!(usage.resident > 0 && usage.peak >= usage.resident);
    }
}
