//! Machines in QEMU on this computer.
//!
//! ```text
//!  prepare            launch                connect                      shutdown       capture
//! ────────▶ Prepared ───────▶ Booting ───────────────────▶ Reachable ──────────────▶ Off ──────▶ Disk
//!                                │                            │                       ▲
//!                                │ panic, emergency shell,    │ panic, disk full,     │ the guest switched itself off
//!                                │ no boot loader, QEMU died, │ QEMU died             │ and QEMU has ended by itself
//!                                │ time is over               │                       │
//!                                └───────────▶ Lost ◀─────────┘                       │
//!                                               │                                     │
//!                       evidence ◀──────────────┴──────── destroy (from any state) ◀──┘
//! ```
//!
//! `prepare` finds QEMU and the accelerator, and brings the source; `disk` puts a machine's disk on it; `seed` says how the
//! keys get in; `arguments` is the whole command line, pure. `life` is one task that watches the process, `qmp` its
//! monitor, and `console` what the guest says, in which `diagnose` (pure) finds what is wrong; `witness` tells of
//! it why a machine ended. `machine` is the [`Machine`](super::Machine) in front of all that.
//!
//! May know of `guest`, `image` and `journal`. The machine's only way out and in is a user network: the host's port is on
//! loopback, and chosen by the kernel.

mod accelerator;
mod arguments;
mod console;
mod diagnose;
mod disk;
mod life;
mod machine;
mod prepare;
mod program;
mod qmp;
mod seed;
#[cfg(test)]
mod testing;
mod witness;

pub use machine::QemuMachine;
pub use prepare::{Prepared, prepare, prepare_copy};
