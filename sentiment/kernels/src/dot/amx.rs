//! int8 and bf16 for processors with AMX, which has tile registers of 16 rows of 16 words and an instruction that
//! multiplies two of them, eight times as fast as vector instructions.
//!
//! Both operands lie in memory as these registers need them. Rows of the left operand are loaded into two registers,
//! the columns of a panel into two more, and sums are in four. An instruction takes the same time for one row as for
//! 16.
//!
//! Sums of int8 are the same as on other kernels. Those of bfloat16 are not: over 16 words, the instruction adds up the
//! products of the lower and of the upper elements separately, and then adds both to the sum (Intel's manual,
//! TDPBF16PS).

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use super::{HALF_PANEL, PANEL, TileTask};
use std::arch::asm;
use std::arch::x86_64::{__cpuid_count, __get_cpuid_max};
use std::mem::{MaybeUninit, offset_of};
use std::sync::LazyLock;

/// Rows of a tile register, and words in each of its rows.
const SIDE: usize = 16;

/// Largest number of rows in a tile: those of two registers.
const MAX_TILE_ROWS: usize = 2 * SIDE;

/// Bytes in a panel from the columns of one word to those of the next.
const NEXT: usize = PANEL * size_of::<u32>();

/// Whether the processor has these instructions for int8 and bfloat16, and Linux lets this process use them. The
/// registers are so large that Linux saves them only for processes that ask (Linux's documentation of x86, "Using
/// XSTATE features in user space applications").
pub fn is_supported() -> bool {
    static SUPPORTED: LazyLock<bool> = LazyLock::new(|| {
        const FEATURES: u32 = 7;
        const BFLOAT16_REGISTERS_AND_BYTES: u32 = 1 << 22 | 1 << 24 | 1 << 25;
        let has = || __cpuid_count(FEATURES, 0).edx & BFLOAT16_REGISTERS_AND_BYTES == BFLOAT16_REGISTERS_AND_BYTES;
        __get_cpuid_max(0).0 >= FEATURES && has() && permitted()
    });
    *SUPPORTED
}

/// Asks Linux for permission for all threads of this process.
fn permitted() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
    const XFEATURE_XTILEDATA: u64 = 18;
    let answer: i64;
    // SAFETY: a system call that touches no memory of the process; an older Linux returns an error.
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

/// How much of each register is used, in the format of LDTILECFG. Registers 0 and 1 hold the sums of the upper rows, 2
/// and 3 those of the lower rows; 4 holds the upper rows, 5 the lower rows, 6 and 7 the columns.
#[derive(PartialEq)]
#[repr(C, align(64))]
struct Shape([u8; 64]);

impl Shape {
    /// For 1 to [`SIDE`] rows.
    fn of(rows: usize) -> Self {
        const PALETTE: usize = 0;
        // Of each register: two bytes for the length of a row, one byte for the number of rows.
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

    /// Configures this thread's registers. A change takes as long as a third of a tile, so it is made only if needed.
    /// The registers are never released; Linux clears them before a processor sleeps.
    ///
    /// Contract: [`is_supported`].
    #[inline]
    unsafe fn set(&self) {
        let mut now = MaybeUninit::<Self>::uninit();
        // SAFETY: the instruction is available by contract and writes all 64 bytes.
        let now = unsafe {
            asm!("sttilecfg [{}]", in(reg) now.as_mut_ptr(), options(nostack, preserves_flags));
            now.assume_init()
        };
        if now != *self {
            // SAFETY: as above; it reads 64 bytes. No tile relies on what the registers held before.
            unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const *self, options(nostack, preserves_flags, readonly)) }
        }
    }
}

/// Where the initial sums of a tile are read and its sums are written. Strides are in bytes; pointers to lower rows are
/// null if there are none.
#[repr(C)]
struct SumPointers {
    initial: *const u32,
    lower_initial: *const u32,
    initial_stride: usize,
    out: *mut u32,
    lower_out: *mut u32,
    out_stride: usize,
}

/// Assembly that loads the initial sums of a tile, and skips `multiply!` if there is nothing to multiply.
macro_rules! load_sums {
    () => {
        concat!(
            "mov {stride}, [{sums} + {initial_stride}]\n",
            "mov {at}, [{sums} + {initial}]\n",
            "tileloadd tmm0, [{at} + {stride}]\n",
            "tileloadd tmm1, [{at} + {stride} + 64]\n",
            "mov {at}, [{sums} + {lower_initial}]\n",
            "test {at}, {at}\n",
            "jz 2f\n",
            "tileloadd tmm2, [{at} + {stride}]\n",
            "tileloadd tmm3, [{at} + {stride} + 64]\n",
            "2:\n",
            "test {steps}, {steps}\n",
            "jz 5f",
        )
    };
}

/// Assembly that multiplies all words of a tile, one register of each operand per iteration.
macro_rules! multiply {
    ($multiply:literal) => {
        concat!(
            "3:\n",
            "tileloadd tmm4, [{lhs} + {lhs_stride}]\n",
            "tileloadd tmm6, [{panel} + {next}]\n",
            $multiply,
            " tmm0, tmm4, tmm6\n",
            "tileloadd tmm7, [{panel} + {next} + 64]\n",
            $multiply,
            " tmm1, tmm4, tmm7\n",
            "test {lower_lhs}, {lower_lhs}\n",
            "jz 4f\n",
            "tileloadd tmm5, [{lower_lhs} + {lhs_stride}]\n",
            $multiply,
            " tmm2, tmm5, tmm6\n",
            $multiply,
            " tmm3, tmm5, tmm7\n",
            "add {lower_lhs}, {side_bytes}\n",
            "4:\n",
            // Prefetching past the end is harmless.
            "prefetcht1 [{upcoming}]\n",
            "prefetcht1 [{upcoming} + 64]\n",
            "prefetcht1 [{upcoming} + 128]\n",
            "prefetcht1 [{upcoming} + 192]\n",
            "prefetcht1 [{upcoming} + 256]\n",
            "prefetcht1 [{upcoming} + 320]\n",
            "prefetcht1 [{upcoming} + 384]\n",
            "prefetcht1 [{upcoming} + 448]\n",
            "add {upcoming}, {upcoming_step}\n",
            "add {lhs}, {side_bytes}\n",
            "add {panel}, {panel_step}\n",
            "dec {steps}\n",
            "jnz 3b",
        )
    };
}

