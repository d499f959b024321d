//! The device that a model runs on.

use crate::SentimentError;
use candle_core::Device as CandleDevice;
use serde::{Deserialize, Serialize};
use std::fmt;
use tapewire_kernels::Precision;

/// `cpu`, `cuda`, or `cuda:1` for the second GPU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(into = "String", try_from = "String")]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// The GPU with this number, through NVIDIA's CUDA.
    Cuda(usize),
}

impl TryFrom<String> for Device {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match (text.as_str(), text.strip_prefix("cuda:").map(str::parse)) {
            ("cpu", _) => Ok(Self::Cpu),
            ("cuda", _) => Ok(Self::Cuda(0)),
            (_, Some(Ok(number))) => Ok(Self::Cuda(number)),
            _ => Err(format!("unknown device `{text}`; choose cpu, cuda, or cuda:1 for the second GPU")),
        }
    }
}

impl From<Device> for String {
    fn from(device: Device) -> Self {
        device.to_string()
    }
}

impl fmt::Display for Device {
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
/// [`SentimentError::Device`] if there is no such GPU, this build does not support GPUs, or the GPU does not support
/// the precision.
pub(super) fn open_cuda(number: usize, precision: Precision) -> Result<CandleDevice, SentimentError> {
    let error = |reason: String| SentimentError::Device { device: Device::Cuda(number).to_string(), reason };
    if !candle_core::utils::cuda_is_available() {
        return Err(error(
            "this build supports the processor only; build with `--features cuda`, or set device = \"cpu\"".into(),
        ));
    }
    if precision != Precision::F32 {
        return Err(error(format!(
            "a GPU supports f32, not {precision}; leave precision out or set it to f32, or set device = \"cpu\""
        )));
    }
    CandleDevice::new_cuda(number).map_err(|problem| error(problem.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Device, String> {
        Device::try_from(text.to_owned())
    }

    #[test]
    fn devices_are_parsed_and_others_refused() {
        assert_eq!(parse("cpu"), Ok(Device::Cpu));
        assert_eq!(parse("cuda"), Ok(Device::Cuda(0)));
        assert_eq!(parse("cuda:3"), Ok(Device::Cuda(3)));
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
