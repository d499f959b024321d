//! Which processor a model runs on.

use crate::SentimentError;
use candle_core::Device;
use serde::{Deserialize, Serialize};
use std::fmt;
use tapewire_kernels::Precision;

/// `cpu`, `cuda`, or `cuda:1` for the second GPU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(into = "String", try_from = "String")]
pub enum Processor {
    /// The packed engine.
    #[default]
    Cpu,
    /// The GPU of this number, by NVIDIA's CUDA.
    Cuda(usize),
}

impl TryFrom<String> for Processor {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match (text.as_str(), text.strip_prefix("cuda:").map(str::parse)) {
            ("cpu", _) => Ok(Self::Cpu),
            ("cuda", _) => Ok(Self::Cuda(0)),
            (_, Some(Ok(number))) => Ok(Self::Cuda(number)),
            _ => Err(format!("`{text}` is no processor; say cpu, cuda, or cuda:1 for the second GPU")),
        }
    }
}

impl From<Processor> for String {
    fn from(processor: Processor) -> Self {
        processor.to_string()
    }
}

impl fmt::Display for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => write!(f, "cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

/// Opens a GPU.
///
/// # Errors
/// [`SentimentError::Device`] if there is none, this build can't use one, or the precision is not for it.
pub(super) fn open_cuda(number: usize, precision: Precision) -> Result<Device, SentimentError> {
    let error = |reason: String| SentimentError::Device { device: Processor::Cuda(number).to_string(), reason };
    if !candle_core::utils::cuda_is_available() {
        return Err(error(
            "this build is for the processor only; build with `--features cuda`, or say device = \"cpu\"".into(),
        ));
    }
    if precision != Precision::F32 {
        return Err(error(format!("runs in f32, not in {precision}; leave precision out, or say device = \"cpu\"")));
    }
    Device::new_cuda(number).map_err(|problem| error(problem.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Processor, String> {
        Processor::try_from(text.to_owned())
    }

    #[test]
    fn names_are_read_and_others_refused() {
        assert_eq!(parse("cpu"), Ok(Processor::Cpu));
        assert_eq!(parse("cuda"), Ok(Processor::Cuda(0)));
        assert_eq!(parse("cuda:3"), Ok(Processor::Cuda(3)));
        for wrong in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "CPU"] {
            assert!(parse(wrong).unwrap_err().contains(&format!("`{wrong}`")));
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_build_without_cuda_says_how_to_get_one() {
        let error = open_cuda(1, Precision::F32).unwrap_err().to_string();
        assert!(error.contains("cuda:1") && error.contains("--features cuda"), "{error}");
    }
}
