//! What the operating system says of this host and its processes.

/// This host's name, as `uname -n` says it.
#[cfg(unix)]
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// This host's name is not asked for here.
#[cfg(not(unix))]
pub fn hostname() -> String {
    "localhost".to_owned()
}

/// Whether a process with this id runs on this host; another user's counts.
#[cfg(unix)]
pub(super) fn process_exists(pid: i64) -> bool {
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 0).and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// Not known: the heartbeat alone decides.
#[cfg(not(unix))]
pub(super) fn process_exists(_pid: i64) -> bool {
    true
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn living_and_dead_processes_are_told_apart() {
        assert!(process_exists(std::process::id().into()));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i64::from(child.id());
        child.wait().unwrap();
        assert!(!process_exists(pid));
        assert!(!process_exists(0) && !process_exists(-1) && !process_exists(i64::MAX));
        assert!(!hostname().is_empty());
    }
}
