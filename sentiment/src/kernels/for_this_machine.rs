//! Plain Rust compiled for several instruction sets.

/// Defines a function that runs `$body`, which must be `#[inline(always)]`, compiled for the
/// best instruction set at hand. All give the same bits, for none may reorder floats.
macro_rules! for_this_machine {
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
                let has_avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
                if has_avx2
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                {
                    // SAFETY: every instruction set named above was detected on this machine.
                    return unsafe { with_avx512($($argument),*) };
                }
                if has_avx2 {
                    // SAFETY: both instruction sets named above were detected on this machine.
                    return unsafe { with_avx2($($argument),*) };
                }
            }
            $body($($argument),*);
        }
    };
}

pub(crate) use for_this_machine;
