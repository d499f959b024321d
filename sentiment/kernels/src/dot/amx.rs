//! int8 and bf16 where a processor has AMX: registers of 16 rows of 16 words, and one instruction that multiplies two
//! of them, eight times as fast as those for vectors.
//!
//! Rows of both operands lie in memory as these registers want them: rows of the left one in two registers, the
//! columns of a panel in two more, and sums in four. An instruction takes as long for one row as for 16.
//!
//! Sums of whole numbers are those of every other kernel. Those of bfloat16 are not: the instruction adds up, for 16
//! words, the products of the lower numbers and those of the upper ones apart, and only then both to the sum
//! (Intel's manual, TDPBF16PS).

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use super::{HALF, PANEL, Task};
use std::arch::asm;
use std::arch::x86_64::{__cpuid_count, __get_cpuid_max};
use std::mem::{MaybeUninit, offset_of};
use std::sync::LazyLock;

/// Rows of a register, and words of a row in it.
const SIDE: usize = 16;

/// Rows of the tallest tile: those of two registers.
const TALLEST: usize = 2 * SIDE;

/// From a word's columns to those of the next, in bytes.
const NEXT: usize = PANEL * size_of::<u32>();

/// Whether the processor has these instructions for bytes and bfloat16, and Linux lets this process use them: the
/// registers are so large that it keeps them only for programs that ask (Linux's documentation of x86, "Using XSTATE
/// features in user space applications").
pub fn is_here() -> bool {
    static IS_HERE: LazyLock<bool> = LazyLock::new(|| {
        const FEATURES: u32 = 7;
        const BFLOAT16_REGISTERS_AND_BYTES: u32 = 1 << 22 | 1 << 24 | 1 << 25;
        let has = || __cpuid_count(FEATURES, 0).edx & BFLOAT16_REGISTERS_AND_BYTES == BFLOAT16_REGISTERS_AND_BYTES;
        __get_cpuid_max(0).0 >= FEATURES && has() && permitted()
    });
    *IS_HERE
}

/// Asks for all threads of this process.
fn permitted() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
    const XFEATURE_XTILEDATA: u64 = 18;
    let answer: i64;
    // SAFETY: a system call that touches no memory of the process; a kernel that is too old says so.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => answer,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") XFEATURE_XTILEDATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    answer == 0
}

/// How much of each register is used, as LDTILECFG reads it: so many rows' sums in 0 and 1, and those of as many others
/// in 2 and 3; these rows themselves in 4 and 5; columns in 6 and 7.
#[derive(PartialEq)]
#[repr(C, align(64))]
struct Shape([u8; 64]);

impl Shape {
    /// For 1 to [`SIDE`] rows.
    fn of(rows: usize) -> Self {
        const PALETTE: usize = 0;
        // Of each register two bytes of the first and one of the second.
        const BYTES_OF_A_ROW: usize = 16;
        const ROWS: usize = 48;
        let mut shape = Self([0; 64]);
        shape.0[PALETTE] = 1;
        for (register, rows) in [rows, rows, rows, rows, rows, rows, SIDE, SIDE].into_iter().enumerate() {
            shape.0[BYTES_OF_A_ROW + 2 * register] = (SIDE * size_of::<u32>()) as u8;
            shape.0[ROWS + register] = rows as u8;
        }
        shape
    }

    /// Gives this thread's registers this shape, which takes as long as a third of a tile where they have another.
    /// They are never given back: Linux clears them before a processor sleeps.
    ///
    /// Contract: [`is_here`].
    #[inline]
    unsafe fn set(&self) {
        let mut now = MaybeUninit::<Self>::uninit();
        // SAFETY: the instruction is here by contract, and writes all 64 bytes, whatever they are.
        let now = unsafe {
            asm!("sttilecfg [{}]", in(reg) now.as_mut_ptr(), options(nostack, preserves_flags));
            now.assume_init()
        };
        if now != *self {
            // SAFETY: as above; it reads 64 bytes. Nobody counts on what is in the registers between two tiles.
            unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const *self, options(nostack, preserves_flags, readonly)) }
        }
    }
}

