//! Counts the system calls that write and read.
//!
//! `/proc/self/io` leaves out `send` and `recv`, and a tracer slows down what it counts. So the
//! functions of the C library that make these calls are replaced, for this program and for the
//! libraries that it loads, by ones that count and make the same call.

use std::sync::atomic::{AtomicU64, Ordering};

use libc::{c_int, c_void, iovec, msghdr, size_t, sockaddr, socklen_t, ssize_t};

static WRITES: AtomicU64 = AtomicU64::new(0);
static READS: AtomicU64 = AtomicU64::new(0);

/// How many calls there were since the process began.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    /// Those that write.
    pub writes: u64,
    /// Those that read.
    pub reads: u64,
}

/// How many calls there were.
#[must_use]
pub fn count() -> Count {
    Count {
        writes: WRITES.load(Ordering::Relaxed),
        reads: READS.load(Ordering::Relaxed),
    }
}

/// Replaces functions of the C library by the system calls of the same arguments.
macro_rules! counted {
    ($($counter:ident: fn $name:ident($($arg:ident: $type:ty),*) = $call:ident($($actual:expr),*);)*) => {
        $(
            // SAFETY: the caller keeps the rules of the function of this name, and the arguments go
            // to the system call that the C library makes of it; `syscall` sets `errno` as it does.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($($arg: $type),*) -> ssize_t {
                $counter.fetch_add(1, Ordering::Relaxed);
                // SAFETY: as above.
                unsafe { libc::syscall(libc::$call $(, $actual)*) as ssize_t }
            }
        )*
    };
}

const NOBODY: *mut c_void = std::ptr::null_mut();

counted! {
    WRITES: fn write(fd: c_int, buf: *const c_void, len: size_t) = SYS_write(fd, buf, len);
    WRITES: fn writev(fd: c_int, parts: *const iovec, n: c_int) = SYS_writev(fd, parts, n);
    WRITES: fn send(fd: c_int, buf: *const c_void, len: size_t, flags: c_int)
        = SYS_sendto(fd, buf, len, flags, NOBODY, 0);
    WRITES: fn sendto(
        fd: c_int, buf: *const c_void, len: size_t, flags: c_int, to: *const sockaddr, n: socklen_t
    ) = SYS_sendto(fd, buf, len, flags, to, n);
    WRITES: fn sendmsg(fd: c_int, message: *const msghdr, flags: c_int)
        = SYS_sendmsg(fd, message, flags);
    READS: fn read(fd: c_int, buf: *mut c_void, len: size_t) = SYS_read(fd, buf, len);
    READS: fn readv(fd: c_int, parts: *const iovec, n: c_int) = SYS_readv(fd, parts, n);
    READS: fn recv(fd: c_int, buf: *mut c_void, len: size_t, flags: c_int)
        = SYS_recvfrom(fd, buf, len, flags, NOBODY, NOBODY);
    READS: fn recvfrom(
        fd: c_int, buf: *mut c_void, len: size_t, flags: c_int, from: *mut sockaddr,
        n: *mut socklen_t
    ) = SYS_recvfrom(fd, buf, len, flags, from, n);
    READS: fn recvmsg(fd: c_int, message: *mut msghdr, flags: c_int)
        = SYS_recvmsg(fd, message, flags);
}
