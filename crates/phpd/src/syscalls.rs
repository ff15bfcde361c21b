//! The system calls that no sandbox may make: ways into other processes, and large parts of the kernel that sites have no use for.
//!
//! Everything else is allowed. The filter is set before bubblewrap begins and holds for everything below it.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

/// What is refused with EPERM.
const REFUSED: &[libc::c_long] = &[
    // Other processes' memory, registers and descriptors.
    libc::SYS_ptrace,
    libc::SYS_pidfd_getfd,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    // Whoever handles page faults decides for how long the kernel waits for a piece of memory.
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_bpf,
    // The kernel's keyrings are shared beyond namespaces.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// The filter as the kernel takes it.
///
/// # Errors
/// On an architecture for which there is none.
fn filter() -> io::Result<BpfProgram> {
    let rules: BTreeMap<i64, Vec<_>> = REFUSED.iter().map(|number| (*number, Vec::new())).collect();
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let architecture = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, architecture).map_err(io::Error::other)?;
    let filter = BpfProgram::try_from(filter).map_err(io::Error::other)?;
    Ok(without_x32(filter))
}

/// On x86-64 a kernel may know every call by a second number as well, of the x32 ABI. Those numbers have this bit.
#[cfg(target_arch = "x86_64")]
fn without_x32(filter: BpfProgram) -> BpfProgram {
    use seccompiler::sock_filter;
    const X32: u32 = 0x4000_0000;
    // `struct seccomp_data` begins with the number.
    let load_number = sock_filter { code: bpf(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS), jt: 0, jf: 0, k: 0 };
    let unless_below = sock_filter { code: bpf(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K), jt: 0, jf: 1, k: X32 };
    let refused = u32::from(SeccompAction::Errno(libc::EPERM.unsigned_abs()));
    let refuse = sock_filter { code: bpf(libc::BPF_RET | libc::BPF_K), jt: 0, jf: 0, k: refused };
    [load_number, unless_below, refuse].into_iter().chain(filter).collect()
}

#[cfg(target_arch = "x86_64")]
fn bpf(code: u32) -> u16 {
    u16::try_from(code).expect("an instruction's code has sixteen bits")
}

#[cfg(not(target_arch = "x86_64"))]
fn without_x32(filter: BpfProgram) -> BpfProgram {
    filter
}

/// Sets the filter for this process and all that it starts. There is no way back.
pub fn refuse() -> io::Result<()> {
    seccompiler::apply_filter(&filter()?).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Names that the shell script below gives its child.
    const CHILD: &str = "OPTERIUS_TEST_UNDER_THE_FILTER";

    #[test]
    fn what_is_refused_fails_and_the_rest_works() {
        if std::env::var_os(CHILD).is_some() {
            refuse().expect("the filter is set");
            let own = rustix::process::pidfd_open(rustix::process::getpid(), rustix::process::PidfdFlags::empty()).expect("allowed");
            let taken = rustix::process::pidfd_getfd(&own, 0, rustix::process::PidfdGetfdFlags::empty());
            assert_eq!(taken.expect_err("refused"), rustix::io::Errno::PERM);
            let status = Command::new("/bin/sh").args(["-c", "exit 7"]).status().expect("programs start");
            assert_eq!(status.code(), Some(7));
            return;
        }
        // In a process of its own, since the filter stays.
        let own = std::env::current_exe().expect("this program");
        let name = "syscalls::tests::what_is_refused_fails_and_the_rest_works";
        #[expect(clippy::disallowed_methods, reason = "the program is this test")]
        let output = Command::new(own).args(["--exact", name, "--nocapture"]).env(CHILD, "1").output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
