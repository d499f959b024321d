//! Plain Rust compiled for several instruction sets.

/// Defines a function that runs `$body`, which must be `#[inline(always)]`, compiled for the
/// best instruction set at hand. All give the same bits, for none may reorder floats.
///
/// With `, rounding` behind it the body gets one more argument: the fastest way to round to bfloat16.
macro_rules! for_this_machine {
    ($(#[$doc:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) = $body:ident, rounding) => {
        $(#[$doc])*
        $visibility fn $name($($argument: $type),*) {
            use $crate::kernels::bfloat16::Plain;
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
                fn with_avx512_bf16($($argument: $type),*) {
                    // SAFETY: this function is compiled for these instructions.
                    $body($($argument,)* unsafe { $crate::kernels::bfloat16::Native::new() });
                }
                if is_x86_feature_detected!("avx512bf16") && for_this_machine!(has avx512) {
                    // SAFETY: every instruction set named above was detected on this machine.
                    return unsafe { with_avx512_bf16($($argument),*) };
                }
            }
            #[inline(always)]
            fn plain($($argument: $type),*) {
                $body($($argument,)* Plain);
            }
            for_this_machine! { fn otherwise($($argument: $type),*) = plain }
            otherwise($($argument),*);
        }
    };
    ($(#[$doc:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) = $body:ident) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments, reason = "slices and their strides")]
        $visibility fn $name($($argument: $type),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                #[allow(clippy::too_many_arguments, reason = "as outside")]
                fn with_avx512($($argument: $type),*) {
                    $body($($argument),*);
                }
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments, reason = "as outside")]
                fn with_avx2($($argument: $type),*) {
                    $body($($argument),*);
                }
                if for_this_machine!(has avx512) {
                    // SAFETY: every instruction set named above was detected on this machine.
                    return unsafe { with_avx512($($argument),*) };
                }
                if for_this_machine!(has avx2) {
                    // SAFETY: both instruction sets named above were detected on this machine.
                    return unsafe { with_avx2($($argument),*) };
                }
            }
            $body($($argument),*);
        }
    };
    (has avx2) => {
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
    };
    (has avx512) => {
        for_this_machine!(has avx2)
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
    };
}

pub(crate) use for_this_machine;
