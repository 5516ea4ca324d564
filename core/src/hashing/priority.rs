//! Hashing yields to all else: its threads have a lower priority where the system has one for threads.

/// Added to the niceness that the process has. Beside others that want every core, a thread of it still gets a tenth of
/// one: a busy machine logs people in, slowly.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Lowers the priority of the calling thread, which needs no privilege. A system that refuses is no reason not to hash.
#[cfg(target_os = "linux")]
pub(super) fn lower() -> std::io::Result<()> {
    // On Linux a niceness is a thread's own, on other systems the whole process's.
    Ok(rustix::process::nice(NICENESS).map(drop)?)
}

/// Nothing to be lowered.
#[cfg(not(target_os = "linux"))]
pub(super) fn lower() -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    fn niceness() -> i32 {
        rustix::process::getpriority_process(None).unwrap()
    }

    #[test]
    fn only_the_thread_that_lowers_its_priority_has_it_lower() {
        let before = niceness();
        let there = std::thread::spawn(|| {
            lower().unwrap();
            niceness()
        });
        assert_eq!(there.join().unwrap(), (before + NICENESS).min(19));
        assert_eq!(niceness(), before);
    }
}