/// Where the sums of a tile start and go. Strides are in bytes; what is of lower rows is null where there are none.
#[repr(C)]
struct Ends {
    start: *const u32,
    lower_start: *const u32,
    start_stride: usize,
    out: *mut u32,
    lower_out: *mut u32,
    out_stride: usize,
}

/// Defines a module with `run` and `spin` for one instruction.
macro_rules! amx_kernel {
    ($name:ident, $multiply:literal, $numbers:literal in a word) => {
        /// Tiles of up to 32 rows.
        pub mod $name {
            use super::*;

            /// Words of a row that a tile has a multiple of.
            pub const AT_ONCE: usize = SIDE;

            /// See `Kernel::depth`.
            pub const DEPTH: usize = usize::MAX;

            /// See `Kernel::hint_every`: eight cache lines for each register full of words.
            pub const HINT_EVERY: usize = SIDE / 8;

            /// See `Kernel::run`.
            pub unsafe fn run(task: &Task) {
                if task.halves == 2 {
                    // SAFETY: handed on.
                    return unsafe { tile(task) };
                }
                // Where half a panel is wanted the other is computed beside it, as it costs the same.
                let mut sums = [[0; PANEL]; TALLEST];
                for (row, sums) in sums[..task.rows].iter_mut().enumerate() {
                    // SAFETY: by contract sums of half a panel start there.
                    unsafe {
                        task.start.add(row * task.start_stride).copy_to_nonoverlapping(sums.as_mut_ptr(), HALF);
                    }
                }
                let out = sums.as_flattened_mut().as_mut_ptr();
                let whole = Task { start: out, start_stride: PANEL, out, out_stride: PANEL, halves: 2, ..*task };
                // SAFETY: by contract; `sums` has room for the tallest tile.
                unsafe { tile(&whole) };
                for (row, sums) in sums[..task.rows].iter().enumerate() {
                    // SAFETY: by contract there is room for half a panel's sums.
                    unsafe { task.out.add(row * task.out_stride).copy_from_nonoverlapping(sums.as_ptr(), HALF) };
                }
            }

            /// Contract: as `Kernel::run`'s, for both halves of the panel.
            unsafe fn tile(task: &Task) {
                // Where there are more rows than a register holds, the last so many are lower rows. Some may be upper
                // ones too, and are computed twice: registers of another shape would take longer.
                let if_lower = |at: *const u32, stride: usize| match task.rows.saturating_sub(SIDE) {
                    0 => std::ptr::null(),
                    first => at.wrapping_add(first * stride),
                };
                let ends = Ends {
                    start: task.start,
                    lower_start: if_lower(task.start, task.start_stride),
                    start_stride: task.start_stride * size_of::<u32>(),
                    out: task.out,
                    lower_out: if_lower(task.out, task.out_stride).cast_mut(),
                    out_stride: task.out_stride * size_of::<u32>(),
                };
                // SAFETY: by contract all rows, columns and words touched are inside their slices, and the
                // instructions are here.
                unsafe {
                    Shape::of(task.rows.min(SIDE)).set();
                    asm!(
                        // Where sums start.
                        "mov {stride}, [{ends} + {start_stride}]",
                        "mov {at}, [{ends} + {start}]",
                        "tileloadd tmm0, [{at} + {stride}]",
                        "tileloadd tmm1, [{at} + {stride} + 64]",
                        "mov {at}, [{ends} + {lower_start}]",
                        "test {at}, {at}",
                        "jz 2f",
                        "tileloadd tmm2, [{at} + {stride}]",
                        "tileloadd tmm3, [{at} + {stride} + 64]",
                        "2:",
                        "test {steps}, {steps}",
                        "jz 5f",
                        // A register full of words of each row.
                        "3:",
                        "tileloadd tmm4, [{left} + {left_stride}]",
                        "tileloadd tmm6, [{panel} + {next}]",
                        concat!($multiply, " tmm0, tmm4, tmm6"),
                        "tileloadd tmm7, [{panel} + {next} + 64]",
                        concat!($multiply, " tmm1, tmm4, tmm7"),
                        "test {lower_left}, {lower_left}",
                        "jz 4f",
                        "tileloadd tmm5, [{lower_left} + {left_stride}]",
                        concat!($multiply, " tmm2, tmm5, tmm6"),
                        concat!($multiply, " tmm3, tmm5, tmm7"),
                        "add {lower_left}, {side_bytes}",
                        "4:",
                        // What follows comes from far away; a hint past the end is harmless.
                        "prefetcht1 [{coming}]",
                        "prefetcht1 [{coming} + 64]",
                        "prefetcht1 [{coming} + 128]",
                        "prefetcht1 [{coming} + 192]",
                        "prefetcht1 [{coming} + 256]",
                        "prefetcht1 [{coming} + 320]",
                        "prefetcht1 [{coming} + 384]",
                        "prefetcht1 [{coming} + 448]",
                        "add {coming}, {coming_step}",
                        "add {left}, {side_bytes}",
                        "add {panel}, {panel_step}",
                        "dec {steps}",
                        "jnz 3b",
                        // Where sums go.
                        "5:",
                        "mov {stride}, [{ends} + {out_stride}]",
                        "mov {at}, [{ends} + {out}]",
                        "tilestored [{at} + {stride}], tmm0",
                        "tilestored [{at} + {stride} + 64], tmm1",
                        "mov {at}, [{ends} + {lower_out}]",
                        "test {at}, {at}",
                        "jz 6f",
                        "tilestored [{at} + {stride}], tmm2",
                        "tilestored [{at} + {stride} + 64], tmm3",
                        "6:",
                        ends = in(reg) &raw const ends,
                        start = const offset_of!(Ends, start),
                        lower_start = const offset_of!(Ends, lower_start),
                        start_stride = const offset_of!(Ends, start_stride),
                        out = const offset_of!(Ends, out),
                        lower_out = const offset_of!(Ends, lower_out),
                        out_stride = const offset_of!(Ends, out_stride),
                        at = out(reg) _,
                        stride = out(reg) _,
                        left = inout(reg) task.left => _,
                        lower_left = inout(reg) if_lower(task.left, task.left_stride) => _,
                        left_stride = in(reg) task.left_stride * size_of::<u32>(),
                        panel = inout(reg) task.panel => _,
                        next = in(reg) NEXT,
                        coming = inout(reg) task.coming => _,
                        coming_step = in(reg) task.coming_step,
                        steps = inout(reg) task.words / AT_ONCE => _,
                        side_bytes = const SIDE * size_of::<u32>(),
                        panel_step = const SIDE * NEXT,
                        out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                        out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                        options(nostack),
                    );
                }
            }

            /// See `Kernel::spin`.
            pub unsafe fn spin(rounds: u32) -> u64 {
                let rounds = rounds.max(1);
                // SAFETY: it touches its registers alone, and the instructions are here by contract.
                unsafe {
                    Shape::of(SIDE).set();
                    asm!(
                        "2:",
                        concat!($multiply, " tmm0, tmm4, tmm6"),
                        concat!($multiply, " tmm1, tmm4, tmm7"),
                        concat!($multiply, " tmm2, tmm5, tmm6"),
                        concat!($multiply, " tmm3, tmm5, tmm7"),
                        "dec {rounds:e}",
                        "jnz 2b",
                        rounds = inout(reg) rounds => _,
                        out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                        out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                        options(nomem, nostack),
                    );
                }
                u64::from(rounds) * (TALLEST * PANEL * SIDE * $numbers * 2) as u64
            }
        }
    };
}

amx_kernel!(amx_int8, "tdpbusd", 4 in a word);
amx_kernel!(amx_bf16, "tdpbf16ps", 2 in a word);
