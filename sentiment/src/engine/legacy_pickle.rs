//! The format of `torch.save` before PyTorch 1.6, which candle does not read.
//!
//! The file holds five pickles: a magic number, the protocol version (1001), facts about the writer, the dictionary of
//! tensors (each naming its storage by a key), and the list of storage keys. After them come the storages, in the
//! order of that list: for each the number of elements (64 bits, little endian), then the elements.

use candle_core::pickle::{Object, Stack, TensorInfo};
use candle_core::{Device, Error, Result, Tensor};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The pickle of 0x1950a86a20f9469cfc6c, PyTorch's magic number.
const MAGIC: [u8; 15] = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// A checkpoint in the old format: the place of each tensor's elements.
pub struct LegacyPickle {
    path: PathBuf,
    tensors: HashMap<String, TensorInfo>,
    /// Position in the file of the first element of each storage.
    storages: HashMap<String, u64>,
}

impl LegacyPickle {
    /// Reads the pickles.
    ///
    /// # Errors
    /// If the file is not of this format.
    pub fn open(path: &Path) -> Result<Self> {
        let mut reader = BufReader::new(File::open(path)?);
        let mut magic = [0; MAGIC.len()];
        reader.read_exact(&mut magic)?;
        if magic != MAGIC {
            return Err(Error::Msg("neither a zip nor a pickle of older PyTorch versions".into()));
        }
        let _protocol_version = unpickle(&mut reader)?;
        let _facts_about_the_writer = unpickle(&mut reader)?;
        let tensors = tensors(unpickle(&mut reader)?)?;
        let Object::List(keys) = unpickle(&mut reader)? else {
            return Err(Error::Msg("the storage keys are not a list".into()));
        };
        let storages = locate(&mut reader, keys, &tensors)?;
        Ok(Self { path: path.to_owned(), tensors, storages })
    }

    /// Whether the file has a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// A tensor by name, if the file has it.
    ///
    /// # Errors
    /// If its elements can't be read or are not contiguous.
    pub fn get(&self, name: &str) -> Result<Option<Tensor>> {
        let Some(info) = self.tensors.get(name) else { return Ok(None) };
        if !info.layout.is_contiguous() {
            return Err(Error::Msg(format!("{name} is not stored contiguously")));
        }
        let key = storage_key(info);
        let start = self.storages.get(key).ok_or_else(|| Error::Msg(format!("{name}: no storage {key}")))?;
        let mut reader = File::open(&self.path)?;
        // candle gives the layout's offset in bytes here.
        reader.seek(SeekFrom::Start(start + info.layout.start_offset() as u64))?;
        let mut bytes = vec![0; info.layout.shape().elem_count() * info.dtype.size_in_bytes()];
        reader.read_exact(&mut bytes)?;
        Tensor::from_raw_buffer(&bytes, info.dtype, info.layout.dims(), &Device::Cpu).map(Some)
    }
}

fn unpickle(reader: &mut BufReader<File>) -> Result<Object> {
    let mut stack = Stack::empty();
    stack.read_loop(reader)?;
    stack.finalize()
}

/// The tensors of a state dictionary; other entries are skipped.
fn tensors(state: Object) -> Result<HashMap<String, TensorInfo>> {
    let Object::Dict(entries) = state else {
        return Err(Error::Msg("the file holds no dictionary of tensors".into()));
    };
    let mut tensors = HashMap::new();
    for (name, value) in entries {
        if let Some(info) = value.into_tensor_info(name, Path::new(""))? {
            tensors.insert(info.name.clone(), info);
        }
    }
    Ok(tensors)
}

/// candle gives the key as the last component of a path within a zip.
fn storage_key(info: &TensorInfo) -> &str {
    info.path.rsplit('/').next().unwrap_or(&info.path)
}

/// Finds where each storage begins.
fn locate(
    reader: &mut BufReader<File>,
    keys: Vec<Object>,
    tensors: &HashMap<String, TensorInfo>,
) -> Result<HashMap<String, u64>> {
    let widths: HashMap<&str, u64> =
        tensors.values().map(|info| (storage_key(info), info.dtype.size_in_bytes() as u64)).collect();
    let mut storages = HashMap::new();
    for key in keys {
        let Object::Unicode(key) = key else {
            return Err(Error::Msg("a storage key is not text".into()));
        };
        let width = *widths.get(key.as_str()).ok_or_else(|| Error::Msg(format!("no tensor uses storage {key}")))?;
        let mut count = [0; 8];
        reader.read_exact(&mut count)?;
        let start = reader.stream_position()?;
        let bytes = u64::from_le_bytes(count).checked_mul(width).and_then(|bytes| i64::try_from(bytes).ok());
        reader.seek_relative(bytes.ok_or_else(|| Error::Msg(format!("storage {key} has an impossible length")))?)?;
        storages.insert(key, start);
    }
    Ok(storages)
}
