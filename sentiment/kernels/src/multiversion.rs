//! Function multiversioning: plain Rust compiled for several instruction sets, of which the best is chosen at run time.

use std::sync::LazyLock;

/// Sets that functions are compiled for, in ascending order; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum InstructionSet {
    /// What every processor of this architecture has.
    Baseline,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
    /// AVX-512 BF16.
    Avx512Bf16,
}

/// The best instruction set of this machine.
pub(super) fn best() -> InstructionSet {
    static DETECTED: LazyLock<InstructionSet> = LazyLock::new(detected);
    #[cfg(test)]
    return (*DETECTED).min(testing::CEILING.get());
    #[cfg(not(test))]
    *DETECTED
}

#[cfg(target_arch = "x86_64")]
fn detected() -> InstructionSet {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    match (avx2, avx512, is_x86_feature_detected!("avx512bf16")) {
        (true, true, true) => InstructionSet::Avx512Bf16,
        (true, true, false) => InstructionSet::Avx512,
        (true, false, _) => InstructionSet::Avx2,
        (false, ..) => InstructionSet::Baseline,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detected() -> InstructionSet {
    InstructionSet::Baseline
}

/// Defines a function that runs `$body`, which must be `#[inline(always)]`, compiled for the best instruction set of
/// this machine. All versions give the same bits, because compilers may not reorder operations on floats.
///
/// With `, rounding` after it, the body gets one more argument: the fastest way to round to bfloat16.
macro_rules! multiversion {
    ($(#[$doc:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) = $body:ident, rounding) => {
        $(#[$doc])*
        $visibility fn $name($($argument: $type),*) {
            use $crate::bfloat16::Plain;
            #[cfg(target_arch = "x86_64")]
            {
                use $crate::multiversion::{InstructionSet, best};
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
                fn with_avx512_bf16($($argument: $type),*) {
                    // SAFETY: this function is compiled for these instructions.
                    $body($($argument,)* unsafe { $crate::bfloat16::Native::new() });
                }
                if best() >= InstructionSet::Avx512Bf16 {
                    // SAFETY: every instruction set named above was detected on this machine.
                    return unsafe { with_avx512_bf16($($argument),*) };
                }
            }
            #[inline(always)]
            fn plain($($argument: $type),*) {
                $body($($argument,)* Plain);
            }
            multiversion! { fn without_bf16($($argument: $type),*) = plain }
            without_bf16($($argument),*);
        }
    };
    ($(#[$doc:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) = $body:ident) => {
        $(#[$doc])*
        $visibility fn $name($($argument: $type),*) {
            #[cfg(target_arch = "x86_64")]
            {
                use $crate::multiversion::{InstructionSet, best};
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                fn with_avx512($($argument: $type),*) {
                    $body($($argument),*);
                }
                #[target_feature(enable = "avx2,fma")]
                fn with_avx2($($argument: $type),*) {
                    $body($($argument),*);
                }
                let best = best();
                if best >= InstructionSet::Avx512 {
                    // SAFETY: every instruction set named above was detected on this machine.
                    return unsafe { with_avx512($($argument),*) };
                }
                if best >= InstructionSet::Avx2 {
                    // SAFETY: both instruction sets named above were detected on this machine.
                    return unsafe { with_avx2($($argument),*) };
                }
            }
            $body($($argument),*);
        }
    };
}

pub(crate) use multiversion;

/// For tests of multiversioned functions.
#[cfg(test)]
pub(crate) mod testing {
    use super::InstructionSet;
    use std::cell::Cell;

    thread_local! {
        pub(super) static CEILING: Cell<InstructionSet> = const { Cell::new(InstructionSet::Avx512Bf16) };
    }

    /// The results of computing on this thread with each instruction set that the machine has.
    pub(crate) fn on_each_instruction_set<T>(compute: impl Fn() -> T) -> Vec<T> {
        let sets = [InstructionSet::Baseline, InstructionSet::Avx2, InstructionSet::Avx512, InstructionSet::Avx512Bf16];
        let computed = sets.into_iter().map(|set| {
            CEILING.set(set);
            compute()
        });
        let computed = computed.collect();
        CEILING.set(InstructionSet::Avx512Bf16);
        computed
    }
}