/// Assembly that stores the sums of a tile.
macro_rules! store_sums {
    () => {
        concat!(
            "5:\n",
            "mov {stride}, [{sums} + {out_stride}]\n",
            "mov {at}, [{sums} + {out}]\n",
            "tilestored [{at} + {stride}], tmm0\n",
            "tilestored [{at} + {stride} + 64], tmm1\n",
            "mov {at}, [{sums} + {lower_out}]\n",
            "test {at}, {at}\n",
            "jz 6f\n",
            "tilestored [{at} + {stride}], tmm2\n",
            "tilestored [{at} + {stride} + 64], tmm3\n",
            "6:",
        )
    };
}

/// Defines a module with `run` and `spin` for one instruction.
macro_rules! amx_kernel {
    ($name:ident, $multiply:literal, $elements:literal per word) => {
        /// Tiles of up to 32 rows.
        pub mod $name {
            use super::*;

            /// See `Kernel::words_per_step`.
            pub const WORDS_PER_STEP: usize = SIDE;

            /// See `Kernel::panel_depth`.
            pub const PANEL_DEPTH: usize = usize::MAX;

            /// See `Kernel::words_per_prefetch`: eight cache lines in each step.
            pub const WORDS_PER_PREFETCH: usize = SIDE / 8;

            /// See `Kernel::run`.
            pub unsafe fn run(task: &TileTask) {
                if task.halves == 2 {
                    // SAFETY: the same contract.
                    return unsafe { tile(task) };
                }
                // Half a panel takes the same time as a whole one, so the other half is computed too.
                let mut sums = [[0; PANEL]; MAX_TILE_ROWS];
                for (row, sums) in sums[..task.rows].iter_mut().enumerate() {
                    // SAFETY: by contract half a panel of initial sums is readable there.
                    unsafe {
                        task.initial.add(row * task.initial_stride).copy_to_nonoverlapping(sums.as_mut_ptr(), HALF_PANEL);
                    }
                }
                let out = sums.as_flattened_mut().as_mut_ptr();
                let whole = TileTask { initial: out, initial_stride: PANEL, out, out_stride: PANEL, halves: 2, ..*task };
                // SAFETY: by contract; `sums` is large enough for any tile.
                unsafe { tile(&whole) };
                for (row, sums) in sums[..task.rows].iter().enumerate() {
                    // SAFETY: by contract half a panel of sums is writable there.
                    unsafe { task.out.add(row * task.out_stride).copy_from_nonoverlapping(sums.as_ptr(), HALF_PANEL) };
                }
            }

            /// Contract: as for `Kernel::run`, for both halves of the panel.
            unsafe fn tile(task: &TileTask) {
                // If there are more rows than a register holds, the last 16 are the lower rows. Some of them may be
                // upper rows too and are computed twice, because reconfiguring the registers would take longer.
                let if_lower = |at: *const u32, stride: usize| match task.rows.saturating_sub(SIDE) {
                    0 => std::ptr::null(),
                    first => at.wrapping_add(first * stride),
                };
                let pointers = SumPointers {
                    initial: task.initial,
                    lower_initial: if_lower(task.initial, task.initial_stride),
                    initial_stride: task.initial_stride * size_of::<u32>(),
                    out: task.out,
                    lower_out: if_lower(task.out, task.out_stride).cast_mut(),
                    out_stride: task.out_stride * size_of::<u32>(),
                };
                // SAFETY: by contract all rows, columns and words touched are inside their slices, and the instructions
                // are available.
                unsafe {
                    Shape::of(task.rows.min(SIDE)).set();
                    asm!(
                        load_sums!(),
                        multiply!($multiply),
                        store_sums!(),
                        sums = in(reg) &raw const pointers,
                        initial = const offset_of!(SumPointers, initial),
                        lower_initial = const offset_of!(SumPointers, lower_initial),
                        initial_stride = const offset_of!(SumPointers, initial_stride),
                        out = const offset_of!(SumPointers, out),
                        lower_out = const offset_of!(SumPointers, lower_out),
                        out_stride = const offset_of!(SumPointers, out_stride),
                        at = out(reg) _,
                        stride = out(reg) _,
                        lhs = inout(reg) task.lhs => _,
                        lower_lhs = inout(reg) if_lower(task.lhs, task.lhs_stride) => _,
                        lhs_stride = in(reg) task.lhs_stride * size_of::<u32>(),
                        panel = inout(reg) task.panel => _,
                        next = in(reg) NEXT,
                        upcoming = inout(reg) task.upcoming => _,
                        upcoming_step = in(reg) task.upcoming_step,
                        steps = inout(reg) task.words / WORDS_PER_STEP => _,
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
                // SAFETY: it touches only its registers, and the instructions are available by contract.
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
                u64::from(rounds) * (MAX_TILE_ROWS * PANEL * SIDE * $elements * 2) as u64
            }
        }
    };
}

amx_kernel!(amx_int8, "tdpbusd", 4 per word);
amx_kernel!(amx_bf16, "tdpbf16ps", 2 per word);
