//! A model's tensors by name, from any of three file formats.

use super::legacy_pickle::LegacyPickle;
use crate::SentimentError;
use candle_core::pickle::PthTensors;
use candle_core::safetensors::BufferedSafetensors;
use candle_core::{DType, Device, Tensor};
use safetensors::tensor::{Dtype, TensorView};
use std::path::{Path, PathBuf};
use tapewire_models::Weights;

/// An open weights file.
pub struct Checkpoint {
    path: PathBuf,
    format: Format,
}

enum Format {
    Safetensors(BufferedSafetensors),
    /// `torch.save` since PyTorch 1.6: a zip of a pickle and the raw elements.
    Zip(PthTensors),
    /// `torch.save` before PyTorch 1.6, for example FinBERT.
    Legacy(LegacyPickle),
}

impl Checkpoint {
    /// Opens the file and reads its table of contents.
    ///
    /// # Errors
    /// [`SentimentError::Unreadable`].
    pub fn open(weights: &Weights) -> Result<Self, SentimentError> {
        let path = weights.path().to_owned();
        let unreadable = |reason: String| SentimentError::Unreadable { path: path.clone(), reason };
        let format = match weights {
            Weights::Safetensors(path) => std::fs::read(path)
                .map_err(candle_core::Error::from)
                .and_then(BufferedSafetensors::new)
                .map(Format::Safetensors),
            Weights::PyTorch(path) if is_zip(path) => PthTensors::new(path, None).map(Format::Zip),
            Weights::PyTorch(path) => LegacyPickle::open(path).map(Format::Legacy),
        };
        let format = format.map_err(|error| {
            unreadable(format!("{error}; if the file is not complete, download it again or copy the model once more"))
        })?;
        Ok(Self { path, format })
    }

    /// The first of `names` that the file has, as 32-bit floats of this shape in main memory.
    ///
    /// # Errors
    /// [`SentimentError::Tensor`] if the file has none of them, or if the shape differs. `family` is named in the
    /// error.
    pub fn tensor(&self, names: &[&str], shape: &[usize], family: &str) -> Result<Tensor, SentimentError> {
        let problem = |name: &str, problem: String| SentimentError::Tensor {
            path: self.path.clone(),
            name: name.into(),
            problem,
        };
        for name in names {
            let Some(tensor) = self.get(name).map_err(|error| problem(name, error.to_string()))? else { continue };
            if tensor.dims() != shape {
                return Err(problem(name, format!("shape {:?} where the configuration says {shape:?}", tensor.dims())));
            }
            if !tensor.dtype().is_float() || tensor.dtype().size_in_bytes() < 2 {
                let kind = tensor.dtype().as_str();
                return Err(problem(name, format!("numbers of type {kind}; choose a checkpoint in f32, f16 or bf16")));
            }
            return tensor.to_dtype(DType::F32).map_err(|error| problem(name, error.to_string()));
        }
        let remedy = "choose a model that was fine-tuned to classify texts";
        Err(problem(&names.join(" or "), format!("missing, but every {family} sequence classifier has it; {remedy}")))
    }

    /// Whether the file has a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        match &self.format {
            Format::Safetensors(file) => file.get(name).is_ok(),
            Format::Zip(file) => file.tensor_infos().contains_key(name),
            Format::Legacy(file) => file.contains(name),
        }
    }

    fn get(&self, name: &str) -> candle_core::Result<Option<Tensor>> {
        match &self.format {
            Format::Safetensors(file) => match file.get(name) {
                Err(_) => Ok(None),
                Ok(stored) if stored.dtype() == Dtype::I8 => {
                    widened(&stored, self.get(&format!("{name}_scale"))?).map(Some)
                }
                Ok(_) => file.load(name, &Device::Cpu).map(Some),
            },
            Format::Zip(file) => file.get(name),
            Format::Legacy(file) => file.get(name),
        }
    }
}

/// A matrix of 8-bit integers as 32-bit floats. Row `r` of the model is row `r` of the file times `scales[r]`: the format
/// `int-quantized` of [compressed-tensors] with one scale for each output, which keeps the scales of `NAME` as
/// `NAME_scale`, `[rows, 1]`.
///
/// [compressed-tensors]: https://github.com/vllm-project/compressed-tensors
fn widened(stored: &TensorView<'_>, scales: Option<Tensor>) -> candle_core::Result<Tensor> {
    let wrong = |found: &str| {
        candle_core::Error::Msg(format!(
            "8-bit integers {found}; choose a checkpoint with one scale for each row, or in f32, f16 or bf16"
        ))
    };
    let scales = scales.ok_or_else(|| wrong("without scales"))?;
    let &[rows, columns] = stored.shape() else { return Err(wrong("that are not a matrix")) };
    if scales.dims() != [rows, 1] {
        return Err(wrong(&format!("with scales of shape {:?}", scales.dims())));
    }
    let integers: Vec<f32> = stored.data().iter().map(|&byte| f32::from(byte.cast_signed())).collect();
    Tensor::from_vec(integers, (rows, columns), &Device::Cpu)?.broadcast_mul(&scales.to_dtype(DType::F32)?)
}

fn is_zip(path: &Path) -> bool {
    use std::io::Read;
    let mut start = [0; 4];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *b"PK\x03\x04"
}
